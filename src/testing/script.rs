//! A model that follows a script.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatlas_core::content::{Content, Thinking, ToolRequest};
use chatlas_core::{
    AssistantTurn, ChatRequest, Completion, CompletionEvent, CompletionStream, FinishReason,
    Provider, ProviderError, ProviderErrorKind, ProviderInfo, Usage,
};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

/// A provider whose answers are written down beforehand, and which remembers what it was asked.
///
/// A clone is the same model: keep one to look at the requests.
///
/// ```
/// use chatlas::prelude::*;
/// use chatlas::testing::{Answer, Script};
/// use chatlas::{ProviderError, ProviderErrorKind};
/// use serde_json::json;
///
/// let busy = ProviderError::new(ProviderErrorKind::RateLimit, "slow down").with_status(429);
/// let model = Script::new()
///     .fails(busy)
///     .calls("get_weather", json!({"city": "Tokyo"}))
///     .streams(["Take ", "an umbrella."])
///     .then(Answer::calls("a", json!({})).call("b", json!({})).tokens(120, 14));
/// # let _ = Chat::new(model);
/// ```
///
/// Without a script it computes its answers, as often as it is asked:
///
/// ```
/// # use chatlas::testing::{Answer, Script};
/// # use chatlas::prelude::*;
/// let echo = Script::answering(|request| {
///     Answer::says(request.turns.last().map(|turn| turn.text()).unwrap_or_default())
/// });
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(Chat::new(echo).chat("hello?").await.unwrap().text(), "hello?");
/// # });
/// ```
#[derive(Clone)]
pub struct Script {
    info: ProviderInfo,
    play: Arc<Mutex<Play>>,
    forgetful: bool,
}

type Compute = Arc<dyn Fn(&ChatRequest) -> Answer + Send + Sync>;

#[derive(Default)]
struct Play {
    answers: VecDeque<Answer>,
    otherwise: Option<Compute>,
    requests: Vec<ChatRequest>,
    asked: usize,
    calls: usize,
}

impl Script {
    /// A script without an answer so far, of the provider `scripted`, the model `test-model` and
    /// the server `model.example:8443`.
    #[allow(clippy::new_without_default)] // an empty script is no use
    pub fn new() -> Self {
        let info = ProviderInfo::new("scripted")
            .with_model("test-model")
            .with_server("model.example", 8443);
        Self { info, play: Arc::default(), forgetful: false }
    }

    /// A model without an end: that function answers each request.
    pub fn answering(compute: impl Fn(&ChatRequest) -> Answer + Send + Sync + 'static) -> Self {
        Self::new().otherwise(compute)
    }

    /// Is that provider, with that model and server.
    #[must_use]
    pub fn info(mut self, info: ProviderInfo) -> Self {
        self.info = info;
        self
    }

    /// Then answers so.
    #[must_use]
    pub fn then(self, answer: impl Into<Answer>) -> Self {
        self.play().answers.push_back(answer.into());
        self
    }

    /// Then says that: [`Answer::says`].
    #[must_use]
    pub fn says(self, text: impl Into<String>) -> Self {
        self.then(Answer::says(text))
    }

    /// Then asks for that tool: [`Answer::calls`].
    #[must_use]
    pub fn calls(self, tool: impl Into<String>, arguments: Value) -> Self {
        self.then(Answer::calls(tool, arguments))
    }

    /// Then says that in pieces: [`Answer::streams`].
    #[must_use]
    pub fn streams<S: Into<String>>(self, pieces: impl IntoIterator<Item = S>) -> Self {
        self.then(Answer::streams(pieces))
    }

    /// Then the call itself fails.
    #[must_use]
    pub fn fails(self, error: ProviderError) -> Self {
        self.then(Answer::fails(error))
    }

    /// When all answers are used up, that function answers.
    #[must_use]
    pub fn otherwise(
        self,
        compute: impl Fn(&ChatRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.play().otherwise = Some(Arc::new(compute));
        self
    }

    /// Remembers no request: for runs so long that they would fill the memory.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.forgetful = true;
        self
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.play().requests.clone()
    }

    /// How often it was asked so far.
    pub fn asked(&self) -> usize {
        self.play().asked
    }

    /// How many answers are left.
    pub fn left(&self) -> usize {
        self.play().answers.len()
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next answer, with the ids that it lacks.
    fn next(&self, request: ChatRequest) -> Answer {
        let mut play = self.play();
        play.asked += 1;
        let scripted = play.answers.pop_front();
        let answer = match (scripted, play.otherwise.clone()) {
            (Some(answer), _) => answer,
            (None, Some(compute)) => {
                // The program's function may ask this script something.
                drop(play);
                let answer = compute(&request);
                play = self.play();
                answer
            }
            (None, None) => {
                let asked = play.asked;
                drop(play);
                panic!("the script has no answer for request {asked}: {request:?}");
            }
        };
        if !self.forgetful {
            play.requests.push(request);
        }
        let number = play.asked;
        answer.numbered(number, &mut play.calls)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let play = self.play();
        f.debug_struct("Script")
            .field("asked", &play.asked)
            .field("left", &play.answers.len())
            .field("endless", &play.otherwise.is_some())
            .finish_non_exhaustive()
    }
}

#[chatlas_macros::provider]
impl Provider for Script {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.next(request).whole().await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.next(request).arriving().await
    }
}

/// One answer of a [`Script`].
///
/// What is not said of it is filled in: the response `resp-1` for the first request, call ids
/// `call-1`, `call-2`, … over the whole script, the model `test-model-2026`, 10 tokens in and 5
/// out, and the finish reason that fits.
///
/// Asked for as a whole, it comes as one. As a stream, each piece of it arrives by itself.
///
/// ```
/// use std::time::Duration;
/// use chatlas::testing::Answer;
/// use chatlas::{ProviderError, ProviderErrorKind};
/// use serde_json::json;
///
/// let slow = Answer::says("Take an umbrella.")
///     .after(Duration::from_secs(2))
///     .in_pieces_of(5)
///     .every(Duration::from_millis(40));
/// let both = Answer::calls("get_weather", json!({"city": "Tokyo"})).call("get_time", json!({}));
/// let lost = ProviderError::new(ProviderErrorKind::TruncatedStream, "the connection was lost");
/// let broken = Answer::streams(["Take an "]).breaks_off(lost);
/// # let _ = (slow, both, broken);
/// ```
///
/// Delays are tokio's: with its clock paused they take no time.
#[derive(Clone, Debug)]
pub struct Answer {
    turn: AssistantTurn,
    /// The events between the start and the end of a stream.
    pieces: Vec<CompletionEvent>,
    after: Option<Duration>,
    every: Option<Duration>,
    end: End,
    /// Whether nothing is filled in.
    exact: bool,
}

#[derive(Clone, Debug)]
enum End {
    /// It comes to its end.
    Done,
    /// The call fails, before anything arrives.
    Fails(ProviderError),
    /// It breaks off with an error, after what there is.
    BreaksOff(ProviderError),
    /// It stops without its last event.
    Missing,
    /// Silence, for ever.
    Stalls,
}

impl Answer {
    /// Nothing so far.
    #[allow(clippy::new_without_default)] // one way to do it
    pub fn new() -> Self {
        Self {
            turn: AssistantTurn { usage: usage(10, 5), ..AssistantTurn::default() },
            pieces: Vec::new(),
            after: None,
            every: None,
            end: End::Done,
            exact: false,
        }
    }

    /// Says that.
    pub fn says(text: impl Into<String>) -> Self {
        Self::new().text(text)
    }

    /// Says that, in those pieces.
    pub fn streams<S: Into<String>>(pieces: impl IntoIterator<Item = S>) -> Self {
        pieces.into_iter().fold(Self::new(), Self::text)
    }

    /// Asks for that tool.
    pub fn calls(tool: impl Into<String>, arguments: Value) -> Self {
        Self::new().call(tool, arguments)
    }

    /// Fails, before anything arrives.
    pub fn fails(error: ProviderError) -> Self {
        Self { end: End::Fails(error), ..Self::new() }
    }

    /// Says more: a piece of its own of the text, where it is streamed.
    #[must_use]
    pub fn text(mut self, piece: impl Into<String>) -> Self {
        let piece = piece.into();
        match self.turn.contents.last_mut() {
            Some(Content::Text(text)) => text.text.push_str(&piece),
            _ => self.turn.contents.push(Content::text(piece.clone())),
        }
        self.pieces.push(CompletionEvent::Text(piece));
        self
    }

    /// Thinks: a piece of its own of the thought, where it is streamed.
    #[must_use]
    pub fn thinking(mut self, piece: impl Into<String>) -> Self {
        let piece = piece.into();
        if let Some(Content::Thinking(thinking)) = self.turn.contents.last_mut() {
            thinking.text.push_str(&piece);
        } else {
            let thinking = Thinking { text: piece.clone(), replay: None };
            self.turn.contents.push(Content::Thinking(thinking));
        }
        self.pieces.push(CompletionEvent::Thinking(piece));
        self
    }

    /// Asks for that tool, too.
    #[must_use]
    pub fn call(self, tool: impl Into<String>, arguments: Value) -> Self {
        self.call_of_id("", tool, arguments)
    }

    /// Asks for that tool, too, with that id of the call.
    #[must_use]
    pub fn call_of_id(
        self,
        id: impl Into<String>,
        tool: impl Into<String>,
        arguments: Value,
    ) -> Self {
        let (id, name) = (id.into(), tool.into());
        self.content(Content::ToolRequest(ToolRequest { id, name, arguments, replay: None }))
    }

    /// Has that content, too: a piece of its own, where it is streamed.
    #[must_use]
    pub fn content(mut self, content: Content) -> Self {
        self.pieces.push(CompletionEvent::Content(content.clone()));
        self.turn.contents.push(content);
        self
    }

    /// Tells the usage so far, in the middle of a stream.
    #[must_use]
    pub fn usage_so_far(mut self, input: u64, output: u64) -> Self {
        self.pieces.push(CompletionEvent::Usage(usage(input, output)));
        self
    }

    /// Cost those tokens.
    #[must_use]
    pub fn tokens(self, input: u64, output: u64) -> Self {
        self.usage(usage(input, output))
    }

    /// Cost that.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.turn.usage = usage;
        self
    }

    /// Ended for that reason.
    #[must_use]
    pub fn finish_reason(mut self, reason: FinishReason) -> Self {
        self.turn.finish_reason = Some(reason);
        self
    }

    /// Is that response.
    #[must_use]
    pub fn response_id(mut self, id: impl Into<String>) -> Self {
        self.turn.response_id = Some(id.into());
        self
    }

    /// Comes from that model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.turn.model = Some(model.into());
        self
    }

    /// Cuts all text and thinking into pieces of so many characters, instead of those it had.
    #[must_use]
    pub fn in_pieces_of(mut self, characters: usize) -> Self {
        let contents = self.turn.contents.iter();
        self.pieces = contents.flat_map(|content| pieces(content, characters.max(1))).collect();
        self
    }

    /// Begins after that time.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = Some(wait);
        self
    }

    /// Streams with that time between its pieces.
    #[must_use]
    pub fn every(mut self, wait: Duration) -> Self {
        self.every = Some(wait);
        self
    }

    /// Breaks off with that error, after what there is. Asked for as a whole, it fails with it.
    #[must_use]
    pub fn breaks_off(mut self, error: ProviderError) -> Self {
        self.end = End::BreaksOff(error);
        self
    }

    /// Stops without its last event. Asked for as a whole, it fails as truncated.
    #[must_use]
    pub fn without_end(mut self) -> Self {
        self.end = End::Missing;
        self
    }

    /// Falls silent for ever, after what there is.
    #[must_use]
    pub fn stalls(mut self) -> Self {
        self.end = End::Stalls;
        self
    }

    /// With all that was left open.
    fn numbered(mut self, number: usize, calls: &mut usize) -> Self {
        if self.exact {
            return self;
        }
        let turn = &mut self.turn;
        turn.response_id.get_or_insert_with(|| format!("resp-{number}"));
        turn.model.get_or_insert_with(|| "test-model-2026".to_owned());
        let asks = turn.tool_requests().next().is_some();
        let reason = if asks { FinishReason::ToolCall } else { FinishReason::Stop };
        turn.finish_reason.get_or_insert(reason);
        let in_pieces = self.pieces.iter_mut().filter_map(|piece| match piece {
            CompletionEvent::Content(Content::ToolRequest(request)) => Some(request),
            _ => None,
        });
        let in_turn = turn.contents.iter_mut().filter_map(|content| match content {
            Content::ToolRequest(request) => Some(request),
            _ => None,
        });
        for (piece, whole) in in_pieces.zip(in_turn).filter(|(_, whole)| whole.id.is_empty()) {
            *calls += 1;
            whole.id = format!("call-{calls}");
            piece.id.clone_from(&whole.id);
        }
        self
    }

    async fn whole(self) -> Result<Completion, ProviderError> {
        wait(self.after).await;
        match self.end {
            End::Done => Ok(self.turn),
            End::Fails(error) | End::BreaksOff(error) => Err(error),
            End::Missing => {
                let message = "the reply broke off before its end";
                Err(ProviderError::new(ProviderErrorKind::TruncatedStream, message))
            }
            End::Stalls => std::future::pending().await,
        }
    }

    async fn arriving(self) -> Result<CompletionStream, ProviderError> {
        let Self { turn, pieces, after, every, end, exact: _ } = self;
        wait(after).await;
        let started = CompletionEvent::Started {
            response_id: turn.response_id.clone(),
            model: turn.model.clone(),
        };
        let stalls = matches!(end, End::Stalls);
        let last = match end {
            End::Fails(error) => return Err(error),
            End::Done => Some(Ok(CompletionEvent::Done(turn.into()))),
            End::BreaksOff(error) => Some(Err(error)),
            End::Missing | End::Stalls => None,
        };
        let pieces = stream::iter(pieces).enumerate().then(move |(place, piece)| async move {
            wait(every.filter(|_| place > 0)).await;
            Ok(piece)
        });
        let events = stream::iter([Ok(started)]).chain(pieces).chain(stream::iter(last));
        Ok(if stalls {
            CompletionStream::new(events.chain(stream::pending()))
        } else {
            CompletionStream::new(events)
        })
    }
}

impl From<Completion> for Answer {
    /// That answer, exactly: streamed, each content is a piece.
    fn from(turn: Completion) -> Self {
        let pieces = turn.contents.iter().flat_map(|content| pieces(content, usize::MAX)).collect();
        Self { turn, pieces, exact: true, ..Self::new() }
    }
}

/// A content as it arrives: text in pieces of so many characters.
fn pieces(content: &Content, characters: usize) -> Vec<CompletionEvent> {
    let cut = |text: &str| -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(characters).map(|piece| piece.iter().collect()).collect()
    };
    match content {
        Content::Text(text) => cut(&text.text).into_iter().map(CompletionEvent::Text).collect(),
        Content::Thinking(thinking) => {
            cut(&thinking.text).into_iter().map(CompletionEvent::Thinking).collect()
        }
        other => vec![CompletionEvent::Content(other.clone())],
    }
}

async fn wait(time: Option<Duration>) {
    if let Some(time) = time {
        tokio::time::sleep(time).await;
    }
}

/// Those tokens, and nothing known beside.
pub fn usage(input: u64, output: u64) -> Usage {
    Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() }
}
