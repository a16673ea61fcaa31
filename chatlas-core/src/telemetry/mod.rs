//! The telemetry of a conversation: what is recorded, and when.
//!
//! One file for each operation (`agent`, `inference`, `tool`, and `operation` for the rest): each
//! records its span, its metrics and its events. Below them the words of the conventions
//! (`names`), a span that is active while polled and ends exactly once (`scope`), the instruments
//! (`metrics`), the event sink (`events`), content (`capture`: whether; `messages`: how; `cut`: how
//! much), what a chat sets (`settings`), and the judgement of answers (`feedback`).
//!
//! Telemetry reads data and never changes an outcome.

pub(crate) mod agent;
pub mod capture;
mod cut;
pub mod events;
pub mod feedback;
pub mod inference;
mod messages;
pub mod metrics;
pub mod names;
pub mod operation;
#[doc(hidden)]
pub mod rehearsal;
mod scope;
pub(crate) mod settings;
pub mod tool;
pub(crate) mod tool_direct;

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use opentelemetry::global::{self, BoxedTracer, GlobalTracerProvider};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};

use crate::provider::{ChatRequest, ModelParams, ProviderInfo, RunExtension};
use crate::turn::{AssistantTurn, FinishReason, Modalities, Usage};
pub use capture::{Capture, CapturedContent, ContentKind, set_default_capture};
pub(crate) use cut::LEAST as LEAST_LIMIT;
pub use cut::shortened_json;
pub use events::{EventSink, set_event_sink};
pub use feedback::{ReplyId, Verdict};
use messages::Writer;
pub(crate) use messages::Written;
use metrics::Instruments;
use scope::SpanScope;
pub(crate) use scope::{carries, in_context};
use settings::Settings;

/// The telemetry of one run: found once at its start and handed down, so that what runs inside
/// asks nobody again. Where nobody listens it is nothing at all.
///
/// It is never kept beyond the run: a tracer taken before an SDK is installed would stay silent,
/// one taken before the SDK is replaced would write to the old one.
#[derive(Clone)]
pub(crate) struct Run(Option<Arc<Live>>);

/// Somebody listens: to spans, to metrics, to events.
struct Live {
    tracer: Option<BoxedTracer>,
    instruments: Option<Arc<Instruments>>,
    sink: Option<EventSink>,
    writer: Writer,
    settings: Option<Arc<Settings>>,
    calls: Mutex<Calls>,
}

/// What the model calls of a run leave for the run.
#[derive(Default)]
struct Calls {
    /// How many there were: a wrapper of providers may make several of one.
    begun: u64,
    /// The last one: what is judged when its answer is judged.
    last: Option<SpanContext>,
    /// What those took that came to no whole reply.
    lost: Usage,
}

impl Run {
    /// Asks the global providers, as they are now, for a call outside a chat.
    pub(crate) fn begin() -> Self {
        Self(if nobody_listens() { None } else { Live::find(None) })
    }

    /// Asks the global providers, as they are now, for a run of a chat with those settings.
    pub(crate) fn of_chat(settings: &Arc<Settings>, written: &Written) -> Self {
        Self(if nobody_listens() { None } else { Live::find(Some((settings, written))) })
    }

    /// The run that a request belongs to, or its own.
    #[inline]
    pub(crate) fn of_request(request: &ChatRequest) -> Self {
        match &request.run {
            Some(RunExtension(run)) => Self(run.clone().and_then(|run| run.downcast().ok())),
            None => Self::begin(),
        }
    }

    /// Returns the run in the form in which a request carries it.
    pub(crate) fn extension(&self) -> RunExtension {
        RunExtension(self.0.clone().map(|live| live as _))
    }

    /// The last model call of the run.
    pub(crate) fn last_call(&self) -> Option<SpanContext> {
        self.0.as_ref()?.calls().last.clone()
    }
}

/// Calls what belongs to the program: samplers, processors, exporters, views. One that panics loses
/// what was to be recorded, and disturbs nobody.
fn shielded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

impl Live {
    fn find(chat: Option<(&Arc<Settings>, &Written)>) -> Option<Arc<Self>> {
        let tracer = shielded(tracer).flatten();
        let instruments = shielded(metrics::instruments).flatten();
        let sink = events::event_sink();
        if tracer.is_none() && instruments.is_none() && sink.is_none() {
            return None;
        }
        Some(Arc::new(Self {
            tracer,
            instruments,
            sink,
            writer: Writer::new(chat.map(|(settings, written)| (&**settings, written))),
            settings: chat.map(|(settings, _)| Arc::clone(settings)),
            calls: Mutex::default(),
        }))
    }

    /// Starts a span under `parent`, if anybody listens to spans. The attributes are those that
    /// samplers see; the program's own follow.
    fn start(
        &self,
        parent: &Context,
        kind: SpanKind,
        name: Cow<'static, str>,
        mut attributes: Vec<KeyValue>,
    ) -> SpanScope {
        let Some(tracer) = &self.tracer else { return SpanScope::off() };
        without_empty(&mut attributes);
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        let span = shielded(|| tracer.build_with_context(builder, parent));
        span.map_or(SpanScope::off(), |span| SpanScope::of(parent.with_span(span)))
    }

    /// A list for the attributes of a span: with room for what comes at the end, too, for the SDK
    /// keeps it.
    fn attributes() -> Vec<KeyValue> {
        Vec::with_capacity(18)
    }

    /// The name of a span: the operation, and what it is about.
    fn span_name(operation: &'static str, subject: Option<&str>) -> Cow<'static, str> {
        match subject.filter(|subject| !subject.is_empty()) {
            Some(subject) => Cow::Owned([operation, " ", subject].concat()),
            None => Cow::Borrowed(operation),
        }
    }

    /// When an operation began, where its duration is measured: a clock is not read for nothing.
    fn clock(&self) -> Option<Instant> {
        self.instruments.is_some().then(Instant::now)
    }

    /// What the program puts on the span of that operation.
    fn push_settings(&self, list: &mut Vec<KeyValue>, parent: &Context, operation: &str) {
        if let Some(settings) = &self.settings {
            settings.push_attributes(list, parent, operation);
        }
    }

    /// Notes a model call that begins.
    fn note_call(&self, span: Option<SpanContext>) {
        let mut calls = self.calls();
        calls.begun += 1;
        calls.last = span.or(calls.last.take());
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Run(on)" } else { "Run(off)" })
    }
}

/// The first tracer provider that was found to record nothing: as a rule, the API's own.
static SILENT: OnceLock<GlobalTracerProvider> = OnceLock::new();

/// Whether nobody listens, found without asking. Where somebody might, it is false.
fn nobody_listens() -> bool {
    if !metrics::none_installed() || events::sink_installed() {
        return false;
    }
    let Some(silent) = SILENT.get() else { return false };
    let provider = global::tracer_provider();
    if !is_same(silent, &provider) {
        // It may be the last of the program's own.
        shielded(|| drop(provider));
        return false;
    }
    if cfg!(target_pointer_width = "64") {
        // The silent one lives for ever, so that its count falls again, which takes 4.5 ns, is no
        // matter: one of 64 bits would be full after centuries.
        mem::forget(provider);
    }
    true
}

/// The tracer of the global provider as it is now; `None` where none is installed.
fn tracer() -> Option<BoxedTracer> {
    let scope = InstrumentationScope::builder(names::SCOPE_NAME)
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(names::SCHEMA_URL)
        .build();
    let provider = global::tracer_provider();
    let tracer = provider.tracer_with_scope(scope);
    if is_noop(&tracer) {
        SILENT.get_or_init(|| provider);
        return None;
    }
    Some(tracer)
}

/// Whether these are certainly clones of one provider, which the API has no way to ask.
///
/// Measured with nothing installed: to read the global provider takes 18.5 ns, this 0.5, and a
/// probe of its tracer (`is_noop`), which is what there is without this, 16 and an allocation, for
/// each run and each call outside of one.
#[allow(unsafe_code, reason = "a third of what a call outside a run may cost: see above")]
fn is_same(one: &GlobalTracerProvider, other: &GlobalTracerProvider) -> bool {
    // What it is today: one `Arc<dyn _>`. Should that change its size, the probe decides.
    type Words = [*const (); 2];
    if const { size_of::<GlobalTracerProvider>() != size_of::<Words>() } {
        return false;
    }
    let words = |provider: &GlobalTracerProvider| -> Words {
        // SAFETY: the sizes are the same, so this reads no further than the provider, which is
        // borrowed for as long; of two words' size, it consists of pointers, without padding. They
        // are compared and never followed. `one` and `other` both live, so an address that is in
        // both is no address that was used again.
        unsafe { mem::transmute_copy(provider) }
    };
    words(one) == words(other)
}

/// Whether a tracer provider is installed, so that spans may be recorded. No span is made to find
/// out.
pub fn has_tracer_provider() -> bool {
    !is_noop(&global::tracer(names::SCOPE_NAME))
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

/// Takes out what is an empty text. Some servers write one for what they do not know.
fn without_empty(list: &mut Vec<KeyValue>) {
    list.retain(
        |attribute| !matches!(&attribute.value, Value::String(text) if text.as_str().is_empty()),
    );
}

/// What was asked for, as far as it is set.
fn push_params(list: &mut Vec<KeyValue>, params: &ModelParams, json: bool) {
    use names::request;
    let mut push = |key: &'static str, value: Option<Value>| {
        list.extend(value.map(|value| KeyValue::new(key, value)));
    };
    push(request::TEMPERATURE, params.temperature.map(Value::from));
    push(request::TOP_P, params.top_p.map(Value::from));
    push(request::MAX_TOKENS, params.max_tokens.map(|max| i64::from(max).into()));
    push(request::SEED, params.seed.map(Value::from));
    push(request::FREQUENCY_PENALTY, params.frequency_penalty.map(Value::from));
    push(request::PRESENCE_PENALTY, params.presence_penalty.map(Value::from));
    let choices = params.choice_count.filter(|count| *count != 1);
    push(request::CHOICE_COUNT, choices.map(|count| i64::from(count).into()));
    if !params.stop_sequences.is_empty() {
        push(request::STOP_SEQUENCES, Some(strings(params.stop_sequences.iter().cloned())));
    }
    push(names::OUTPUT_TYPE, json.then(|| "json".into()));
}

/// The tokens, as far as they are known: the totals alone, or with their parts.
fn push_usage(list: &mut Vec<KeyValue>, usage: &Usage, parts: bool) {
    use names::usage as key;
    let mut push = |key: &'static str, count: Option<u64>| {
        list.extend(count.map(|n| KeyValue::new(key, i64::try_from(n).unwrap_or(i64::MAX))));
    };
    push(key::INPUT_TOKENS, usage.input_tokens);
    push(key::OUTPUT_TOKENS, usage.output_tokens);
    if !parts {
        return;
    }
    push(key::CACHE_READ_TOKENS, usage.cache_read_tokens);
    push(key::CACHE_WRITE_TOKENS, usage.cache_write_tokens);
    push(key::REASONING_TOKENS, usage.reasoning_tokens);
    let input = [key::TEXT_INPUT_TOKENS, key::IMAGE_INPUT_TOKENS, key::AUDIO_INPUT_TOKENS];
    let output = [key::TEXT_OUTPUT_TOKENS, key::IMAGE_OUTPUT_TOKENS, key::AUDIO_OUTPUT_TOKENS];
    let cache_read =
        [key::TEXT_CACHE_READ_TOKENS, key::IMAGE_CACHE_READ_TOKENS, key::AUDIO_CACHE_READ_TOKENS];
    for (keys, Modalities { text, image, audio }) in [
        (input, usage.input_by_modality),
        (output, usage.output_by_modality),
        (cache_read, usage.cache_read_by_modality),
    ] {
        for (key, count) in keys.into_iter().zip([text, image, audio]) {
            push(key, count);
        }
    }
}

/// Why each choice ended. One that never came to its end ended, say the conventions, in `error`.
fn finish_reasons(turn: Option<&AssistantTurn>) -> KeyValue {
    let word = |reason: Option<&FinishReason>| {
        StringValue::from(reason.unwrap_or(&FinishReason::Error).to_attribute())
    };
    let first = word(turn.and_then(|turn| turn.finish_reason.as_ref()));
    let others = turn.map(|turn| turn.alternatives.as_slice()).unwrap_or_default();
    let others = others.iter().map(|other| word(other.finish_reason.as_ref()));
    let reasons = std::iter::once(first).chain(others).collect();
    KeyValue::new(names::response::FINISH_REASONS, Value::Array(Array::String(reasons)))
}

/// The server that is asked.
fn push_server(list: &mut Vec<KeyValue>, info: &ProviderInfo) {
    if let Some(address) = info.server_address.as_ref().filter(|address| !address.is_empty()) {
        list.push(KeyValue::new(names::SERVER_ADDRESS, address.clone()));
        list.extend(info.server_port.map(|p| KeyValue::new(names::SERVER_PORT, i64::from(p))));
    }
}

fn strings(values: impl IntoIterator<Item = String>) -> Value {
    Value::Array(Array::String(values.into_iter().map(StringValue::from).collect()))
}
