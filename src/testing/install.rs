//! The one set of providers of a test process, and whose each span, measurement and event is.

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

/// What one recorder has got.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    kept: Mutex<Kept>,
    /// Tells of each span that ends.
    pub(super) ended: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) spans: Vec<RecordedSpan>,
    pub(super) metrics: Vec<Metric>,
    pub(super) events: Vec<RecordedEvent>,
    /// The names of the spans that have started and not ended.
    pub(super) open: HashMap<SpanKey, String>,
}

pub(super) type SpanKey = (TraceId, SpanId);

impl Inbox {
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    pub(super) fn measured(&self, instrument: &Arc<Instrument>, measurement: Measurement) {
        let mut kept = self.kept();
        match kept.metrics.iter_mut().find(|metric| metric.instrument == *instrument) {
            Some(metric) => metric.measurements.push(measurement),
            None => kept.metrics.push(Metric {
                instrument: Arc::clone(instrument),
                measurements: vec![measurement],
            }),
        }
    }
}

/// The mark of a context: what starts in it is of that recorder.
#[derive(Clone)]
pub(super) struct Mark(pub(super) Arc<Inbox>);

/// Who records.
#[derive(Default)]
struct Owners {
    /// How many there are.
    recorders: usize,
    /// The one that takes everything.
    exclusive: Option<Arc<Inbox>>,
    spans: HashMap<SpanKey, Arc<Inbox>>,
    /// Spans that started where nobody recorded.
    strays: usize,
}

static OWNERS: LazyLock<Mutex<Owners>> = LazyLock::new(Mutex::default);

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
    // A test that failed while it held the lock has lost its own data at most.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to record. The first of several makes the providers the global ones: a test before it
/// may have set others.
pub(super) fn begin(inbox: &Arc<Inbox>, exclusive: bool) {
    let mut owners = lock(&OWNERS);
    owners.recorders += 1;
    if owners.recorders == 1 {
        owners.strays = 0;
        global::set_tracer_provider(PROVIDERS.traces.clone());
        global::set_meter_provider(PROVIDERS.metrics.clone());
        set_event_sink(Some(EventSink::new(&PROVIDERS.events)));
    }
    if exclusive {
        owners.exclusive = Some(Arc::clone(inbox));
    }
}

/// Records no more.
pub(super) fn end(inbox: &Arc<Inbox>) {
    let mut owners = lock(&OWNERS);
    owners.recorders -= 1;
    owners.exclusive = None;
    owners.spans.retain(|_, owner| !Arc::ptr_eq(owner, inbox));
}

/// How many spans started lately where nobody recorded.
pub(super) fn strays() -> usize {
    lock(&OWNERS).strays
}

/// The tracer provider that all recorders share.
pub(super) fn tracer_provider() -> SdkTracerProvider {
    PROVIDERS.traces.clone()
}

/// Who records what happens in that context.
pub(super) fn owner_here(context: &Context) -> Option<Arc<Inbox>> {
    lock(&OWNERS).of(context)
}

impl Owners {
    fn of(&self, context: &Context) -> Option<Arc<Inbox>> {
        let span = context.span();
        let parent = span.span_context();
        let marked = context.get::<Mark>().map(|mark| Arc::clone(&mark.0));
        let below = || self.spans.get(&key(parent)).cloned();
        // Below a span that began before, it belongs to a test that is over.
        let fresh = !parent.is_valid() || parent.is_remote();
        let anybody = || self.exclusive.clone().filter(|_| fresh);
        marked.or_else(below).or_else(anybody)
    }
}

fn key(span: &SpanContext) -> SpanKey {
    (span.trace_id(), span.span_id())
}

/// Brings spans and events to their recorders.
#[derive(Debug)]
struct Router;

impl SpanProcessor for Router {
    fn on_start(&self, span: &mut Span, parent: &Context) {
        let mut owners = lock(&OWNERS);
        let Some(owner) = owners.of(parent) else {
            owners.strays += 1;
            return;
        };
        let key = key(span.span_context());
        let name = span.exported_data().map_or_else(String::new, |data| data.name.into_owned());
        owner.kept().open.insert(key, name);
        owners.spans.insert(key, owner);
    }

    fn on_end(&self, span: SpanData) {
        let key = key(&span.span_context);
        let Some(owner) = lock(&OWNERS).spans.get(&key).cloned() else { return };
        let mut kept = owner.kept();
        kept.open.remove(&key);
        kept.spans.push(RecordedSpan::new(span));
        drop(kept);
        owner.ended.notify_waiters();
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
        let owners = lock(&OWNERS);
        let within = record.trace_context().map(|trace| (trace.trace_id, trace.span_id));
        let by_span = within.and_then(|key| owners.spans.get(&key).cloned());
        let owner = by_span.or_else(|| owners.of(&Context::current()));
        drop(owners);
        if let Some(owner) = owner {
            owner.kept().events.push(RecordedEvent::new(record));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}
