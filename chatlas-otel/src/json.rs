//! Writes spans, metrics and events as lines of JSON. The field `signal` distinguishes them.

use std::future::{Future, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialBucket, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use serde::{Serialize, Serializer};
use serde_json::{Map, json};

use crate::output::Output;

/// Writes each span, each data point of a metric and each event as a line. It is a processor: the
/// simple processors of the SDK block on a future, which panics in another `block_on`.
#[derive(Clone, Debug)]
pub(crate) struct JsonLines {
    output: Output,
}

impl JsonLines {
    pub(crate) fn new(output: Output) -> Self {
        Self { output }
    }

    fn write(&self, lines: impl Iterator<Item = serde_json::Value>) {
        let mut text = String::new();
        for line in lines {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        self.output.write(&text);
    }
}

impl SpanProcessor for JsonLines {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.write(std::iter::once(span_line(&span)));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for JsonLines {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        self.write(std::iter::once(event_line(record)));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl PushMetricExporter for JsonLines {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        let metrics = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
        self.write(metrics.flat_map(metric_lines));
        ready(Ok(()))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn event_line(record: &SdkLogRecord) -> serde_json::Value {
    let context = record.trace_context();
    let attributes: Map<String, serde_json::Value> =
        record.attributes_iter().map(|(key, value)| (key.to_string(), any_value(value))).collect();
    json!({
        "signal": "event",
        "name": record.event_name(),
        "severity": record.severity_text(),
        "time_unix_nano": record.timestamp().map(nanos),
        "trace_id": context.map(|context| context.trace_id.to_string()),
        "span_id": context.map(|context| context.span_id.to_string()),
        "body": record.body().map(any_value),
        "attributes": attributes,
    })
}

fn metric_lines(metric: &Metric) -> Vec<serde_json::Value> {
    match metric.data() {
        AggregatedMetrics::F64(data) => points(metric, data),
        AggregatedMetrics::U64(data) => points(metric, data),
        AggregatedMetrics::I64(data) => points(metric, data),
    }
}

fn points<T: Serialize + Copy>(metric: &Metric, data: &MetricData<T>) -> Vec<serde_json::Value> {
    let line = |attributes: Vec<KeyValue>, time, facts: serde_json::Value| {
        let mut line = json!({
            "signal": "metric",
            "name": metric.name(),
            "unit": metric.unit(),
            "time_unix_nano": nanos(time),
            "attributes": Attributes(&attributes),
        });
        if let (Some(line), serde_json::Value::Object(mut facts)) = (line.as_object_mut(), facts) {
            line.append(&mut facts);
        }
        line
    };
    match data {
        MetricData::Sum(sum) => sum
            .data_points()
            .map(|point| {
                line(
                    point.attributes().cloned().collect(),
                    sum.time(),
                    json!({"sum": point.value()}),
                )
            })
            .collect(),
        MetricData::Gauge(gauge) => gauge
            .data_points()
            .map(|point| {
                line(
                    point.attributes().cloned().collect(),
                    gauge.time(),
                    json!({"value": point.value()}),
                )
            })
            .collect(),
        MetricData::Histogram(histogram) => histogram
            .data_points()
            .map(|point| {
                let facts = json!({
                    "count": point.count(),
                    "sum": point.sum(),
                    "min": point.min(),
                    "max": point.max(),
                    "bounds": point.bounds().collect::<Vec<_>>(),
                    "bucket_counts": point.bucket_counts().collect::<Vec<_>>(),
                });
                line(point.attributes().cloned().collect(), histogram.time(), facts)
            })
            .collect(),
        MetricData::ExponentialHistogram(histogram) => histogram
            .data_points()
            .map(|point| {
                let buckets = |buckets: &ExponentialBucket| {
                    json!({
                        "offset": buckets.offset(),
                        "bucket_counts": buckets.counts().collect::<Vec<_>>(),
                    })
                };
                let facts = json!({
                    "count": point.count(),
                    "sum": point.sum(),
                    "min": point.min(),
                    "max": point.max(),
                    "scale": point.scale(),
                    "zero_count": point.zero_count(),
                    "positive": buckets(point.positive_bucket()),
                    "negative": buckets(point.negative_bucket()),
                });
                line(point.attributes().cloned().collect(), histogram.time(), facts)
            })
            .collect(),
    }
}

pub(crate) fn any_value(value: &AnyValue) -> serde_json::Value {
    match value {
        AnyValue::Int(number) => json!(number),
        AnyValue::Double(number) => json!(Double(*number)),
        AnyValue::String(text) => json!(text.as_str()),
        AnyValue::Boolean(flag) => json!(flag),
        AnyValue::ListAny(list) => list.iter().map(any_value).collect(),
        AnyValue::Map(map) => {
            let fields = map.iter().map(|(key, value)| (key.to_string(), any_value(value)));
            serde_json::Value::Object(fields.collect())
        }
        other => json!(format!("{other:?}")),
    }
}

fn span_line(span: &SpanData) -> serde_json::Value {
    let (status, description) = match &span.status {
        Status::Unset => ("unset", None),
        Status::Ok => ("ok", None),
        Status::Error { description } => ("error", Some(description)),
    };
    let parent = (span.parent_span_id != SpanId::INVALID).then(|| span.parent_span_id.to_string());
    let events: Vec<_> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "name": event.name,
                "time_unix_nano": nanos(event.timestamp),
                "attributes": Attributes(&event.attributes),
            })
        })
        .collect();
    json!({
        "signal": "span",
        "trace_id": span.span_context.trace_id().to_string(),
        "span_id": span.span_context.span_id().to_string(),
        "parent_span_id": parent,
        "name": span.name,
        "kind": format!("{:?}", span.span_kind).to_lowercase(),
        "start_time_unix_nano": nanos(span.start_time),
        "end_time_unix_nano": nanos(span.end_time),
        "status": status,
        "status_description": description,
        "attributes": Attributes(&span.attributes),
        "events": events,
    })
}

pub(crate) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Attributes as an object.
pub(crate) struct Attributes<'a>(pub(crate) &'a [KeyValue]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|pair| (pair.key.as_str(), Plain(&pair.value))))
    }
}

/// A value without its type.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(flag) => flag.serialize(serializer),
            Value::I64(number) => number.serialize(serializer),
            Value::F64(number) => Double(*number).serialize(serializer),
            Value::Array(Array::Bool(flags)) => flags.serialize(serializer),
            Value::Array(Array::I64(numbers)) => numbers.serialize(serializer),
            Value::Array(Array::F64(numbers)) => {
                serializer.collect_seq(numbers.iter().copied().map(Double))
            }
            Value::Array(Array::String(texts)) => {
                serializer.collect_seq(texts.iter().map(StringValue::as_str))
            }
            other => other.as_str().serialize(serializer),
        }
    }
}

/// A number, or its name if JSON lacks it.
pub(crate) struct Double(pub(crate) f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if number.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            number => serializer.serialize_f64(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use crate::output::tests::SharedWriter;

    use super::*;

    #[test]
    fn a_span_is_written_as_one_line() {
        let written = SharedWriter::default();
        let exporter = JsonLines::new(Output::from_writer(written.clone()));
        let provider = SdkTracerProvider::builder().with_span_processor(exporter).build();
        let at = |nanos| UNIX_EPOCH + std::time::Duration::from_nanos(nanos);
        let tracer = provider.tracer("test");
        let mut span = tracer
            .span_builder("two\nlines")
            .with_kind(SpanKind::Client)
            .with_start_time(at(1_000_000_001))
            .start(&tracer);
        let words: Vec<opentelemetry::StringValue> = vec!["a".into(), "b".into()];
        span.set_attributes([
            KeyValue::new("text", "x"),
            KeyValue::new("count", 76),
            KeyValue::new("share", 0.5),
            KeyValue::new("unknown", f64::NAN),
            KeyValue::new("flag", true),
            KeyValue::new("list", Value::Array(Array::String(words))),
        ]);
        span.add_event_with_timestamp("exception", at(5), vec![KeyValue::new("k", "v")]);
        span.set_status(Status::error("broken"));
        span.end_with_timestamp(at(1_000_000_009));

        let text = written.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
        let expected = json!({
            "signal": "span",
            "trace_id": line["trace_id"],
            "span_id": line["span_id"],
            "parent_span_id": null,
            "name": "two\nlines",
            "kind": "client",
            "start_time_unix_nano": 1_000_000_001,
            "end_time_unix_nano": 1_000_000_009,
            "status": "error",
            "status_description": "broken",
            "attributes": {"text": "x", "count": 76, "share": 0.5, "unknown": "NaN", "flag": true,
                           "list": ["a", "b"]},
            "events": [{"name": "exception", "time_unix_nano": 5, "attributes": {"k": "v"}}],
        });
        assert_eq!(line, expected);
    }
}
