//! The SDK of the simulation. The global provider of OpenTelemetry delegates to the SDK that the
//! current thread has installed, so that threads need not wait for each other.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chatlas::telemetry::{EventSink, set_event_sink};
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{Span as _, SpanContext, SpanId, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use tokio::runtime::{Builder, Runtime};

use super::world;

/// No SDK, two that record, one that samples nothing, one that samples half of the traces.
pub(super) const INSTALLED_KINDS: usize = 5;

/// The records of one thread.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Started spans, with the number of the SDK.
    pub(super) started: Vec<(usize, SpanContext, InstrumentationScope)>,
    pub(super) ended: Vec<(usize, SpanData)>,
    pub(super) events: Vec<SdkLogRecord>,
}

/// A thread of the simulation with its SDKs.
#[derive(Debug)]
pub(super) struct Worker {
    installed: AtomicUsize,
    sdks: Vec<SdkTracerProvider>,
    log: Arc<Mutex<Log>>,
}

thread_local! {
    static WORKER: RefCell<Option<Arc<Worker>>> = const { RefCell::new(None) };
}

/// Returns the worker of this thread, or of the runtime that this thread belongs to.
pub(super) fn worker() -> Arc<Worker> {
    WORKER.with_borrow(|worker| worker.clone().expect("a thread of the simulation"))
}

#[derive(Debug)]
struct Collect(usize, Arc<Mutex<Log>>);

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SpanProcessor for Collect {
    fn on_start(&self, span: &mut Span, _: &Context) {
        let data = span.exported_data().expect("a recording span");
        lock(&self.1).started.push((
            self.0,
            span.span_context().clone(),
            data.instrumentation_scope,
        ));
    }

    fn on_end(&self, span: SpanData) {
        lock(&self.1).ended.push((self.0, span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Worker {
    /// Makes this thread a worker.
    pub(super) fn start() -> Arc<Self> {
        let log = Arc::new(Mutex::new(Log::default()));
        let half = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.5)));
        let samplers = [Sampler::AlwaysOn, Sampler::AlwaysOn, Sampler::AlwaysOff, half];
        let sdks = samplers.into_iter().enumerate().map(|(number, sampler)| {
            SdkTracerProvider::builder()
                .with_sampler(sampler)
                .with_span_processor(Collect(number, Arc::clone(&log)))
                .build()
        });
        let worker = Arc::new(Self { installed: AtomicUsize::new(0), sdks: sdks.collect(), log });
        WORKER.set(Some(Arc::clone(&worker)));
        worker
    }

    /// Creates a runtime with a paused clock that advances when all tasks wait. It has at most one
    /// blocking thread, so that waiting for one blocking task waits for all earlier ones.
    pub(super) fn runtime(self: &Arc<Self>) -> Runtime {
        let worker = Arc::clone(self);
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .max_blocking_threads(1)
            .on_thread_start(move || WORKER.set(Some(Arc::clone(&worker))))
            .build()
            .expect("a runtime")
    }

    /// Installs another SDK, as a program may at any time.
    pub(super) fn install(&self, number: usize) {
        self.installed.store(number, Ordering::Relaxed);
    }

    pub(super) fn begin(&self, number: usize) {
        *lock(&self.log) = Log::default();
        self.install(number);
    }

    pub(super) fn take(&self) -> Log {
        std::mem::take(&mut *lock(&self.log))
    }

    pub(super) fn open_spans_of_the_library(&self) -> Vec<SpanContext> {
        let log = lock(&self.log);
        let ended: HashSet<SpanId> =
            log.ended.iter().map(|(_, span)| span.span_context.span_id()).collect();
        log.started
            .iter()
            .filter(|(_, span, scope)| {
                scope.name() == "chatlas" && !ended.contains(&span.span_id())
            })
            .map(|(_, span, _)| span.clone())
            .collect()
    }
}

/// The global provider, which delegates to the current thread's SDK.
#[derive(Debug)]
struct ThreadLocalProvider;

impl TracerProvider for ThreadLocalProvider {
    type Tracer = BoxedTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> BoxedTracer {
        let worker = worker();
        match worker.installed.load(Ordering::Relaxed).checked_sub(1) {
            None => BoxedTracer::new(Box::new(opentelemetry::trace::noop::NoopTracer::new())),
            Some(number) => {
                BoxedTracer::new(Box::new(worker.sdks[number].tracer_with_scope(scope)))
            }
        }
    }
}

#[derive(Debug)]
struct CollectEvents;

impl LogProcessor for CollectEvents {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        lock(&worker().log).events.push(record.clone());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}

static METRICS: Mutex<Option<(SdkMeterProvider, InMemoryMetricExporter)>> = Mutex::new(None);

/// Installs the global providers.
pub(super) fn install() {
    global::set_tracer_provider(ThreadLocalProvider);
    let logs = SdkLoggerProvider::builder().with_log_processor(CollectEvents).build();
    set_event_sink(Some(EventSink::new(&logs)));
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone())
        .with_interval(std::time::Duration::from_secs(3600))
        .build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    global::set_meter_provider(meters.clone());
    *METRICS.lock().unwrap() = Some((meters, exporter));
}

/// Checks that no metric contains content.
pub(super) fn check_metrics() {
    let metrics = METRICS.lock().unwrap();
    let (meters, exporter) = metrics.as_ref().expect("installed");
    meters.force_flush().expect("the reader works");
    let shown = format!("{:?}", exporter.get_finished_metrics().expect("the exporter works"));
    assert!(shown.contains("gen_ai.invoke_agent.duration"));
    assert!(!shown.contains(world::PROMPT) && !shown.contains(world::BODY));
}
