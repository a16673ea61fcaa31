//! Finds out which parts of an OpenTelemetry SDK are installed.
//!
//! The result is valid for one run only: a tracer that was created before an SDK was installed never
//! records, and one that was created before the SDK was replaced records to the old one.

use std::sync::{Arc, OnceLock};

use opentelemetry::Context;
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};

use super::events::{self, EventSink};
use super::metrics::{self, Instruments};
use super::names;
use super::shield::shielded;

/// What is installed; at least one field is set.
pub(super) struct Installed {
    pub(super) tracer: Option<BoxedTracer>,
    pub(super) instruments: Option<Arc<Instruments>>,
    pub(super) sink: Option<EventSink>,
}

impl Installed {
    /// Looks up the global providers and the event sink. Returns `None` if nothing is installed.
    pub(super) fn find() -> Option<Self> {
        let tracer = shielded(tracer).flatten();
        let instruments = shielded(metrics::instruments).flatten();
        let sink = events::event_sink();
        if tracer.is_none() && instruments.is_none() && sink.is_none() {
            return None;
        }
        Some(Self { tracer, instruments, sink })
    }
}

/// Returns a tracer of the current global provider, or `None` if no SDK is installed.
pub(super) fn tracer() -> Option<BoxedTracer> {
    Some(global::tracer_with_scope(names::instrumentation_scope())).filter(|it| !is_noop(it))
}

/// Returns whether a tracer provider is installed, so that spans may be recorded.
///
/// No span is exported by this check.
pub fn has_tracer_provider() -> bool {
    !is_noop(&global::tracer(names::SCOPE_NAME))
}

/// Returns whether this is the tracer that the API returns if no SDK is installed.
///
/// The API has no function for this, and an ordinary span started to find out would be exported.
/// Under a context with suppressed telemetry, an SDK returns a span with an invalid context, and the
/// no-op tracer returns one with the context of the parent.
fn is_noop(tracer: &BoxedTracer) -> bool {
    static PROBE: OnceLock<Context> = OnceLock::new();
    let parent = SpanId::from(1);
    let probe = PROBE.get_or_init(|| {
        let flags = TraceFlags::NOT_SAMPLED;
        let remote = SpanContext::new(TraceId::from(1), parent, flags, true, TraceState::NONE);
        Context::new().with_remote_span_context(remote).with_telemetry_suppressed()
    });
    let span = tracer.build_with_context(SpanBuilder::default(), probe);
    !span.is_recording() && span.span_context().span_id() == parent
}
