//! Several prompts at the same time, each sent to a copy of the conversation.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use opentelemetry::Context;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::chat::Chat;
use super::extract::{Expected, Extracted, run_extract};
use super::{ChatError, Prompt, Reply, run};

/// A copy of the conversation that [`Chat::parallel`] has sent a prompt to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Branch {
    /// The conversation, with the prompt and its answer.
    pub chat: Chat,
    /// The result of the prompt.
    pub result: Result<Reply, ChatError>,
}

impl Chat {
    /// Sends each prompt to a copy of this conversation, at most `concurrency` at a time. Returns the
    /// branches in the order of the prompts. An error of one branch does not affect the others. This
    /// conversation is unchanged.
    ///
    /// Each branch has its own `invoke_agent` span, whose parent is the context that is current when
    /// this method is called. Dropping the future cancels all branches.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError};
    /// # async fn example(chat: Chat) -> Result<(), ChatError> {
    /// let cities = ["Tokyo", "Lima", "Oslo"].map(|city| format!("The capital's food in {city}?"));
    /// for branch in chat.parallel(cities, 2).await {
    ///     println!("{}", branch.result?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn parallel<P: Into<Prompt>>(
        &self,
        prompts: impl IntoIterator<Item = P>,
        concurrency: usize,
    ) -> impl Future<Output = Vec<Branch>> + Send {
        let run = |mut chat: Self, prompt, parent| async move {
            let result = run::run(&mut chat, prompt, parent, None).await;
            Branch { chat, result }
        };
        self.in_parallel(prompts, concurrency, run)
    }

    /// Extracts a `T` of each prompt as [`extract_once`](Self::extract_once) does, at most
    /// `concurrency` at a time. Returns the results in the order of the prompts. An error of one does
    /// not affect the others. This conversation is unchanged.
    ///
    /// Each prompt has its own `invoke_agent` span, whose parent is the context that is current when
    /// this method is called. Dropping the future cancels all runs.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError};
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Review {
    ///     /// From 1 to 5.
    ///     stars: u8,
    /// }
    ///
    /// # async fn example(chat: Chat) -> Result<(), ChatError> {
    /// let reviews = ["Great!", "It broke after a day."];
    /// for review in chat.parallel_extract::<Review, _>(reviews, 2).await {
    ///     println!("{}", review?.value.stars);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "parallel_chat_structured")]
    pub fn parallel_extract<T, P: Into<Prompt>>(
        &self,
        prompts: impl IntoIterator<Item = P>,
        concurrency: usize,
    ) -> impl Future<Output = Vec<Result<Extracted<T>, ChatError>>> + Send
    where
        T: DeserializeOwned + JsonSchema + Send,
    {
        let expected = Expected::of::<T>();
        let run = move |mut chat: Self, prompt, parent| {
            let expected = expected.clone();
            async move { run_extract(&mut chat, expected, prompt, parent, None).await }
        };
        self.in_parallel(prompts, concurrency, run)
    }

    /// Runs each prompt in a copy of this conversation. Returns the results in the order of the
    /// prompts.
    fn in_parallel<P: Into<Prompt>, R: Send, F: Future<Output = R> + Send>(
        &self,
        prompts: impl IntoIterator<Item = P>,
        concurrency: usize,
        run: impl Fn(Self, Prompt, Context) -> F + Send,
    ) -> impl Future<Output = Vec<R>> + Send {
        let parent = Context::current();
        let prompts: Vec<Prompt> = prompts.into_iter().map(Into::into).collect();
        let runs =
            prompts.into_iter().map(move |prompt| run(self.detached(), prompt, parent.clone()));
        stream::iter(runs).buffered(concurrency.max(1)).collect()
    }
}
