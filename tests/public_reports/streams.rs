//! Streams that end, fail or repeat themselves in unusual ways.
