//! A recorder of spans (with their attributes at the start), metrics and events. Tests that record
//! run one after the other, because the providers are global.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatlas::telemetry::{EventSink, set_event_sink};
use opentelemetry::trace::SpanId;
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SdkTracerProvider, Span, SpanData, SpanProcessor,
};

static TURN: Mutex<()> = Mutex::new(());

/// The signals recorded since it was created.
pub struct Signals {
    spans: InMemorySpanExporter,
    starts: Starts,
    metrics: InMemoryMetricExporter,
    meter: SdkMeterProvider,
    events: InMemoryLogExporter,
    _turn: MutexGuard<'static, ()>,
}

/// The attributes of spans at their start, which samplers receive.
#[derive(Clone, Debug, Default)]
struct Starts(Arc<Mutex<HashMap<SpanId, Vec<KeyValue>>>>);

impl SpanProcessor for Starts {
    fn on_start(&self, span: &mut Span, _: &Context) {
        if let Some(data) = span.exported_data() {
            self.0.lock().unwrap().insert(data.span_context.span_id(), data.attributes);
        }
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Starts to record all signals of the process.
pub fn signals() -> Signals {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (spans, starts) = (InMemorySpanExporter::default(), Starts::default());
    let tracer = SdkTracerProvider::builder()
        .with_span_processor(starts.clone())
        .with_simple_exporter(spans.clone())
        .build();
    global::set_tracer_provider(tracer);
    let metrics = InMemoryMetricExporter::default();
    let reader =
        PeriodicReader::builder(metrics.clone()).with_interval(Duration::from_secs(3600)).build();
    let meter = SdkMeterProvider::builder().with_reader(reader).build();
    global::set_meter_provider(meter.clone());
    let events = InMemoryLogExporter::default();
    let logger = SdkLoggerProvider::builder().with_simple_exporter(events.clone()).build();
    set_event_sink(Some(EventSink::new(&logger)));
    Signals { spans, starts, metrics, meter, events, _turn: turn }
}

impl Drop for Signals {
    fn drop(&mut self) {
        set_event_sink(None);
    }
}

impl Signals {
    /// Returns the ended spans in start order.
    pub fn spans(&self) -> Vec<SpanData> {
        let mut spans = self.spans.get_finished_spans().expect("the exporter works");
        spans.sort_by_key(|span| span.start_time);
        spans
    }

    /// Returns the only span with this name.
    pub fn span(&self, name: &str) -> SpanData {
        let mut found = self.spans().into_iter().filter(|span| span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("no span `{name}`: {:?}", self.names()));
        assert!(found.next().is_none(), "several spans `{name}`");
        span
    }

    fn names(&self) -> Vec<String> {
        self.spans().iter().map(|span| span.name.to_string()).collect()
    }

    /// Returns the attributes that a span had at its start.
    pub fn start_of(&self, span: &SpanData) -> Vec<KeyValue> {
        let starts = self.starts.0.lock().unwrap();
        starts.get(&span.span_context.span_id()).cloned().unwrap_or_default()
    }

    /// Returns the events in the order they were emitted.
    pub fn events(&self) -> Vec<SdkLogRecord> {
        let logs = self.events.get_emitted_logs().expect("the exporter works");
        logs.into_iter().map(|log| log.record).collect()
    }

    /// Returns the events with this name.
    pub fn events_named(&self, name: &str) -> Vec<SdkLogRecord> {
        self.events().into_iter().filter(|event| event.event_name() == Some(name)).collect()
    }

    /// Passes the current state of every metric to `show`.
    pub fn each_metric(&self, mut show: impl FnMut(&Metric)) {
        self.metrics.reset();
        self.meter.force_flush().expect("the reader works");
        let collected = self.metrics.get_finished_metrics().expect("the exporter works");
        let scopes = collected.iter().flat_map(ResourceMetrics::scope_metrics);
        scopes.flat_map(ScopeMetrics::metrics).for_each(&mut show);
    }

    /// Removes the recorded spans and events; metrics are cumulative.
    pub fn clear(&self) {
        self.spans.reset();
        self.starts.0.lock().unwrap().clear();
        self.events.reset();
    }
}
