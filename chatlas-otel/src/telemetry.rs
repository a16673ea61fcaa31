//! `Telemetry`: what is to be done with traces, metrics and events, and the SDK made of it.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    BatchLogProcessor, LogProcessor, LoggerProviderBuilder, SdkLoggerProvider, SimpleLogProcessor,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracerProvider, ShouldSample, SimpleSpanProcessor, SpanExporter,
    SpanProcessor,
};

use super::auto::AtThreadEnd;
use super::batching::Batching;
use super::console::Console;
use super::env::Env;
use super::exporters::Watched;
use super::file::{OtlpFile, OtlpLines};
use super::guard::{Guard, SHUTDOWN};
use super::html::Report;
use super::json::JsonLines;
use super::limits::{Limited, Limits};
use super::losses::{CountedEvents, CountedSpans};
use super::otlp::{Exporter, Otlp, Signal, Target, exporters, target};
use super::output::Output;
use super::prices::Prices;
use super::{SetupError, propagation, resource, sampling, waterfall};
use chatlas_core::telemetry::{Capture, set_default_capture};

/// What is to be done with traces, metrics and events. Nothing, until one of the methods says so.
///
/// Of the standard environment, where telemetry goes is read with [`from_env`](Self::from_env)
/// alone. What else it says of an SDK holds in any case: the resource, the sampler, the limits,
/// the batches, the propagators. What the program says in code wins over the environment.
///
/// ```no_run
/// # fn main() -> Result<(), chatlas::otel::SetupError> {
/// use chatlas::otel::{Otlp, Telemetry, sdk::trace::Sampler};
/// use chatlas::telemetry::Capture;
///
/// let _telemetry = Telemetry::new()
///     .service_name("travel-assistant")
///     .resource_attribute("deployment.environment.name", "production")
///     .sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.1))))
///     .capture(Capture::Spans)
///     .otlp(Otlp::to("http://collector:4318").gzip())
///     .html("traces.html")
///     .install()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is set up before `install`"]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub struct Telemetry {
    console: bool,
    json: bool,
    from_env: bool,
    messages: bool,
    unattended: bool,
    output: Output,
    files: Vec<PathBuf>,
    reports: Vec<PathBuf>,
    receivers: Vec<Otlp>,
    service_name: Option<String>,
    attributes: Vec<KeyValue>,
    sampler: Option<Box<dyn ShouldSample>>,
    capture: Option<Capture>,
    value_length_limit: Option<usize>,
    prices: Prices,
    propagator: Option<Box<dyn TextMapPropagator + Send + Sync>>,
    span_processors: Vec<Box<dyn SpanProcessor>>,
    metric_readers: Vec<Add<MeterProviderBuilder>>,
    log_processors: Vec<Add<LoggerProviderBuilder>>,
    shutdown_timeout: Duration,
}

/// Adds something of the program's to the builder of a provider.
type Add<B> = Box<dyn FnOnce(B) -> B + Send>;

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            console: false,
            json: false,
            from_env: false,
            messages: false,
            unattended: false,
            output: Output::default(),
            files: Vec::new(),
            reports: Vec::new(),
            receivers: Vec::new(),
            service_name: None,
            attributes: Vec::new(),
            sampler: None,
            capture: None,
            value_length_limit: None,
            prices: Prices::default(),
            propagator: None,
            span_processors: Vec::new(),
            metric_readers: Vec::new(),
            log_processors: Vec::new(),
            shutdown_timeout: SHUTDOWN,
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("console", &self.console)
            .field("json", &self.json)
            .field("from_env", &self.from_env)
            .field("files", &self.files)
            .field("reports", &self.reports)
            .field("receivers", &self.receivers)
            .finish_non_exhaustive()
    }
}

/// Where it goes.
impl Telemetry {
    /// Nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws waterfalls, as [`console`](super::console()) does.
    pub fn console(mut self) -> Self {
        self.console = true;
        self
    }

    /// Writes JSON lines, as [`json`](super::json()) does.
    pub fn json(mut self) -> Self {
        self.json = true;
        self
    }

    /// Exports as the environment says, as [`init`](super::init) does.
    pub fn from_env(mut self) -> Self {
        self.from_env = true;
        self
    }

    /// Exports to that receiver, whatever the environment says. It may be called more than once.
    pub fn otlp(mut self, receiver: Otlp) -> Self {
        self.receivers.push(receiver);
        self
    }

    /// Appends OTLP to that file, a line of JSON for each batch: the form that the collector's
    /// file exporter writes and its file receiver reads.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Writes a report to that file, as [`html`](super::html()) does.
    pub fn html(mut self, path: impl Into<PathBuf>) -> Self {
        self.reports.push(path.into());
        self
    }

    /// Has waterfalls and JSON lines written there, without colour, instead of on standard output.
    /// A writer that fails loses what was written, and disturbs nobody.
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.output = Output::to(writer);
        self
    }

    /// Has that processor see every span, behind the limits.
    pub fn span_processor(mut self, processor: impl SpanProcessor + 'static) -> Self {
        self.span_processors.push(Box::new(processor));
        self
    }

    /// Exports spans by that exporter, in batches. What it fails to send is told at the end.
    pub fn span_exporter(self, exporter: impl SpanExporter + 'static) -> Self {
        self.span_processor(BatchSpanProcessor::builder(exporter).build())
    }

    /// Exports readings of the metrics by that exporter, every `OTEL_METRIC_EXPORT_INTERVAL` (a
    /// minute unless set) and at the end.
    pub fn metric_exporter(mut self, exporter: impl PushMetricExporter) -> Self {
        let reader = PeriodicReader::builder(exporter).build();
        self.metric_readers.push(Box::new(move |builder| builder.with_reader(reader)));
        self
    }

    /// Has that processor see every event.
    pub fn log_processor(mut self, processor: impl LogProcessor + 'static) -> Self {
        self.log_processors.push(Box::new(move |builder| builder.with_log_processor(processor)));
        self
    }
}

/// What it says, and how much.
impl Telemetry {
    /// The name of this service, instead of that in the environment.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Says that of the service (`deployment.environment.name`, `service.version`, …), instead of
    /// what the environment says under that key.
    pub fn resource_attribute(
        mut self,
        key: impl Into<opentelemetry::Key>,
        value: impl Into<opentelemetry::Value>,
    ) -> Self {
        self.attributes.push(KeyValue::new(key, value));
        self
    }

    /// Decides by that which traces are recorded, instead of `OTEL_TRACES_SAMPLER`.
    pub fn sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.sampler = Some(Box::new(sampler));
        self
    }

    /// What of the content of chats is recorded, instead of what
    /// `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says. A chat that says so itself has
    /// the last word.
    pub fn capture(mut self, capture: Capture) -> Self {
        self.capture = Some(capture);
        self
    }

    /// The most bytes of a text in a span, instead of `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`. Content
    /// is cut so that it stays JSON.
    pub fn value_length_limit(mut self, bytes: usize) -> Self {
        self.value_length_limit = Some(bytes);
        self
    }

    /// What models cost: waterfalls and reports then tell what traces cost.
    pub fn prices(mut self, prices: Prices) -> Self {
        self.prices = prices;
        self
    }

    /// Whether waterfalls show the messages below them, as far as they are captured.
    pub fn console_messages(mut self, shown: bool) -> Self {
        self.messages = shown;
        self
    }

    /// Reads and writes the trace headers of other programs by that, instead of
    /// `OTEL_PROPAGATORS`.
    pub fn propagator(
        mut self,
        propagator: impl TextMapPropagator + Send + Sync + 'static,
    ) -> Self {
        self.propagator = Some(Box::new(propagator));
        self
    }

    /// How long the end waits for telemetry to be sent: five seconds unless set.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }
}

/// The SDK made of it.
impl Telemetry {
    /// Exports as the environment says, soon, and when threads end: nobody holds the guard.
    pub(super) fn unattended(mut self) -> Self {
        self.unattended = true;
        self.from_env()
    }

    /// Makes the SDK the global one. Keep the guard until the program ends.
    ///
    /// With `OTEL_SDK_DISABLED=true`, or where nothing is to be done, nothing is installed, and
    /// spans cost next to nothing.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where the program or the environment says something that cannot be done, or
    /// where telemetry is set up already.
    pub fn install(self) -> Result<Guard, SetupError> {
        // Before any file is opened: that of the telemetry which is there stays as it is.
        if Guard::is_installed() {
            return Err(SetupError::AlreadyInstalled);
        }
        let lookup = |name: &str| std::env::var(name).ok();
        let env = Env::new(&lookup);
        let capture = self.capture;
        let mut own = self;
        let propagator = match own.propagator.take() {
            Some(propagator) => propagator,
            None => Box::new(propagation::propagator(env)?),
        };
        let guard = own.build(env)?.install()?;
        global::set_text_map_propagator(Shared(propagator));
        if capture.is_some() {
            set_default_capture(capture);
        }
        Ok(guard)
    }

    /// All but making it the global one.
    pub(super) fn build(mut self, env: Env<'_>) -> Result<Guard, SetupError> {
        let mut guard = Guard::new(self.shutdown_timeout);
        if env.is_true("OTEL_SDK_DISABLED") {
            return Ok(guard);
        }
        let captures = self.capture.map_or_else(
            || {
                let said = env.text(chatlas_core::telemetry::CAPTURE_VARIABLE);
                said.is_some_and(|value| Capture::parse(&value) != Capture::Nothing)
            },
            |capture| capture != Capture::Nothing,
        );
        let batching = Batching::of(env, captures, self.unattended)?;
        let resource = resource::resource(self.service_name.as_deref(), &self.attributes, env)?;
        let files = self.files.iter().map(OtlpFile::open).collect::<Result<Vec<_>, _>>()?;
        guard.traces = self.traces(env, &batching, &resource, &files, &mut guard)?;
        guard.metrics = self.metrics(env, &batching, &resource, &files, &mut guard)?;
        guard.logs = self.logs(env, &batching, &resource, &files, &mut guard)?;
        Ok(guard)
    }

    /// What the environment wants of that signal: the console, and a receiver.
    fn of_env(&self, signal: Signal, env: Env<'_>) -> Result<(bool, Vec<Target>), SetupError> {
        let wanted = if self.from_env { exporters(signal, env)? } else { Vec::new() };
        let mut targets = Vec::new();
        if wanted.contains(&Exporter::Otlp) {
            targets.push(target(signal, env)?);
        }
        for receiver in &self.receivers {
            targets.extend(receiver.target(signal)?);
        }
        Ok((wanted.contains(&Exporter::Console), targets))
    }

    fn traces(
        &mut self,
        env: Env<'_>,
        batching: &Batching,
        resource: &Resource,
        files: &[OtlpFile],
        guard: &mut Guard,
    ) -> Result<Option<SdkTracerProvider>, SetupError> {
        let (console, targets) = self.of_env(Signal::Traces, env)?;
        let mut processors = std::mem::take(&mut self.span_processors);
        if self.console || console {
            let style = waterfall::Style::of(env, &self.output)
                .with_messages(self.messages)
                .with_prices(self.prices.clone());
            processors.push(Box::new(Console::new(self.output.clone(), style)));
        }
        if self.json {
            processors
                .push(Box::new(SimpleSpanProcessor::new(JsonLines::new(self.output.clone()))));
        }
        for path in &self.reports {
            let report = Report::create(path, self.prices.clone())?;
            processors.push(Box::new(report));
        }
        for file in files {
            let account = guard.losses.open(Signal::Traces, file.name());
            let exporter = Watched::new(OtlpLines::new(file.clone()), &account);
            let queue = BatchSpanProcessor::builder(exporter)
                .with_batch_config(batching.spans.of_spans())
                .build();
            processors.push(Box::new(CountedSpans { queue, account }));
        }
        for target in targets {
            let account = guard.losses.open(Signal::Traces, target.receiver());
            let exporter = guard.wire.spans(target, &account)?;
            let queue = BatchSpanProcessor::builder(exporter)
                .with_batch_config(batching.spans.of_spans())
                .build();
            processors.push(Box::new(CountedSpans { queue, account }));
        }
        if processors.is_empty() {
            return Ok(None);
        }
        if self.unattended {
            processors.push(Box::new(AtThreadEnd));
        }
        let limits = Limits::of(env)?;
        let length = self.value_length_limit.or(limits.length);
        let builder = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_span_limits(limits.counts)
            .with_span_processor(Limited::new(length, processors));
        let builder = match self.sampler.take() {
            Some(sampler) => builder.with_sampler(sampler),
            None => builder.with_sampler(sampling::sampler(env)?),
        };
        Ok(Some(builder.build()))
    }

    fn metrics(
        &mut self,
        env: Env<'_>,
        batching: &Batching,
        resource: &Resource,
        files: &[OtlpFile],
        guard: &mut Guard,
    ) -> Result<Option<SdkMeterProvider>, SetupError> {
        let (console, targets) = self.of_env(Signal::Metrics, env)?;
        let mut readers = std::mem::take(&mut self.metric_readers);
        let interval = batching.metric_interval;
        if self.json || console {
            let exporter = JsonLines::new(self.output.clone());
            let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
            readers.push(Box::new(move |builder| builder.with_reader(reader)));
        }
        for file in files {
            let account = guard.losses.open(Signal::Metrics, file.name());
            let exporter = Watched::new(OtlpLines::new(file.clone()), &account);
            let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
            readers.push(Box::new(move |builder| builder.with_reader(reader)));
        }
        for target in targets {
            let account = guard.losses.open(Signal::Metrics, target.receiver());
            let exporter = guard.wire.metrics(target, &account)?;
            let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
            readers.push(Box::new(move |builder| builder.with_reader(reader)));
        }
        if readers.is_empty() {
            return Ok(None);
        }
        let builder = SdkMeterProvider::builder().with_resource(resource.clone());
        Ok(Some(readers.into_iter().fold(builder, |builder, add| add(builder)).build()))
    }

    fn logs(
        &mut self,
        env: Env<'_>,
        batching: &Batching,
        resource: &Resource,
        files: &[OtlpFile],
        guard: &mut Guard,
    ) -> Result<Option<SdkLoggerProvider>, SetupError> {
        let (console, targets) = self.of_env(Signal::Logs, env)?;
        let mut processors = std::mem::take(&mut self.log_processors);
        if self.json || console {
            let simple = SimpleLogProcessor::new(JsonLines::new(self.output.clone()));
            processors.push(Box::new(move |builder| builder.with_log_processor(simple)));
        }
        for file in files {
            let account = guard.losses.open(Signal::Logs, file.name());
            let exporter = Watched::new(OtlpLines::new(file.clone()), &account);
            let queue = BatchLogProcessor::builder(exporter)
                .with_batch_config(batching.events.of_events())
                .build();
            let counted = CountedEvents { queue, account };
            processors.push(Box::new(move |builder| builder.with_log_processor(counted)));
        }
        for target in targets {
            let account = guard.losses.open(Signal::Logs, target.receiver());
            let exporter = guard.wire.logs(target, &account)?;
            let queue = BatchLogProcessor::builder(exporter)
                .with_batch_config(batching.events.of_events())
                .build();
            let counted = CountedEvents { queue, account };
            processors.push(Box::new(move |builder| builder.with_log_processor(counted)));
        }
        if processors.is_empty() {
            return Ok(None);
        }
        let builder = SdkLoggerProvider::builder().with_resource(resource.clone());
        Ok(Some(processors.into_iter().fold(builder, |builder, add| add(builder)).build()))
    }
}

/// A propagator in a box, as one.
#[derive(Debug)]
struct Shared(Box<dyn TextMapPropagator + Send + Sync>);

impl TextMapPropagator for Shared {
    fn inject_context(
        &self,
        context: &opentelemetry::Context,
        injector: &mut dyn opentelemetry::propagation::Injector,
    ) {
        self.0.inject_context(context, injector);
    }

    fn extract_with_context(
        &self,
        context: &opentelemetry::Context,
        extractor: &dyn opentelemetry::propagation::Extractor,
    ) -> opentelemetry::Context {
        self.0.extract_with_context(context, extractor)
    }

    fn fields(&self) -> opentelemetry::propagation::text_map_propagator::FieldIter<'_> {
        self.0.fields()
    }
}
