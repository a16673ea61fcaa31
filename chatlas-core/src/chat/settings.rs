//! What a program sets for a chat before it talks: who the model is, its tools and parameters, and
//! what its telemetry says.

use std::sync::Arc;

use opentelemetry::{Array, KeyValue};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Chat, ToolMode};
use crate::provider::{ModelParams, OutputSchema};
use crate::telemetry::{Capture, CapturedContent, MIN_CAPTURE_LIMIT, MessageCache, names};
use crate::tool::ToolSet;

impl Chat {
    /// Tells the model who it is and how to behave.
    #[must_use]
    pub fn system_prompt(mut self, prompt: impl Into<Arc<str>>) -> Self {
        self.system_prompt = Some(prompt.into());
        self
    }

    /// Names the agent: `gen_ai.agent.name`, and part of the `invoke_agent` span's name. Keep the
    /// names few.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says what the agent is for: `gen_ai.agent.description`.
    #[must_use]
    pub fn description(mut self, description: impl Into<Arc<str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the program's own id of the conversation: `gen_ai.conversation.id` on its spans. None
    /// is ever invented.
    #[must_use]
    pub fn conversation_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.conversation_id = Some(id.into());
        self
    }

    /// Gives the model these tools, instead of those it had.
    #[must_use]
    pub fn tools(mut self, tools: ToolSet) -> Self {
        self.tools = tools;
        self
    }

    /// Sets how the tool calls of one reply are run.
    #[must_use]
    pub fn tool_mode(mut self, mode: ToolMode) -> Self {
        self.tool_mode = mode;
        self
    }

    /// Bounds the model calls of one `chat()`, at least 1: beyond it
    /// [`ChatError::TooManyRounds`](super::ChatError::TooManyRounds).
    #[must_use]
    pub fn max_rounds(mut self, rounds: usize) -> Self {
        self.max_rounds = rounds.max(1);
        self
    }

    /// Sets all parameters of the model at once.
    #[must_use]
    pub fn params(mut self, params: ModelParams) -> Self {
        self.params = Arc::new(params);
        self
    }

    /// Sets how freely the model chooses its words.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        Arc::make_mut(&mut self.params).temperature = Some(temperature);
        self
    }

    /// Sets the share of probability the model chooses from.
    #[must_use]
    pub fn top_p(mut self, top_p: f64) -> Self {
        Arc::make_mut(&mut self.params).top_p = Some(top_p);
        self
    }

    /// Sets the number of candidates the model chooses from.
    #[must_use]
    pub fn top_k(mut self, top_k: u32) -> Self {
        Arc::make_mut(&mut self.params).top_k = Some(top_k);
        self
    }

    /// Sets the most tokens the model may write in one reply.
    #[must_use]
    pub fn max_tokens(mut self, max: u32) -> Self {
        Arc::make_mut(&mut self.params).max_tokens = Some(max);
        self
    }

    /// Sets the texts at which the model stops.
    #[must_use]
    pub fn stop_sequences<S: Into<String>>(mut self, stops: impl IntoIterator<Item = S>) -> Self {
        Arc::make_mut(&mut self.params).stop_sequences =
            stops.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the seed for replies that repeat.
    #[must_use]
    pub fn seed(mut self, seed: i64) -> Self {
        Arc::make_mut(&mut self.params).seed = Some(seed);
        self
    }

    /// Makes words that were used often less likely.
    #[must_use]
    pub fn frequency_penalty(mut self, penalty: f64) -> Self {
        Arc::make_mut(&mut self.params).frequency_penalty = Some(penalty);
        self
    }

    /// Makes words that were used at all less likely.
    #[must_use]
    pub fn presence_penalty(mut self, penalty: f64) -> Self {
        Arc::make_mut(&mut self.params).presence_penalty = Some(penalty);
        self
    }

    /// Sets how much the model is to think, in the vendor's word: `low`, `medium`, `high`, …
    #[must_use]
    pub fn reasoning_level(mut self, level: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.params).reasoning_level = Some(level.into());
        self
    }

    /// Asks for that many choices: the conversation goes on with the first, and the
    /// [others](crate::AssistantTurn::alternatives) stand beside it.
    #[must_use]
    pub fn choice_count(mut self, choices: u32) -> Self {
        Arc::make_mut(&mut self.params).choice_count = Some(choices);
        self
    }

    /// Sets a parameter of the vendor's own: a field of the request's body, as it is. It wins over
    /// what the library would write.
    #[must_use]
    pub fn extra(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        Arc::make_mut(&mut self.params).extra.insert(field.into(), value.into());
        self
    }

    /// Has the model answer with JSON that follows the schema.
    #[must_use]
    pub fn output(mut self, schema: OutputSchema) -> Self {
        self.output = Some(Arc::new(schema));
        self
    }

    /// Puts an attribute on all spans of this chat: whose it is, which tenant, which release.
    ///
    /// It replaces the one of the same key. Keys that the library itself writes (`gen_ai.…`,
    /// `error.type`, `server.…`) are passed over. Metrics do not have it: there, every value is
    /// a series of its own.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider) {
    /// let chat = Chat::new(provider).attribute("user.id", "u-17").session_id("s-4");
    /// # }
    /// ```
    #[must_use]
    pub fn attribute(
        mut self,
        key: impl Into<opentelemetry::Key>,
        value: impl Into<opentelemetry::Value>,
    ) -> Self {
        Arc::make_mut(&mut self.settings).set_attribute(KeyValue::new(key, value));
        self
    }

    /// Sets the session that the chat belongs to: `session.id` on its spans.
    #[must_use]
    pub fn session_id(self, id: impl Into<Arc<str>>) -> Self {
        self.attribute(names::user::SESSION_ID, id.into())
    }

    /// Sets the program's own words for the chat, to find it by: `chatlas.tags` on its spans.
    #[must_use]
    pub fn tags<S: Into<String>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags = tags.into_iter().map(|tag| tag.into().into()).collect();
        self.attribute(names::user::TAGS, opentelemetry::Value::Array(Array::String(tags)))
    }

    /// Puts the [baggage](https://opentelemetry.io/docs/concepts/signals/baggage/) entry of that
    /// key on all spans of this chat, where there is one when it is asked.
    #[must_use]
    pub fn baggage(mut self, key: impl Into<opentelemetry::Key>) -> Self {
        Arc::make_mut(&mut self.settings).add_baggage_key(key.into());
        self
    }

    /// Sets what of the content is recorded, whatever the environment says.
    #[must_use]
    pub fn capture(mut self, capture: Capture) -> Self {
        Arc::make_mut(&mut self.settings).capture = Some(capture);
        self
    }

    /// Shows all content to that hook before it is written, to be changed: what is not to be
    /// recorded is taken out there. It sees an answer as it comes out and, when the conversation
    /// goes on, once as it goes back in. One that panics loses the content, and nothing else.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider, secret: String) {
    /// let chat = Chat::new(provider).redact(move |content| {
    ///     content.each_text(&mut |text| *text = text.replace(&secret, "***"));
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn redact(
        mut self,
        hook: impl Fn(&mut CapturedContent<'_>) + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).redact = Some(Arc::new(hook));
        self.written = MessageCache::default();
        self
    }

    /// Bounds each content attribute to that many bytes: 64 KiB unless set, and at least 512. What
    /// is cut stays valid JSON and says so; of a long conversation the latest messages stay.
    #[must_use]
    pub fn capture_limit(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).limit = bytes.max(MIN_CAPTURE_LIMIT);
        self.written = MessageCache::default();
        self
    }

    /// Whether the `invoke_agent` span repeats, as a sum, the usage of the model calls below it.
    /// It does unless set, for the conventions recommend it; leave it out for a backend that sums
    /// `gen_ai.usage.*` over all spans, which would count every token twice.
    #[must_use]
    pub fn agent_usage(mut self, on: bool) -> Self {
        Arc::make_mut(&mut self.settings).agent_usage = on;
        self
    }

    /// Has runs end when that token is cancelled, with
    /// [`ChatError::Cancelled`](super::ChatError::Cancelled): for a stop button, or the end of the
    /// program. Dropping the future or the stream does the same.
    ///
    /// A token is cancelled once and for all: set another one before the next run.
    #[must_use]
    pub fn cancellation(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }
}
