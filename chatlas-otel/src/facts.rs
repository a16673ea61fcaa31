//! The facts about a span that waterfalls and reports show.

use std::time::{Duration, SystemTime};

use chatlas_core::Usage;
use chatlas_core::cost::{PricedCall, Prices};
use chatlas_core::telemetry::names::{self, operation};
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;

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
    /// Whether the program cancelled the work.
    pub(crate) cancelled: bool,
}

impl Facts {
    pub(crate) fn from_span(span: &SpanData, prices: &Prices) -> Self {
        let kind = match text(span, names::OPERATION_NAME).as_deref() {
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

/// Returns the value of an attribute.
fn find<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| &pair.value)
}

/// Returns the value of an attribute as text.
pub(crate) fn text(span: &SpanData, key: &str) -> Option<String> {
    find(span, key).map(|value| value.as_str().into_owned())
}

fn seconds(span: &SpanData, key: &str) -> Option<Duration> {
    match find(span, key)? {
        Value::F64(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => None,
    }
}

/// The tokens of one or more model calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) cache_write: Option<u64>,
}

impl Tokens {
    fn from_span(span: &SpanData) -> Self {
        let count = |key: &str| match find(span, key)? {
            Value::I64(count) => u64::try_from(*count).ok(),
            _ => None,
        };
        Self {
            input: count(names::usage::INPUT_TOKENS),
            output: count(names::usage::OUTPUT_TOKENS),
            cached: count(names::usage::CACHE_READ_TOKENS),
            cache_write: count(names::usage::CACHE_WRITE_TOKENS),
        }
    }

    /// Returns the cost of these tokens, or `None` if there are no tokens or no price.
    fn cost(
        self,
        prices: &Prices,
        vendor: Option<&str>,
        models: [Option<&str>; 2],
        tier: Option<&str>,
    ) -> Option<f64> {
        let mut usage = Usage::default();
        usage.input_tokens = self.input;
        usage.output_tokens = self.output;
        usage.cache_read_tokens = self.cached;
        usage.cache_write_tokens = self.cache_write;
        let is_empty = usage.total_tokens().unwrap_or(0) == 0;
        let cost = prices.cost(&PricedCall::new(vendor, models).with_tier(tier), &usage);
        (cost.is_complete() && !is_empty).then(|| cost.total())
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            input: sum(self.input, other.input),
            output: sum(self.output, other.output),
            cached: sum(self.cached, other.cached),
            cache_write: sum(self.cache_write, other.cache_write),
        }
    }

    /// Returns the input and output tokens as text, or `None` if both are unknown.
    pub(crate) fn label(self) -> Option<String> {
        match (self.input, self.output) {
            (Some(input), Some(output)) => Some(format!("{input} in → {output} out")),
            (Some(input), None) => Some(format!("{input} in")),
            (None, Some(output)) => Some(format!("{output} out")),
            (None, None) => None,
        }
    }
}
