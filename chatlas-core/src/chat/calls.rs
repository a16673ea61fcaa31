//! The methods of [`Chat`] that start a run, or count its tokens.

use std::future::Future;
use std::sync::Arc;

use opentelemetry::Context;

use super::chat::Chat;
use super::history::History;
use super::queue::Events;
use super::run;
use super::stream::{ChatStream, OwnedChatStream};
use super::{ChatError, Prompt, Reply};
use crate::provider::{ChatRequest, ProviderError};
use crate::telemetry::Run;

impl Chat {
    /// Sends a prompt and waits for the complete answer.
    ///
    /// The parent of the `invoke_agent` span is the context that is current when this method is
    /// called, not when the future is first polled.
    ///
    /// Dropping the future cancels the run: its spans end at once, the history keeps the complete
    /// turns, and the next call works.
    ///
    /// # Errors
    ///
    /// [`ChatError::Provider`] if a model call fails, [`ChatError::TooManyRounds`] if the model keeps
    /// requesting tools, [`ChatError::TruncatedCall`] if the token limit cuts a tool call off twice in
    /// succession. A failed tool call is not an error: its message is sent to the model.
    #[doc(alias = "prompt")]
    #[doc(alias = "chat_async")]
    pub fn chat(
        &mut self,
        prompt: impl Into<Prompt>,
    ) -> impl Future<Output = Result<Reply, ChatError>> + Send {
        // Boxed, because a run is large and callers embed it in futures of their own.
        Box::pin(run::run(self, prompt.into(), Context::current(), None))
    }

    /// Sends a prompt and returns the answer as a stream of events.
    ///
    /// Nothing is sent before the stream is first polled. The last item is
    /// [`StreamEvent::Done`](super::StreamEvent::Done) or an error of [`chat`](Self::chat). Dropping
    /// the stream cancels the run: the spans end at once, and the history keeps what has arrived as a
    /// partial turn.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError, StreamEvent};
    /// # async fn example(mut chat: Chat) -> Result<(), ChatError> {
    /// use futures_util::StreamExt as _;
    ///
    /// let mut events = chat.stream("And in July?");
    /// while let Some(event) = events.next().await {
    ///     match event? {
    ///         StreamEvent::Text(text) => print!("{text}"),
    ///         StreamEvent::Done(reply) => println!(" {}", reply.usage),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "stream_prompt")]
    #[doc(alias = "stream_async")]
    pub fn stream(&mut self, prompt: impl Into<Prompt>) -> ChatStream<'_> {
        let (prompt, parent) = (prompt.into(), Context::current());
        ChatStream::new(|events: Events| Box::pin(run::run(self, prompt, parent, Some(events))))
    }

    /// Sends a prompt and returns the answer as a stream that owns the chat, so that it can be moved:
    /// into a task, or into the body of an HTTP response.
    ///
    /// The parent of the `invoke_agent` span is the context that is current when this method is
    /// called. [`OwnedChatStream::into_chat`] returns the chat.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError, StreamEvent};
    /// # async fn example(chat: Chat) -> Result<(), ChatError> {
    /// use futures_util::StreamExt as _;
    ///
    /// let mut events = chat.into_stream("And in July?");
    /// let task = tokio::spawn(async move {
    ///     while let Some(Ok(event)) = events.next().await {
    ///         if let StreamEvent::Text(text) = event {
    ///             print!("{text}");
    ///         }
    ///     }
    ///     events.into_chat()
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_stream(self, prompt: impl Into<Prompt>) -> OwnedChatStream {
        let (prompt, parent) = (prompt.into(), Context::current());
        OwnedChatStream::new(self, move |chat, events| {
            Box::pin(run::run(chat, prompt, parent, Some(events)))
        })
    }

    /// Counts the input tokens of the first model call of a [`chat`](Self::chat) with that prompt,
    /// with the vendor's own counter: the system prompt, the tools and the turns included. Does not
    /// run the model.
    ///
    /// # Errors
    ///
    /// Those of [`Provider::count_tokens`](crate::Provider::count_tokens).
    #[doc(alias = "token_count")]
    pub async fn count_tokens(&self, prompt: impl Into<Prompt>) -> Result<u64, ProviderError> {
        let mut turns = self.turns.clone();
        let history = History::begin(&mut turns, prompt.into().0);
        let request = ChatRequest {
            system_prompt: self.system_prompt.clone(),
            turns: history.turns().to_vec(),
            tools: self.tools.definitions(),
            params: Arc::clone(&self.params),
            output: self.output.clone(),
            conversation_id: self.conversation_id.clone(),
            compacted: self.record.compacted,
            attributes: Vec::new(),
            run: Some(Run::for_chat(&self.settings, &self.message_cache).extension()),
        };
        self.provider.count_tokens(request).await
    }
}
