//! The spans of a conversation: what is recorded, and when.
//!
//! One file for each operation (`agent`, `inference`, `tool`, and `operation` for the rest); below them the words of the
//! conventions (`names`), a span that is active while polled and ends exactly once (`scope`),
//! and message content (`capture`), which is off unless switched on.
//!
//! Telemetry reads data and never changes an outcome.

pub(crate) mod agent;
pub mod capture;
pub mod inference;
pub mod names;
pub mod operation;
mod scope;
pub mod tool;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};

use crate::provider::{ModelParams, ProviderInfo};
use crate::turn::{FinishReason, Usage};
use capture::Capture;
use scope::SpanScope;
pub(crate) use scope::in_context;

/// The telemetry of one run: found once at its start and handed down, so that what runs inside
/// asks nobody again. Without an SDK it is nothing at all.
///
/// It is never kept beyond the run: a tracer taken before an SDK is installed would stay silent,
/// one taken before the SDK is replaced would write to the old one.
#[derive(Clone)]
pub(crate) struct Run(Option<Arc<Live>>);

struct Live {
    tracer: BoxedTracer,
    capture: Capture,
}

impl Run {
    /// Asks the global tracer provider, as it is now.
    pub(crate) fn begin() -> Self {
        let scope = InstrumentationScope::builder(names::SCOPE_NAME)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(names::SCHEMA_URL)
            .build();
        let tracer = global::tracer_with_scope(scope);
        if is_noop(&tracer) {
            return Self(None);
        }
        Self(Some(Arc::new(Live { tracer, capture: Capture::from_env() })))
    }

    /// What of the messages is to be recorded.
    pub(crate) fn capture(&self) -> Capture {
        self.0.as_ref().map_or(Capture::Nothing, |live| live.capture)
    }

    /// Starts a span under `parent`, if anybody listens. The attributes are those that samplers see.
    fn start(
        &self,
        parent: &Context,
        kind: SpanKind,
        name: impl FnOnce() -> Cow<'static, str>,
        attributes: impl FnOnce(&mut Vec<KeyValue>),
    ) -> SpanScope {
        let Some(live) = &self.0 else { return SpanScope::off() };
        // Room for what comes at the end, too: the SDK keeps this vector.
        let mut list = Vec::with_capacity(24);
        attributes(&mut list);
        let builder = SpanBuilder::from_name(name()).with_kind(kind).with_attributes(list);
        let span = live.tracer.build_with_context(builder, parent);
        SpanScope::of(parent.with_span(span))
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Run(on)" } else { "Run(off)" })
    }
}

/// Whether this is the tracer of an API without an SDK.
///
/// A span that is started to find out would be exported. Under suppression an SDK makes none and
/// answers with an invalid context, while the no-op tracer repeats the parent's.
fn is_noop(tracer: &BoxedTracer) -> bool {
    static PROBE: OnceLock<Context> = OnceLock::new();
    let parent = SpanId::from(1);
    let probe = PROBE.get_or_init(|| {
        let flags = TraceFlags::NOT_SAMPLED;
        let remote = SpanContext::new(TraceId::from(1), parent, flags, true, TraceState::NONE);
        Context::new().with_remote_span_context(remote).with_telemetry_suppressed()
    });
    let span = tracer.build_with_context(SpanBuilder::default(), probe);
    !span.is_recording() && span.span_context().span_id() == parent
}

/// The server that is asked.
fn push_server(list: &mut Vec<KeyValue>, info: &ProviderInfo) {
    if let Some(address) = &info.server_address {
        list.push(KeyValue::new(names::SERVER_ADDRESS, address.clone()));
        list.extend(info.server_port.map(|p| KeyValue::new(names::SERVER_PORT, i64::from(p))));
    }
}

/// The parameters of the model, as far as they are set.
fn push_params(list: &mut Vec<KeyValue>, params: &ModelParams) {
    use names::request;
    let mut push = |key: &'static str, value: Option<Value>| {
        list.extend(value.map(|value| KeyValue::new(key, value)));
    };
    push(request::TEMPERATURE, params.temperature.map(Value::from));
    push(request::TOP_P, params.top_p.map(Value::from));
    push(request::TOP_K, params.top_k.map(|k| i64::from(k).into()));
    push(request::MAX_TOKENS, params.max_tokens.map(|max| i64::from(max).into()));
    push(request::SEED, params.seed.map(Value::from));
    push(request::FREQUENCY_PENALTY, params.frequency_penalty.map(Value::from));
    push(request::PRESENCE_PENALTY, params.presence_penalty.map(Value::from));
    if !params.stop_sequences.is_empty() {
        push(request::STOP_SEQUENCES, Some(strings(params.stop_sequences.iter().cloned())));
    }
}

/// The tokens, as far as they are known: the totals alone, or with their parts.
fn push_usage(list: &mut Vec<KeyValue>, usage: &Usage, parts: bool) {
    use names::usage;
    let mut push = |key: &'static str, count: Option<u64>| {
        list.extend(count.map(|n| KeyValue::new(key, i64::try_from(n).unwrap_or(i64::MAX))));
    };
    push(usage::INPUT_TOKENS, usage.input_tokens);
    push(usage::OUTPUT_TOKENS, usage.output_tokens);
    if parts {
        push(usage::CACHE_READ_TOKENS, usage.cache_read_tokens);
        push(usage::CACHE_WRITE_TOKENS, usage.cache_write_tokens);
        push(usage::REASONING_TOKENS, usage.reasoning_tokens);
    }
}

/// Why the one choice ended. `None` is a choice that never came to its end: the conventions say `error`.
fn finish_reasons(reason: Option<&FinishReason>) -> KeyValue {
    let reason = reason.unwrap_or(&FinishReason::Error).as_str().to_owned();
    KeyValue::new(names::response::FINISH_REASONS, strings([reason]))
}

fn strings(values: impl IntoIterator<Item = String>) -> Value {
    Value::Array(Array::String(values.into_iter().map(StringValue::from).collect()))
}
