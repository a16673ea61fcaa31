//! Token counts: which parts are inside a total, and which are beside it.
