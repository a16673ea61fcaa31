//! A retrieval: its `retrieval` span and its metric.
//!
//! The span has the form of release 0.1.0 of the conventions: internal, and named by its operation
//! alone.

use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use serde_json::Value;

use super::attributes::push;
use super::capture::ContentKind;
use super::facts::Facts;
use super::function::{End, FunctionSpan, Operation};
use super::names::{self, operation, retrieval};
use super::run::Live;
use super::scope::SpanScope;
use super::shield::shielded;
use crate::tool::ToolOutput;

struct Retrieval {
    live: Arc<Live>,
    scope: SpanScope,
    metric_attributes: Vec<KeyValue>,
}

/// Starts the span of a retrieval.
pub fn retrieval_span(describe: &mut dyn FnMut(&mut Facts)) -> FunctionSpan {
    FunctionSpan::start(|live| {
        let mut facts = Facts::read(live.writer.capture.on_spans(), describe);
        let source = facts.data_source_id.clone();
        let mut metric_attributes =
            vec![KeyValue::new(names::OPERATION_NAME, operation::RETRIEVAL)];
        push(&mut metric_attributes, names::DATA_SOURCE_ID, source.clone());
        let own = [
            (names::DATA_SOURCE_ID, source.map(Into::into)),
            (retrieval::TOP_K, facts.top_k.take()),
        ];
        let scope = facts.start(&live, SpanKind::Internal, (operation::RETRIEVAL, None), own);
        live.record_query(&scope, retrieval::QUERY, facts.input.take());
        Some(Box::new(Retrieval { live, scope, metric_attributes }))
    })
}

impl Live {
    /// Records the query of a search, with capture on.
    pub(super) fn record_query(
        &self,
        scope: &SpanScope,
        key: &'static str,
        query: Option<ToolOutput>,
    ) {
        if let Some(ToolOutput::Value(query)) = query
            && self.records_content(scope)
        {
            scope.set_content(key, self.writer.to_text(ContentKind::Query, query));
        }
    }
}

impl Operation for Retrieval {
    fn context(&self) -> Option<&Context> {
        self.scope.context()
    }

    fn wants_output(&self) -> bool {
        self.live.records_content(&self.scope)
    }

    fn end(mut self: Box<Self>, end: End<'_>) {
        if let End::Completed(Some(ToolOutput::Value(Value::Array(documents)))) = end
            && self.live.records_content(&self.scope)
        {
            let list = self.live.writer.list(ContentKind::Document, documents.iter().cloned());
            self.scope.set_content(retrieval::DOCUMENTS, list);
        }
        let error_type = self.live.record_end(&self.scope, end, None);
        let duration = self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            shielded(|| {
                instruments.record_retrieval(
                    duration,
                    &self.metric_attributes,
                    error_type.as_deref(),
                );
            });
        }
    }
}
