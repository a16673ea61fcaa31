//! What holds of a conversation's turns, whatever has happened in it.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::sync::Arc;

use chatlas::Turn;

/// A conversation that the next `chat()` can go on with.
pub fn assert_in_order(turns: &[Arc<Turn>]) {
    if let Some(wrong) = out_of_order(turns) {
        panic!("{wrong}: {turns:#?}");
    }
}

/// What a vendor would refuse in a conversation.
pub fn out_of_order(turns: &[Arc<Turn>]) -> Option<String> {
    let mut asked: Vec<&str> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let users = matches!(turn.as_ref(), Turn::User(_));
        if users != index.is_multiple_of(2) {
            return Some(format!("turn {index} is not whose turn it is"));
        }
        // A model may have nothing to say.
        if users && turn.contents().is_empty() {
            return Some(format!("turn {index} is empty"));
        }
        match turn.as_ref() {
            Turn::Assistant(turn) => {
                asked = turn.tool_requests().map(|request| request.id.as_str()).collect();
            }
            Turn::User(turn) => {
                let answered: Vec<&str> =
                    turn.tool_results().map(|result| result.id.as_str()).collect();
                if std::mem::take(&mut asked) != answered {
                    return Some(format!("turn {index} does not answer what was asked"));
                }
            }
            _ => {}
        }
    }
    None
}
