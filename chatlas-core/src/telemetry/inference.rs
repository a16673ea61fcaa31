//! A model call: its `chat` span, from the request to the end of the reply, its metrics and its
//! event.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::logs::{AnyValue, Severity};
use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, Key, KeyValue};

use super::attributes::{
    finish_reasons, push, push_cost, push_params, push_server, push_usage, span_attributes,
    without_empty,
};
use super::events::{Event, any_attributes};
use super::message_cache::{InputMessages, structured};
use super::metrics::InferenceFigures;
use super::names::{self, content, event, openai, operation, request as key, response};
use super::run::Live;
use super::scope::{SpanScope, in_context, observe_panic};
use super::shield::shielded;
use crate::content::{Content, ToolOutcome};
use crate::cost::{Cost, RecordedCall};
use crate::provider::{
    ChatRequest, Completion, CompletionEvent, ProviderError, ProviderInfo, Reasoning,
};
use crate::tool::ToolDefinition;
use crate::turn::{Turn, Usage};

/// The smallest total consumer delay that is recorded on the span.
const MIN_CONSUMER_TIME: Duration = Duration::from_millis(100);

/// A running model call. Empty after its end.
pub(super) struct Inference(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    /// The attributes of the event, if events are on. Set at the start of the span.
    event_attributes: Option<Vec<KeyValue>>,
    /// The input for the event.
    input: Option<CapturedInput>,
    /// The attributes that all metrics of this call have.
    metric_attributes: Vec<KeyValue>,
    /// The keys of the vendor's attributes that were set at the start of the span.
    vendor_keys: Vec<Key>,
    /// The prices and the model, if the cost is recorded.
    priced: Option<RecordedCall>,
    input_modality: &'static str,
    streams: bool,
    /// Whether a transparent provider answered by itself, so that there is no usage.
    by_wrapper: bool,
    /// Whether the call is inside another call of the run.
    is_nested: bool,
    first_chunk: Option<Instant>,
    last_chunk: Instant,
    /// The seconds from each chunk of output to the next, without the consumer's time.
    chunk_seconds: Vec<f64>,
    /// The total time that the reply waited for its consumer.
    consumer_time: Duration,
    /// The part of `consumer_time` since the last chunk.
    consumer_time_since_chunk: Duration,
    /// The partial reply of a stream that was not completed.
    partial: Option<Box<Completion>>,
    tools: Arc<[ToolDefinition]>,
}

/// The captured input of a call.
struct CapturedInput {
    system: Option<String>,
    messages: Arc<InputMessages>,
    tools: Option<Arc<str>>,
}

/// How a call ended.
pub(super) enum End<'a> {
    Completed(&'a Completion),
    Failed(&'a ProviderError),
    Panicked,
    Cancelled,
}

impl<'a> From<&'a Result<Completion, ProviderError>> for End<'a> {
    fn from(result: &'a Result<Completion, ProviderError>) -> Self {
        match result {
            Ok(completion) => Self::Completed(completion),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Inference {
    /// Starts the span of a call under the current one. `streams` is whether the reply is streamed.
    pub(super) fn start(
        live: Arc<Live>,
        info: &ProviderInfo,
        request: &ChatRequest,
        streams: bool,
    ) -> Self {
        Self::start_at(None, live, info, request, streams, &Context::current())
    }

    /// Starts the span of a call that a transparent provider answered by itself, when it has done so.
    pub(super) fn of_wrapper(
        live: Arc<Live>,
        info: &ProviderInfo,
        request: &ChatRequest,
        streams: bool,
        started: SystemTime,
        parent: &Context,
    ) -> Self {
        Self::start_at(Some(started), live, info, request, streams, parent)
    }

    /// Starts a span. `answered` is when a transparent provider began to answer by itself.
    fn start_at(
        answered: Option<SystemTime>,
        live: Arc<Live>,
        info: &ProviderInfo,
        request: &ChatRequest,
        streams: bool,
        parent: &Context,
    ) -> Self {
        let by_wrapper = answered.is_some();
        let mut list = span_attributes();
        push_request(&mut list, info, request, streams);
        push(&mut list, names::ANSWERED_BY_WRAPPER, by_wrapper.then_some(true));
        live.push_settings(&mut list, parent, operation::CHAT);
        let mut vendor_keys: Vec<Key> =
            info.attributes.iter().map(|attribute| attribute.key.clone()).collect();
        let compacted = Key::from_static_str(names::CONVERSATION_COMPACTED);
        if request.compacted && !vendor_keys.contains(&compacted) {
            list.push(KeyValue::new(compacted.clone(), true));
            vendor_keys.push(compacted);
        }
        for attribute in &request.attributes {
            if !list.iter().any(|existing| existing.key == attribute.key) {
                list.push(attribute.clone());
                vendor_keys.push(attribute.key.clone());
            }
        }
        let event_attributes = live.sink.is_some().then(|| list.clone());
        let (metric_attributes, input_modality) = match &live.instruments {
            Some(_) if !by_wrapper => (metric_attributes(info), input_modality(request)),
            _ => (Vec::new(), names::modality::UNKNOWN),
        };
        let name = Live::span_name(operation::CHAT, info.model.as_deref());
        let kind = if by_wrapper { SpanKind::Internal } else { SpanKind::Client };
        let scope = live.start_at(answered, parent, kind, name, list);
        let is_nested = live.begin_model_call(parent, scope.span_context(), by_wrapper);
        let input = capture_input(&live, &scope, info, request);
        Self(Some(Box::new(Call {
            event_attributes,
            input,
            metric_attributes,
            vendor_keys,
            priced: if by_wrapper { None } else { RecordedCall::of(info) },
            input_modality,
            streams,
            by_wrapper,
            is_nested,
            first_chunk: None,
            last_chunk: scope.started(),
            chunk_seconds: Vec::new(),
            consumer_time: Duration::ZERO,
            consumer_time_since_chunk: Duration::ZERO,
            partial: None,
            tools: Arc::clone(&request.tools),
            scope,
            live,
        })))
    }

    /// Returns the context in which the provider's work runs.
    pub(super) fn context(&self) -> Option<Context> {
        self.0.as_ref()?.scope.context().cloned()
    }

    /// Runs the provider's work inside the span. The caller boxes `work`, because it is moved.
    pub(super) async fn run_inside<F: Future>(&mut self, work: F) -> F::Output {
        let work = in_context(self.context().as_ref(), work);
        observe_panic(work, || self.end(&End::Panicked)).await
    }

    /// Records an event of the stream. `Done` ends the span.
    pub(super) fn record_event(&mut self, event: &CompletionEvent) {
        let Some(call) = &mut self.0 else { return };
        call.record_chunk(event);
        if let CompletionEvent::Done(completion) = event {
            self.end(&End::Completed(completion));
        }
    }

    /// Adds time in which the stream waited for its consumer.
    pub(super) fn add_consumer_time(&mut self, time: Duration) {
        if let Some(call) = &mut self.0 {
            call.consumer_time += time;
            call.consumer_time_since_chunk += time;
        }
    }

    /// Records the partial reply of a stream that was not completed.
    pub(super) fn record_partial(&mut self, partial: &Completion) {
        if let Some(call) = &mut self.0 {
            call.record_partial(partial);
        }
    }

    /// Ends the span and records the metrics and the event. Has no effect after the first time.
    pub(super) fn end(&mut self, end: &End<'_>) {
        if let Some(call) = self.0.take() {
            call.end(end);
        }
    }
}

impl Drop for Inference {
    fn drop(&mut self) {
        self.end(&End::Cancelled);
    }
}

impl Call {
    fn record_chunk(&mut self, event: &CompletionEvent) {
        let now = Instant::now();
        let is_output = matches!(
            event,
            CompletionEvent::Text(_) | CompletionEvent::Thinking(_) | CompletionEvent::Content(_)
        );
        if self.first_chunk.is_none() {
            self.first_chunk = Some(now);
            self.last_chunk = now;
        } else if is_output {
            let time =
                now.duration_since(self.last_chunk).saturating_sub(self.consumer_time_since_chunk);
            if self.live.instruments.is_some() {
                self.chunk_seconds.push(time.as_secs_f64());
            }
            self.last_chunk = now;
            self.consumer_time_since_chunk = Duration::ZERO;
        }
    }

    fn record_partial(&mut self, partial: &Completion) {
        let contents = if self.records_content() { partial.contents.clone() } else { Vec::new() };
        self.partial = Some(Box::new(Completion {
            contents,
            usage: partial.usage,
            finish_reason: partial.finish_reason.clone(),
            response_id: partial.response_id.clone(),
            model: partial.model.clone(),
            attributes: partial.attributes.clone(),
            partial: true,
            ..Completion::default()
        }));
    }

    /// Returns whether the content of the reply is recorded.
    fn records_content(&self) -> bool {
        let capture = self.live.writer.capture;
        (capture.on_spans() && self.scope.is_recording())
            || (capture.on_events() && self.live.sink.is_some())
    }

    fn end(mut self: Box<Self>, end: &End<'_>) {
        let partial;
        let completion = match end {
            End::Completed(completion) => *completion,
            End::Failed(_) | End::Panicked | End::Cancelled => {
                partial = self.take_partial(end);
                &*partial
            }
        };
        let usage = if self.by_wrapper { Usage::default() } else { completion.usage };
        let cost = self.priced.as_ref().map(|priced| priced.cost(completion));
        self.report_to_agent(completion, usage, cost, end);
        let error_type = match end {
            End::Failed(error) => Some(error.error_type()),
            End::Panicked => Some(Cow::Borrowed(names::error::PANIC)),
            End::Completed(_) | End::Cancelled => None,
        };
        let seconds_to_first_chunk =
            self.first_chunk.map(|first| first.duration_since(self.scope.started()).as_secs_f64());
        let mut list = response_attributes(completion, &usage, seconds_to_first_chunk);
        if let (Some(cost), Some(priced)) = (&cost, &self.priced) {
            push_cost(&mut list, cost, priced.currency());
        }
        list.extend(self.vendor_attributes(completion).cloned());
        let consumer_time = Some(self.consumer_time).filter(|time| *time >= MIN_CONSUMER_TIME);
        push(&mut list, names::CONSUMER_SECONDS, consumer_time.map(|time| time.as_secs_f64()));
        push(&mut list, names::ERROR_TYPE, error_type.clone());
        push(&mut list, names::CANCELLED, matches!(end, End::Cancelled).then_some(true));
        let has_output = !(completion.partial && completion.contents.is_empty());
        let output = (has_output && self.records_content())
            .then(|| self.live.writer.output(completion, &self.tools));
        let event_attributes = self.event_attributes.take().map(|mut attributes| {
            attributes.extend(list.iter().cloned());
            attributes
        });
        if self.scope.is_recording() {
            if self.live.writer.capture.on_spans() {
                push(&mut list, content::OUTPUT_MESSAGES, output.clone());
            }
            self.scope.set(list);
        }
        match end {
            End::Failed(error) => {
                self.live.record_provider_error(
                    &self.scope,
                    error,
                    Some(event::INFERENCE_EXCEPTION),
                );
            }
            End::Panicked => self.scope.fail_with_panic(),
            End::Completed(_) | End::Cancelled => {}
        }
        if let Some(attributes) = event_attributes {
            self.emit_event(attributes, output.as_deref());
        }
        let duration = self.scope.end();
        self.record_metrics(completion, duration, error_type.as_deref(), seconds_to_first_chunk);
    }

    /// Reports the usage, and what the agent's span records of its last call, to the agent.
    fn report_to_agent(
        &self,
        completion: &Completion,
        usage: Usage,
        cost: Option<Cost>,
        end: &End<'_>,
    ) {
        let mut calls = self.live.calls();
        calls.end(self.scope.span_context().as_ref(), self.is_nested, usage);
        if !self.is_nested {
            calls.cost += cost.unwrap_or_default();
        }
        if !self.live.is_chat {
            calls.finish_reasons = Some(finish_reasons(Some(completion)));
        } else if matches!(end, End::Panicked | End::Cancelled) {
            calls.partial = Some(Box::new(completion.clone()));
        }
    }

    fn record_metrics(
        &mut self,
        completion: &Completion,
        duration: Duration,
        error_type: Option<&str>,
        seconds_to_first_chunk: Option<f64>,
    ) {
        let Some(instruments) = &self.live.instruments else { return };
        if self.by_wrapper {
            return;
        }
        let mut chunk_attributes = std::mem::take(&mut self.metric_attributes);
        push(&mut chunk_attributes, response::MODEL, completion.model.clone());
        without_empty(&mut chunk_attributes);
        let mut attributes = chunk_attributes.clone();
        let of_response = self
            .vendor_attributes(completion)
            .filter(|attribute| attribute.key.as_str().starts_with(openai::RESPONSE_PREFIX));
        attributes.extend(of_response.cloned());
        without_empty(&mut attributes);
        shielded(|| {
            instruments.record_inference(&InferenceFigures {
                attributes: &attributes,
                chunk_attributes: &chunk_attributes,
                duration,
                error_type,
                usage: completion.usage,
                input_modality: self.input_modality,
                output_modality: modality(completion.contents.iter()),
                seconds_to_first_chunk: seconds_to_first_chunk.filter(|_| self.streams),
                chunk_seconds: &self.chunk_seconds,
            });
        });
    }

    /// Returns the partial reply of a call that did not complete, including what its error reports:
    /// a reply that the provider rejects is billed, too.
    fn take_partial(&mut self, end: &End<'_>) -> Box<Completion> {
        let mut partial = self.partial.take().unwrap_or_default();
        partial.partial = true;
        if let End::Failed(error) = end
            && let Some(reported) = error.partial()
        {
            partial.fill_from(reported);
        }
        partial
    }

    /// Returns the vendor's attributes of the response, without duplicates and without keys that
    /// the span already has.
    fn vendor_attributes<'a>(
        &'a self,
        completion: &'a Completion,
    ) -> impl Iterator<Item = &'a KeyValue> + 'a {
        let list = &completion.attributes;
        list.iter().enumerate().filter_map(move |(index, attribute)| {
            let key = &attribute.key;
            let settings = self.live.settings.as_ref();
            let is_set = self.vendor_keys.contains(key)
                || settings.is_some_and(|settings| settings.may_have_set(key))
                || list.iter().take(index).any(|earlier| earlier.key == *key);
            (names::is_of_provider(key.as_str()) && !is_set).then_some(attribute)
        })
    }

    /// Emits the event of the call: the attributes of its span and, with capture on, its content in
    /// structured form.
    fn emit_event(&self, attributes: Vec<KeyValue>, output: Option<&str>) {
        let Some(sink) = &self.live.sink else { return };
        let mut attributes = any_attributes(attributes);
        if self.live.writer.capture.on_events() {
            let mut push = |key: &'static str, value: Option<AnyValue>| {
                attributes.extend(value.map(|value| (Key::from(key), value)));
            };
            if let Some(input) = &self.input {
                push(content::SYSTEM_INSTRUCTIONS, input.system.as_deref().and_then(structured));
                push(content::INPUT_MESSAGES, Some(input.messages.structured()));
                push(names::tool::DEFINITIONS, input.tools.as_deref().and_then(structured));
            }
            push(content::OUTPUT_MESSAGES, output.and_then(structured));
        }
        let severity = Some(Severity::Debug);
        let span = self.scope.span_context();
        sink.emit(Event { name: event::INFERENCE_DETAILS, severity, span, attributes });
    }
}

/// Adds the attributes of the request. All of them are set at the start of the span, so that
/// samplers see them.
fn push_request(
    list: &mut Vec<KeyValue>,
    info: &ProviderInfo,
    request: &ChatRequest,
    streams: bool,
) {
    list.push(KeyValue::new(names::OPERATION_NAME, operation::CHAT));
    list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
    push(list, key::MODEL, info.model.clone());
    push_server(list, info);
    let of_vendor = info.attributes.iter();
    list.extend(of_vendor.filter(|fact| names::is_of_provider(fact.key.as_str())).cloned());
    push(list, names::CONVERSATION_ID, request.conversation_id.clone());
    push_params(list, &request.params, request.output.is_some());
    push(list, key::TOP_K, request.params.top_k.map(i64::from));
    push(list, key::REASONING_LEVEL, request.params.reasoning.and_then(Reasoning::level));
    push(list, key::PREVIOUS_RESPONSE_ID, request.params.previous_response_id.clone());
    push(list, key::STREAM, streams.then_some(true));
}

/// Returns the attributes of the response.
fn response_attributes(
    completion: &Completion,
    usage: &Usage,
    first_chunk: Option<f64>,
) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(12);
    push(&mut list, response::ID, completion.response_id.clone());
    push(&mut list, response::MODEL, completion.model.clone());
    list.push(finish_reasons(Some(completion)));
    push(&mut list, response::TIME_TO_FIRST_CHUNK, first_chunk);
    push_usage(&mut list, usage);
    list
}

/// Returns the attributes that all metrics of a call have.
fn metric_attributes(info: &ProviderInfo) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(8);
    list.push(KeyValue::new(names::OPERATION_NAME, operation::CHAT));
    list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
    push(&mut list, key::MODEL, info.model.clone());
    push_server(&mut list, info);
    list
}

/// Sets the input on the span, and returns it if the event needs it.
fn capture_input(
    live: &Live,
    scope: &SpanScope,
    info: &ProviderInfo,
    request: &ChatRequest,
) -> Option<CapturedInput> {
    let writer = &live.writer;
    let on_span = writer.capture.on_spans() && scope.is_recording();
    let on_event = writer.capture.on_events() && live.sink.is_some();
    if !(on_span || on_event) {
        return None;
    }
    let system = request.system_prompt.as_ref();
    let input = CapturedInput {
        system: system.map(|prompt| writer.system_instructions(prompt)),
        messages: writer.input(&request.turns, &request.tools),
        tools: writer.tool_definitions(&request.tools, &info.server_tools),
    };
    if on_span {
        let mut list = Vec::with_capacity(3);
        push(&mut list, content::SYSTEM_INSTRUCTIONS, input.system.clone());
        list.push(KeyValue::new(content::INPUT_MESSAGES, input.messages.text()));
        push(&mut list, names::tool::DEFINITIONS, input.tools.clone());
        scope.set(list);
    }
    on_event.then_some(input)
}

/// Returns the modality of the input tokens: `text` if all contents are text.
fn input_modality(request: &ChatRequest) -> &'static str {
    modality(request.turns.iter().map(AsRef::<Turn>::as_ref).flat_map(Turn::contents))
}

fn modality<'a>(mut contents: impl Iterator<Item = &'a Content>) -> &'static str {
    fn is_text(content: &Content) -> bool {
        match content {
            Content::Image(_) | Content::Document(_) | Content::ServerTool(_) => false,
            Content::ToolResult(result) => match &result.outcome {
                ToolOutcome::Contents(contents) => contents.iter().all(is_text),
                _ => true,
            },
            _ => true,
        }
    }
    if contents.all(is_text) { names::modality::TEXT } else { names::modality::UNKNOWN }
}
