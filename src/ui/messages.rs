//! A conversation as the messages of a page.

use std::sync::Arc;

use serde_json::{Value, json};

use super::UiMessage;
use super::chunks::{address, outcome_value};
use crate::content::{ToolOutcome, ToolResult};
use crate::{Content, Turn};

/// Returns the turns of a conversation as messages, for a page that shows it again: the initial messages
/// of `useChat`. The model calls and tool calls of a run are one message.
///
/// ```
/// use chatlas::{Chat, ui};
/// # use chatlas::testing::Script;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), chatlas::ChatError> {
/// # let mut chat = Chat::new(Script::new().says("Hello!"));
/// chat.chat("Hi").await?;
/// let messages = ui::messages(chat.turns());
/// assert_eq!((messages[0].role.as_str(), messages[1].role.as_str()), ("user", "assistant"));
/// # Ok(())
/// # }
/// ```
pub fn messages(turns: &[Arc<Turn>]) -> Vec<UiMessage> {
    let mut messages: Vec<UiMessage> = Vec::new();
    for turn in turns {
        match turn.as_ref() {
            Turn::User(turn) => {
                let (results, prompt): (Vec<_>, Vec<_>) = turn
                    .contents
                    .iter()
                    .partition(|content| matches!(content, Content::ToolResult(_)));
                for content in results {
                    if let (Content::ToolResult(result), Some(last)) =
                        (content, messages.last_mut())
                    {
                        set_result(&mut last.parts, result);
                    }
                }
                if !prompt.is_empty() {
                    let parts = prompt.into_iter().filter_map(part).collect();
                    messages.push(message(messages.len(), "user", parts));
                }
            }
            Turn::Assistant(turn) => {
                if messages.last().is_none_or(|last| last.role != "assistant") {
                    messages.push(message(messages.len(), "assistant", Vec::new()));
                }
                if let Some(last) = messages.last_mut() {
                    last.parts.push(json!({"type": "step-start"}));
                    last.parts.extend(turn.contents.iter().filter_map(part));
                }
            }
            _ => {}
        }
    }
    messages
}

fn message(index: usize, role: &str, parts: Vec<Value>) -> UiMessage {
    UiMessage { id: format!("m{index}"), role: role.to_owned(), parts }
}

/// Returns a content as a part that the page shows.
fn part(content: &Content) -> Option<Value> {
    Some(match content {
        Content::Text(text) => json!({"type": "text", "text": text.text, "state": "done"}),
        Content::Thinking(thinking) => {
            json!({"type": "reasoning", "text": thinking.text, "state": "done"})
        }
        Content::Refusal(refusal) => json!({"type": "text", "text": refusal.text, "state": "done"}),
        Content::Image(media) | Content::Document(media) => {
            let (url, media_type) = address(media)?;
            json!({"type": "file", "url": url, "mediaType": media_type})
        }
        Content::ToolRequest(request) => json!({
            "type": "dynamic-tool", "toolName": request.name, "toolCallId": request.id,
            "state": "input-available", "input": request.arguments,
        }),
        _ => return None,
    })
}

/// Adds a result to the part of its call.
fn set_result(parts: &mut [Value], result: &ToolResult) {
    let call = parts.iter_mut().rev().find(|part| part["toolCallId"] == *result.id);
    let Some(call) = call else { return };
    match &result.outcome {
        ToolOutcome::Error(message) => {
            call["state"] = json!("output-error");
            call["errorText"] = json!(message);
        }
        outcome => {
            call["state"] = json!("output-available");
            call["output"] = outcome_value(outcome);
        }
    }
}
