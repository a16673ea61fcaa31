//! The limits of the [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#attribute-limits):
//! the number of attributes, events and links, and the length of a value in characters. The SDK
//! applies the counts of spans. This module applies the others, before an item is queued.

use std::sync::Arc;
use std::time::Duration;

use chatlas_core::telemetry::{names, shortened_json};
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry::{Array, Context, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{Span, SpanData, SpanLimits, SpanProcessor};

use crate::env::Env;
use crate::error::SetupError;

/// The limits of spans.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) counts: SpanLimits,
    /// The maximum number of characters of a string in a span.
    pub(crate) length: Option<usize>,
    /// The limits of log records.
    pub(crate) events: EventLimits,
}

impl Limits {
    pub(crate) fn from_env(env: Env<'_>) -> Result<Self, SetupError> {
        let general = env.count("OTEL_ATTRIBUTE_COUNT_LIMIT")?;
        let mut counts = SpanLimits::default();
        for (name, fallback, limit) in [
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", general, &mut counts.max_attributes_per_span),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", general, &mut counts.max_attributes_per_event),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", general, &mut counts.max_attributes_per_link),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", None, &mut counts.max_events_per_span),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", None, &mut counts.max_links_per_span),
        ] {
            if let Some(count) = env.count(name)?.or(fallback) {
                *limit = count;
            }
        }
        let general_length = env.count("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")?;
        let length = env.count("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")?;
        let event_length = env.count("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT")?;
        let event_count = env.count("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT")?.or(general);
        Ok(Self {
            counts,
            length: length.or(general_length),
            events: EventLimits {
                count: event_count.unwrap_or(DEFAULT_COUNT),
                length: event_length.or(general_length),
            },
        })
    }
}

/// The default number of attributes of the specification.
const DEFAULT_COUNT: u32 = 128;

/// Forwards spans to processors, with their strings truncated to the limit.
#[derive(Debug)]
pub(crate) struct Limited {
    length: Option<usize>,
    processors: Vec<Box<dyn SpanProcessor>>,
}

impl Limited {
    pub(crate) fn new(length: Option<usize>, processors: Vec<Box<dyn SpanProcessor>>) -> Self {
        Self { length, processors }
    }

    fn all(&self, act: impl Fn(&dyn SpanProcessor) -> OTelSdkResult) -> OTelSdkResult {
        let results: Vec<_> = self.processors.iter().map(|each| act(&**each)).collect();
        let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        match errors.len() {
            0 => Ok(()),
            1 => errors.into_iter().try_for_each(Err),
            _ => {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                Err(OTelSdkError::InternalFailure(errors.join("; ")))
            }
        }
    }
}

impl SpanProcessor for Limited {
    fn on_start(&self, span: &mut Span, context: &Context) {
        for processor in &self.processors {
            processor.on_start(span, context);
        }
    }

    fn on_end(&self, mut span: SpanData) {
        if let Some(length) = self.length {
            truncate_span(&mut span, length);
        }
        let Some((last, others)) = self.processors.split_last() else { return };
        for processor in others {
            processor.on_end(span.clone());
        }
        last.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.all(|processor| processor.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.all(|processor| processor.shutdown_with_timeout(timeout))
    }

    fn set_resource(&mut self, resource: &Resource) {
        for processor in &mut self.processors {
            processor.set_resource(resource);
        }
    }
}

fn truncate_span(span: &mut SpanData, length: usize) {
    truncate_attributes(&mut span.attributes, length);
    for event in &mut span.events.events {
        truncate_attributes(&mut event.attributes, length);
    }
    for link in &mut span.links.links {
        truncate_attributes(&mut link.attributes, length);
    }
}

fn truncate_attributes(attributes: &mut [KeyValue], length: usize) {
    for KeyValue { key, value, .. } in attributes {
        match value {
            Value::String(text) => {
                if let Some(short) = truncated(key.as_str(), text.as_str(), length) {
                    *text = short;
                }
            }
            Value::Array(Array::String(list)) => {
                for text in list {
                    if let Some(short) = truncated("", text.as_str(), length) {
                        *text = short;
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns a truncated string, or `None` if it has at most `length` characters. Captured content
/// remains valid JSON if the limit leaves room for any.
fn truncated(key: &str, text: &str, length: usize) -> Option<StringValue> {
    use names::{content, tool};
    let (end, _) = text.char_indices().nth(length)?;
    let is_json = matches!(
        key,
        content::SYSTEM_INSTRUCTIONS
            | content::INPUT_MESSAGES
            | content::OUTPUT_MESSAGES
            | tool::DEFINITIONS
            | tool::CALL_ARGUMENTS
            | tool::CALL_RESULT
    );
    if is_json {
        // The result is limited in bytes, and may have more characters than the beginning.
        let mut bytes = end;
        while let Some(json) = shortened_json(text, bytes) {
            let excess = json.chars().count().saturating_sub(length);
            if excess == 0 {
                return Some(json.into());
            }
            bytes = bytes.saturating_sub(excess.saturating_mul(4));
        }
    }
    Some(Arc::<str>::from(text.get(..end)?).into())
}

/// The limits of log records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventLimits {
    count: u32,
    length: Option<usize>,
}

/// A log processor that applies the limits. It precedes the processors that export.
#[derive(Debug)]
pub(crate) struct LimitedEvents {
    limits: EventLimits,
    /// Creates records: the SDK has no other way.
    logger: SdkLogger,
}

impl LimitedEvents {
    pub(crate) fn new(limits: EventLimits) -> Self {
        Self { limits, logger: SdkLoggerProvider::builder().build().logger("") }
    }
}

impl LogProcessor for LimitedEvents {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        let EventLimits { count, length } = self.limits;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let is_long =
            |(_, value): &(Key, AnyValue)| length.is_some_and(|length| exceeds(value, length));
        if record.attributes_iter().count() <= count && !record.attributes_iter().any(is_long) {
            return;
        }
        // Attributes of a record cannot be changed.
        let mut limited = self.logger.create_log_record();
        for (key, value) in record.attributes_iter().take(count) {
            let mut value = value.clone();
            if let Some(length) = length {
                truncate_any(key.as_str(), &mut value, length);
            }
            limited.add_attribute(key.clone(), value);
        }
        copy_without_attributes(record, &mut limited);
        *record = limited;
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn copy_without_attributes(from: &SdkLogRecord, to: &mut SdkLogRecord) {
    if let Some(name) = from.event_name() {
        to.set_event_name(name);
    }
    if let Some(target) = from.target() {
        to.set_target(target.clone());
    }
    if let Some(time) = from.timestamp() {
        to.set_timestamp(time);
    }
    if let Some(time) = from.observed_timestamp() {
        to.set_observed_timestamp(time);
    }
    if let Some(text) = from.severity_text() {
        to.set_severity_text(text);
    }
    if let Some(number) = from.severity_number() {
        to.set_severity_number(number);
    }
    if let Some(body) = from.body() {
        to.set_body(body.clone());
    }
    if let Some(context) = from.trace_context() {
        to.set_trace_context(context.trace_id, context.span_id, context.trace_flags);
    }
}

/// Returns true if a string in the value has more than `length` characters.
fn exceeds(value: &AnyValue, length: usize) -> bool {
    match value {
        AnyValue::String(text) => text.as_str().chars().nth(length).is_some(),
        AnyValue::ListAny(list) => list.iter().any(|value| exceeds(value, length)),
        AnyValue::Map(map) => map.values().any(|value| exceeds(value, length)),
        _ => false,
    }
}

fn truncate_any(key: &str, value: &mut AnyValue, length: usize) {
    match value {
        AnyValue::String(text) => {
            if let Some(short) = truncated(key, text.as_str(), length) {
                *text = short;
            }
        }
        AnyValue::ListAny(list) => {
            list.iter_mut().for_each(|value| truncate_any("", value, length));
        }
        AnyValue::Map(map) => {
            map.values_mut().for_each(|value| truncate_any("", value, length));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::logs::InMemoryLogExporter;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};

    use crate::env::tests::lookup;

    use super::*;

    #[test]
    fn specific_limits_override_the_general_ones() {
        let variables = lookup(&[
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "10"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "3"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "4"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "50"),
        ]);
        let limits = Limits::from_env(Env::new(&variables)).unwrap();
        let counts = limits.counts;
        assert_eq!((counts.max_attributes_per_span, counts.max_attributes_per_event), (10, 3));
        assert_eq!((counts.max_links_per_span, counts.max_events_per_span), (4, 128));
        assert_eq!(limits.length, Some(50));
        assert_eq!((limits.events.count, limits.events.length), (10, Some(100)));
        let invalid = lookup(&[("OTEL_SPAN_EVENT_COUNT_LIMIT", "few")]);
        let error = Limits::from_env(Env::new(&invalid)).unwrap_err();
        assert_eq!(error.to_string(), "OTEL_SPAN_EVENT_COUNT_LIMIT must be an integer");
    }

    #[test]
    fn strings_are_truncated_before_the_queue_and_content_remains_json() {
        let exporter = InMemorySpanExporter::default();
        let simple: Box<dyn SpanProcessor> = Box::new(SimpleSpanProcessor::new(exporter.clone()));
        let other: Box<dyn SpanProcessor> = Box::new(SimpleSpanProcessor::new(exporter.clone()));
        let limited = Limited::new(Some(601), vec![simple, other]);
        let provider = SdkTracerProvider::builder().with_span_processor(limited).build();
        let mut span = provider.tracer("test").start("work");
        let messages = serde_json::json!([
            {"role": "user", "parts": [{"type": "text", "content": "ä".repeat(900)}]}
        ]);
        let list: Vec<StringValue> = vec!["ö".repeat(700).into(), "short".into()];
        span.set_attribute(KeyValue::new(names::content::INPUT_MESSAGES, messages.to_string()));
        span.set_attribute(KeyValue::new("text", "ü".repeat(700)));
        span.set_attribute(KeyValue::new("list", Value::Array(Array::String(list))));
        span.set_attribute(KeyValue::new("count", 7));
        span.add_event("event", vec![KeyValue::new("text", "x".repeat(700))]);
        span.end();
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 2, "each processor receives the span");
        for span in spans {
            let find = |key: &str| {
                span.attributes.iter().find(|pair| pair.key.as_str() == key).unwrap().value.clone()
            };
            let characters = |text: &str| text.chars().count();
            assert_eq!(characters(&find("text").as_str()), 601);
            assert_eq!(find("count"), Value::I64(7));
            let Value::Array(Array::String(list)) = find("list") else { panic!() };
            assert_eq!((characters(list[0].as_str()), list[1].as_str()), (601, "short"));
            let text = find(names::content::INPUT_MESSAGES).to_string();
            assert!(characters(&text) <= 601, "{text}");
            assert!(characters(&text) > 300, "{text}");
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json[0]["role"], "user");
            assert_eq!(span.events.events[0].attributes[0].value.as_str().len(), 601);
        }
    }
    /// <https://github.com/open-telemetry/opentelemetry-dotnet/issues/4156>
    #[test]
    fn limits_hold_for_log_records() {
        let variables = lookup(&[
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100"),
            ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5"),
            ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "2"),
        ]);
        let limits = Limits::from_env(Env::new(&variables)).unwrap();
        let exporter = InMemoryLogExporter::default();
        let provider = SdkLoggerProvider::builder()
            .with_log_processor(LimitedEvents::new(limits.events))
            .with_simple_exporter(exporter.clone())
            .build();
        let logger = provider.logger("test");
        let mut record = logger.create_log_record();
        record.set_event_name("event");
        record.set_body("unlimited body".into());
        let list = AnyValue::ListAny(Box::new(vec!["äöüßé".into(), 7.into()]));
        record.add_attributes([("list", list), ("text", "short".into()), ("third", 3.into())]);
        logger.emit(record);
        let records = exporter.get_emitted_logs().unwrap();
        let record = &records[0].record;
        assert_eq!(record.event_name(), Some("event"));
        assert_eq!(record.body(), Some(&"unlimited body".into()));
        let attributes: Vec<_> = record.attributes_iter().cloned().collect();
        let list = AnyValue::ListAny(Box::new(vec!["äöüß".into(), 7.into()]));
        assert_eq!(attributes, [("list".into(), list), ("text".into(), "shor".into())]);
    }

    /// <https://github.com/open-telemetry/opentelemetry-go/issues/6004>
    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(truncated("", &"ä".repeat(100), 150), None);
        let short = truncated("", &"ä".repeat(200), 150).unwrap();
        assert_eq!(short.as_str(), "ä".repeat(150));
        assert_eq!(truncated("", "text", 0).unwrap().as_str(), "");
    }
}
