//! The `chat` span: one for each model call, from the request until the reply is whole.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};
use std::time::Instant;

use futures_core::Stream;
use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};

use super::names::{self, operation, request as key, response};
use super::scope::{Exception, SpanScope, in_context};
use super::{Run, capture, finish_reasons, push_params, push_server, push_usage};
use crate::content::Content;
use crate::provider::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, ProviderError, ProviderInfo,
};
use crate::turn::Turn;

/// A running `chat` span.
struct InferenceSpan {
    scope: SpanScope,
    content: bool,
    started: Instant,
    seconds_to_first_chunk: Option<f64>,
    /// What has arrived: all that is left where the end never comes.
    arrived: Completion,
    done: bool,
}

impl InferenceSpan {
    fn start(info: &ProviderInfo, request: &ChatRequest, stream: bool) -> Self {
        let run = request.run.clone().unwrap_or_else(Run::begin);
        let content = run.capture().on_spans();
        let scope = run.start(
            &Context::current(),
            SpanKind::Client,
            || match &info.model {
                Some(model) => Cow::Owned(format!("{} {model}", operation::CHAT)),
                None => Cow::Borrowed(operation::CHAT),
            },
            |list| push_request(list, info, request, stream),
        );
        if content && scope.is_recording() {
            let mut list = Vec::with_capacity(3);
            let turns = request.turns.iter().map(AsRef::<Turn>::as_ref);
            capture::push_input(&mut list, request.system_prompt.as_deref(), turns);
            capture::push_tool_definitions(&mut list, &request.tools);
            scope.set(list);
        }
        Self {
            scope,
            content,
            started: Instant::now(),
            seconds_to_first_chunk: None,
            arrived: Completion { partial: true, ..Completion::default() },
            done: false,
        }
    }

    fn see(&mut self, event: &CompletionEvent) {
        if !self.scope.is_recording() {
            return;
        }
        if self.seconds_to_first_chunk.is_none() {
            self.seconds_to_first_chunk = Some(self.started.elapsed().as_secs_f64());
        }
        if let CompletionEvent::Done(completion) = event {
            self.complete(completion);
        } else {
            absorb(&mut self.arrived, event, self.content);
        }
    }

    fn complete(&mut self, completion: &Completion) {
        self.done = true;
        if self.scope.is_recording() {
            self.scope.set(self.ending(completion));
        }
        self.scope.end();
    }

    fn fail(&mut self, error: &ProviderError) {
        self.done = true;
        if self.scope.is_recording() {
            let error_type = error.error_type();
            let mut list = self.ending(&self.arrived);
            list.push(KeyValue::new(names::ERROR_TYPE, error_type));
            self.scope.set(list);
            let message = self.content.then(|| error.to_string());
            let kind = Cow::Borrowed("chatlas::ProviderError");
            let exception = Exception { kind, message: message.clone() };
            self.scope.fail(message.unwrap_or_else(|| describe(error)), Some(exception));
        }
        self.scope.end();
    }

    /// The attributes of the end: of a whole reply, or of what had arrived.
    fn ending(&self, completion: &Completion) -> Vec<KeyValue> {
        let mut list = Vec::with_capacity(12);
        let id = completion.response_id.as_ref().map(|id| (response::ID, id));
        let model = completion.model.as_ref().map(|model| (response::MODEL, model));
        list.extend(
            [id, model].into_iter().flatten().map(|(key, text)| KeyValue::new(key, text.clone())),
        );
        list.push(finish_reasons(completion.finish_reason.as_ref()));
        list.extend(
            self.seconds_to_first_chunk.map(|s| KeyValue::new(response::TIME_TO_FIRST_CHUNK, s)),
        );
        push_usage(&mut list, &completion.usage, true);
        list.extend(completion.attributes.iter().cloned());
        if self.content && !(completion.partial && completion.contents.is_empty()) {
            capture::push_output(&mut list, completion);
        }
        list
    }
}

impl Drop for InferenceSpan {
    fn drop(&mut self) {
        if !self.done && self.scope.is_recording() {
            let mut list = self.ending(&self.arrived);
            list.push(KeyValue::new(names::CANCELLED, true));
            self.scope.set(list);
        }
    }
}

/// Adds an event to what has arrived of a reply; the content only where it is wanted.
pub(crate) fn absorb(arrived: &mut Completion, event: &CompletionEvent, content: bool) {
    match event {
        CompletionEvent::Started { response_id, model } => {
            arrived.response_id = response_id.clone().or(arrived.response_id.take());
            arrived.model = model.clone().or(arrived.model.take());
        }
        CompletionEvent::Usage(usage) => arrived.usage = *usage,
        CompletionEvent::Done(completion) => *arrived = completion.clone(),
        _ if !content => {}
        CompletionEvent::Text(more) => match arrived.contents.last_mut() {
            Some(Content::Text(text)) => text.text.push_str(more),
            _ => arrived.contents.push(Content::text(more)),
        },
        CompletionEvent::Thinking(more) => match arrived.contents.last_mut() {
            Some(Content::Thinking(thinking)) => thinking.text.push_str(more),
            _ => arrived.contents.push(Content::Thinking(crate::content::Thinking {
                text: more.clone(),
                replay: None,
            })),
        },
        CompletionEvent::Content(whole) => arrived.contents.push(whole.clone()),
    }
}

/// The facts of the request: all of them before the span starts, so that samplers see them.
fn push_request(
    list: &mut Vec<KeyValue>,
    info: &ProviderInfo,
    request: &ChatRequest,
    stream: bool,
) {
    list.push(KeyValue::new(names::OPERATION_NAME, operation::CHAT));
    list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
    list.extend(info.model.clone().map(|model| KeyValue::new(key::MODEL, model)));
    push_server(list, info);
    list.extend(info.attributes.iter().cloned());
    list.extend(
        request.conversation_id.clone().map(|id| KeyValue::new(names::CONVERSATION_ID, id)),
    );
    push_params(list, &request.params);
    list.extend(
        request.params.reasoning_level.clone().map(|l| KeyValue::new(key::REASONING_LEVEL, l)),
    );
    if request.output.is_some() {
        list.push(KeyValue::new(names::OUTPUT_TYPE, "json"));
    }
    if stream {
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

/// A provider's `chat`, in its span.
pub async fn traced_chat<Fut>(
    info: &ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send,
) -> Result<Completion, ProviderError>
where
    Fut: Future<Output = Result<Completion, ProviderError>> + Send,
{
    let mut span = InferenceSpan::start(info, &request, false);
    let context = span.scope.context().cloned();
    let result = in_context(context.as_ref(), async move { body(request).await }).await;
    match &result {
        Ok(completion) => span.complete(completion),
        Err(error) => span.fail(error),
    }
    result
}

/// A provider's `chat_stream`, in its span, which lasts until the stream's end.
pub async fn traced_chat_stream<Fut>(
    info: &ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send,
) -> Result<CompletionStream, ProviderError>
where
    Fut: Future<Output = Result<CompletionStream, ProviderError>> + Send,
{
    let mut span = InferenceSpan::start(info, &request, true);
    let context = span.scope.context().cloned();
    let result = in_context(context.as_ref(), async move { body(request).await }).await;
    match result {
        Ok(inner) if span.scope.context().is_none() => Ok(inner),
        Ok(inner) => Ok(CompletionStream::new(TracedStream { inner: Some(inner), span, context })),
        Err(error) => {
            span.fail(&error);
            Err(error)
        }
    }
}

/// A reply as it arrives, watched by its span.
struct TracedStream {
    inner: Option<CompletionStream>,
    span: InferenceSpan,
    context: Option<Context>,
}

impl Stream for TracedStream {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let guard = this.context.clone().map(Context::attach);
        let item = ready!(Pin::new(inner).poll_next(task));
        let over = match &item {
            Some(Ok(event)) => matches!(event, CompletionEvent::Done(_)),
            Some(Err(_)) | None => true,
        };
        if over {
            this.inner = None;
        }
        drop(guard);
        match &item {
            Some(Ok(event)) => this.span.see(event),
            Some(Err(error)) => this.span.fail(error),
            None => this.span.fail(&ProviderError::without_end()),
        }
        // A stream that stops without its last event is an error, whoever made it.
        Poll::Ready(Some(item.unwrap_or_else(|| Err(ProviderError::without_end()))))
    }
}

impl Drop for TracedStream {
    fn drop(&mut self) {
        if self.inner.is_some() {
            let _guard = self.context.clone().map(Context::attach);
            self.inner = None;
        }
    }
}
