//! Keeps panics of the program's telemetry code away from the chat.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls code that belongs to the program: samplers, processors, exporters, views.
///
/// Returns `None` if it panics. What was being recorded is lost; the chat is not affected.
pub(super) fn shielded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}
