//! Feedback as a span, for destinations that receive no events.

use chatlas_core::telemetry::names::{self, event};
use opentelemetry::Value;
use opentelemetry_sdk::trace::SpanData;

use crate::format::printable;

/// Returns whether the span is feedback on a reply.
pub(crate) fn is_feedback(span: &SpanData) -> bool {
    span.name == event::EVALUATION && span.instrumentation_scope.name() == names::SCOPE_NAME
}

/// Returns feedback as a text: `helpfulness: 0.8 good "It was short."`.
pub(crate) fn summary(span: &SpanData) -> String {
    let find = |key: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
        found.map(|attribute| &attribute.value)
    };
    let text = |key: &str| find(key).map(|value| printable(&value.as_str()));
    let score = match find(event::EVALUATION_SCORE) {
        Some(Value::F64(score)) => Some(score.to_string()),
        _ => None,
    };
    let explanation = text(event::EVALUATION_EXPLANATION).map(|text| format!("\"{text}\""));
    let name = format!("{}:", text(event::EVALUATION_NAME).unwrap_or_default());
    let parts = [Some(name), score, text(event::EVALUATION_LABEL), explanation];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    use super::*;

    /// Returns a finished span of chatlas.
    pub(crate) fn finished(name: &'static str, attributes: Vec<KeyValue>) -> SpanData {
        let exporter = InMemorySpanExporter::default();
        let sdk = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let builder = SpanBuilder::from_name(name).with_attributes(attributes);
        sdk.tracer(names::SCOPE_NAME).build(builder).end();
        exporter.get_finished_spans().unwrap().remove(0)
    }

    #[test]
    fn summary_has_the_parts_that_are_set() {
        let name = || KeyValue::new(event::EVALUATION_NAME, "helpfulness");
        for (attributes, expected) in [
            (vec![name()], "helpfulness:"),
            (vec![name(), KeyValue::new(event::EVALUATION_SCORE, 0.8)], "helpfulness: 0.8"),
            (vec![name(), KeyValue::new(event::EVALUATION_LABEL, "up")], "helpfulness: up"),
            (
                vec![
                    name(),
                    KeyValue::new(event::EVALUATION_SCORE, 1.0),
                    KeyValue::new(event::EVALUATION_LABEL, "good"),
                    KeyValue::new(event::EVALUATION_EXPLANATION, "short\u{1b}[31m"),
                ],
                "helpfulness: 1 good \"short\u{fffd}[31m\"",
            ),
        ] {
            let span = finished(event::EVALUATION, attributes);
            assert!(is_feedback(&span));
            assert_eq!(summary(&span), expected);
        }
        assert!(!is_feedback(&finished("chat", vec![name()])));
    }
}
