//! The model of the application: the one that the environment selects, or a scripted one that needs no
//! API key.

use std::sync::Arc;
use std::time::Duration;

use chatlas::content::{ToolOutcome, ToolRequest};
use chatlas::prelude::*;
use chatlas::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, FinishReason, ProviderError,
    ProviderInfo, Usage,
};
use futures_util::stream;
use serde_json::json;

/// The variable that selects the model, `openai/gpt-4o` for example.
const MODEL_VARIABLE: &str = "CHATLAS_CHAT_PROVIDER_MODEL";

/// Returns the model that the environment selects, or the scripted one.
pub(crate) fn from_env() -> Result<Arc<dyn Provider>, ProviderError> {
    match std::env::var(MODEL_VARIABLE) {
        Ok(name) if !name.trim().is_empty() => chatlas::auto(&name),
        _ => Ok(Arc::new(Clerk(ProviderInfo::new("clerk").with_model("clerk-1")))),
    }
}

/// A scripted model that looks for rooms and recommends the cheapest one.
struct Clerk(ProviderInfo);

impl Clerk {
    fn reply(request: &ChatRequest) -> Completion {
        let rooms = request.turns.last().and_then(|turn| match &**turn {
            Turn::User(turn) => turn.tool_results().next().map(|result| &result.outcome),
            _ => None,
        });
        let (content, reason) = match rooms {
            None => (find_rooms(request), FinishReason::ToolCall),
            Some(ToolOutcome::Value(rooms)) if rooms[0]["name"].is_string() => {
                let (name, price) = (&rooms[0]["name"], &rooms[0]["price"]);
                let name = name.as_str().unwrap_or_default();
                let text = format!("The {name} room would suit you: it costs {price} a night.");
                (Content::text(text), FinishReason::Stop)
            }
            Some(_) => {
                (Content::text("There is no room for that number of guests."), FinishReason::Stop)
            }
        };
        Completion::new([content])
            .with_usage(Usage::new(40 * request.turns.len() as u64, 12))
            .with_finish_reason(reason)
            .with_response_id(format!("clerk-{}", request.turns.len()))
            .with_model("clerk-1")
    }
}

/// Calls `find_rooms`. The first number in the question is the number of guests.
fn find_rooms(request: &ChatRequest) -> Content {
    let question = request.turns.last().map(|turn| turn.text()).unwrap_or_default();
    let mut numbers = question.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    let guests: u8 = numbers.next().unwrap_or(2);
    let id = format!("call-{}", request.turns.len());
    Content::ToolRequest(ToolRequest::new(id, "find_rooms", json!({ "guests": guests })))
}

#[provider]
impl Provider for Clerk {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Self::reply(&request))
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let reply = Self::reply(&request);
        let text = reply.text();
        let words = text.split_inclusive(' ').map(|word| CompletionEvent::Text(word.to_owned()));
        let events: Vec<_> = words.chain([CompletionEvent::Done(reply.into())]).collect();
        Ok(CompletionStream::new(stream::iter(events).then(|event| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(event)
        })))
    }
}
