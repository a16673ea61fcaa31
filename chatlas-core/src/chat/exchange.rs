//! Exchanges: a prompt with everything up to the next one. They are removed, repeated and edited as a
//! unit, so that no tool call is separated from its result.

use std::mem;
use std::sync::Arc;

use super::chat::Chat;
use super::record::Record;
use super::{ChatError, Prompt, Reply};
use crate::content::Content;
use crate::session::SessionStore;
use crate::turn::{Turn, Usage, UserTurn};

impl Chat {
    /// Returns an independent copy of the conversation with another id. The copy is saved as a new
    /// session.
    ///
    /// `gen_ai.conversation.id` identifies one conversation, so a copy that continues in another
    /// direction needs an id that differs. A clone keeps the id.
    #[doc(alias = "deepcopy")]
    #[must_use]
    pub fn fork(&self, conversation_id: impl Into<Arc<str>>) -> Self {
        let mut fork = self.clone().with_conversation_id(conversation_id);
        let record = Arc::make_mut(&mut fork.record);
        record.revision = 0;
        record.created = None;
        fork.save_error = None;
        fork
    }

    /// Removes the last exchange, and returns its turns: the prompt and everything after it. Returns
    /// `None` if the conversation has no prompt.
    ///
    /// Results of interrupted tool calls that were sent with the prompt stay in the history.
    pub fn undo(&mut self) -> Option<Vec<Arc<Turn>>> {
        let start = self.turns.iter().rposition(|turn| has_prompt(turn))?;
        Some(self.remove_from(start))
    }

    /// Removes all turns. The settings, the system prompt and the conversation id are kept.
    pub fn clear(&mut self) {
        let removed = mem::take(&mut self.turns);
        self.count_removed(&removed);
        Arc::make_mut(&mut self.record).compacted = false;
        self.message_cache.replace_turns(&self.turns);
    }

    /// Sends the last prompt again, in place of its replies. Returns `None` if the conversation has
    /// no prompt. If the run returns an error or is dropped, the replies are kept.
    ///
    /// # Errors
    ///
    /// Those of [`chat`](Self::chat).
    #[doc(alias = "retry")]
    pub async fn regenerate(&mut self) -> Result<Option<Reply>, ChatError> {
        match self.turns.iter().rposition(|turn| has_prompt(turn)) {
            Some(start) => self.run_from(start, None).await.map(Some),
            None => Ok(None),
        }
    }

    /// Replaces a prompt and removes everything after it, then sends the new prompt. `index` counts
    /// the prompts of the conversation from 0. Returns `None` if there is no prompt with that index.
    /// If the run returns an error or is dropped, the conversation is unchanged.
    ///
    /// # Errors
    ///
    /// Those of [`chat`](Self::chat).
    pub async fn edit(
        &mut self,
        index: usize,
        prompt: impl Into<Prompt>,
    ) -> Result<Option<Reply>, ChatError> {
        let prompts = self.turns.iter().enumerate().filter(|(_, turn)| has_prompt(turn));
        match prompts.map(|(start, _)| start).nth(index) {
            Some(start) => self.run_from(start, Some(prompt.into())).await.map(Some),
            None => Ok(None),
        }
    }

    /// Removes the exchanges from that turn on, and runs a prompt: by default, the removed one.
    async fn run_from(&mut self, start: usize, prompt: Option<Prompt>) -> Result<Reply, ChatError> {
        let before = Before {
            turns: Some((self.turns.clone(), Arc::clone(&self.record))),
            store: self.store.take(),
            chat: self,
        };
        before.run(start, prompt).await
    }

    /// Removes the prompt of that turn with everything after it, and returns the removed turns.
    fn remove_from(&mut self, start: usize) -> Vec<Arc<Turn>> {
        let mut removed = self.turns.split_off(start);
        if let Some(Turn::User(first)) = removed.first().map(AsRef::as_ref) {
            let (results, prompt): (Vec<_>, Vec<_>) =
                first.contents.iter().cloned().partition(is_result);
            if !results.is_empty() {
                self.turns.push(Arc::new(Turn::User(UserTurn::new(results))));
                removed[0] = Arc::new(Turn::User(UserTurn::new(prompt)));
            }
        }
        self.count_removed(&removed);
        self.message_cache.replace_turns(&self.turns);
        removed
    }

    /// Adds the token counts of removed turns to those of the session.
    pub(super) fn count_removed(&mut self, removed: &[Arc<Turn>]) {
        Arc::make_mut(&mut self.record).removed_usage += usage(removed);
    }
}

/// The turns before a prompt is repeated, which are restored unless the run returns a reply.
struct Before<'a> {
    chat: &'a mut Chat,
    turns: Option<(Vec<Arc<Turn>>, Arc<Record>)>,
    /// The store of the chat, so that a run that fails is not saved without the replies.
    store: Option<Arc<dyn SessionStore>>,
}

impl Before<'_> {
    async fn run(mut self, start: usize, prompt: Option<Prompt>) -> Result<Reply, ChatError> {
        let removed = self.chat.remove_from(start);
        let prompt = prompt.unwrap_or_else(|| {
            Prompt::new(removed.first().map(|turn| turn.contents().to_vec()).unwrap_or_default())
        });
        let reply = self.chat.chat(prompt).await?;
        self.turns = None;
        self.chat.store = self.store.take();
        self.chat.save_after_run().await;
        Ok(reply)
    }
}

impl Drop for Before<'_> {
    fn drop(&mut self) {
        if let Some((turns, record)) = self.turns.take() {
            self.chat.record = record;
            self.chat.store = self.store.take();
            self.chat.set_turns(turns);
        }
    }
}

/// Returns whether a turn is a prompt, and not only the results of tools.
pub(super) fn has_prompt(turn: &Turn) -> bool {
    matches!(turn, Turn::User(turn) if !turn.contents.iter().all(is_result))
}

/// Returns whether the turns before this one can be removed: it is a prompt that has no results of
/// earlier tool calls.
pub(super) fn can_be_first(turn: &Turn) -> bool {
    has_prompt(turn) && !turn.contents().iter().any(is_result)
}

fn is_result(content: &Content) -> bool {
    matches!(content, Content::ToolResult(_))
}

/// Returns the token counts of all replies in the turns.
pub(super) fn usage(turns: &[Arc<Turn>]) -> Usage {
    let mut usage = Usage::default();
    for turn in turns {
        if let Turn::Assistant(turn) = turn.as_ref() {
            usage += turn.usage;
        }
    }
    usage
}
