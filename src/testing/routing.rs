//! The global OpenTelemetry providers of a test process. All recorders share them; each span,
//! measurement and event is routed to the recorder that it belongs to.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatlas_core::telemetry::{EventSink, set_event_sink};
use opentelemetry::trace::{Span as _, SpanContext, SpanId, TraceContextExt as _, TraceId};
use opentelemetry::{Context, InstrumentationScope, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use tokio::sync::Notify;

use super::metrics::{Instrument, Measurement, Meters, Metric};
use super::{RecordedEvent, RecordedSpan};

/// The telemetry of one recorder.
#[derive(Debug, Default)]
pub(super) struct Recording {
    signals: Mutex<Signals>,
    /// Notified when a span ends.
    pub(super) span_ended: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) spans: Vec<RecordedSpan>,
    pub(super) metrics: Vec<Metric>,
    pub(super) events: Vec<RecordedEvent>,
    /// The names of the spans that have started but not ended.
    pub(super) open: HashMap<SpanKey, String>,
}

pub(super) type SpanKey = (TraceId, SpanId);

impl Recording {
    pub(super) fn signals(&self) -> MutexGuard<'_, Signals> {
        lock(&self.signals)
    }

    pub(super) fn add_measurement(&self, instrument: &Arc<Instrument>, measurement: Measurement) {
        let mut signals = self.signals();
        match signals.metrics.iter_mut().find(|metric| metric.instrument == *instrument) {
            Some(metric) => metric.measurements.push(measurement),
            None => signals.metrics.push(Metric {
                instrument: Arc::clone(instrument),
                measurements: vec![measurement],
            }),
        }
    }
}

/// A context value: telemetry that starts in the context belongs to this recording.
#[derive(Clone)]
pub(super) struct ContextRecording(pub(super) Arc<Recording>);

/// The active recorders, and the recording that each span belongs to.
#[derive(Default)]
struct Registry {
    recorder_count: usize,
    /// The recording of a recorder for the entire process.
    process_recording: Option<Arc<Recording>>,
    spans: HashMap<SpanKey, Arc<Recording>>,
    /// The number of spans that started outside the context of any recorder.
    unassigned_spans: usize,
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

static PROVIDERS: LazyLock<Providers> = LazyLock::new(|| Providers {
    traces: SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().build())
        .with_span_processor(Router)
        .build(),
    metrics: Meters::new(),
    events: SdkLoggerProvider::builder()
        .with_resource(Resource::builder_empty().build())
        .with_log_processor(Router)
        .build(),
});

struct Providers {
    traces: SdkTracerProvider,
    metrics: Meters,
    events: SdkLoggerProvider,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panics while it holds the lock must not fail the other tests.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers a recorder. The first of several sets the global providers again, because an earlier
/// test may have replaced them.
pub(super) fn register(recording: &Arc<Recording>, for_process: bool) {
    let mut registry = lock(&REGISTRY);
    registry.recorder_count += 1;
    if registry.recorder_count == 1 {
        registry.unassigned_spans = 0;
        global::set_tracer_provider(PROVIDERS.traces.clone());
        global::set_meter_provider(PROVIDERS.metrics.clone());
        set_event_sink(Some(EventSink::new(&PROVIDERS.events)));
    }
    if for_process {
        registry.process_recording = Some(Arc::clone(recording));
    }
}

/// Removes a recorder.
pub(super) fn unregister(recording: &Arc<Recording>) {
    let mut registry = lock(&REGISTRY);
    registry.recorder_count -= 1;
    registry.process_recording = None;
    registry.spans.retain(|_, owner| !Arc::ptr_eq(owner, recording));
}

/// Returns the number of spans that started outside the context of any recorder.
pub(super) fn unassigned_spans() -> usize {
    lock(&REGISTRY).unassigned_spans
}

/// Returns the tracer provider that all recorders share.
pub(super) fn tracer_provider() -> SdkTracerProvider {
    PROVIDERS.traces.clone()
}

/// Returns the recording that telemetry in this context belongs to.
pub(super) fn current_recording(context: &Context) -> Option<Arc<Recording>> {
    lock(&REGISTRY).recording_of(context)
}

impl Registry {
    fn recording_of(&self, context: &Context) -> Option<Arc<Recording>> {
        let span = context.span();
        let parent = span.span_context();
        let by_context = context.get::<ContextRecording>().map(|value| Arc::clone(&value.0));
        let by_parent = || self.spans.get(&key(parent)).cloned();
        // A local parent that is not registered belongs to a test that has finished.
        let is_root = !parent.is_valid() || parent.is_remote();
        let by_process = || self.process_recording.clone().filter(|_| is_root);
        by_context.or_else(by_parent).or_else(by_process)
    }
}

fn key(span: &SpanContext) -> SpanKey {
    (span.trace_id(), span.span_id())
}

/// Passes each span and event to its recording.
#[derive(Debug)]
struct Router;

impl SpanProcessor for Router {
    fn on_start(&self, span: &mut Span, parent: &Context) {
        let mut registry = lock(&REGISTRY);
        let Some(recording) = registry.recording_of(parent) else {
            registry.unassigned_spans += 1;
            return;
        };
        let key = key(span.span_context());
        let name = span.exported_data().map_or_else(String::new, |data| data.name.into_owned());
        recording.signals().open.insert(key, name);
        registry.spans.insert(key, recording);
    }

    fn on_end(&self, span: SpanData) {
        let key = key(&span.span_context);
        let Some(recording) = lock(&REGISTRY).spans.get(&key).cloned() else { return };
        let mut signals = recording.signals();
        signals.open.remove(&key);
        signals.spans.push(RecordedSpan::new(span));
        drop(signals);
        recording.span_ended.notify_waiters();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for Router {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        let registry = lock(&REGISTRY);
        let parent = record.trace_context().map(|trace| (trace.trace_id, trace.span_id));
        let by_parent = parent.and_then(|key| registry.spans.get(&key).cloned());
        let recording = by_parent.or_else(|| registry.recording_of(&Context::current()));
        drop(registry);
        if let Some(recording) = recording {
            recording.signals().events.push(RecordedEvent::new(record));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}
