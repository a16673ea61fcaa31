//! The turns of a run under way. Whatever happens (an error, a dropped future), the conversation
//! is left in a state from which the next `chat()` works: this is the one place that sees to it.

use std::sync::Arc;

use crate::content::{Content, ToolOutcome, ToolRequest, ToolResult};
use crate::turn::{AssistantTurn, Turn, UserTurn};

/// What the model is told of a tool call that was never run to its end.
const UNFINISHED: &str = "The conversation was interrupted before this tool call finished.";

/// The history of a chat while it runs.
pub(super) struct History<'a> {
    turns: &'a mut Vec<Arc<Turn>>,
    /// Where a prompt that nobody answered is taken back to: the length, and the turn that was last.
    before: Option<(usize, Option<Arc<Turn>>)>,
    arrived: AssistantTurn,
    results: Vec<(ToolRequest, Option<ToolResult>)>,
}

impl<'a> History<'a> {
    /// Adds the prompt. Tool requests that an earlier run left open are answered first.
    pub(super) fn begin(turns: &'a mut Vec<Arc<Turn>>, prompt: Vec<Content>) -> Self {
        let before = Some((turns.len(), turns.last().cloned()));
        let mut contents = unanswered(turns);
        // Two user turns in a row are one: an earlier run ended after its tools.
        if let Some(Turn::User(last)) = turns.last().map(AsRef::as_ref) {
            contents.extend(last.contents.iter().cloned());
            turns.pop();
        }
        contents.extend(prompt);
        turns.push(Arc::new(Turn::User(UserTurn { contents })));
        Self { turns, before, arrived: AssistantTurn::default(), results: Vec::new() }
    }

    /// All turns, oldest first.
    pub(super) fn turns(&self) -> &[Arc<Turn>] {
        self.turns
    }

    /// Keeps the partial reply of a stream that was not completed.
    pub(super) fn keep_partial(&mut self, partial: AssistantTurn) {
        self.arrived = partial;
    }

    /// What has arrived of a reply that goes no further, if anything has.
    pub(super) fn arrived(&self) -> Option<AssistantTurn> {
        let arrived = &self.arrived;
        let partial = || AssistantTurn { partial: true, ..arrived.clone() };
        (!arrived.contents.is_empty()).then(partial)
    }

    /// Adds a whole reply.
    pub(super) fn reply(&mut self, turn: Arc<AssistantTurn>) -> Arc<AssistantTurn> {
        self.arrived = AssistantTurn::default();
        self.before = None;
        self.results = turn.tool_requests().map(|request| (request.clone(), None)).collect();
        let turn = self.whole(turn);
        self.turns.push(Arc::new(Turn::Assistant(Arc::clone(&turn))));
        turn
    }

    /// The turn with what came before a pause, which is taken out of the turns.
    fn whole(&mut self, mut turn: Arc<AssistantTurn>) -> Arc<AssistantTurn> {
        let Some(Turn::Assistant(paused)) = self.turns.last().map(AsRef::as_ref) else {
            return turn;
        };
        let continued = Arc::make_mut(&mut turn);
        continued.contents.splice(0..0, paused.contents.iter().cloned());
        let mut usage = paused.usage;
        usage += continued.usage;
        continued.usage = usage;
        self.turns.pop();
        turn
    }

    /// The tool requests of the last reply.
    pub(super) fn requests(&self) -> Vec<ToolRequest> {
        self.results.iter().map(|(request, _)| request.clone()).collect()
    }

    /// Notes the result of the request at that place.
    pub(super) fn result(&mut self, index: usize, result: ToolResult) {
        if let Some((_, slot)) = self.results.get_mut(index) {
            *slot = Some(result);
        }
    }

    /// Adds the results to the conversation, in the order asked.
    pub(super) fn answer(&mut self) {
        let contents: Vec<Content> = std::mem::take(&mut self.results)
            .into_iter()
            .map(|(request, result)| {
                Content::ToolResult(result.unwrap_or_else(|| unfinished(&request)))
            })
            .collect();
        if !contents.is_empty() {
            self.turns.push(Arc::new(Turn::User(UserTurn { contents })));
        }
    }
}

impl Drop for History<'_> {
    fn drop(&mut self) {
        // Given up among the tools: those that ran have run, and must not run again.
        self.answer();
        let mut arrived = std::mem::take(&mut self.arrived);
        if arrived.contents.iter().any(is_worth_keeping) {
            arrived.partial = true;
            let arrived = self.whole(Arc::new(arrived));
            self.turns.push(Arc::new(Turn::Assistant(arrived)));
        } else if let Some((length, last)) = self.before.take() {
            // Not a word came back: the prompt is the caller's again.
            self.turns.truncate(length.saturating_sub(1));
            self.turns.extend(last);
        }
    }
}

/// Whether a conversation can go on from it. Thoughts that broke off cannot be handed back to
/// those who sign them, and a turn of nothing else is none.
fn is_worth_keeping(content: &Content) -> bool {
    !matches!(content, Content::Thinking(_))
}

/// An answer for each tool request of the last assistant turn that has none: of a conversation
/// that was stored among its tools, or put together by the program.
fn unanswered(turns: &[Arc<Turn>]) -> Vec<Content> {
    let (asked, answered) = match turns {
        [.., asked, last] if matches!(last.as_ref(), Turn::User(_)) => (asked, last.contents()),
        [.., last] => (last, [].as_slice()),
        [] => return Vec::new(),
    };
    let Turn::Assistant(asked) = asked.as_ref() else { return Vec::new() };
    let answers = |id: &str| {
        answered.iter().filter(|c| matches!(c, Content::ToolResult(r) if r.id == id)).count()
    };
    // Some vendors give two calls one id: each needs an answer of its own.
    let mut seen: Vec<&str> = Vec::new();
    let mut open = Vec::new();
    for request in asked.tool_requests() {
        seen.push(&request.id);
        if seen.iter().filter(|id| **id == request.id).count() > answers(&request.id) {
            open.push(Content::ToolResult(unfinished(request)));
        }
    }
    open
}

fn unfinished(request: &ToolRequest) -> ToolResult {
    ToolResult {
        id: request.id.clone(),
        name: request.name.clone(),
        outcome: ToolOutcome::Error(UNFINISHED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asking(ids: &[&str]) -> AssistantTurn {
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
    fn a_prompt_without_an_answer_is_taken_back() {
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
    fn what_had_arrived_stays_as_a_partial_turn() {
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        history.arrive(&CompletionEvent::Text("Hel".to_owned()));
        history.arrive(&CompletionEvent::Text("lo".to_owned()));
        drop(history);
        let Turn::Assistant(turn) = turns[1].as_ref() else { panic!("{turns:?}") };
        assert_eq!((turn.text().as_str(), turn.partial), ("Hello", true));
    }

    #[test]
    fn results_of_finished_tools_are_kept_when_the_run_is_given_up() {
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        history.reply(asking(&["1", "2"]));
        let done = ToolResult {
            id: "2".to_owned(),
            name: "look".to_owned(),
            outcome: ToolOutcome::Value(json!(7)),
        };
        history.result(1, done.clone());
        drop(history);
        let Turn::User(turn) = turns[2].as_ref() else { panic!("{turns:?}") };
        let results: Vec<&ToolResult> = turn.tool_results().collect();
        assert!(results[0].outcome.is_error());
        assert_eq!(results[1], &done);
    }

    #[test]
    fn thoughts_alone_are_no_turn() {
        let mut turns = Vec::new();
        let mut history = History::begin(&mut turns, prompt("a"));
        history.arrive(&CompletionEvent::Thinking("Hm".to_owned()));
        drop(history);
        assert!(turns.is_empty(), "{turns:?}");
    }

    #[test]
    fn requests_that_a_later_turn_passes_over_are_answered_too() {
        let answer = ToolResult {
            id: "1".to_owned(),
            name: "look".to_owned(),
            outcome: ToolOutcome::Value(json!(7)),
        };
        let said = vec![Content::ToolResult(answer.clone()), Content::text("and?")];
        let mut turns = vec![
            Arc::new(Turn::Assistant(asking(&["1", "2", "1"]))),
            Arc::new(Turn::User(UserTurn { contents: said })),
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
        assert_eq!(turns, before, "nobody answered");
    }

    #[test]
    fn open_requests_of_a_stored_history_are_answered_before_the_prompt() {
        let mut turns = vec![Arc::new(Turn::Assistant(asking(&["1"])))];
        let history = History::begin(&mut turns, prompt("go on"));
        let Some(Turn::User(turn)) = history.turns().last().map(AsRef::as_ref) else {
            panic!("no user turn");
        };
        assert!(matches!(&turn.contents[0], Content::ToolResult(r) if r.outcome.is_error()));
        assert_eq!(turn.contents[1], Content::text("go on"));
    }
}
