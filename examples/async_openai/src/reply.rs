//! Converts a reply of `async-openai` to chatlas: complete, or chunk by chunk.

use std::collections::BTreeMap;
use std::mem;

use async_openai::types::chat::{
    ChatCompletionMessageToolCallChunk, ChatCompletionMessageToolCalls, CompletionUsage,
    CreateChatCompletionResponse, CreateChatCompletionStreamResponse, FinishReason as Reason,
};
use chatlas::content::{Refusal, ToolRequest};
use chatlas::{
    Completion, CompletionEvent, Content, FinishReason, ProviderError, ProviderErrorKind, Usage,
};
use serde_json::Value;

pub(crate) fn from_openai(
    response: CreateChatCompletionResponse,
) -> Result<Completion, ProviderError> {
    let Some(choice) = response.choices.into_iter().next() else {
        let message = "the response has no `choices`";
        return Err(ProviderError::new(ProviderErrorKind::MalformedReply, message));
    };
    let mut contents: Vec<Content> = Vec::new();
    contents.extend(choice.message.content.filter(|text| !text.is_empty()).map(Content::text));
    let refusal = choice.message.refusal.map(|text| Content::Refusal(Refusal::new(text)));
    contents.extend(refusal);
    for call in choice.message.tool_calls.unwrap_or_default() {
        if let ChatCompletionMessageToolCalls::Function(call) = call {
            let (name, arguments) = (call.function.name, call.function.arguments);
            contents.push(tool_request(call.id, name, arguments));
        }
    }
    let mut completion = Completion::new(contents)
        .with_usage(response.usage.as_ref().map(usage).unwrap_or_default())
        .with_response_id(response.id)
        .with_model(response.model);
    completion.finish_reason = choice.finish_reason.map(finish_reason);
    Ok(completion)
}

/// The part of a streamed reply that has been received.
#[derive(Default)]
pub(crate) struct PartialReply {
    text: String,
    /// Id, name and arguments of the tool calls, by index.
    calls: BTreeMap<u32, (String, String, String)>,
    completion: Completion,
}

impl PartialReply {
    /// Adds a chunk and returns its events.
    pub(crate) fn add_chunk(
        &mut self,
        chunk: CreateChatCompletionStreamResponse,
    ) -> Vec<CompletionEvent> {
        let mut events = Vec::new();
        let completion = &mut self.completion;
        if completion.response_id.is_none() {
            completion.response_id = Some(chunk.id);
            completion.model = Some(chunk.model);
            events.push(CompletionEvent::Started {
                response_id: completion.response_id.clone(),
                model: completion.model.clone(),
            });
        }
        if let Some(reported) = &chunk.usage {
            completion.usage = usage(reported);
            events.push(CompletionEvent::Usage(completion.usage));
        }
        for choice in chunk.choices {
            if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                self.text.push_str(&text);
                events.push(CompletionEvent::Text(text));
            }
            for delta in choice.delta.tool_calls.unwrap_or_default() {
                self.add_tool_call(delta);
            }
            if let Some(reason) = choice.finish_reason {
                self.completion.finish_reason = Some(finish_reason(reason));
            }
        }
        events
    }

    fn add_tool_call(&mut self, delta: ChatCompletionMessageToolCallChunk) {
        let (id, name, arguments) = self.calls.entry(delta.index).or_default();
        id.push_str(delta.id.as_deref().unwrap_or_default());
        if let Some(function) = delta.function {
            name.push_str(function.name.as_deref().unwrap_or_default());
            arguments.push_str(function.arguments.as_deref().unwrap_or_default());
        }
    }

    /// Returns the last event of the stream.
    ///
    /// async-openai ends an interrupted stream without an error. Only a complete reply has a finish
    /// reason.
    pub(crate) fn finish(&mut self) -> Result<CompletionEvent, ProviderError> {
        let mut completion = mem::take(&mut self.completion);
        if completion.finish_reason.is_none() {
            let message = "the reply ended before it was complete";
            return Err(ProviderError::new(ProviderErrorKind::TruncatedStream, message));
        }
        if !self.text.is_empty() {
            completion.contents.push(Content::text(mem::take(&mut self.text)));
        }
        let calls = mem::take(&mut self.calls).into_values();
        let requests = calls.map(|(id, name, arguments)| tool_request(id, name, arguments));
        completion.contents.extend(requests);
        Ok(CompletionEvent::Done(completion.into()))
    }
}

fn tool_request(id: String, name: String, arguments: String) -> Content {
    // Invalid JSON is kept as a string: the tool call then fails with an error that the model can read.
    let arguments = serde_json::from_str(&arguments).unwrap_or(Value::String(arguments));
    Content::ToolRequest(ToolRequest::new(id, name, arguments))
}

fn finish_reason(reason: Reason) -> FinishReason {
    match reason {
        Reason::Stop => FinishReason::Stop,
        Reason::Length => FinishReason::Length,
        Reason::ToolCalls | Reason::FunctionCall => FinishReason::ToolCall,
        Reason::ContentFilter => FinishReason::ContentFilter,
    }
}

fn usage(reported: &CompletionUsage) -> Usage {
    let cached = reported.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
    let reasoning =
        reported.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
    let mut usage = Usage::new(reported.prompt_tokens.into(), reported.completion_tokens.into());
    usage.cache_read_tokens = cached.map(Into::into);
    usage.reasoning_tokens = reasoning.map(Into::into);
    usage
}
