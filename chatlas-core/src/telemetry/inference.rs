//! A model call: the `chat` span, from the request until the reply is whole, with its metrics and
//! events.

use std::borrow::Cow;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use opentelemetry::logs::{AnyValue, Severity};
use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, Key, KeyValue};

use super::events::{Event, any_attributes};
use super::messages::{Input, parsed};
use super::metrics::InferenceFigures;
use super::names::{self, content, event, operation, request as key, response};
use super::scope::{Exception, SpanScope, in_context, noting_panic};
use super::{
    Live, Run, finish_reasons, push_params, push_server, push_usage, shielded, without_empty,
};
use crate::content::{Content, ToolOutcome};
use crate::provider::{
    AccumulatingStream, ChatRequest, Completion, CompletionEvent, CompletionStream, ProviderError,
    ProviderInfo,
};
use crate::tool::BoxFuture;
use crate::turn::Turn;

/// How long a consumer has to keep a reply waiting until its span says so.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// The type of the exception that a failed call is.
pub(super) const EXCEPTION: &str = "chatlas::ProviderError";

/// A model call under way; nothing when it is over.
struct Inference(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    /// What goes on the event, until the end: the attributes of the span's start.
    event: Option<Vec<KeyValue>>,
    /// The messages that went in, for the event.
    input: Option<CapturedInput>,
    /// What the metrics of this call have in common.
    common: Vec<KeyValue>,
    /// What the vendor's own attributes are called that the span has from its start.
    of_vendor: Vec<Key>,
    input_modality: &'static str,
    streams: bool,
    started: Instant,
    first_chunk: Option<Instant>,
    last_chunk: Instant,
    /// Seconds from chunk to chunk, without those that the consumer took.
    gaps: Vec<f64>,
    /// How long the reply has waited for its consumer, in all and since the last chunk.
    held: Duration,
    held_since_chunk: Duration,
    /// What has arrived: all that is left where the end never comes.
    arrived: Option<Box<Completion>>,
}

/// What went in, in the form of events.
struct CapturedInput {
    system: Option<String>,
    messages: Input,
    tools: Option<Arc<str>>,
}

/// How a call ended.
enum End<'a> {
    Whole(&'a Completion),
    Failed(&'a ProviderError),
    Panicked,
    GivenUp,
}

impl Inference {
    fn start(live: Arc<Live>, info: &ProviderInfo, request: &ChatRequest, streams: bool) -> Self {
        let started = Instant::now();
        let parent = Context::current();
        let mut list = Live::attributes();
        push_request(&mut list, info, request, streams);
        live.push_settings(&mut list, &parent, operation::CHAT);
        let of_vendor = info.attributes.iter().map(|attribute| attribute.key.clone()).collect();
        let event = live.sink.is_some().then(|| list.clone());
        let common = if live.instruments.is_some() { common(info) } else { Vec::new() };
        let name = Live::span_name(operation::CHAT, info.model.as_deref());
        let scope = live.start(&parent, SpanKind::Client, name, list);
        live.note_call(scope.span_context());
        let input = capture_input(&live, &scope, info, request);
        Self(Some(Box::new(Call {
            scope,
            event,
            input,
            common,
            of_vendor,
            input_modality: input_modality(request),
            streams,
            started,
            first_chunk: None,
            last_chunk: started,
            gaps: Vec::new(),
            held: Duration::ZERO,
            held_since_chunk: Duration::ZERO,
            arrived: None,
            live,
        })))
    }

    fn context(&self) -> Option<Context> {
        self.0.as_ref()?.scope.context().cloned()
    }

    /// Has the provider's work run in the span. It comes in a box, for it is moved.
    async fn around<F: Future>(&mut self, work: F) -> F::Output {
        let work = in_context(self.context().as_ref(), work);
        noting_panic(work, || self.end(&End::Panicked)).await
    }

    fn see(&mut self, event: &CompletionEvent) {
        let Some(call) = &mut self.0 else { return };
        call.see(event);
        if let CompletionEvent::Done(completion) = event {
            self.end(&End::Whole(completion));
        }
    }

    /// Notes that the consumer came back for more only after so long.
    fn was_held(&mut self, time: Duration) {
        if let Some(call) = &mut self.0 {
            call.held += time;
            call.held_since_chunk += time;
        }
    }

    fn end(&mut self, end: &End<'_>) {
        if let Some(call) = self.0.take() {
            call.end(end);
        }
    }
}

impl Drop for Inference {
    fn drop(&mut self) {
        self.end(&End::GivenUp);
    }
}

impl Call {
    fn see(&mut self, event: &CompletionEvent) {
        let now = Instant::now();
        let is_output = matches!(
            event,
            CompletionEvent::Text(_) | CompletionEvent::Thinking(_) | CompletionEvent::Content(_)
        );
        if self.first_chunk.is_none() {
            self.first_chunk = Some(now);
            self.last_chunk = now;
        } else if is_output {
            let gap = now.duration_since(self.last_chunk).saturating_sub(self.held_since_chunk);
            if self.live.instruments.is_some() {
                self.gaps.push(gap.as_secs_f64());
            }
            self.last_chunk = now;
            self.held_since_chunk = Duration::ZERO;
        }
    }

    /// Notes what has arrived of a reply that was not completed.
    fn note_partial(&mut self, partial: &Completion) {
        let contents = if self.keeps_content() { partial.contents.clone() } else { Vec::new() };
        self.arrived = Some(Box::new(Completion {
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

    /// Whether what the model says is to be recorded.
    fn keeps_content(&self) -> bool {
        let capture = self.live.writer.capture;
        (capture.on_spans() && self.scope.is_recording())
            || (capture.on_events() && self.live.sink.is_some())
    }

    fn end(mut self: Box<Self>, end: &End<'_>) {
        let arrived;
        let completion = match end {
            End::Whole(completion) => *completion,
            End::Failed(_) | End::Panicked | End::GivenUp => {
                arrived = self.all_that_came(end);
                &*arrived
            }
        };
        let error_type = match end {
            End::Failed(error) => Some(error.error_type()),
            End::Panicked => Some(Cow::Borrowed(names::error::PANIC)),
            End::Whole(_) | End::GivenUp => None,
        };
        let seconds_to_first_chunk =
            self.first_chunk.map(|first| first.duration_since(self.started).as_secs_f64());
        if !matches!(end, End::Whole(_)) {
            self.live.calls().lost += completion.usage;
        }
        let mut list = ending(completion, seconds_to_first_chunk);
        list.extend(self.of_response(completion).cloned());
        if self.held >= WORTH_TELLING {
            list.push(KeyValue::new(names::CONSUMER_SECONDS, self.held.as_secs_f64()));
        }
        list.extend(error_type.clone().map(|kind| KeyValue::new(names::ERROR_TYPE, kind)));
        if matches!(end, End::GivenUp) {
            list.push(KeyValue::new(names::CANCELLED, true));
        }
        let says = !(completion.partial && completion.contents.is_empty());
        let output = (says && self.keeps_content()).then(|| self.live.writer.output(completion));
        let on_event = self.event.take().map(|mut all| {
            all.extend(list.iter().cloned());
            all
        });
        if self.scope.is_recording() {
            if self.live.writer.capture.on_spans() {
                list.extend(
                    output.clone().map(|json| KeyValue::new(content::OUTPUT_MESSAGES, json)),
                );
            }
            self.scope.set(list);
        }
        match end {
            End::Failed(error) => self.fail(error),
            End::Panicked => self.scope.panicked(),
            End::Whole(_) | End::GivenUp => {}
        }
        if let Some(attributes) = on_event {
            self.tell(attributes, output.as_deref());
        }
        let duration = self.started.elapsed();
        self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            let mut attributes = std::mem::take(&mut self.common);
            let model = completion.model.as_ref();
            attributes.extend(model.map(|model| KeyValue::new(response::MODEL, model.clone())));
            let of_vendor = self.of_response(completion);
            attributes.extend(
                of_vendor.filter(|fact| fact.key.as_str().starts_with("openai.response.")).cloned(),
            );
            without_empty(&mut attributes);
            shielded(|| {
                instruments.inference(&InferenceFigures {
                    attributes: &attributes,
                    duration,
                    error_type: error_type.as_deref(),
                    usage: completion.usage,
                    input_modality: self.input_modality,
                    output_modality: modality(completion.contents.iter()),
                    seconds_to_first_chunk: seconds_to_first_chunk.filter(|_| self.streams),
                    gaps: &self.gaps,
                });
            });
        }
    }

    /// What there is of a reply that came to no end.
    fn all_that_came(&mut self, end: &End<'_>) -> Box<Completion> {
        let mut arrived = self.arrived.take().unwrap_or_else(nothing_yet);
        // What a provider knows of a reply that it refuses is paid for all the same.
        if let End::Failed(error) = end
            && let Some(told) = error.partial()
        {
            arrived.fill_from(told);
        }
        arrived
    }

    /// What the vendor's own conventions say of the response, without what others have written.
    fn of_response<'a>(
        &'a self,
        completion: &'a Completion,
    ) -> impl Iterator<Item = &'a KeyValue> + 'a {
        let list = &completion.attributes;
        list.iter().enumerate().filter_map(move |(index, fact)| {
            let settings = self.live.settings.as_ref();
            let taken = self.of_vendor.contains(&fact.key)
                || settings.is_some_and(|settings| settings.may_have_set(&fact.key))
                || list.iter().take(index).any(|earlier| earlier.key == fact.key);
            (names::is_of_provider(fact.key.as_str()) && !taken).then_some(fact)
        })
    }

    fn fail(&self, error: &ProviderError) {
        let writer = &self.live.writer;
        let message = || writer.error(&error.to_string());
        let on_span = writer.capture.on_spans().then(message).flatten();
        let exception = Exception { kind: Cow::Borrowed(EXCEPTION), message: on_span.clone() };
        self.scope.fail(on_span.unwrap_or_else(|| describe(error)), Some(exception));
        if let Some(sink) = &self.live.sink {
            let message = writer.capture.on_events().then(message).flatten();
            let span = self.scope.span_context();
            sink.emit(Event::exception(span, EXCEPTION, message.as_deref()));
        }
    }

    /// Writes the event of the call: what its span says, and what was said, in structured form.
    fn tell(&self, attributes: Vec<KeyValue>, output: Option<&str>) {
        let Some(sink) = &self.live.sink else { return };
        let mut attributes = any_attributes(attributes);
        if self.live.writer.capture.on_events() {
            let mut push = |key: &'static str, value: Option<AnyValue>| {
                attributes.extend(value.map(|value| (Key::from(key), value)));
            };
            if let Some(input) = &self.input {
                push(content::SYSTEM_INSTRUCTIONS, input.system.as_deref().and_then(parsed));
                push(content::INPUT_MESSAGES, Some(input.messages.structured()));
                push(names::tool::DEFINITIONS, input.tools.as_deref().and_then(parsed));
            }
            push(content::OUTPUT_MESSAGES, output.and_then(parsed));
        }
        let severity = Some(Severity::Debug);
        let span = self.scope.span_context();
        sink.emit(Event { name: event::INFERENCE_DETAILS, severity, span, attributes });
    }
}

fn nothing_yet() -> Box<Completion> {
    Box::new(Completion { partial: true, ..Completion::default() })
}

/// The attributes of the end, but for what failed and what was said.
fn ending(completion: &Completion, first_chunk: Option<f64>) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(12);
    let id = completion.response_id.as_ref().map(|id| (response::ID, id));
    let model = completion.model.as_ref().map(|model| (response::MODEL, model));
    list.extend(
        [id, model].into_iter().flatten().map(|(key, text)| KeyValue::new(key, text.clone())),
    );
    list.push(finish_reasons(Some(completion)));
    list.extend(first_chunk.map(|s| KeyValue::new(response::TIME_TO_FIRST_CHUNK, s)));
    push_usage(&mut list, &completion.usage, true);
    list
}

/// Writes what goes in on the span, and keeps it for the event.
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
    let input = CapturedInput {
        system: request.system_prompt.as_ref().map(|prompt| writer.system(prompt)),
        messages: writer.input(&request.turns),
        tools: writer.tool_definitions(&request.tools, &info.server_tools),
    };
    if on_span {
        let mut list = Vec::with_capacity(3);
        let system = input.system.clone();
        list.extend(system.map(|json| KeyValue::new(content::SYSTEM_INSTRUCTIONS, json)));
        list.push(KeyValue::new(content::INPUT_MESSAGES, input.messages.text()));
        let tools = input.tools.clone();
        list.extend(tools.map(|json| KeyValue::new(names::tool::DEFINITIONS, json)));
        scope.set(list);
    }
    on_event.then_some(input)
}

/// The metric attributes that are known from the start.
fn common(info: &ProviderInfo) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(8);
    list.push(KeyValue::new(names::OPERATION_NAME, operation::CHAT));
    list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
    list.extend(info.model.clone().map(|model| KeyValue::new(key::MODEL, model)));
    push_server(&mut list, info);
    list
}

/// What the tokens of the input are: text where there is nothing else, and unknown otherwise.
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
    if contents.all(is_text) { "text" } else { "unknown" }
}

/// The facts of the request: all of them before the span starts, so that samplers see them.
fn push_request(
    list: &mut Vec<KeyValue>,
    info: &ProviderInfo,
    request: &ChatRequest,
    streams: bool,
) {
    list.push(KeyValue::new(names::OPERATION_NAME, operation::CHAT));
    list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
    list.extend(info.model.clone().map(|model| KeyValue::new(key::MODEL, model)));
    push_server(list, info);
    let of_vendor = info.attributes.iter();
    list.extend(of_vendor.filter(|fact| names::is_of_provider(fact.key.as_str())).cloned());
    list.extend(
        request.conversation_id.clone().map(|id| KeyValue::new(names::CONVERSATION_ID, id)),
    );
    push_params(list, &request.params, request.output.is_some());
    let top_k = request.params.top_k;
    list.extend(top_k.map(|k| KeyValue::new(key::TOP_K, i64::from(k))));
    let level = request.params.reasoning_level.clone();
    list.extend(level.map(|level| KeyValue::new(key::REASONING_LEVEL, level)));
    let previous = request.params.previous_response_id.clone();
    list.extend(previous.map(|id| KeyValue::new(key::PREVIOUS_RESPONSE_ID, id)));
    if streams {
        list.push(KeyValue::new(key::STREAM, true));
    }
}

/// A failure in words that quote nobody: for a status while capture is off.
pub(super) fn describe(error: &ProviderError) -> String {
    let kind = error.kind().as_str();
    match error.status() {
        Some(status) => format!("{kind} (HTTP {status})"),
        None => kind.to_owned(),
    }
}

/// A provider's `chat`, in its span. Where nobody listens when it is called, it is the provider's
/// future as it stands.
#[inline]
pub fn traced_chat<'a, Fut>(
    info: &'a ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send + 'a,
) -> BoxFuture<'a, Result<Completion, ProviderError>>
where
    Fut: Future<Output = Result<Completion, ProviderError>> + Send + 'a,
{
    let Some(live) = Run::of_request(&request).0 else { return Box::pin(body(request)) };
    Box::pin(async move {
        let mut call = Inference::start(live, info, &request, false);
        let result = call.around(Box::pin(body(request))).await;
        match &result {
            Ok(completion) => call.end(&End::Whole(completion)),
            Err(error) => call.end(&End::Failed(error)),
        }
        result
    })
}

/// A provider's `chat_stream`, in its span, which lasts until the stream's end.
#[inline]
pub fn traced_chat_stream<'a, Fut>(
    info: &'a ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send + 'a,
) -> BoxFuture<'a, Result<CompletionStream, ProviderError>>
where
    Fut: Future<Output = Result<CompletionStream, ProviderError>> + Send + 'a,
{
    let Some(live) = Run::of_request(&request).0 else { return Box::pin(body(request)) };
    Box::pin(async move {
        let mut call = Inference::start(live, info, &request, true);
        match call.around(Box::pin(body(request))).await {
            Ok(inner) => {
                let (inner, context) = (Some(inner), call.context());
                let stream = TracedStream { inner, call, context, taken: None, partial: None };
                Ok(CompletionStream::accumulating(stream))
            }
            Err(error) => {
                call.end(&End::Failed(&error));
                Err(error)
            }
        }
    })
}

/// A reply as it arrives, watched by its call.
struct TracedStream {
    inner: Option<CompletionStream>,
    call: Inference,
    context: Option<Context>,
    /// When the consumer took the last event; it has not come back yet.
    taken: Option<Instant>,
    /// The partial reply of a stream that has failed.
    partial: Option<Completion>,
}

impl TracedStream {
    /// Takes the partial reply of the inner stream, and notes it for the span.
    fn partial_of_inner(&mut self) -> Option<Completion> {
        let partial = self.inner.as_mut()?.take_partial();
        if let (Some(partial), Some(call)) = (&partial, &mut self.call.0) {
            call.note_partial(partial);
        }
        partial
    }
}

impl AccumulatingStream for TracedStream {
    fn take_partial(mut self: Pin<&mut Self>) -> Option<Completion> {
        self.partial.take().or_else(|| self.partial_of_inner())
    }
}

impl Stream for TracedStream {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        if let Some(taken) = this.taken.take() {
            this.call.was_held(taken.elapsed());
        }
        let guard = this.context.clone().map(Context::attach);
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_next(task)));
        let item = match polled {
            Ok(polled) => ready!(polled),
            Err(panic) => {
                this.inner = None;
                drop(guard);
                this.call.end(&End::Panicked);
                resume_unwind(panic)
            }
        };
        let over = match &item {
            Some(Ok(event)) => matches!(event, CompletionEvent::Done(_)),
            Some(Err(_)) | None => true,
        };
        if over {
            if !matches!(item, Some(Ok(_))) {
                this.partial = this.partial_of_inner();
            }
            this.inner = None;
        }
        drop(guard);
        match &item {
            Some(Ok(event)) => this.call.see(event),
            Some(Err(error)) => this.call.end(&End::Failed(error)),
            None => this.call.end(&End::Failed(&ProviderError::without_end())),
        }
        this.taken = this.call.0.is_some().then(Instant::now);
        // A stream that stops without its last event is an error, whoever made it.
        Poll::Ready(Some(item.unwrap_or_else(|| Err(ProviderError::without_end()))))
    }
}

impl Drop for TracedStream {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.call.was_held(taken.elapsed());
        }
        if self.inner.is_some() {
            let _guard = self.context.clone().map(Context::attach);
            self.partial_of_inner();
            self.inner = None;
        }
    }
}
