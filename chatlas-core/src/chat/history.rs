//! The turns of a run under way.
//!
//! However a run ends (a reply, an error, a dropped future), the turns are left in a state from which
//! the next run works. Only this file changes the turns of a run.

use std::sync::Arc;

use crate::content::{Content, ToolRequest, ToolResult};
use crate::turn::{AssistantTurn, Turn, UserTurn};

/// The turns of a chat during a run.
pub(super) struct History<'a> {
    turns: &'a mut Vec<Arc<Turn>>,
    /// The length and the last turn before the prompt, to restore if no reply arrives.
    before: Option<(usize, Option<Arc<Turn>>)>,
    partial: AssistantTurn,
    results: Vec<(ToolRequest, Option<ToolResult>)>,
}

impl<'a> History<'a> {
    /// Adds the prompt. Open tool requests of an earlier run get results first.
    pub(super) fn begin(turns: &'a mut Vec<Arc<Turn>>, prompt: Vec<Content>) -> Self {
        let before = Some((turns.len(), turns.last().cloned()));
        let mut contents = missing_results(turns);
        // Merge two consecutive user turns: an earlier run ended after its tools.
        if let Some(Turn::User(last)) = turns.last().map(AsRef::as_ref) {
            contents.extend(last.contents.iter().cloned());
            turns.pop();
        }
        contents.extend(prompt);
        turns.push(Arc::new(Turn::User(UserTurn::new(contents))));
        Self { turns, before, partial: AssistantTurn::default(), results: Vec::new() }
    }

    /// Returns all turns, oldest first.
    pub(super) fn turns(&self) -> &[Arc<Turn>] {
        self.turns
    }

    /// Keeps the partial reply of a stream that was not completed.
    pub(super) fn keep_partial(&mut self, partial: AssistantTurn) {
        self.partial = partial;
    }

    /// Returns the partial reply, if it has contents.
    pub(super) fn partial(&self) -> Option<AssistantTurn> {
        let partial = || AssistantTurn { partial: true, ..self.partial.clone() };
        (!self.partial.contents.is_empty()).then(partial)
    }

    /// Adds a complete reply. Returns the turn, with what preceded a pause.
    pub(super) fn add_reply(&mut self, turn: Arc<AssistantTurn>) -> Arc<AssistantTurn> {
        self.partial = AssistantTurn::default();
        self.before = None;
        self.results = turn.tool_requests().map(|request| (request.clone(), None)).collect();
        let turn = self.join_paused(turn);
        self.turns.push(Arc::new(Turn::Assistant(Arc::clone(&turn))));
        turn
    }

    /// Joins a turn with the paused turn that it continues, which is removed from the turns.
    fn join_paused(&mut self, mut turn: Arc<AssistantTurn>) -> Arc<AssistantTurn> {
        let Some(Turn::Assistant(paused)) = self.turns.last().map(AsRef::as_ref) else {
            return turn;
        };
        let joined = Arc::make_mut(&mut turn);
        joined.contents.splice(0..0, paused.contents.iter().cloned());
        let mut usage = paused.usage;
        usage += joined.usage;
        joined.usage = usage;
        self.turns.pop();
        turn
    }

    /// Returns the tool requests of the last reply.
    pub(super) fn requests(&self) -> Vec<ToolRequest> {
        self.results.iter().map(|(request, _)| request.clone()).collect()
    }

    /// Sets the result of the request at that index.
    pub(super) fn set_result(&mut self, index: usize, result: ToolResult) {
        if let Some((_, slot)) = self.results.get_mut(index) {
            *slot = Some(result);
        }
    }

    /// Adds the results to the conversation, in the order of the requests.
    pub(super) fn add_results(&mut self) {
        let contents: Vec<Content> = std::mem::take(&mut self.results)
            .into_iter()
            .map(|(request, result)| {
                Content::ToolResult(result.unwrap_or_else(|| ToolResult::interrupted(&request)))
            })
            .collect();
        if !contents.is_empty() {
            self.turns.push(Arc::new(Turn::User(UserTurn::new(contents))));
        }
    }
}

impl Drop for History<'_> {
    fn drop(&mut self) {
        // If the run was dropped while tools ran, keep the results of those that finished, so that
        // they do not run again.
        self.add_results();
        let mut partial = std::mem::take(&mut self.partial);
        if partial.contents.iter().any(is_worth_keeping) {
            partial.partial = true;
            let partial = self.join_paused(Arc::new(partial));
            self.turns.push(Arc::new(Turn::Assistant(partial)));
        } else if let Some((length, last)) = self.before.take() {
            // Nothing arrived: remove the prompt, so that the program can send it again.
            self.turns.truncate(length.saturating_sub(1));
            self.turns.extend(last);
        }
    }
}

/// Returns whether a conversation can continue from a partial reply with this content. Vendors that
/// sign thinking reject thinking that was cut off, and a turn without other contents is empty.
fn is_worth_keeping(content: &Content) -> bool {
    !matches!(content, Content::Thinking(_))
}

/// Returns a result for each tool request of the last assistant turn that has none. There are such
/// requests if the conversation was stored while tools ran, or was built by the program.
fn missing_results(turns: &[Arc<Turn>]) -> Vec<Content> {
    let (requesting, answered) = match turns {
        [.., requesting, last] if matches!(last.as_ref(), Turn::User(_)) => {
            (requesting, last.contents())
        }
        [.., last] => (last, [].as_slice()),
        [] => return Vec::new(),
    };
    let Turn::Assistant(requesting) = requesting.as_ref() else { return Vec::new() };
    let results_of = |id: &str| {
        answered.iter().filter(|c| matches!(c, Content::ToolResult(r) if r.id == id)).count()
    };
    // Some vendors give two calls the same id: each needs a result of its own.
    let mut seen: Vec<&str> = Vec::new();
    let mut missing = Vec::new();
    for request in requesting.tool_requests() {
        seen.push(&request.id);
        if seen.iter().filter(|id| **id == request.id).count() > results_of(&request.id) {
            missing.push(Content::ToolResult(ToolResult::interrupted(request)));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Thinking, ToolOutcome};
    use serde_json::json;

    fn requesting(ids: &[&str]) -> AssistantTurn {
        let contents = ids
            .iter()
            .map(|id| {
                Content::ToolRequest(ToolRequest {
                    id: (*id).to_owned(),
                    name: "look".to_owned(),
                    arguments: json!({}),
                    replay: None,
                })
            })
            .collect();
        AssistantTurn { contents, ..AssistantTurn::default() }
    }

    fn prompt(text: &str) -> Vec<Content> {
        vec![Content::text(text)]
    }

    #[test]
    fn a_prompt_without_a_reply_is_removed() {
        let mut turns = vec![Arc::new(Turn::user("a")), Arc::new(Turn::assistant("b"))];
        let before = turns.clone();
        drop(History::begin(&mut turns, prompt("c")));
        assert_eq!(turns, before);
    }

    #[test]
    fn a_prompt_merged_into_an_earlier_user_turn_is_taken_back_alone() {
        let mut turns = vec![Arc::new(Turn::user("a"))];
        let before = turns.clone();
        drop(History::begin(&mut turns, prompt("b")));
        assert_eq!(turns, before);
        assert_eq!(turns[0].text(), "a");
    }

    #[test]
    fn a_partial_reply_is_kept_as_a_partial_turn() {
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        history.keep_partial(AssistantTurn::new([Content::text("Hello")]));
        drop(history);
        let Turn::Assistant(turn) = turns[1].as_ref() else { panic!("{turns:?}") };
        assert_eq!((turn.text().as_str(), turn.partial), ("Hello", true));
    }

    #[test]
    fn results_of_finished_tools_are_kept_when_the_run_is_dropped() {
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        history.add_reply(Arc::new(requesting(&["1", "2"])));
        let done = ToolResult {
            id: "2".to_owned(),
            name: "look".to_owned(),
            outcome: ToolOutcome::Value(json!(7)),
        };
        history.set_result(1, done.clone());
        drop(history);
        let Turn::User(turn) = turns[2].as_ref() else { panic!("{turns:?}") };
        let results: Vec<&ToolResult> = turn.tool_results().collect();
        assert!(results[0].outcome.is_error());
        assert_eq!(results[1], &done);
    }

    #[test]
    fn thinking_alone_is_not_kept() {
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        history.keep_partial(AssistantTurn::new([Content::Thinking(Thinking::new("Hm"))]));
        drop(history);
        assert!(turns.is_empty(), "{turns:?}");
    }

    #[test]
    fn requests_without_result_in_the_next_turn_get_one() {
        let answer = ToolResult {
            id: "1".to_owned(),
            name: "look".to_owned(),
            outcome: ToolOutcome::Value(json!(7)),
        };
        let contents = vec![Content::ToolResult(answer.clone()), Content::text("and?")];
        let mut turns = vec![
            Arc::new(Turn::from(requesting(&["1", "2", "1"]))),
            Arc::new(Turn::User(UserTurn { contents })),
        ];
        let before = turns.clone();
        let history = History::begin(&mut turns, prompt("go on"));
        let Some(Turn::User(turn)) = history.turns().last().map(AsRef::as_ref) else {
            panic!("no user turn");
        };
        let results: Vec<&ToolResult> = turn.tool_results().collect();
        assert_eq!(
            results.iter().map(|result| result.id.as_str()).collect::<Vec<_>>(),
            ["2", "1", "1"]
        );
        assert!(results[0].outcome.is_error() && results[1].outcome.is_error());
        assert_eq!(results[2], &answer);
        drop(history);
        assert_eq!(turns, before, "no reply arrived");
    }

    #[test]
    fn open_requests_of_a_stored_history_get_results_before_the_prompt() {
        let mut turns = vec![Arc::new(Turn::from(requesting(&["1"])))];
        let history = History::begin(&mut turns, prompt("go on"));
        let Some(Turn::User(turn)) = history.turns().last().map(AsRef::as_ref) else {
            panic!("no user turn");
        };
        assert!(matches!(&turn.contents[0], Content::ToolResult(r) if r.outcome.is_error()));
        assert_eq!(turn.contents[1], Content::text("go on"));
    }
}
