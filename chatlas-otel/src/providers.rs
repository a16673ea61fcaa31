//! Builds the tracer, meter and logger provider of the SDK from the settings and the environment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatlas_core::telemetry::Capture;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LogProcessor, LoggerProviderBuilder, SdkLoggerProvider};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, MeterProviderBuilder, PeriodicReader,
    SdkMeterProvider, Stream,
};
use opentelemetry_sdk::trace::{SdkTracerProvider, ShouldSample, SpanProcessor};

use crate::batching::Batching;
use crate::compatibility::Compatibility;
use crate::console::Console;
use crate::destination::Destination;
use crate::env::Env;
use crate::error::SetupError;
use crate::file::{OtlpFile, OtlpLines};
use crate::guard::{Guard, SHUTDOWN_TIMEOUT};
use crate::html::Report;
use crate::json::JsonLines;
use crate::limits::{Limited, LimitedEvents, Limits};
use crate::losses::CountedExporter;
use crate::otlp::{
    Exporter, Histograms, Otlp, Signal, Target, exporters_from_env, histograms_from_env,
    target_from_env,
};
use crate::output::Output;
use crate::{resource, sampling, waterfall};
use chatlas_core::cost::Prices;

/// Adds a component to the builder of a provider.
type Add<B> = Box<dyn FnOnce(B) -> B + Send>;

/// The settings of [`Telemetry`](crate::Telemetry).
#[allow(clippy::struct_excessive_bools)] // independent switches
pub(crate) struct Settings {
    pub(crate) console: bool,
    pub(crate) console_messages: bool,
    pub(crate) json: bool,
    /// Whether the destinations in the environment are used.
    pub(crate) env: bool,
    pub(crate) output: Output,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) reports: Vec<PathBuf>,
    /// The address of the live page.
    #[cfg(feature = "live")]
    pub(crate) live: Option<String>,
    pub(crate) receivers: Vec<Otlp>,
    pub(crate) service_name: Option<String>,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) sampler: Option<Box<dyn ShouldSample>>,
    pub(crate) capture: Option<Capture>,
    pub(crate) value_length_limit: Option<usize>,
    pub(crate) compatibility: Option<Vec<Compatibility>>,
    pub(crate) prices: Prices,
    pub(crate) span_processors: Vec<Box<dyn SpanProcessor>>,
    pub(crate) metric_readers: Vec<Add<MeterProviderBuilder>>,
    pub(crate) log_processors: Vec<Add<LoggerProviderBuilder>>,
    pub(crate) shutdown_timeout: Duration,
    /// Flushes when a thread ends, if no guard does.
    pub(crate) thread_end_processor: Option<Box<dyn SpanProcessor>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            console: false,
            console_messages: false,
            json: false,
            env: false,
            output: Output::default(),
            files: Vec::new(),
            reports: Vec::new(),
            #[cfg(feature = "live")]
            live: None,
            receivers: Vec::new(),
            service_name: None,
            attributes: Vec::new(),
            sampler: None,
            capture: None,
            value_length_limit: None,
            compatibility: None,
            prices: Prices::default(),
            span_processors: Vec::new(),
            metric_readers: Vec::new(),
            log_processors: Vec::new(),
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            thread_end_processor: None,
        }
    }
}

/// What the providers of all signals share.
struct Shared<'a> {
    env: Env<'a>,
    batching: Batching,
    limits: Limits,
    resource: Resource,
    files: Vec<OtlpFile>,
}

impl Settings {
    /// Builds the providers, without installing them as the global ones.
    pub(crate) fn build(mut self, env: Env<'_>) -> Result<Guard, SetupError> {
        let mut guard = Guard::new(self.shutdown_timeout);
        if env.is_true("OTEL_SDK_DISABLED") {
            return Ok(guard);
        }
        if self.env && env.text(CONFIG_FILE).is_some() {
            // The specification gives the file precedence over all other variables.
            return Err(SetupError::InvalidValue {
                setting: CONFIG_FILE.to_owned(),
                expected: "unset: configuration files are not supported",
            });
        }
        let unattended = self.thread_end_processor.is_some();
        let shared = Shared {
            env,
            batching: Batching::from_env(env, unattended)?,
            limits: Limits::from_env(env)?,
            resource: resource::resource(self.service_name.as_deref(), &self.attributes, env)?,
            files: self.files.iter().map(OtlpFile::open).collect::<Result<_, _>>()?,
        };
        guard.files.extend(shared.files.iter().map(|file| Arc::new(file.clone()) as _));
        guard.traces = self.traces(&shared, &mut guard)?;
        guard.metrics = self.metrics(&shared, &mut guard)?;
        guard.logs = self.logs(&shared, &mut guard)?;
        Ok(guard)
    }

    /// Returns whether the environment selects the console, and the receivers of a signal.
    fn destinations(
        &self,
        signal: Signal,
        env: Env<'_>,
    ) -> Result<(bool, Vec<Target>), SetupError> {
        let exporters = if self.env { exporters_from_env(signal, env)? } else { Vec::new() };
        let mut targets = Vec::new();
        if exporters.contains(&Exporter::Otlp) {
            targets.push(target_from_env(signal, env)?);
        }
        for receiver in &self.receivers {
            targets.extend(receiver.target(signal)?);
        }
        Ok((exporters.contains(&Exporter::Console), targets))
    }

    fn traces(
        &mut self,
        shared: &Shared<'_>,
        guard: &mut Guard,
    ) -> Result<Option<SdkTracerProvider>, SetupError> {
        let (console, targets) = self.destinations(Signal::Traces, shared.env)?;
        // The destinations that receive events, too, do not receive feedback as spans.
        let (_, with_events) = self.destinations(Signal::Logs, shared.env)?;
        let with_events: Vec<_> = with_events.iter().map(Target::receiver).collect();
        let compatibility = match self.compatibility.take() {
            Some(list) => list,
            None => Compatibility::from_env(shared.env)?,
        };
        let custom = std::mem::take(&mut self.span_processors);
        let receives_events = !self.log_processors.is_empty();
        #[cfg(feature = "live")]
        let live = self.live.is_some();
        #[cfg(not(feature = "live"))]
        let live = false;
        guard.feedback_spans = self.console
            || console
            || live
            || !self.reports.is_empty()
            || (!custom.is_empty() && !receives_events)
            || targets.iter().any(|target| !with_events.contains(&target.receiver()));
        let mut processors: Vec<Box<dyn SpanProcessor>> = Vec::new();
        for processor in custom {
            processors.push(Destination::adapt(processor, receives_events, &[]));
        }
        if self.console || console {
            let style = waterfall::Style::new(shared.env, &self.output)
                .with_messages(self.console_messages)
                .with_prices(self.prices.clone());
            processors.push(Box::new(Console::new(self.output.clone(), style)));
        }
        if self.json {
            let lines = JsonLines::new(self.output.clone());
            processors.push(Destination::adapt(Box::new(lines), true, &[]));
        }
        for path in &self.reports {
            let report = Report::create(path, self.prices.clone())?;
            guard.files.push(report.file());
            processors.push(Box::new(report));
        }
        #[cfg(feature = "live")]
        if let Some(address) = self.live.take() {
            let live = crate::live::Live::start(&address, self.prices.clone())?;
            guard.live_url = Some(live.url().clone());
            processors.push(Box::new(live));
        }
        for file in &shared.files {
            let account = guard.losses.open(Signal::Traces, file.name());
            let lines = OtlpLines::new(file.clone(), account);
            processors.push(Destination::adapt(Box::new(lines), true, &[]));
        }
        for target in targets {
            let receives_events = with_events.contains(&target.receiver());
            let account = guard.losses.open(Signal::Traces, target.receiver());
            let exporter = guard.exporters.spans(&target, shared.batching.spans, &account)?;
            processors.push(Destination::adapt(
                Box::new(exporter),
                receives_events,
                &compatibility,
            ));
        }
        if processors.is_empty() {
            return Ok(None);
        }
        processors.extend(self.thread_end_processor.take());
        let length = self.value_length_limit.or(shared.limits.length);
        let builder = SdkTracerProvider::builder()
            .with_resource(shared.resource.clone())
            .with_span_limits(shared.limits.counts)
            .with_span_processor(Limited::new(length, processors));
        let builder = match self.sampler.take() {
            Some(sampler) => builder.with_sampler(sampler),
            None => builder.with_sampler(sampling::sampler(shared.env)?),
        };
        Ok(Some(builder.build()))
    }

    fn metrics(
        &mut self,
        shared: &Shared<'_>,
        guard: &mut Guard,
    ) -> Result<Option<SdkMeterProvider>, SetupError> {
        let (console, targets) = self.destinations(Signal::Metrics, shared.env)?;
        let mut readers = std::mem::take(&mut self.metric_readers);
        let interval = shared.batching.metric_interval;
        if self.json || console {
            readers.push(add_reader(JsonLines::new(self.output.clone()), interval));
        }
        for file in &shared.files {
            let account = guard.losses.open(Signal::Metrics, file.name());
            let exporter = CountedExporter::new(file.clone(), account);
            readers.push(add_reader(exporter, interval));
        }
        for target in targets {
            let account = guard.losses.open(Signal::Metrics, target.receiver());
            let timeout = shared.batching.metric_timeout;
            let exporter = guard.exporters.metrics(&target, timeout, &account)?;
            readers.push(add_reader(exporter, interval));
        }
        if readers.is_empty() {
            return Ok(None);
        }
        let mut builder = SdkMeterProvider::builder().with_resource(shared.resource.clone());
        if self.env && histograms_from_env(shared.env)? == Histograms::Exponential {
            builder = builder.with_view(exponential_histogram);
        }
        Ok(Some(readers.into_iter().fold(builder, |builder, add| add(builder)).build()))
    }

    fn logs(
        &mut self,
        shared: &Shared<'_>,
        guard: &mut Guard,
    ) -> Result<Option<SdkLoggerProvider>, SetupError> {
        let (console, targets) = self.destinations(Signal::Logs, shared.env)?;
        let mut processors = std::mem::take(&mut self.log_processors);
        if self.json || console {
            processors.push(add_processor(JsonLines::new(self.output.clone())));
        }
        for file in &shared.files {
            let account = guard.losses.open(Signal::Logs, file.name());
            processors.push(add_processor(OtlpLines::new(file.clone(), account)));
        }
        for target in targets {
            let account = guard.losses.open(Signal::Logs, target.receiver());
            let exporter = guard.exporters.events(&target, shared.batching.events, &account)?;
            processors.push(add_processor(exporter));
        }
        if processors.is_empty() {
            // Without a receiver of events, evaluations are recorded as spans.
            return Ok(None);
        }
        let builder = SdkLoggerProvider::builder()
            .with_resource(shared.resource.clone())
            .with_log_processor(LimitedEvents::new(shared.limits.events));
        Ok(Some(processors.into_iter().fold(builder, |builder, add| add(builder)).build()))
    }
}

/// The variable of declarative configuration.
const CONFIG_FILE: &str = "OTEL_CONFIG_FILE";

fn add_processor(processor: impl LogProcessor + 'static) -> Add<LoggerProviderBuilder> {
    Box::new(move |builder| builder.with_log_processor(processor))
}

/// A view of histograms with exponential buckets and the limits of the
/// [specification](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#base2-exponential-bucket-histogram-aggregation).
fn exponential_histogram(instrument: &Instrument) -> Option<Stream> {
    let aggregation = Aggregation::Base2ExponentialHistogram {
        max_size: 160,
        max_scale: 20,
        record_min_max: true,
    };
    (instrument.kind() == InstrumentKind::Histogram)
        .then(|| Stream::builder().with_aggregation(aggregation).build().ok())
        .flatten()
}

fn add_reader(exporter: impl PushMetricExporter, interval: Duration) -> Add<MeterProviderBuilder> {
    let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
    Box::new(move |builder| builder.with_reader(reader))
}
