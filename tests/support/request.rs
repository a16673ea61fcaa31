//! A model call without a chat, streamed or complete.

#![allow(unreachable_pub)] // it is a module of each test binary

use chatlas::prelude::*;
use chatlas::{ChatRequest, Completion, CompletionEvent, ProviderError};

use super::timeout::in_time;

/// Sends the request. Returns the reply, its text and its thinking; those of a stream are the
/// concatenated events.
pub async fn send(
    provider: &impl Provider,
    request: ChatRequest,
    stream: bool,
) -> Result<(Completion, String, String), ProviderError> {
    let thoughts = |completion: &Completion| -> String {
        let thought = |content: &Content| match content {
            Content::Thinking(thinking) => Some(thinking.text.clone()),
            _ => None,
        };
        completion.contents.iter().filter_map(thought).collect()
    };
    if !stream {
        let completion = provider.chat(request).await?;
        let (text, thought) = (completion.text(), thoughts(&completion));
        return Ok((completion, text, thought));
    }
    let mut events = provider.chat_stream(request).await?;
    let (mut text, mut thought, mut done) = (String::new(), String::new(), None);
    while let Some(event) = in_time(events.next()).await {
        match event? {
            CompletionEvent::Text(more) => text.push_str(&more),
            CompletionEvent::Thinking(more) => thought.push_str(&more),
            CompletionEvent::Done(completion) => done = Some((*completion).clone()),
            _ => {}
        }
    }
    Ok((done.expect("a last event"), text, thought))
}
