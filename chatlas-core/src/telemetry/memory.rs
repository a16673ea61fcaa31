//! An operation of a memory store: its span, which has the name of the operation, and its metric.

use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use serde_json::{Value, json};

use super::attributes::push;
use super::capture::ContentKind;
use super::facts::Facts;
use super::function::{End, FunctionSpan, Operation};
use super::names::{self, memory};
use super::run::Live;
use super::scope::SpanScope;
use super::shield::shielded;
use crate::operations::{MemoryRecord, to_json};
use crate::tool::ToolOutput;

struct Memory {
    live: Arc<Live>,
    scope: SpanScope,
    metric_attributes: Vec<KeyValue>,
    /// Whether the records are given at the start, and not returned.
    has_records: bool,
    skips_output: bool,
    has_record_id: bool,
}

/// Starts the span of a memory operation. `in_process` is whether the store is in this process.
pub fn memory_span(
    operation: &'static str,
    in_process: bool,
    describe: &mut dyn FnMut(&mut Facts),
) -> FunctionSpan {
    FunctionSpan::start(|live| {
        let mut facts = Facts::read(live.writer.capture.on_spans(), describe);
        let mut metric_attributes = vec![KeyValue::new(names::OPERATION_NAME, operation)];
        push(&mut metric_attributes, names::PROVIDER_NAME, facts.provider);
        let own = [
            (memory::STORE_ID, facts.store_id.clone().map(Into::into)),
            (memory::RECORD_ID, facts.record_id.clone().map(Into::into)),
            (memory::RECORD_COUNT, facts.record_count.map(Into::into)),
        ];
        let kind = if in_process { SpanKind::Internal } else { SpanKind::Client };
        let scope = facts.start(&live, kind, (operation, None), own);
        live.record_query(&scope, memory::QUERY, facts.input.take());
        let call = Memory {
            live,
            scope,
            metric_attributes,
            has_records: facts.record_count.is_some(),
            skips_output: facts.skips_output,
            has_record_id: facts.record_id.is_some(),
        };
        if let Some(records) = facts.records {
            call.record_content(records);
        }
        Some(Box::new(call))
    })
}

impl Memory {
    fn record_content(&self, records: Vec<Value>) {
        if self.live.records_content(&self.scope) {
            let list = self.live.writer.list(ContentKind::MemoryRecord, records);
            self.scope.set_content(memory::RECORDS, list);
        }
    }

    /// Records what a call returned: the ids of new records, or the records that a search found.
    fn record_output(&self, output: &ToolOutput) {
        let ToolOutput::Value(Value::Array(list)) = output else { return };
        if self.has_records {
            if let ([Value::String(id)], false) = (list.as_slice(), self.has_record_id) {
                self.scope.set(vec![KeyValue::new(memory::RECORD_ID, id.clone())]);
            }
            return;
        }
        let count = i64::try_from(list.len()).unwrap_or(i64::MAX);
        let mut attributes = vec![KeyValue::new(memory::RECORD_COUNT, count)];
        if let [record] = list.as_slice() {
            let id = record.get("id").and_then(Value::as_str).map(str::to_owned);
            push(&mut attributes, memory::RECORD_ID, id);
        }
        self.scope.set(attributes);
        // Without content, the records are their ids alone.
        if list.first().is_some_and(|record| record.get("content").is_some()) {
            self.record_content(list.clone());
        }
    }
}

impl Operation for Memory {
    fn context(&self) -> Option<&Context> {
        self.scope.context()
    }

    fn wants_output(&self) -> bool {
        !self.skips_output && self.live.records_content(&self.scope)
    }

    fn end(mut self: Box<Self>, end: End<'_>) {
        if let End::Completed(Some(output)) = end {
            self.record_output(output);
        }
        let error_type = self.live.record_end(&self.scope, end, None);
        let duration = self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            push(&mut self.metric_attributes, names::ERROR_TYPE, error_type);
            shielded(|| instruments.record_operation(duration, &self.metric_attributes));
        }
    }
}

impl Facts {
    /// Sets the records of a call. `with_content` is whether their content may be recorded.
    pub fn records(&mut self, records: &[MemoryRecord], with_content: bool) {
        self.set_count(records.len());
        if let [record] = records {
            self.record_id = record.id.as_deref().map(Into::into);
        }
        if with_content && self.captures() {
            self.records = Some(records.iter().map(to_json).collect());
        }
    }

    /// Sets the ids of the records of a call.
    pub fn ids(&mut self, ids: &[String]) {
        self.set_count(ids.len());
        if let [id] = ids {
            self.record_id = Some(id.as_str().into());
        }
    }

    /// Prevents that returned records are recorded.
    pub fn skip_output(&mut self) {
        self.skips_output = true;
    }

    fn set_count(&mut self, count: usize) {
        self.record_count = Some(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Returns the records that a search found, or their ids alone if no content is recorded. Called by
/// macro expansions.
pub fn found_records(records: &[MemoryRecord], with_content: bool) -> ToolOutput {
    let id_of = |record: &MemoryRecord| json!({ "id": record.id });
    let to_value = |record| if with_content { to_json(record) } else { id_of(record) };
    ToolOutput::Value(records.iter().map(to_value).collect())
}

/// Returns the ids of new records. Called by macro expansions.
pub fn new_ids(ids: &[String]) -> ToolOutput {
    ToolOutput::Value(ids.into())
}
