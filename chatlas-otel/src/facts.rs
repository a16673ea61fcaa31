//! What waterfalls and reports show of a span.

use std::time::{Duration, SystemTime};

use chatlas_core::telemetry::names::{self, operation};
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;

use super::prices::{Prices, Spent};

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Agent,
    ModelCall,
    ToolCall,
    Http,
    Other,
}

/// What is shown of a span.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) id: SpanId,
    pub(super) parent: SpanId,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    /// The tokens of a model call. An agent repeats the sum of its calls: shown there, they would
    /// be counted twice.
    pub(super) tokens: Tokens,
    pub(super) time_to_first_chunk: Option<Duration>,
    /// The model that answered, else the one that was asked for, of a model call.
    pub(super) model: Option<String>,
    /// The tool of a tool call.
    pub(super) tool: Option<String>,
    /// `error.type`, or `error` where there is none.
    pub(super) error: Option<String>,
    pub(super) cost: Option<f64>,
}

impl Facts {
    pub(super) fn of(span: &SpanData, prices: &Prices) -> Self {
        let kind = match text(span, names::OPERATION_NAME).as_deref() {
            Some(operation::INVOKE_AGENT) => Kind::Agent,
            Some(operation::CHAT) => Kind::ModelCall,
            Some(operation::EXECUTE_TOOL) => Kind::ToolCall,
            _ if find(span, "http.request.method").is_some() => Kind::Http,
            _ => Kind::Other,
        };
        let is_call = kind == Kind::ModelCall;
        let tokens = if is_call { Tokens::of(span) } else { Tokens::default() };
        let answered = text(span, names::response::MODEL).filter(|_| is_call);
        let asked = text(span, names::request::MODEL).filter(|_| is_call);
        let cost = prices.cost([answered.as_deref(), asked.as_deref()], &tokens.spent());
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
            model: answered.or(asked),
            tool: text(span, names::tool::NAME).filter(|_| kind == Kind::ToolCall),
            error: failed.then(|| text(span, names::ERROR_TYPE).unwrap_or_else(|| "error".into())),
            cost: cost.filter(|_| is_call && tokens.spent() != Spent::default()),
        }
    }

    pub(super) fn duration(&self) -> Duration {
        self.end.duration_since(self.start).unwrap_or_default()
    }
}

/// The value of an attribute.
pub(super) fn find<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| &pair.value)
}

/// The text of an attribute.
pub(super) fn text(span: &SpanData, key: &str) -> Option<String> {
    find(span, key).map(|value| value.as_str().into_owned())
}

fn seconds(span: &SpanData, key: &str) -> Option<Duration> {
    match find(span, key)? {
        Value::F64(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => None,
    }
}

/// The tokens of a model call, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) cached: Option<u64>,
}

impl Tokens {
    fn of(span: &SpanData) -> Self {
        let count = |key: &str| match find(span, key)? {
            Value::I64(count) => u64::try_from(*count).ok(),
            _ => None,
        };
        Self {
            input: count(names::usage::INPUT_TOKENS),
            output: count(names::usage::OUTPUT_TOKENS),
            cached: count(names::usage::CACHE_READ_TOKENS),
        }
    }

    fn spent(self) -> Spent {
        Spent {
            input: self.input.unwrap_or(0),
            cached: self.cached.unwrap_or(0),
            output: self.output.unwrap_or(0),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            input: sum(self.input, other.input),
            output: sum(self.output, other.output),
            cached: sum(self.cached, other.cached),
        }
    }

    pub(super) fn said(self) -> Option<String> {
        match (self.input, self.output) {
            (Some(input), Some(output)) => Some(format!("{input} in → {output} out")),
            (Some(input), None) => Some(format!("{input} in")),
            (None, Some(output)) => Some(format!("{output} out")),
            (None, None) => None,
        }
    }
}
