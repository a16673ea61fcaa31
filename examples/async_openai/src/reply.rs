//! A reply in the types of `async-openai`, as chatlas has it: whole, or chunk by chunk.

use std::collections::BTreeMap;

use async_openai::types::chat::{
    ChatCompletionMessageToolCallChunk, ChatCompletionMessageToolCalls, CompletionUsage,
    CreateChatCompletionResponse, CreateChatCompletionStreamResponse, FinishReason as Reason,
};
use chatlas::content::{Refusal, ToolRequest};
use chatlas::{
    Completion, CompletionEvent, Content, FinishReason, ProviderError, ProviderErrorKind, Usage,
};
use serde_json::Value;

type Event = Result<CompletionEvent, ProviderError>;

pub(crate) fn of(response: CreateChatCompletionResponse) -> Result<Completion, ProviderError> {
    let Some(choice) = response.choices.into_iter().next() else {
        return Err(ProviderError::new(
            ProviderErrorKind::MalformedReply,
            "the reply has no `choices`",
        ));
    };
    let mut contents: Vec<Content> = Vec::new();
    contents.extend(choice.message.content.filter(|text| !text.is_empty()).map(Content::text));
    let refusal = choice.message.refusal.map(|text| Content::Refusal(Refusal { text }));
    contents.extend(refusal);
    for call in choice.message.tool_calls.unwrap_or_default() {
        if let ChatCompletionMessageToolCalls::Function(call) = call {
            let (name, arguments) = (call.function.name, call.function.arguments);
            contents.push(request(call.id, name, arguments));
        }
    }
    Ok(Completion {
        contents,
        usage: response.usage.as_ref().map(usage).unwrap_or_default(),
        finish_reason: choice.finish_reason.map(reason),
        response_id: Some(response.id),
        model: Some(response.model),
        ..Completion::default()
    })
}

/// What has arrived of a streamed reply.
#[derive(Default)]
pub(crate) struct Arriving {
    text: String,
    calls: BTreeMap<u32, (String, String, String)>,
    reply: Completion,
}

impl Arriving {
    pub(crate) fn chunk(
        &mut self,
        chunk: Result<CreateChatCompletionStreamResponse, ProviderError>,
    ) -> Vec<Event> {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return vec![Err(error)],
        };
        let mut events = Vec::new();
        if self.reply.response_id.is_none() {
            self.reply.response_id = Some(chunk.id);
            self.reply.model = Some(chunk.model);
            events.push(CompletionEvent::Started {
                response_id: self.reply.response_id.clone(),
                model: self.reply.model.clone(),
            });
        }
        if let Some(told) = &chunk.usage {
            self.reply.usage = usage(told);
            events.push(CompletionEvent::Usage(self.reply.usage));
        }
        for choice in chunk.choices {
            if let Some(more) = choice.delta.content.filter(|more| !more.is_empty()) {
                self.text.push_str(&more);
                events.push(CompletionEvent::Text(more));
            }
            for piece in choice.delta.tool_calls.unwrap_or_default() {
                self.call(piece);
            }
            self.reply.finish_reason =
                choice.finish_reason.map(reason).or(self.reply.finish_reason.take());
        }
        events.into_iter().map(Ok).collect()
    }

    fn call(&mut self, piece: ChatCompletionMessageToolCallChunk) {
        let (id, name, arguments) = self.calls.entry(piece.index).or_default();
        id.push_str(piece.id.as_deref().unwrap_or_default());
        if let Some(function) = piece.function {
            name.push_str(function.name.as_deref().unwrap_or_default());
            arguments.push_str(function.arguments.as_deref().unwrap_or_default());
        }
    }

    /// The library ends a stream that broke off like one that is whole: the reason tells.
    pub(crate) fn end(&mut self) -> Event {
        let mut reply = std::mem::take(&mut self.reply);
        if reply.finish_reason.is_none() {
            return Err(ProviderError::new(
                ProviderErrorKind::TruncatedStream,
                "the reply broke off before its end",
            ));
        }
        if !self.text.is_empty() {
            reply.contents.push(Content::text(std::mem::take(&mut self.text)));
        }
        let calls = std::mem::take(&mut self.calls).into_values();
        reply.contents.extend(calls.map(|(id, name, arguments)| request(id, name, arguments)));
        Ok(CompletionEvent::Done(reply.into()))
    }
}

fn request(id: String, name: String, arguments: String) -> Content {
    // What is no JSON is kept as it came: the tool's error tells the model.
    let arguments = serde_json::from_str(&arguments).unwrap_or(Value::String(arguments));
    Content::ToolRequest(ToolRequest { id, name, arguments, replay: None })
}

fn reason(reason: Reason) -> FinishReason {
    match reason {
        Reason::Stop => FinishReason::Stop,
        Reason::Length => FinishReason::Length,
        Reason::ToolCalls | Reason::FunctionCall => FinishReason::ToolCall,
        Reason::ContentFilter => FinishReason::ContentFilter,
    }
}

fn usage(told: &CompletionUsage) -> Usage {
    let cached = told.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
    let thought =
        told.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
    Usage {
        input_tokens: Some(told.prompt_tokens.into()),
        output_tokens: Some(told.completion_tokens.into()),
        cache_read_tokens: cached.map(Into::into),
        reasoning_tokens: thought.map(Into::into),
        ..Usage::default()
    }
}
