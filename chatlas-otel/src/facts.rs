//! The facts about a span that waterfalls and reports show.

use std::time::{Duration, SystemTime};

use chatlas_core::cost::Prices;
use chatlas_core::telemetry::names::{self, operation};
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;

use crate::attributes::{find, seconds, text};
use crate::details::details;
use crate::tokens::Tokens;

/// The operation that a span records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Agent,
    ModelCall,
    ToolCall,
    Http,
    Other,
}

/// The facts about one span.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) id: SpanId,
    pub(crate) parent: SpanId,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    /// The tokens of a model call. An agent span repeats the sum of its calls, so its tokens are
    /// omitted: they would be counted twice.
    pub(crate) tokens: Tokens,
    pub(crate) time_to_first_chunk: Option<Duration>,
    /// The model of a model call: the one in the response, else the one in the request.
    pub(crate) model: Option<String>,
    /// The tool of a tool call.
    pub(crate) tool: Option<String>,
    /// The `error.type` of a failed span, or `error` if it has none.
    pub(crate) error: Option<String>,
    pub(crate) cost: Option<f64>,
    /// A line about an operation other than a model call.
    pub(crate) details: Option<String>,
    /// Whether the program cancelled the work.
    pub(crate) cancelled: bool,
}

impl Facts {
    pub(crate) fn from_span(span: &SpanData, prices: &Prices) -> Self {
        let operation = text(span, names::OPERATION_NAME);
        let kind = match operation.as_deref() {
            Some(operation::INVOKE_AGENT) => Kind::Agent,
            Some(operation::CHAT) => Kind::ModelCall,
            Some(operation::EXECUTE_TOOL) => Kind::ToolCall,
            _ if find(span, names::http::REQUEST_METHOD).is_some() => Kind::Http,
            _ => Kind::Other,
        };
        let is_call = kind == Kind::ModelCall;
        let tokens = if is_call { Tokens::from_span(span) } else { Tokens::default() };
        let response_model = text(span, names::response::MODEL).filter(|_| is_call);
        let request_model = text(span, names::request::MODEL).filter(|_| is_call);
        let cost = tokens.cost(
            prices,
            text(span, names::PROVIDER_NAME).as_deref(),
            [response_model.as_deref(), request_model.as_deref()],
            text(span, names::openai::RESPONSE_SERVICE_TIER).as_deref(),
        );
        let failed = matches!(span.status, Status::Error { .. });
        Self {
            id: span.span_context.span_id(),
            parent: span.parent_span_id,
            name: span.name.to_string(),
            kind,
            start: span.start_time,
            end: span.end_time,
            tokens,
            time_to_first_chunk: seconds(span, names::response::TIME_TO_FIRST_CHUNK),
            model: response_model.or(request_model),
            tool: text(span, names::tool::NAME).filter(|_| kind == Kind::ToolCall),
            error: failed.then(|| text(span, names::ERROR_TYPE).unwrap_or_else(|| "error".into())),
            cost,
            details: details(span, operation.as_deref()),
            cancelled: find(span, names::CANCELLED) == Some(&Value::Bool(true)),
        }
    }

    /// Returns whether this is a model call whose cost is unknown. A failed call without tokens has
    /// none.
    pub(crate) fn has_unknown_cost(&self) -> bool {
        let is_billed = self.error.is_none() || self.tokens != Tokens::default();
        self.kind == Kind::ModelCall && self.cost.is_none() && is_billed
    }

    pub(crate) fn duration(&self) -> Duration {
        self.end.duration_since(self.start).unwrap_or_default()
    }
}
