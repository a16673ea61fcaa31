//! The turns of a run under way.
//!
//! However a run ends (a reply, an error, a dropped future), the turns are left in a state from which
//! the next run works. Only this file changes the turns of a run.

use std::sync::Arc;

use serde_json::Value;

use crate::content::{
    Content, MAX_NESTING, ToolOutcome, ToolRequest, ToolResult, is_nested_deeper,
};
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
    /// Adds the prompt. Open tool requests of an earlier run that it does not answer get results
    /// first.
    pub(super) fn begin(turns: &'a mut Vec<Arc<Turn>>, prompt: Vec<Content>) -> Self {
        let before = Some((turns.len(), turns.last().cloned()));
        let mut added = Vec::new();
        // Merge two consecutive user turns: an earlier run ended after its tools.
        if let Some(Turn::User(last)) = turns.last().map(AsRef::as_ref) {
            added.clone_from(&last.contents);
            turns.pop();
            remove_replaced(&mut added, &prompt);
        }
        added.extend(prompt);
        let mut contents = missing_results(turns.last().map(AsRef::as_ref), &added);
        contents.append(&mut added);
        turns.push(Arc::new(Turn::User(UserTurn::new(contents))));
        Self { turns, before, partial: AssistantTurn::default(), results: Vec::new() }
    }

    /// Adds a message of the user after a reply. It is removed if no reply to it arrives.
    pub(super) fn add_message(&mut self, text: String) {
        self.before = Some((self.turns.len() + 1, None));
        self.turns.push(Arc::new(Turn::user(text)));
    }

    /// Returns all turns, oldest first.
    pub(super) fn turns(&self) -> &[Arc<Turn>] {
        self.turns
    }

    /// Keeps the partial reply of a stream that was not completed.
    pub(super) fn keep_partial(&mut self, mut partial: AssistantTurn) {
        partial.contents.retain_mut(make_storable);
        self.partial = partial;
    }

    /// Returns the partial reply, if it has contents.
    pub(super) fn partial(&self) -> Option<AssistantTurn> {
        let partial = || AssistantTurn { partial: true, ..self.partial.clone() };
        (!self.partial.contents.is_empty()).then(partial)
    }

    /// Adds a complete reply. Returns the turn, with what preceded a pause.
    pub(super) fn add_reply(&mut self, mut turn: Arc<AssistantTurn>) -> Arc<AssistantTurn> {
        if !turn.tool_requests().all(is_storable) {
            Arc::make_mut(&mut turn).contents.retain_mut(make_storable);
        }
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
    pub(super) fn set_result(&mut self, index: usize, mut result: ToolResult) {
        if let ToolOutcome::Value(value) = &mut result.outcome
            && is_nested_deeper(value, MAX_NESTING)
        {
            *value = value.to_string().into();
        }
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

/// Returns whether a request is a call, and can be read back when the conversation was stored.
fn is_storable(request: &ToolRequest) -> bool {
    !request.name.is_empty() && !is_nested_deeper(&request.arguments, MAX_NESTING)
}

/// Replaces arguments that could not be read back by their JSON. Returns false for a request without
/// a name, which some servers send beside a text: it calls no tool, and vendors reject it.
fn make_storable(content: &mut Content) -> bool {
    let Content::ToolRequest(request) = content else { return true };
    if is_nested_deeper(&request.arguments, MAX_NESTING) {
        request.arguments = request.arguments.to_string().into();
    }
    !request.name.is_empty()
}

/// Removes the results of interrupted calls for which the prompt has a result.
fn remove_replaced(contents: &mut Vec<Content>, prompt: &[Content]) {
    for id in prompt.iter().filter_map(result_id) {
        let is_replaced = |content: &Content| match content {
            Content::ToolResult(result) => result.id == id && is_interrupted(result),
            _ => false,
        };
        if let Some(index) = contents.iter().position(is_replaced) {
            contents.remove(index);
        }
    }
}

fn is_interrupted(result: &ToolResult) -> bool {
    let call = ToolRequest::new(&*result.id, &*result.name, Value::Null);
    *result == ToolResult::interrupted(&call)
}

fn result_id(content: &Content) -> Option<&str> {
    if let Content::ToolResult(result) = content { Some(&result.id) } else { None }
}

/// Returns a result for each tool request of the last turn that `contents` does not answer. There are
/// such requests if the conversation was stored while tools ran, or was built by the program.
fn missing_results(last: Option<&Turn>, contents: &[Content]) -> Vec<Content> {
    let Some(Turn::Assistant(requesting)) = last else { return Vec::new() };
    let results_of =
        |id: &str| contents.iter().filter(|content| result_id(content) == Some(id)).count();
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

    fn results(turn: &Turn) -> Vec<(&str, bool)> {
        let results = turn.contents().iter().filter_map(|content| match content {
            Content::ToolResult(result) => Some((result.id.as_str(), result.outcome.is_error())),
            _ => None,
        });
        results.collect()
    }

    #[test]
    fn a_result_in_the_prompt_answers_an_open_request() {
        let answer = ToolResult::new("1", "look", ToolOutcome::Value(json!(7)));
        let mut turns = vec![Arc::new(Turn::from(requesting(&["1", "2"])))];
        let contents = vec![Content::ToolResult(answer), Content::text("go on")];
        let history = History::begin(&mut turns, contents);
        let last = history.turns().last().unwrap();
        assert_eq!(results(last), [("2", true), ("1", false)]);
    }

    #[test]
    fn a_result_in_the_prompt_replaces_that_of_an_interrupted_call() {
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        history.add_reply(Arc::new(requesting(&["1", "2"])));
        drop(history);
        assert_eq!(results(&turns[2]), [("1", true), ("2", true)]);
        let answer = ToolResult::new("1", "look", ToolOutcome::Value(json!(7)));
        let history = History::begin(&mut turns, vec![Content::ToolResult(answer)]);
        assert_eq!(results(history.turns().last().unwrap()), [("2", true), ("1", false)]);
    }

    #[test]
    fn a_request_without_a_name_is_not_kept() {
        let nameless = || Content::ToolRequest(ToolRequest::new("1", "", json!({})));
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        let turn =
            history.add_reply(Arc::new(AssistantTurn::new([Content::text("4"), nameless()])));
        assert_eq!(turn.contents, [Content::text("4")]);
        assert!(history.requests().is_empty());
        drop(history);
        let mut history = History::begin(&mut turns, prompt("b"));
        history.keep_partial(AssistantTurn::new([Content::text("5"), nameless()]));
        drop(history);
        assert_eq!(turns[3].contents(), [Content::text("5")]);
    }

    #[test]
    fn deeply_nested_arguments_and_results_can_be_read_back() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        for (levels, is_kept) in [(MAX_NESTING, true), (MAX_NESTING + 1, false), (126, false)] {
            let request = ToolRequest::new("1", "look", nested(levels));
            let mut turns = Vec::new();
            let mut history = History::begin(&mut turns, prompt("a"));
            history.add_reply(Arc::new(AssistantTurn::new([Content::ToolRequest(request)])));
            assert_eq!(history.requests()[0].arguments.is_array(), is_kept, "{levels}");
            let outcome = ToolOutcome::Value(nested(levels));
            let text = outcome.to_model_text();
            history.set_result(0, ToolResult::new("1", "look", outcome));
            drop(history);
            let Content::ToolResult(result) = &turns[2].contents()[0] else { panic!("{turns:?}") };
            assert_eq!(result.outcome.to_model_text(), text);
            let stored = serde_json::to_string(&turns).unwrap();
            assert_eq!(serde_json::from_str::<Vec<Arc<Turn>>>(&stored).unwrap(), turns);
        }
    }
}
