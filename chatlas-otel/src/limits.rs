//! The limits of the [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#attribute-limits):
//! the number of attributes, events and links of a span, and the length of a value. The SDK applies
//! the counts. This module applies the length, before a span is queued.

use std::sync::Arc;
use std::time::Duration;

use chatlas_core::telemetry::{names, shortened_json};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanLimits, SpanProcessor};

use crate::env::Env;
use crate::error::SetupError;
use crate::format::truncate;

/// The limits of spans.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) counts: SpanLimits,
    /// The maximum number of bytes of a string.
    pub(crate) length: Option<usize>,
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
        let length = env.count("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")?;
        let length = length.or(env.count("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")?);
        Ok(Self { counts, length })
    }
}

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
        results.into_iter().collect()
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
            Value::String(text) if text.as_str().len() > length => {
                *text = truncate_value(key.as_str(), text.as_str(), length);
            }
            Value::Array(Array::String(list)) => {
                for text in list.iter_mut().filter(|text| text.as_str().len() > length) {
                    *text = truncate_value("", text.as_str(), length);
                }
            }
            _ => {}
        }
    }
}

/// Truncates a string. Captured content remains valid JSON if the limit leaves room for any.
fn truncate_value(key: &str, text: &str, length: usize) -> StringValue {
    use names::{content, tool};
    let is_json = matches!(
        key,
        content::SYSTEM_INSTRUCTIONS
            | content::INPUT_MESSAGES
            | content::OUTPUT_MESSAGES
            | tool::DEFINITIONS
            | tool::CALL_ARGUMENTS
            | tool::CALL_RESULT
    );
    if is_json && let Some(json) = shortened_json(text, length) {
        return json.into();
    }
    Arc::<str>::from(truncate(text, length)).into()
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
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
            assert_eq!(
                find("text").as_str().len(),
                600,
                "truncated at the boundary of a character"
            );
            assert_eq!(find("count"), Value::I64(7));
            let Value::Array(Array::String(list)) = find("list") else { panic!() };
            assert_eq!((list[0].as_str().len(), list[1].as_str()), (600, "short"));
            let text = find(names::content::INPUT_MESSAGES).to_string();
            assert!(text.len() <= 601, "{}", text.len());
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json[0]["role"], "user");
            assert_eq!(span.events.events[0].attributes[0].value.as_str().len(), 601);
        }
    }
}
