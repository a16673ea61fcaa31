//! Many prompts at once, each to a copy of the conversation.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use opentelemetry::Context;

use super::{Chat, ChatError, Prompt, Reply, run};

/// One of the conversations that [`Chat::parallel`] branches into.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Branch {
    /// The conversation, with the prompt and its answer in it.
    pub chat: Chat,
    /// What came of the prompt.
    pub result: Result<Reply, ChatError>,
}

impl Chat {
    /// Asks each prompt in a copy of this conversation, so many at a time at the most. The
    /// branches come in the order of the prompts; one that fails leaves the others alone. The
    /// conversation itself stays as it is.
    ///
    /// Each is an `invoke_agent` span of its own, below what is current when this is called.
    /// Dropping the future gives all of them up.
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
        at_once: usize,
    ) -> impl Future<Output = Vec<Branch>> + Send {
        let parent = Context::current();
        let prompts: Vec<Prompt> = prompts.into_iter().map(Into::into).collect();
        let branches = prompts.into_iter().enumerate().map(move |(index, prompt)| {
            let (mut chat, parent) = (self.clone(), parent.clone());
            async move {
                let result = run::run(&mut chat, prompt, parent, None).await;
                (index, Branch { chat, result })
            }
        });
        async move {
            let mut done: Vec<(usize, Branch)> =
                stream::iter(branches).buffer_unordered(at_once.max(1)).collect().await;
            done.sort_by_key(|(index, _)| *index);
            done.into_iter().map(|(_, branch)| branch).collect()
        }
    }
}
