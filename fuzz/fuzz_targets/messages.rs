//! Fuzzes replies of the protocol `messages`.
#![no_main]

use chatlas_fuzz::{protocols, reply};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reply(&protocols::MESSAGES, bytes));
