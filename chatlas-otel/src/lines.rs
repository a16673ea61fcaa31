//! Encodes a span or a log record as a line of OTLP JSON, directly from the types of the SDK:
//! converting them to the structs of protobuf first costs several times as much.

use std::borrow::Cow;
use std::fmt::Display;

use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{Link, SpanId, SpanKind, Status, TraceId};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::common::v1::AnyValue as ProtoValue;
use opentelemetry_proto::tonic::trace::v1::{SpanFlags, span, status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::json::{Double, nanos};

/// Encodes the items of a resource, which is encoded once.
#[derive(Debug)]
pub(crate) struct Encoder {
    resource: String,
    schema_url: String,
}

impl Encoder {
    pub(crate) fn new(resource: &Resource) -> Self {
        let resource_line = ResourceLine {
            attributes: pairs(resource.iter().map(|(key, value)| (key.as_str(), Typed(value)))),
            dropped_attributes_count: 0,
            entity_refs: [],
        };
        let schema_url = resource.schema_url().unwrap_or_default();
        // Strings and numbers in memory are always encoded.
        Self {
            resource: serde_json::to_string(&resource_line).unwrap_or_default(),
            schema_url: serde_json::to_string(schema_url).unwrap_or_default(),
        }
    }

    pub(crate) fn span(&self, span: &SpanData) -> serde_json::Result<Vec<u8>> {
        let names = ["resourceSpans", "scopeSpans", "spans"];
        let scope = &span.instrumentation_scope;
        self.line(names, scope, scope.name(), &SpanLine::new(span))
    }

    pub(crate) fn record(
        &self,
        record: &SdkLogRecord,
        scope: &InstrumentationScope,
    ) -> serde_json::Result<Vec<u8>> {
        let names = ["resourceLogs", "scopeLogs", "logRecords"];
        // The target of a record replaces the name of its scope.
        let name = record.target().map_or(scope.name(), Cow::as_ref);
        self.line(names, scope, name, &RecordLine::new(record))
    }

    /// Encodes an item in the lists of its resource and its scope, which have these names.
    fn line(
        &self,
        [resources, scopes, items]: [&str; 3],
        scope: &InstrumentationScope,
        name: &str,
        item: &impl Serialize,
    ) -> serde_json::Result<Vec<u8>> {
        let scope_line = ScopeLine {
            name,
            version: scope.version().unwrap_or_default(),
            attributes: attributes(scope.attributes()),
            dropped_attributes_count: 0,
        };
        let mut line = Vec::with_capacity(2048);
        let Self { resource, schema_url } = self;
        append(&mut line, ["{\"", resources, "\":[{\"resource\":", resource, ",\"", scopes]);
        append(&mut line, ["\":[{\"scope\":"]);
        serde_json::to_writer(&mut line, &scope_line)?;
        append(&mut line, [",\"", items, "\":["]);
        serde_json::to_writer(&mut line, item)?;
        append(&mut line, ["],\"schemaUrl\":"]);
        serde_json::to_writer(&mut line, scope.schema_url().unwrap_or_default())?;
        append(&mut line, ["}],\"schemaUrl\":", schema_url, "}]}"]);
        Ok(line)
    }
}

fn append<const N: usize>(line: &mut Vec<u8>, parts: [&str; N]) {
    for part in parts {
        line.extend_from_slice(part.as_bytes());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLine<'a> {
    attributes: Vec<Pair<'a, Typed<'a>>>,
    dropped_attributes_count: u32,
    entity_refs: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLine<'a> {
    name: &'a str,
    version: &'a str,
    attributes: Vec<Pair<'a, Typed<'a>>>,
    dropped_attributes_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanLine<'a> {
    trace_id: Text<TraceId>,
    span_id: Text<SpanId>,
    trace_state: String,
    parent_span_id: Optional<SpanId>,
    flags: u32,
    name: &'a str,
    kind: i32,
    start_time_unix_nano: Text<u64>,
    end_time_unix_nano: Text<u64>,
    attributes: Vec<Pair<'a, Typed<'a>>>,
    dropped_attributes_count: u32,
    events: Vec<EventLine<'a>>,
    dropped_events_count: u32,
    links: Vec<LinkLine<'a>>,
    dropped_links_count: u32,
    status: StatusLine<'a>,
}

impl<'a> SpanLine<'a> {
    fn new(span: &'a SpanData) -> Self {
        let context = &span.span_context;
        let kind = match span.span_kind {
            SpanKind::Client => span::SpanKind::Client,
            SpanKind::Consumer => span::SpanKind::Consumer,
            SpanKind::Internal => span::SpanKind::Internal,
            SpanKind::Producer => span::SpanKind::Producer,
            SpanKind::Server => span::SpanKind::Server,
        };
        let events = span.events.iter().map(|event| EventLine {
            time_unix_nano: Text(nanos(event.timestamp)),
            name: &event.name,
            attributes: attributes(&event.attributes),
            dropped_attributes_count: event.dropped_attributes_count,
        });
        let (code, message) = match &span.status {
            Status::Unset => (status::StatusCode::Unset, ""),
            Status::Ok => (status::StatusCode::Ok, ""),
            Status::Error { description } => (status::StatusCode::Error, &**description),
        };
        Self {
            trace_id: Text(context.trace_id()),
            span_id: Text(context.span_id()),
            trace_state: context.trace_state().header(),
            parent_span_id: Optional(Some(span.parent_span_id).filter(|id| *id != SpanId::INVALID)),
            flags: flags(context.trace_flags().to_u8(), span.parent_span_is_remote),
            name: &span.name,
            kind: kind.into(),
            start_time_unix_nano: Text(nanos(span.start_time)),
            end_time_unix_nano: Text(nanos(span.end_time)),
            attributes: attributes(&span.attributes),
            dropped_attributes_count: span.dropped_attributes_count,
            events: events.collect(),
            dropped_events_count: span.events.dropped_count,
            links: span.links.iter().map(LinkLine::new).collect(),
            dropped_links_count: span.links.dropped_count,
            status: StatusLine { message, code: code.into() },
        }
    }
}

/// Returns the flags of a span or a link.
fn flags(trace: u8, is_remote: bool) -> u32 {
    let remote = if is_remote { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    u32::from(trace) | SpanFlags::ContextHasIsRemoteMask as u32 | remote
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventLine<'a> {
    time_unix_nano: Text<u64>,
    name: &'a str,
    attributes: Vec<Pair<'a, Typed<'a>>>,
    dropped_attributes_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkLine<'a> {
    trace_id: Text<TraceId>,
    span_id: Text<SpanId>,
    trace_state: String,
    attributes: Vec<Pair<'a, Typed<'a>>>,
    dropped_attributes_count: u32,
    flags: u32,
}

impl<'a> LinkLine<'a> {
    fn new(link: &'a Link) -> Self {
        let context = &link.span_context;
        Self {
            trace_id: Text(context.trace_id()),
            span_id: Text(context.span_id()),
            trace_state: context.trace_state().header(),
            attributes: attributes(&link.attributes),
            dropped_attributes_count: link.dropped_attributes_count,
            flags: flags(context.trace_flags().to_u8(), context.is_remote()),
        }
    }
}

#[derive(Serialize)]
struct StatusLine<'a> {
    message: &'a str,
    code: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordLine<'a> {
    time_unix_nano: Text<u64>,
    observed_time_unix_nano: Text<u64>,
    severity_number: i32,
    severity_text: &'a str,
    body: Option<Typed<'a, AnyValue>>,
    attributes: Vec<Pair<'a, Typed<'a, AnyValue>>>,
    dropped_attributes_count: u32,
    flags: u32,
    trace_id: Optional<TraceId>,
    span_id: Optional<SpanId>,
    event_name: &'a str,
}

impl<'a> RecordLine<'a> {
    fn new(record: &'a SdkLogRecord) -> Self {
        let context = record.trace_context();
        let flags = context.and_then(|context| context.trace_flags);
        let attributes = record.attributes_iter().map(|(key, value)| (key.as_str(), Typed(value)));
        Self {
            time_unix_nano: Text(record.timestamp().map_or(0, nanos)),
            observed_time_unix_nano: Text(record.observed_timestamp().map_or(0, nanos)),
            // The numbers of the API are those of the protocol.
            severity_number: record.severity_number().map_or(0, |severity| severity as i32),
            severity_text: record.severity_text().unwrap_or_default(),
            body: record.body().map(Typed),
            attributes: pairs(attributes),
            dropped_attributes_count: 0,
            flags: flags.map_or(0, |flags| flags.to_u8().into()),
            trace_id: Optional(context.map(|context| context.trace_id)),
            span_id: Optional(context.map(|context| context.span_id)),
            event_name: record.event_name().unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
struct Pair<'a, V> {
    key: &'a str,
    value: V,
}

fn pairs<'a, V>(pairs: impl Iterator<Item = (&'a str, V)>) -> Vec<Pair<'a, V>> {
    pairs.map(|(key, value)| Pair { key, value }).collect()
}

fn attributes<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> Vec<Pair<'a, Typed<'a>>> {
    pairs(attributes.into_iter().map(|pair| (pair.key.as_str(), Typed(&pair.value))))
}

/// A value that is encoded as the text of its `Display`: an identifier or a 64-bit integer.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An identifier, or an empty text.
struct Optional<T>(Option<T>);

impl<T: Display> Serialize for Optional<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_str(""),
        }
    }
}

/// A value with its type.
struct Typed<'a, V = Value>(&'a V);

fn typed<S: Serializer>(
    serializer: S,
    kind: &'static str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(kind, value)?;
    map.end()
}

/// The elements of a list, or the entries of a map.
#[derive(Serialize)]
struct Values<T> {
    values: Vec<T>,
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn list<T, S: Serializer>(
            serializer: S,
            list: &[T],
            value: impl Fn(&T) -> Value,
        ) -> Result<S::Ok, S::Error> {
            let values: Vec<Value> = list.iter().map(value).collect();
            typed(serializer, "arrayValue", &Values { values: values.iter().map(Typed).collect() })
        }
        match self.0 {
            Value::Bool(flag) => typed(serializer, "boolValue", flag),
            Value::I64(number) => typed(serializer, "intValue", &Text(number)),
            Value::F64(number) => typed(serializer, "doubleValue", &Double(*number)),
            Value::Array(Array::Bool(flags)) => list(serializer, flags, |flag| (*flag).into()),
            Value::Array(Array::I64(numbers)) => list(serializer, numbers, |n| (*n).into()),
            Value::Array(Array::F64(numbers)) => list(serializer, numbers, |n| (*n).into()),
            Value::Array(Array::String(texts)) => {
                list(serializer, texts, |text: &StringValue| text.clone().into())
            }
            other => typed(serializer, "stringValue", &other.as_str()),
        }
    }
}

impl Serialize for Typed<'_, AnyValue> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            AnyValue::Boolean(flag) => typed(serializer, "boolValue", flag),
            AnyValue::Int(number) => typed(serializer, "intValue", &Text(number)),
            AnyValue::Double(number) => typed(serializer, "doubleValue", &Double(*number)),
            AnyValue::String(text) => typed(serializer, "stringValue", text.as_str()),
            AnyValue::ListAny(list) => typed(
                serializer,
                "arrayValue",
                &Values { values: list.iter().map(Typed).collect() },
            ),
            AnyValue::Map(map) => {
                let values = pairs(map.iter().map(|(key, value)| (key.as_str(), Typed(value))));
                typed(serializer, "kvlistValue", &Values { values })
            }
            // Bytes, and types that the API may add.
            other => ProtoValue::from(other.clone()).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::{Duration, UNIX_EPOCH};

    use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _, Severity};
    use opentelemetry::trace::{
        SpanContext, TraceContextExt as _, TraceFlags, TraceState, Tracer as _, TracerProvider as _,
    };
    use opentelemetry::{Context, Key};
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
    use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
    use opentelemetry_sdk::logs::{
        InMemoryLogExporter, LogBatch, SdkLoggerProvider, SimpleLogProcessor,
    };
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    use super::*;
    use crate::export::to_json;

    fn resource() -> Resource {
        let attributes = [KeyValue::new("service.name", "a \"shop\""), KeyValue::new("n", 7)];
        Resource::builder_empty().with_schema_url(attributes, "https://example.com/schema").build()
    }

    fn scope() -> InstrumentationScope {
        InstrumentationScope::builder("library")
            .with_version("1.2")
            .with_schema_url("https://example.com/scope")
            .with_attributes([KeyValue::new("edition", true)])
            .build()
    }

    fn parsed(line: &[u8]) -> serde_json::Value {
        serde_json::from_slice(line).unwrap()
    }

    fn remote(id: u64) -> SpanContext {
        let state = TraceState::from_key_value([("vendor", "x")]).unwrap();
        SpanContext::new(TraceId::from(9), SpanId::from(id), TraceFlags::SAMPLED, true, state)
    }

    /// Returns spans with values of every type, events, links and both kinds of parent.
    fn spans() -> Vec<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let tracer = provider.tracer_with_scope(scope());
        let texts: Vec<StringValue> = vec!["a".into(), "\u{1}<b>".into()];
        let remote_parent = Context::new().with_remote_span_context(remote(3));
        for (parent, kind, status) in [
            (Context::new(), SpanKind::Internal, Status::Unset),
            (remote_parent, SpanKind::Server, Status::error("it is \"broken\"")),
            (Context::new(), SpanKind::Client, Status::Ok),
        ] {
            let mut span = tracer
                .span_builder("two\nlines")
                .with_kind(kind)
                .with_links(vec![Link::new(remote(5), vec![KeyValue::new("why", "because")], 2)])
                .start_with_context(&tracer, &parent);
            opentelemetry::trace::Span::set_attributes(
                &mut span,
                [
                    KeyValue::new("text", "ä \u{1f600}"),
                    KeyValue::new("flag", false),
                    KeyValue::new("count", i64::MIN),
                    KeyValue::new("share", 0.25),
                    KeyValue::new("missing", f64::NAN),
                    KeyValue::new("texts", Value::Array(Array::String(texts.clone()))),
                    KeyValue::new("flags", Value::Array(Array::Bool(vec![true, false]))),
                    KeyValue::new("counts", Value::Array(Array::I64(vec![1, -2]))),
                    KeyValue::new("shares", Value::Array(Array::F64(vec![0.5, f64::INFINITY]))),
                    KeyValue::new("none", Value::Array(Array::I64(vec![]))),
                ],
            );
            let at = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001);
            let event = vec![KeyValue::new("k", 1.0)];
            opentelemetry::trace::Span::add_event_with_timestamp(&mut span, "exception", at, event);
            opentelemetry::trace::Span::set_status(&mut span, status);
        }
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn a_span_line_equals_the_encoding_of_the_protobuf_structs() {
        let resource = resource();
        let encoder = Encoder::new(&resource);
        let spans = spans();
        assert_eq!(spans.len(), 3);
        for span in spans {
            let line = encoder.span(&span).unwrap();
            let resource_spans = group_spans_by_resource_and_scope(vec![span], &(&resource).into());
            let mut request = ExportTraceServiceRequest { resource_spans };
            assert_eq!(parsed(&line), parsed(&to_json(&mut request).unwrap()));
        }
    }

    #[test]
    fn a_record_line_equals_the_encoding_of_the_protobuf_structs() {
        let exporter = InMemoryLogExporter::default();
        let processor = SimpleLogProcessor::new(exporter.clone());
        let provider = SdkLoggerProvider::builder().with_log_processor(processor).build();
        let logger = provider.logger_with_scope(scope());
        let mut full = logger.create_log_record();
        full.set_event_name("gen_ai.client.inference.operation.details");
        full.set_target("target");
        full.set_timestamp(UNIX_EPOCH + Duration::from_nanos(17));
        full.set_severity_number(Severity::Warn3);
        full.set_severity_text("WARN");
        full.set_body("text".into());
        full.set_trace_context(TraceId::from(9), SpanId::from(8), Some(TraceFlags::SAMPLED));
        let map = HashMap::from([(Key::new("deep"), AnyValue::Int(3))]);
        full.add_attribute("map", AnyValue::Map(Box::new(map)));
        full.add_attribute("list", AnyValue::ListAny(Box::new(vec!["x".into(), true.into()])));
        full.add_attribute("bytes", AnyValue::Bytes(Box::new(vec![0, 255, 7])));
        full.add_attribute("double", 0.5);
        full.add_attribute("missing", f64::NEG_INFINITY);
        let empty = logger.create_log_record();
        logger.emit(full);
        logger.emit(empty);

        let resource = resource();
        let encoder = Encoder::new(&resource);
        let emitted = exporter.get_emitted_logs().unwrap();
        assert_eq!(emitted.len(), 2);
        for log in &emitted {
            let line = encoder.record(&log.record, &log.instrumentation).unwrap();
            let records = [(&log.record, &log.instrumentation)];
            let resource_logs =
                group_logs_by_resource_and_scope(&LogBatch::new(&records), &(&resource).into());
            let mut request = ExportLogsServiceRequest { resource_logs };
            assert_eq!(parsed(&line), parsed(&to_json(&mut request).unwrap()));
        }
    }
}
