//! Fuzzes replies of the protocol `invoke_model`.
#![no_main]

use chatlas_fuzz::{protocols, reply};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reply(&protocols::bedrock::INVOKE_MODEL, bytes));
