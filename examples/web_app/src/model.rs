//! The model: the one that the environment names, or a small one that needs no key.

use std::sync::Arc;
use std::time::Duration;

use chatlas::content::{ToolOutcome, ToolRequest};
use chatlas::prelude::*;
use chatlas::{
    AssistantTurn, ChatRequest, Completion, CompletionEvent, CompletionStream, FinishReason,
    ProviderError, ProviderInfo, Usage,
};
use futures_util::stream;
use serde_json::json;

/// Names the model of the application, `openai/gpt-4o` for example.
const MODEL_VARIABLE: &str = "CHATLAS_CHAT_PROVIDER_MODEL";

pub(crate) fn choose() -> Result<Arc<dyn Provider>, ProviderError> {
    match std::env::var(MODEL_VARIABLE) {
        Ok(name) if !name.trim().is_empty() => chatlas::auto(&name),
        _ => Ok(Arc::new(Clerk(ProviderInfo::new("clerk").with_model("clerk-1")))),
    }
}

/// A model of one idea: it looks for rooms, and names the cheapest.
struct Clerk(ProviderInfo);

impl Clerk {
    fn reply(request: &ChatRequest) -> Completion {
        let found = request.turns.last().and_then(|turn| match &**turn {
            Turn::User(turn) => turn.tool_results().next().map(|result| &result.outcome),
            _ => None,
        });
        let (content, reason) = match found {
            None => (look(request), FinishReason::ToolCall),
            Some(ToolOutcome::Value(rooms)) if rooms[0]["name"].is_string() => {
                let (name, price) = (&rooms[0]["name"], &rooms[0]["price"]);
                let name = name.as_str().unwrap_or_default();
                let text = format!("The {name} room would suit you: it costs {price} a night.");
                (Content::text(text), FinishReason::Stop)
            }
            Some(_) => (Content::text("There is no room for so many."), FinishReason::Stop),
        };
        AssistantTurn {
            contents: vec![content],
            usage: Usage {
                input_tokens: Some(40 * request.turns.len() as u64),
                output_tokens: Some(12),
                ..Usage::default()
            },
            finish_reason: Some(reason),
            response_id: Some(format!("clerk-{}", request.turns.len())),
            model: Some("clerk-1".to_owned()),
            ..AssistantTurn::default()
        }
    }
}

/// Asks for the rooms; the first number that was said is that of the guests.
fn look(request: &ChatRequest) -> Content {
    let said = request.turns.last().map(|turn| turn.text()).unwrap_or_default();
    let mut numbers = said.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    let guests: u8 = numbers.next().unwrap_or(2);
    Content::ToolRequest(ToolRequest {
        id: format!("look-{}", request.turns.len()),
        name: "find_rooms".to_owned(),
        arguments: json!({ "guests": guests }),
        replay: None,
    })
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
