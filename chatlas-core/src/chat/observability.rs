//! What the telemetry of a conversation records: names, attributes, content.

use std::sync::Arc;

use opentelemetry::{Array, Key, KeyValue, Value};

use super::chat::Chat;
use crate::telemetry::{Capture, CapturedContent, MIN_CAPTURE_LIMIT, MessageCache, names};

impl Chat {
    /// Returns the name of the agent.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Sets the name of the agent. See [`with_name`](Self::with_name).
    pub fn set_name(&mut self, name: impl Into<Arc<str>>) {
        self.name = Some(name.into());
    }

    /// Sets the name of the agent: `gen_ai.agent.name`, and part of the name of the `invoke_agent`
    /// span. Use few distinct names.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.set_name(name);
        self
    }

    /// Returns the description of the agent.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Sets the description of the agent: `gen_ai.agent.description`.
    pub fn set_description(&mut self, description: impl Into<Arc<str>>) {
        self.description = Some(description.into());
    }

    /// Sets the description of the agent: `gen_ai.agent.description`.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<Arc<str>>) -> Self {
        self.set_description(description);
        self
    }

    /// Returns the id of the conversation.
    pub fn conversation_id(&self) -> Option<&str> {
        self.conversation_id.as_deref()
    }

    /// Sets the id of the conversation. See [`with_conversation_id`](Self::with_conversation_id).
    pub fn set_conversation_id(&mut self, id: impl Into<Arc<str>>) {
        self.conversation_id = Some(id.into());
    }

    /// Sets the id of the conversation: `gen_ai.conversation.id`. The library never generates one.
    #[must_use]
    pub fn with_conversation_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.set_conversation_id(id);
        self
    }

    /// Sets an attribute of every span of this chat. See [`with_attribute`](Self::with_attribute).
    pub fn set_attribute(&mut self, key: impl Into<Key>, value: impl Into<Value>) {
        Arc::make_mut(&mut self.settings).set_attribute(KeyValue::new(key, value));
    }

    /// Sets an attribute of every span of this chat, such as the user, the tenant or the release.
    ///
    /// Replaces an attribute of the same key. Keys that the library writes (`gen_ai.…`, `error.type`,
    /// `server.…`) are ignored. Metrics do not have the attribute, because each of its values would
    /// create a time series.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider) {
    /// let chat = Chat::new(provider).with_attribute("user.id", "u-17").with_session_id("s-4");
    /// # }
    /// ```
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.set_attribute(key, value);
        self
    }

    /// Sets the session of this chat: `session.id` on its spans.
    #[must_use]
    pub fn with_session_id(self, id: impl Into<Arc<str>>) -> Self {
        self.with_attribute(names::user::SESSION_ID, id.into())
    }

    /// Sets tags to find this chat by: `chatlas.tags` on its spans.
    #[must_use]
    pub fn with_tags<S: Into<String>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags = tags.into_iter().map(|tag| tag.into().into()).collect();
        self.with_attribute(names::user::TAGS, Value::Array(Array::String(tags)))
    }

    /// Records the [baggage](https://opentelemetry.io/docs/concepts/signals/baggage/) entry of that
    /// key on every span of this chat, if the current context has one when a run starts.
    #[must_use]
    pub fn with_baggage(mut self, key: impl Into<Key>) -> Self {
        Arc::make_mut(&mut self.settings).add_baggage_key(key.into());
        self
    }

    /// Sets what content is recorded. See [`with_capture`](Self::with_capture).
    pub fn set_capture(&mut self, capture: Capture) {
        Arc::make_mut(&mut self.settings).capture = Some(capture);
    }

    /// Sets what content is recorded. Overrides the environment variable and the default of the
    /// process.
    #[must_use]
    pub fn with_capture(mut self, capture: Capture) -> Self {
        self.set_capture(capture);
        self
    }

    /// Calls a hook with all content before it is recorded, to remove what must not be recorded.
    ///
    /// The hook is called for an answer when it is recorded as output, and again when it is recorded
    /// as input of the next model call. If the hook panics, the content is not recorded.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider, secret: String) {
    /// let chat = Chat::new(provider).with_redaction(move |content| {
    ///     content.each_text(&mut |text| *text = text.replace(&secret, "***"));
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn with_redaction(
        mut self,
        hook: impl Fn(&mut CapturedContent<'_>) + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).redact = Some(Arc::new(hook));
        self.message_cache = MessageCache::default();
        self
    }

    /// Sets the maximum size of a content attribute in bytes: 64 KiB by default, at least 512. A
    /// truncated attribute is valid JSON and contains a marker; of a long conversation, the latest
    /// messages are kept.
    #[must_use]
    pub fn with_capture_limit(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).limit = bytes.max(MIN_CAPTURE_LIMIT);
        self.message_cache = MessageCache::default();
        self
    }

    /// Sets whether the `invoke_agent` span records the summed usage of its model calls: on by
    /// default, as the conventions recommend. Turn it off for a backend that sums `gen_ai.usage.*`
    /// over all spans, which would count every token twice.
    #[must_use]
    pub fn with_agent_usage(mut self, on: bool) -> Self {
        Arc::make_mut(&mut self.settings).agent_usage = on;
        self
    }
}
