//! The processors that queue spans and events for a receiver.

use std::time::Duration;

use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message as _;

use super::queue::{Item, Queue};

/// The approximate size of a span, an event or a link without attributes, and of an attribute
/// without its text.
const EMPTY_ITEM: usize = 100;
const EMPTY_ATTRIBUTE: usize = 16;

/// Queues spans.
#[derive(Debug)]
pub(crate) struct OtlpSpans(Queue<SpanData>);

impl OtlpSpans {
    pub(super) fn new(queue: Queue<SpanData>) -> Self {
        Self(queue)
    }
}

impl SpanProcessor for OtlpSpans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shut_down(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

impl Item for SpanData {
    type Payload = ExportTraceServiceRequest;

    fn size(&self) -> usize {
        let events = self.events.iter();
        let links = self.links.iter();
        EMPTY_ITEM
            + self.name.len()
            + attributes_size(&self.attributes)
            + events
                .map(|event| EMPTY_ITEM + event.name.len() + attributes_size(&event.attributes))
                .sum::<usize>()
            + links.map(|link| EMPTY_ITEM + attributes_size(&link.attributes)).sum::<usize>()
    }

    fn payload(batch: Vec<Self>, resource: &ResourceAttributesWithSchema) -> Self::Payload {
        let resource_spans = group_spans_by_resource_and_scope(batch, resource);
        ExportTraceServiceRequest { resource_spans }
    }
}

fn attributes_size(attributes: &[KeyValue]) -> usize {
    attributes.iter().map(|pair| pair.key.as_str().len() + value_size(&pair.value)).sum()
}

fn value_size(value: &Value) -> usize {
    EMPTY_ATTRIBUTE
        + match value {
            Value::String(text) => text.as_str().len(),
            Value::Array(Array::String(list)) => {
                list.iter().map(|text| EMPTY_ATTRIBUTE + text.as_str().len()).sum()
            }
            Value::Array(Array::Bool(list)) => list.len() * EMPTY_ATTRIBUTE,
            Value::Array(Array::I64(list)) => list.len() * EMPTY_ATTRIBUTE,
            Value::Array(Array::F64(list)) => list.len() * EMPTY_ATTRIBUTE,
            _ => 0,
        }
}

/// Queues events.
#[derive(Debug)]
pub(crate) struct OtlpEvents(Queue<ScopeLogs>);

impl OtlpEvents {
    pub(super) fn new(queue: Queue<ScopeLogs>) -> Self {
        Self(queue)
    }
}

impl LogProcessor for OtlpEvents {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if let Some(event) = scope_logs(record, scope) {
            self.0.push(event);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shut_down(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Converts a record to the form of OTLP: a scope with one record.
fn scope_logs(record: &SdkLogRecord, scope: &InstrumentationScope) -> Option<ScopeLogs> {
    let records = [(record, scope)];
    let resources = group_logs_by_resource_and_scope(
        &LogBatch::new(&records),
        &ResourceAttributesWithSchema::default(),
    );
    resources.into_iter().flat_map(|resource| resource.scope_logs).next()
}

impl Item for ScopeLogs {
    type Payload = ExportLogsServiceRequest;

    fn size(&self) -> usize {
        self.encoded_len()
    }

    fn payload(batch: Vec<Self>, resource: &ResourceAttributesWithSchema) -> Self::Payload {
        let mut scope_logs: Vec<Self> = Vec::new();
        for event in batch {
            let same = scope_logs
                .iter_mut()
                .find(|other| other.scope == event.scope && other.schema_url == event.schema_url);
            match same {
                Some(other) => other.log_records.extend(event.log_records),
                None => scope_logs.push(event),
            }
        }
        let resource_logs = ResourceLogs {
            resource: Some(ProtoResource {
                attributes: resource.attributes.0.clone(),
                ..ProtoResource::default()
            }),
            scope_logs,
            schema_url: resource.schema_url.clone().unwrap_or_default(),
        };
        ExportLogsServiceRequest { resource_logs: vec![resource_logs] }
    }
}
