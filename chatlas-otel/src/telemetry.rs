//! [`Telemetry`], the builder of the SDK: which telemetry is exported, to which destinations.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use chatlas_core::telemetry::{Capture, set_default_capture};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::logs::LogProcessor;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{BatchSpanProcessor, ShouldSample, SpanExporter, SpanProcessor};

use crate::compatibility::Compatibility;
use crate::env::{self, Env};
use crate::error::SetupError;
use crate::guard::Guard;
use crate::otlp::Otlp;
use crate::output::Output;
use crate::propagation;
use crate::providers::Settings;
use chatlas_core::cost::Prices;

/// A builder of the OpenTelemetry SDK. Without a destination, nothing is recorded.
///
/// [`with_env`](Self::with_env) reads the destinations from the environment. The other standard
/// variables always apply: resource, sampler, limits, batches and propagators. Values set in code
/// override the environment.
///
/// ```no_run
/// # fn main() -> Result<(), chatlas::otel::SetupError> {
/// use chatlas::otel::{Otlp, Telemetry, sdk::trace::Sampler};
/// use chatlas::telemetry::Capture;
///
/// let _telemetry = Telemetry::new()
///     .with_service_name("travel-assistant")
///     .with_resource_attribute("deployment.environment.name", "production")
///     .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.1))))
///     .with_capture(Capture::Spans)
///     .with_otlp(Otlp::new("http://collector:4318").with_gzip(true))
///     .with_html("traces.html")
///     .install()?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "telemetry has no effect until `install` is called"]
pub struct Telemetry {
    settings: Settings,
    propagator: Option<Box<dyn TextMapPropagator + Send + Sync>>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("console", &self.settings.console)
            .field("json", &self.settings.json)
            .field("env", &self.settings.env)
            .field("files", &self.settings.files)
            .field("reports", &self.settings.reports)
            .field("receivers", &self.settings.receivers)
            .finish_non_exhaustive()
    }
}

/// Destinations.
impl Telemetry {
    /// Creates a builder without destinations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws waterfalls, as [`console`](crate::console()) does.
    pub fn with_console(mut self) -> Self {
        self.settings.console = true;
        self
    }

    /// Writes JSON lines, as [`json`](crate::json()) does.
    pub fn with_json(mut self) -> Self {
        self.settings.json = true;
        self
    }

    /// Exports to the destinations in the environment, as [`init`](crate::init) does.
    pub fn with_env(mut self) -> Self {
        self.settings.env = true;
        self
    }

    /// Adds an OTLP receiver.
    pub fn with_otlp(mut self, receiver: Otlp) -> Self {
        self.settings.receivers.push(receiver);
        self
    }

    /// Appends lines of OTLP JSON to a file, as [`file`](crate::file()) does.
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.files.push(path.into());
        self
    }

    /// Writes a report to an HTML file, as [`html`](crate::html()) does.
    pub fn with_html(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.reports.push(path.into());
        self
    }

    /// Serves a page with the traces of the running program, as [`live`](crate::live()) does.
    ///
    /// `address` is a loopback address with a port: `127.0.0.1:4400`, `[::1]:4400` or
    /// `localhost:4400`. Port 0 selects a free port; [`Guard::live_url`] returns the URL.
    /// [`install`](Self::install) returns an error for the address of another interface, and if the
    /// port is in use.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), chatlas::otel::SetupError> {
    /// use chatlas::otel::Telemetry;
    ///
    /// let telemetry = Telemetry::new().with_env().with_live("127.0.0.1:0").install()?;
    /// println!("{}", telemetry.live_url().unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "live")]
    pub fn with_live(mut self, address: impl Into<String>) -> Self {
        self.settings.live = Some(address.into());
        self
    }

    /// Sets the writer of waterfalls and JSON lines. Default: standard output.
    ///
    /// Waterfalls are written without colour, and write errors are ignored.
    pub fn with_writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.settings.output = Output::from_writer(writer);
        self
    }

    /// Adds a span processor. It receives spans after the limits have been applied.
    pub fn with_span_processor(mut self, processor: impl SpanProcessor + 'static) -> Self {
        self.settings.span_processors.push(Box::new(processor));
        self
    }

    /// Adds a span exporter, which exports in batches.
    pub fn with_span_exporter(self, exporter: impl SpanExporter + 'static) -> Self {
        self.with_span_processor(BatchSpanProcessor::builder(exporter).build())
    }

    /// Adds a metric exporter. It exports every `OTEL_METRIC_EXPORT_INTERVAL` (default: a minute)
    /// and at shutdown.
    pub fn with_metric_exporter(mut self, exporter: impl PushMetricExporter) -> Self {
        let reader = PeriodicReader::builder(exporter).build();
        self.settings.metric_readers.push(Box::new(move |builder| builder.with_reader(reader)));
        self
    }

    /// Adds a log processor, which receives the events.
    pub fn with_log_processor(mut self, processor: impl LogProcessor + 'static) -> Self {
        let add = Box::new(move |builder: opentelemetry_sdk::logs::LoggerProviderBuilder| {
            builder.with_log_processor(processor)
        });
        self.settings.log_processors.push(add);
        self
    }
}

/// Content and amount of the telemetry.
impl Telemetry {
    /// Sets the name of the service. Default: `OTEL_SERVICE_NAME`.
    pub fn with_service_name(mut self, name: impl Into<String>) -> Self {
        self.settings.service_name = Some(name.into());
        self
    }

    /// Sets an attribute of the resource, such as `deployment.environment.name` or
    /// `service.version`. Overrides the attribute of that key in `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn with_resource_attribute(
        mut self,
        key: impl Into<opentelemetry::Key>,
        value: impl Into<opentelemetry::Value>,
    ) -> Self {
        self.settings.attributes.push(KeyValue::new(key, value));
        self
    }

    /// Sets the sampler. Default: `OTEL_TRACES_SAMPLER`.
    pub fn with_sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.settings.sampler = Some(Box::new(sampler));
        self
    }

    /// Sets whether the content of chats is recorded, for chats that do not set it themselves.
    /// Default: `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`.
    pub fn with_capture(mut self, capture: Capture) -> Self {
        self.settings.capture = Some(capture);
        self
    }

    /// Sets the maximum number of characters of a string in a span. Default:
    /// `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`. Truncated content remains valid JSON.
    pub fn with_value_length_limit(mut self, characters: usize) -> Self {
        self.settings.value_length_limit = Some(characters);
        self
    }

    /// Adds attributes to the spans that are sent to OTLP receivers, so that the user interface of a
    /// backend shows previews of the content. Default: the variable `CHATLAS_OTEL_COMPATIBILITY`, a
    /// list of `openinference` and `langfuse`.
    ///
    /// Content is added only if it is captured. The spans grow by the size of the previews.
    pub fn with_compatibility(mut self, compatibility: Compatibility) -> Self {
        self.settings.compatibility.get_or_insert_default().push(compatibility);
        self
    }

    /// Sets the prices of models, such as [`Prices::built_in`]. Waterfalls and reports then show costs.
    /// [`record_costs`](chatlas_core::cost::record_costs) records them on spans, for other backends.
    pub fn with_prices(mut self, prices: Prices) -> Self {
        self.settings.prices = prices;
        self
    }

    /// Sets whether waterfalls are followed by the captured messages. Default: false.
    pub fn with_console_messages(mut self, shown: bool) -> Self {
        self.settings.console_messages = shown;
        self
    }

    /// Sets the propagator of trace contexts to and from other programs. Default:
    /// `OTEL_PROPAGATORS`.
    pub fn with_propagator(
        mut self,
        propagator: impl TextMapPropagator + Send + Sync + 'static,
    ) -> Self {
        self.propagator = Some(Box::new(propagator));
        self
    }

    /// Sets the maximum duration of a flush or shutdown. Default: 5 seconds.
    pub fn with_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }
}

/// Installation.
impl Telemetry {
    /// Configures telemetry without a guard that is dropped: exports to the destinations in the
    /// environment after a short delay, and adds the processor that flushes when threads end.
    pub(crate) fn unattended(mut self, flush: impl SpanProcessor + 'static) -> Self {
        self.settings.thread_end_processor = Some(Box::new(flush));
        self.with_env()
    }

    /// Installs the SDK as the global one. Keep the guard until the program ends.
    ///
    /// Without a destination, or with `OTEL_SDK_DISABLED=true`, nothing is installed and spans cost
    /// next to nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting is invalid, or if telemetry is already set up.
    pub fn install(self) -> Result<Guard, SetupError> {
        // Checked before any file is opened, which the installed telemetry may be writing.
        if Guard::is_installed() && !Guard::shut_down_automatic() {
            return Err(SetupError::AlreadyInstalled);
        }
        env::check_unicode(std::env::vars_os())?;
        let lookup = |name: &str| std::env::var(name).ok();
        let env = Env::new(&lookup);
        let capture = self.settings.capture;
        let propagator = match self.propagator {
            Some(propagator) => propagator,
            None => Box::new(propagation::propagator(env)?),
        };
        let guard = self.settings.build(env)?.install()?;
        global::set_text_map_propagator(BoxedPropagator(propagator));
        if capture.is_some() {
            set_default_capture(capture);
        }
        Ok(guard)
    }

    /// Builds the SDK without installing it.
    #[cfg(test)]
    pub(crate) fn build(self, env: Env<'_>) -> Result<Guard, SetupError> {
        self.settings.build(env)
    }
}

/// A boxed propagator, for which the API implements no trait.
#[derive(Debug)]
struct BoxedPropagator(Box<dyn TextMapPropagator + Send + Sync>);

impl TextMapPropagator for BoxedPropagator {
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
