//! Telemetry of programs that say nothing of it (the feature `auto-init` of `chatlas`): set up
//! when the first provider is made, and sent though nobody holds a guard.
//!
//! A program that ends drops no statics, so the last spans would be lost. What does end are its
//! threads, the main one included: a thread that has ended spans sends what there is when it ends.

use std::cell::Cell;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;

use chatlas_core::telemetry::has_tracer_provider;
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::{Guard, SetupError, Telemetry};

static GUARD: OnceLock<Guard> = OnceLock::new();

/// Sets up what the environment says, once, unless the program has done so itself.
pub fn auto_init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if has_tracer_provider() {
            return;
        }
        match Telemetry::new().unattended().install() {
            Ok(guard) => {
                // This runs once.
                let _ = GUARD.set(guard);
            }
            // The program has set up metrics or events alone.
            Err(SetupError::AlreadyInstalled) => {}
            Err(error) => say(&error),
        }
    });
}

/// There is nobody to whom an error could be returned.
fn say(error: &SetupError) {
    let _ = writeln!(std::io::stderr(), "chatlas::otel: {error}");
}

/// Notes on which threads spans end.
#[derive(Debug)]
pub(super) struct AtThreadEnd;

impl SpanProcessor for AtThreadEnd {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {
        // Where the thread is at its end already, what follows is sent after the usual delay.
        let _ = LAST.try_with(|last| last.0.set(true));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

thread_local! {
    static LAST: AtEnd = const { AtEnd(Cell::new(false)) };
}

/// Whether spans have ended on this thread. Dropped when it ends.
struct AtEnd(Cell<bool>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !self.0.get() {
            return;
        }
        if let Some(Err(error)) = GUARD.get().map(Guard::flush)
            && !TOLD.swap(true, Ordering::Relaxed)
        {
            say(&error);
        }
    }
}
