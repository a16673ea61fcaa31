//! One answer of a scripted model: its content, its timing and its failure.

use std::time::Duration;

use chatlas_core::content::{Content, Thinking, ToolRequest};
use chatlas_core::{
    AssistantTurn, Completion, CompletionEvent, CompletionStream, FinishReason, ProviderError,
    ProviderErrorKind, Usage,
};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

/// One answer of a [`Script`](super::Script).
///
/// Unset fields get defaults: the response id `resp-1` for the first request, `resp-2` for the
/// second, …; the call ids `call-1`, `call-2`, … across the script; the model `test-model-2026`;
/// 10 input and 5 output tokens; and the finish reason `tool_call` if the answer calls a tool, else
/// `stop`.
///
/// The same answer serves streaming and non-streaming requests. In a stream, each appended part is
/// one event.
///
/// ```
/// use std::time::Duration;
/// use chatlas::testing::Answer;
/// use chatlas::{ProviderError, ProviderErrorKind};
/// use serde_json::json;
///
/// let slow = Answer::says("Take an umbrella.")
///     .with_delay(Duration::from_secs(2))
///     .with_chunk_size(5)
///     .with_chunk_delay(Duration::from_millis(40));
/// let both = Answer::calls("get_weather", json!({"city": "Tokyo"})).call("get_time", json!({}));
/// let lost = ProviderError::new(ProviderErrorKind::TruncatedStream, "the connection was lost");
/// let broken = Answer::streams(["Take an "]).then_fails(lost);
/// # let _ = (slow, both, broken);
/// ```
///
/// Delays use tokio's clock: they take no time while it is paused.
#[derive(Clone, Debug)]
pub struct Answer {
    completion: Completion,
    /// The events between the start and the end of a stream.
    events: Vec<CompletionEvent>,
    delay: Option<Duration>,
    chunk_delay: Option<Duration>,
    end: End,
    /// Whether unset fields get defaults.
    has_defaults: bool,
}

/// How an answer ends.
#[derive(Clone, Debug)]
enum End {
    Done,
    /// The request fails before anything is received.
    FailsAtOnce(ProviderError),
    /// The stream fails after its events.
    Fails(ProviderError),
    /// The stream ends without `Done`.
    WithoutDone,
    /// The stream never ends.
    Stalls,
}

impl Answer {
    /// Creates an answer without content.
    #[allow(clippy::new_without_default)] // one way to create an answer
    pub fn new() -> Self {
        Self {
            completion: AssistantTurn::new([]).with_usage(Usage::new(10, 5)),
            events: Vec::new(),
            delay: None,
            chunk_delay: None,
            end: End::Done,
            has_defaults: true,
        }
    }

    /// Creates an answer with that text.
    pub fn says(text: impl Into<String>) -> Self {
        Self::new().text(text)
    }

    /// Creates an answer whose text is streamed in those chunks.
    pub fn streams<S: Into<String>>(chunks: impl IntoIterator<Item = S>) -> Self {
        chunks.into_iter().fold(Self::new(), Self::text)
    }

    /// Creates an answer that calls a tool.
    pub fn calls(tool: impl Into<String>, arguments: Value) -> Self {
        Self::new().call(tool, arguments)
    }

    /// Creates an answer that fails before anything is received.
    pub fn fails(error: ProviderError) -> Self {
        Self { end: End::FailsAtOnce(error), ..Self::new() }
    }

    /// Appends text. In a stream it is one chunk.
    #[must_use]
    pub fn text(mut self, chunk: impl Into<String>) -> Self {
        let chunk = chunk.into();
        match self.completion.contents.last_mut() {
            Some(Content::Text(text)) => text.text.push_str(&chunk),
            _ => self.completion.contents.push(Content::text(chunk.clone())),
        }
        self.events.push(CompletionEvent::Text(chunk));
        self
    }

    /// Appends thinking. In a stream it is one chunk.
    #[must_use]
    pub fn thinking(mut self, chunk: impl Into<String>) -> Self {
        let chunk = chunk.into();
        if let Some(Content::Thinking(thinking)) = self.completion.contents.last_mut() {
            thinking.text.push_str(&chunk);
        } else {
            let thinking = Thinking::new(chunk.clone());
            self.completion.contents.push(Content::Thinking(thinking));
        }
        self.events.push(CompletionEvent::Thinking(chunk));
        self
    }

    /// Appends a tool call with a generated id.
    #[must_use]
    pub fn call(self, tool: impl Into<String>, arguments: Value) -> Self {
        self.call_with_id("", tool, arguments)
    }

    /// Appends a tool call with that id.
    #[must_use]
    pub fn call_with_id(
        self,
        id: impl Into<String>,
        tool: impl Into<String>,
        arguments: Value,
    ) -> Self {
        self.content(Content::ToolRequest(ToolRequest::new(id, tool, arguments)))
    }

    /// Appends a content. In a stream it is one event.
    #[must_use]
    pub fn content(mut self, content: Content) -> Self {
        self.events.push(CompletionEvent::Content(content.clone()));
        self.completion.contents.push(content);
        self
    }

    /// Appends a usage event to the stream. The usage of the complete answer does not change.
    #[must_use]
    pub fn usage_update(mut self, input: u64, output: u64) -> Self {
        self.events.push(CompletionEvent::Usage(Usage::new(input, output)));
        self
    }

    /// Sets the numbers of input and output tokens. Default: 10 and 5.
    #[must_use]
    pub fn with_tokens(self, input: u64, output: u64) -> Self {
        self.with_usage(Usage::new(input, output))
    }

    /// Sets the token usage.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.completion.usage = usage;
        self
    }

    /// Sets the finish reason.
    #[must_use]
    pub fn with_finish_reason(mut self, reason: FinishReason) -> Self {
        self.completion.finish_reason = Some(reason);
        self
    }

    /// Sets the response id.
    #[must_use]
    pub fn with_response_id(mut self, id: impl Into<String>) -> Self {
        self.completion.response_id = Some(id.into());
        self
    }

    /// Sets the model that the response reports.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.completion.model = Some(model.into());
        self
    }

    /// Splits the text and thinking appended so far into chunks of at most `characters` characters.
    /// Replaces all stream events appended so far, including usage updates.
    #[must_use]
    pub fn with_chunk_size(mut self, characters: usize) -> Self {
        let contents = self.completion.contents.iter();
        self.events = contents.flat_map(|content| events(content, characters.max(1))).collect();
        self
    }

    /// Sets the delay before the answer. Default: none.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Sets the delay between two events of a stream. Default: none.
    #[must_use]
    pub fn with_chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay = Some(delay);
        self
    }

    /// Ends the stream with that error, after the events appended so far. A non-streaming request
    /// fails with the error.
    #[must_use]
    pub fn then_fails(mut self, error: ProviderError) -> Self {
        self.end = End::Fails(error);
        self
    }

    /// Ends the stream without its `Done` event. A non-streaming request fails with
    /// [`ProviderErrorKind::TruncatedStream`].
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.end = End::WithoutDone;
        self
    }

    /// Keeps the stream open forever after the events appended so far. A non-streaming request never
    /// completes.
    #[must_use]
    pub fn then_stalls(mut self) -> Self {
        self.end = End::Stalls;
        self
    }

    /// Fills in the unset fields. `number` is the number of the request, and `call_ids` the number of
    /// call ids generated before.
    pub(super) fn with_defaults(mut self, number: usize, call_ids: &mut usize) -> Self {
        if !self.has_defaults {
            return self;
        }
        let completion = &mut self.completion;
        completion.response_id.get_or_insert_with(|| format!("resp-{number}"));
        completion.model.get_or_insert_with(|| "test-model-2026".to_owned());
        let calls_tools = completion.tool_requests().next().is_some();
        let reason = if calls_tools { FinishReason::ToolCall } else { FinishReason::Stop };
        completion.finish_reason.get_or_insert(reason);
        // Each tool request is in the completion and, as a copy, in the events: in the same order.
        let in_events = self.events.iter_mut().filter_map(|event| match event {
            CompletionEvent::Content(Content::ToolRequest(request)) => Some(request),
            _ => None,
        });
        let in_completion = completion.contents.iter_mut().filter_map(|content| match content {
            Content::ToolRequest(request) => Some(request),
            _ => None,
        });
        for (copy, request) in in_events.zip(in_completion) {
            if request.id.is_empty() {
                *call_ids += 1;
                request.id = format!("call-{call_ids}");
                copy.id.clone_from(&request.id);
            }
        }
        self
    }

    /// Answers a non-streaming request.
    pub(super) async fn into_completion(self) -> Result<Completion, ProviderError> {
        sleep(self.delay).await;
        match self.end {
            End::Done => Ok(self.completion),
            End::FailsAtOnce(error) | End::Fails(error) => Err(error),
            End::WithoutDone => {
                let message = "the reply ended before it was complete";
                Err(ProviderError::new(ProviderErrorKind::TruncatedStream, message))
            }
            End::Stalls => std::future::pending().await,
        }
    }

    /// Answers a streaming request.
    pub(super) async fn into_stream(self) -> Result<CompletionStream, ProviderError> {
        let Self { completion, events, delay, chunk_delay, end, has_defaults: _ } = self;
        sleep(delay).await;
        let started = CompletionEvent::Started {
            response_id: completion.response_id.clone(),
            model: completion.model.clone(),
        };
        let stalls = matches!(end, End::Stalls);
        let last = match end {
            End::FailsAtOnce(error) => return Err(error),
            End::Done => Some(Ok(CompletionEvent::Done(completion.into()))),
            End::Fails(error) => Some(Err(error)),
            End::WithoutDone | End::Stalls => None,
        };
        let events = stream::iter(events).enumerate().then(move |(index, event)| async move {
            sleep(chunk_delay.filter(|_| index > 0)).await;
            Ok(event)
        });
        let events = stream::iter([Ok(started)]).chain(events).chain(stream::iter(last));
        Ok(if stalls {
            CompletionStream::new(events.chain(stream::pending()))
        } else {
            CompletionStream::new(events)
        })
    }
}

impl From<Completion> for Answer {
    /// Creates an answer that returns `completion` unchanged. In a stream, each content is one event.
    fn from(completion: Completion) -> Self {
        let contents = completion.contents.iter();
        let events = contents.flat_map(|content| events(content, usize::MAX)).collect();
        Self { completion, events, has_defaults: false, ..Self::new() }
    }
}

/// Returns the events of a content, with its text in chunks of at most `characters` characters.
fn events(content: &Content, characters: usize) -> Vec<CompletionEvent> {
    let chunks = |text: &str| -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(characters).map(|chunk| chunk.iter().collect()).collect()
    };
    match content {
        Content::Text(text) => chunks(&text.text).into_iter().map(CompletionEvent::Text).collect(),
        Content::Thinking(thinking) => {
            chunks(&thinking.text).into_iter().map(CompletionEvent::Thinking).collect()
        }
        other => vec![CompletionEvent::Content(other.clone())],
    }
}

async fn sleep(delay: Option<Duration>) {
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
}
