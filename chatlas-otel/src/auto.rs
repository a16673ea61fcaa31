//! Sets telemetry up for programs that do not (the feature `auto-init` of `chatlas`): when the first
//! provider of a model is created, and without a guard.
//!
//! A program does not drop statics when it ends, so the last spans would be lost. Its threads do
//! end, including the main thread: a thread that has ended spans flushes telemetry when it ends.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chatlas_core::telemetry::has_tracer_provider;
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::error::SetupError;
use crate::guard::Guard;
use crate::health::report;
use crate::telemetry::Telemetry;

/// Sets telemetry up from the environment, once, unless the program has done so itself. A program
/// that does so later replaces it.
pub fn auto_init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if has_tracer_provider() {
            return;
        }
        match Telemetry::new().unattended(FlushAtThreadEnd).install() {
            Ok(guard) => *Guard::automatic() = Some(guard),
            // The program has set up metrics or events, but no traces.
            Err(SetupError::AlreadyInstalled) => {}
            Err(error) => report(&error),
        }
    });
}

/// Records which threads end spans.
#[derive(Debug)]
struct FlushAtThreadEnd;

impl SpanProcessor for FlushAtThreadEnd {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {
        // Fails while the thread ends. Its last spans are then exported after the usual delay.
        let _ = THREAD_END.try_with(|end| end.has_ended_spans.set(true));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

thread_local! {
    static THREAD_END: ThreadEnd = const { ThreadEnd { has_ended_spans: Cell::new(false) } };
}

/// Flushes telemetry when it is dropped, which is when its thread ends.
struct ThreadEnd {
    has_ended_spans: Cell<bool>,
}

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        static REPORTED: AtomicBool = AtomicBool::new(false);
        if !self.has_ended_spans.get() {
            return;
        }
        let flushed = Guard::automatic().as_ref().map(Guard::flush);
        if let Some(Err(error)) = flushed
            && !REPORTED.swap(true, Ordering::Relaxed)
        {
            report(&error);
        }
    }
}
