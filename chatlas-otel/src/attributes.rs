//! Reads the attributes of finished spans.

use std::time::Duration;

use opentelemetry::Value;
use opentelemetry_sdk::trace::SpanData;

/// Returns the value of an attribute.
pub(crate) fn find<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| &pair.value)
}

/// Returns the value of an attribute as text.
pub(crate) fn text(span: &SpanData, key: &str) -> Option<String> {
    find(span, key).map(|value| value.as_str().into_owned())
}

pub(crate) fn seconds(span: &SpanData, key: &str) -> Option<Duration> {
    match find(span, key)? {
        Value::F64(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => None,
    }
}

/// Returns the value of an attribute that is a count.
pub(crate) fn number(span: &SpanData, key: &str) -> Option<u64> {
    match find(span, key)? {
        Value::I64(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}
