//! Several prompts at the same time, each sent to a copy of the conversation.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use opentelemetry::Context;

use super::chat::Chat;
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
        let parent = Context::current();
        let prompts: Vec<Prompt> = prompts.into_iter().map(Into::into).collect();
        let branches = prompts.into_iter().enumerate().map(move |(index, prompt)| {
            let (mut chat, parent) = (self.detached(), parent.clone());
            async move {
                let result = run::run(&mut chat, prompt, parent, None).await;
                (index, Branch { chat, result })
            }
        });
        async move {
            let mut done: Vec<(usize, Branch)> =
                stream::iter(branches).buffer_unordered(concurrency.max(1)).collect().await;
            done.sort_by_key(|(index, _)| *index);
            done.into_iter().map(|(_, branch)| branch).collect()
        }
    }
}
