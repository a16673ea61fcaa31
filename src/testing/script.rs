//! A provider and hosted agent whose answers are scripted, for tests without a network.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chatlas_core::operations::{AgentInfo, HostedAgent, NewAgent};
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, EmbeddingRequest, Embeddings, Provider,
    ProviderError, ProviderInfo,
};
use serde_json::Value;

use super::Answer;

/// A provider that returns scripted answers and records the requests it receives.
///
/// Clones share their state: keep one to read the requests.
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
///     .then(Answer::calls("a", json!({})).call("b", json!({})).with_tokens(120, 14));
/// # let _ = Chat::new(model);
/// ```
///
/// [`from_fn`](Self::from_fn) computes each answer from its request:
///
/// ```
/// # use chatlas::testing::{Answer, Script};
/// # use chatlas::prelude::*;
/// let echo = Script::from_fn(|request| {
///     Answer::says(request.turns.last().map(|turn| turn.text()).unwrap_or_default())
/// });
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(Chat::new(echo).chat("hello?").await.unwrap().text(), "hello?");
/// # });
/// ```
///
/// # Panics
///
/// A request panics if all scripted answers have been used and there is no
/// [`otherwise`](Self::otherwise) function.
#[derive(Clone)]
pub struct Script {
    info: ProviderInfo,
    agent: AgentInfo,
    state: Arc<Mutex<State>>,
    records_requests: bool,
}

type AnswerFn = Arc<dyn Fn(&ChatRequest) -> Answer + Send + Sync>;

type EmbedFn = Arc<dyn Fn(&EmbeddingRequest) -> Result<Embeddings, ProviderError> + Send + Sync>;

#[derive(Default)]
struct State {
    embed: Option<EmbedFn>,
    embedding_requests: Vec<EmbeddingRequest>,
    answers: VecDeque<Answer>,
    otherwise: Option<AnswerFn>,
    requests: Vec<ChatRequest>,
    request_count: usize,
    /// The number of call ids that have been generated.
    call_ids: usize,
}

impl Script {
    /// Creates a script without answers. Its provider is `scripted`, its model `test-model`, and its
    /// server `model.example:8443`.
    #[allow(clippy::new_without_default)] // an empty script answers nothing
    pub fn new() -> Self {
        let info = ProviderInfo::new("scripted")
            .with_model("test-model")
            .with_server("model.example", 8443);
        let agent = AgentInfo::new("test-agent");
        Self { info, agent, state: Arc::default(), records_requests: true }
    }

    /// Creates a script that computes the answer to every request.
    pub fn from_fn(answer: impl Fn(&ChatRequest) -> Answer + Send + Sync + 'static) -> Self {
        Self::new().otherwise(answer)
    }

    /// Sets the provider, model and server that the script reports.
    #[must_use]
    pub fn with_info(mut self, info: ProviderInfo) -> Self {
        self.info = info;
        self
    }

    /// Sets the agent that the script reports as a [`HostedAgent`]. Default: the name `test-agent`.
    ///
    /// The scripted answers are also those of [`invoke`](HostedAgent::invoke), and
    /// [`create`](HostedAgent::create) returns the requested agent with the id `agent-1`.
    ///
    /// ```
    /// use chatlas::operations::{AgentInfo, HostedAgent};
    /// use chatlas::prelude::*;
    /// use chatlas::testing::{Recorder, Script};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let trace = Recorder::new();
    /// let agent = Script::new().says("Booked.").with_agent(AgentInfo::new("booking"));
    /// let reply = agent.invoke(ChatRequest::new([Turn::user("Book it.")])).await.unwrap();
    /// assert_eq!(reply.text(), "Booked.");
    /// trace.assert_sound();
    /// assert_eq!(trace.tree(), "invoke_agent booking\n");
    /// # });
    /// ```
    #[must_use]
    pub fn with_agent(mut self, agent: AgentInfo) -> Self {
        self.agent = agent;
        self
    }

    /// Appends an answer.
    #[must_use]
    pub fn then(self, answer: impl Into<Answer>) -> Self {
        self.state().answers.push_back(answer.into());
        self
    }

    /// Appends an answer with that text; see [`Answer::says`].
    #[must_use]
    pub fn says(self, text: impl Into<String>) -> Self {
        self.then(Answer::says(text))
    }

    /// Appends an answer that calls a tool; see [`Answer::calls`].
    #[must_use]
    pub fn calls(self, tool: impl Into<String>, arguments: Value) -> Self {
        self.then(Answer::calls(tool, arguments))
    }

    /// Appends an answer whose text is streamed in those chunks; see [`Answer::streams`].
    #[must_use]
    pub fn streams<S: Into<String>>(self, chunks: impl IntoIterator<Item = S>) -> Self {
        self.then(Answer::streams(chunks))
    }

    /// Appends a request that fails before anything is received; see [`Answer::fails`].
    #[must_use]
    pub fn fails(self, error: ProviderError) -> Self {
        self.then(Answer::fails(error))
    }

    /// Sets the function that answers every request after the scripted answers.
    #[must_use]
    pub fn otherwise(
        self,
        answer: impl Fn(&ChatRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.state().otherwise = Some(Arc::new(answer));
        self
    }

    /// Sets the function that answers every request for embeddings. Without it, such a request
    /// panics.
    ///
    /// ```
    /// use chatlas::testing::Script;
    /// use chatlas::{EmbeddingRequest, Embeddings, Provider};
    ///
    /// let model = Script::new().with_embeddings(|request| {
    ///     Ok(Embeddings::new(request.inputs.iter().map(|text| vec![text.len() as f32])))
    /// });
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let embeddings = model.embed(EmbeddingRequest::new(["cat"])).await.unwrap();
    /// assert_eq!(embeddings.vectors, [[3.0]]);
    /// # });
    /// ```
    #[must_use]
    pub fn with_embeddings(
        self,
        embed: impl Fn(&EmbeddingRequest) -> Result<Embeddings, ProviderError> + Send + Sync + 'static,
    ) -> Self {
        self.state().embed = Some(Arc::new(embed));
        self
    }

    /// Returns the requests for embeddings received so far.
    pub fn embedding_requests(&self) -> Vec<EmbeddingRequest> {
        self.state().embedding_requests.clone()
    }

    /// Stops the recording of requests, so that long runs need no memory for them.
    #[must_use]
    pub fn without_recording(mut self) -> Self {
        self.records_requests = false;
        self
    }

    /// Returns the requests received so far.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.state().requests.clone()
    }

    /// Returns the number of requests received so far.
    pub fn request_count(&self) -> usize {
        self.state().request_count
    }

    /// Returns the number of scripted answers that have not been used.
    pub fn remaining(&self) -> usize {
        self.state().answers.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the answer to a request, with its default ids filled in.
    fn answer(&self, request: ChatRequest) -> Answer {
        let mut state = self.state();
        state.request_count += 1;
        let number = state.request_count;
        let scripted = state.answers.pop_front();
        let answer = match (scripted, state.otherwise.clone()) {
            (Some(answer), _) => answer,
            (None, Some(otherwise)) => {
                // The function may use this script: do not hold the lock while it runs.
                drop(state);
                let answer = otherwise(&request);
                state = self.state();
                answer
            }
            (None, None) => {
                drop(state);
                panic!(
                    "the script has no answer for request {number}: add one with `then`, or use \
                     `otherwise`: {request:?}"
                );
            }
        };
        if self.records_requests {
            state.requests.push(request);
        }
        answer.with_defaults(number, &mut state.call_ids)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Script")
            .field("request_count", &state.request_count)
            .field("remaining", &state.answers.len())
            .field("has_otherwise", &state.otherwise.is_some())
            .finish_non_exhaustive()
    }
}

#[chatlas_macros::provider]
impl Provider for Script {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.answer(request).into_completion().await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.answer(request).into_stream().await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        let Some(embed) = self.state().embed.clone() else {
            panic!("the script has no embeddings: add them with `with_embeddings`: {request:?}");
        };
        let result = embed(&request);
        if self.records_requests {
            self.state().embedding_requests.push(request);
        }
        result
    }
}

#[chatlas_macros::hosted_agent(crate = crate)]
impl HostedAgent for Script {
    fn provider(&self) -> &ProviderInfo {
        &self.info
    }

    fn agent(&self) -> &AgentInfo {
        &self.agent
    }

    async fn create(&self, agent: NewAgent) -> Result<AgentInfo, ProviderError> {
        Ok(agent.info.with_id("agent-1"))
    }

    async fn invoke(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.answer(request).into_completion().await
    }
}
