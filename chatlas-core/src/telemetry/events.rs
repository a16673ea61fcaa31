//! Events: named log records, emitted through a logger provider of the program.
//!
//! OpenTelemetry has no global logger provider, so the program passes one to [`set_event_sink`].

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity};
use opentelemetry::trace::SpanContext;
use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

use super::attributes::without_empty;
use super::names;
use super::shield::shielded;

/// The environment variable that selects versions of the conventions: a comma-separated list.
///
/// If it contains [`SEMCONV_OPT_IN`], metrics and exception events are recorded under their names of
/// 2025 as well, for existing dashboards.
pub const SEMCONV_OPT_IN_VARIABLE: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";
/// The value in [`SEMCONV_OPT_IN_VARIABLE`] that adds the names of 2025.
pub const SEMCONV_OPT_IN: &str = "gen_ai/dup";

/// A destination of events: a logger of the program's `LoggerProvider`.
#[derive(Clone)]
pub struct EventSink {
    logger: Arc<dyn Emit>,
    pub(super) feedback_spans: bool,
}

impl EventSink {
    /// Creates a sink that emits through this provider.
    pub fn new<P>(provider: &P) -> Self
    where
        P: LoggerProvider,
        P::Logger: Send + Sync + 'static,
    {
        let logger = Arc::new(provider.logger_with_scope(names::instrumentation_scope()));
        Self { logger, feedback_spans: false }
    }

    /// Sets whether feedback is recorded as a span, too. Default: false. Turn it on if the traces
    /// have a destination that receives no events; see [`ReplyId::feedback`](super::ReplyId::feedback).
    #[must_use]
    pub fn with_feedback_spans(mut self, on: bool) -> Self {
        self.feedback_spans = on;
        self
    }

    /// Emits an event. Returns whether the logger accepts events of this kind.
    pub(super) fn emit(&self, event: Event) -> bool {
        shielded(|| self.logger.emit_event(event)).unwrap_or(false)
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink")
    }
}

static SINK: RwLock<Option<EventSink>> = RwLock::new(None);

/// Sets the process-wide event sink. `None`, the default, turns events off.
///
/// Events contain content only if capture is on for events; see [`Capture`](super::Capture).
pub fn set_event_sink(sink: Option<EventSink>) {
    let mut current = SINK.write().unwrap_or_else(PoisonError::into_inner);
    let previous = mem::replace(&mut *current, sink);
    // Outside the lock: dropping the last handle runs the program's code.
    drop(current);
    shielded(|| drop(previous));
}

/// Returns the current sink.
pub(super) fn event_sink() -> Option<EventSink> {
    SINK.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// An event to be emitted.
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) severity: Option<Severity>,
    /// The span that the event belongs to.
    pub(super) span: Option<SpanContext>,
    pub(super) attributes: Vec<(Key, AnyValue)>,
}

impl Event {
    /// Creates the exception event of a failed operation.
    pub(super) fn exception(
        name: &'static str,
        span: Option<SpanContext>,
        kind: &str,
        message: Option<&str>,
    ) -> Self {
        let kind = (names::exception::TYPE, kind);
        let message = message.map(|text| (names::exception::MESSAGE, text));
        let attributes = [Some(kind), message].into_iter().flatten();
        Self {
            name,
            severity: Some(Severity::Warn),
            span,
            attributes: attributes
                .map(|(key, text)| (key.into(), text.to_owned().into()))
                .collect(),
        }
    }
}

/// Returns whether the environment requests the names of 2025.
pub(super) fn old_names_enabled() -> bool {
    env::var(SEMCONV_OPT_IN_VARIABLE)
        .is_ok_and(|list| list.split(',').any(|word| word.trim() == SEMCONV_OPT_IN))
}

trait Emit: Send + Sync {
    fn emit_event(&self, event: Event) -> bool;
}

impl<L: Logger + Send + Sync> Emit for L {
    fn emit_event(&self, event: Event) -> bool {
        let severity = event.severity.unwrap_or(Severity::Info);
        if !self.event_enabled(severity, names::SCOPE_NAME, Some(event.name)) {
            return false;
        }
        let mut record = self.create_log_record();
        record.set_event_name(event.name);
        record.set_timestamp(SystemTime::now());
        if let Some(severity) = event.severity {
            record.set_severity_number(severity);
            record.set_severity_text(severity.name());
        }
        if let Some(span) = event.span.filter(SpanContext::is_valid) {
            record.set_trace_context(span.trace_id(), span.span_id(), Some(span.trace_flags()));
        }
        record.add_attributes(event.attributes);
        self.emit(record);
        true
    }
}

/// Converts the attributes of a span to those of an event.
pub(super) fn any_attributes(mut attributes: Vec<KeyValue>) -> Vec<(Key, AnyValue)> {
    without_empty(&mut attributes);
    attributes.into_iter().map(|attribute| (attribute.key, any(attribute.value))).collect()
}

fn any(value: Value) -> AnyValue {
    match value {
        Value::Bool(flag) => flag.into(),
        Value::I64(number) => number.into(),
        Value::F64(number) => number.into(),
        Value::String(text) => text.into(),
        Value::Array(Array::Bool(list)) => list.into_iter().collect(),
        Value::Array(Array::I64(list)) => list.into_iter().collect(),
        Value::Array(Array::F64(list)) => list.into_iter().collect(),
        Value::Array(Array::String(list)) => list.into_iter().collect(),
        other => other.to_string().into(),
    }
}

/// Converts JSON to the structured values of events, which cannot represent `null`. In a list, `null`
/// becomes a string, so that the other items keep their positions; elsewhere it is skipped.
///
/// Texts are shared by all clones of the result.
pub(super) fn any_json(value: &serde_json::Value) -> Option<AnyValue> {
    use serde_json::Value as Json;
    let shared = |text: &str| StringValue::from(Arc::<str>::from(text));
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Json::String(text) => AnyValue::String(shared(text)),
        Json::Array(list) => {
            let item = |item| any_json(item).unwrap_or_else(|| "null".into());
            AnyValue::ListAny(Box::new(list.iter().map(item).collect()))
        }
        Json::Object(map) => AnyValue::Map(Box::new(
            map.iter()
                .filter_map(|(key, value)| Some((any_key(key), any_json(value)?)))
                .collect::<HashMap<_, _>>(),
        )),
    })
}

/// Returns a key that is cheap to clone.
fn any_key(text: &str) -> Key {
    // The fields of most messages.
    let fields = ["role", "parts", "type", "content", "finish_reason"];
    match fields.into_iter().find(|field| *field == text) {
        Some(field) => field.into(),
        None => Arc::<str>::from(text).into(),
    }
}
