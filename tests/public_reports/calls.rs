//! Tool calls and their arguments, and structured output, as models and gateways really write them.
