//! The invariants of a conversation's turns.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::sync::Arc;

use chatlas::Turn;

/// Asserts that the next `chat()` can continue the conversation.
pub fn assert_in_order(turns: &[Arc<Turn>]) {
    if let Some(wrong) = out_of_order(turns) {
        panic!("{wrong}: {turns:#?}");
    }
}

/// Returns why a vendor would reject these turns, or `None`.
pub fn out_of_order(turns: &[Arc<Turn>]) -> Option<String> {
    let mut open_calls: Vec<&str> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let is_user = matches!(turn.as_ref(), Turn::User(_));
        if is_user != index.is_multiple_of(2) {
            return Some(format!("turn {index} has the wrong role"));
        }
        // An assistant turn may be empty.
        if is_user && turn.contents().is_empty() {
            return Some(format!("turn {index} is empty"));
        }
        match turn.as_ref() {
            Turn::Assistant(turn) => {
                open_calls = turn.tool_requests().map(|request| request.id.as_str()).collect();
            }
            Turn::User(turn) => {
                let answered: Vec<&str> =
                    turn.tool_results().map(|result| result.id.as_str()).collect();
                if std::mem::take(&mut open_calls) != answered {
                    return Some(format!("turn {index} does not answer the tool calls before it"));
                }
            }
            _ => {}
        }
    }
    None
}
