//! Fuzzes captured content and its size limit.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chatlas_fuzz::capture(bytes));
