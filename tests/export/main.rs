//! Exports of `chatlas::otel` under load and against receivers that refuse, fail or are late: nothing
//! is lost in silence.

#[path = "../support/otlp.rs"]
mod otlp;
#[cfg(feature = "otel-grpc")]
#[path = "../support/otlp_grpc.rs"]
mod otlp_grpc;
#[cfg(unix)]
#[path = "../support/server.rs"]
mod server;

mod delivery;
#[cfg(feature = "otel-grpc")]
mod grpc;
mod local;
#[cfg(unix)]
mod programs;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{KeyValue, global};

/// One after the other: there is one global SDK.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records a span with a text of this length.
fn span_with_text(length: usize) {
    let mut span = global::tracer("test").start("work");
    span.set_attribute(KeyValue::new("text", "x".repeat(length)));
    span.end();
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}
