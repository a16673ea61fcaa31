//! The protocols that the library supports, as a server implements them. The tests of faults and
//! the fuzzer run over all of them: a protocol that is added here is covered.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::prelude::*;
use chatlas::{Anthropic, Gemini, HttpOptions, OpenAi, OpenAiCompletions};
use serde_json::{Value, json};

use super::server::Answer;

/// The API key of every model of this table. No output may contain it.
pub const KEY: &str = "canary-key-1f2e3d";
/// The requested model.
pub const MODEL: &str = "model-1";

/// The responses of a server with this protocol.
#[derive(Clone, Copy)]
pub struct Protocol {
    pub name: &'static str,
    /// The fuzz target in `fuzz/`.
    pub target: &'static str,
    /// Creates a chat for the server at this address: scheme, host and port.
    pub chat: fn(&str, HttpOptions) -> Chat,
    /// The media type of a streamed reply.
    pub stream_type: &'static str,
    /// The first events of a streamed reply: its id, the model, the text `Hel`.
    pub begin: fn() -> Vec<u8>,
    /// The events between the first ones and the last one: the text `lo`.
    pub middle: fn() -> Vec<u8>,
    /// The last events: the first of them reports why the model stopped.
    pub end: fn() -> Vec<u8>,
    /// An event with this payload.
    pub event: fn(&str) -> Vec<u8>,
    /// An event that adds this text.
    pub text: fn(&str) -> Vec<u8>,
    /// An event that reports a failure of the server, with this message.
    pub failure_event: fn(&str) -> Vec<u8>,
    /// The input tokens that the first events report, if they do.
    pub first_input_tokens: Option<u64>,
    /// A complete reply with this text.
    pub complete: fn(&str) -> Value,
    /// A complete reply that calls the tool with this name, without arguments.
    pub tool_call: fn(&str) -> Value,
    /// The body of an error response with this message.
    pub error_body: fn(&str) -> Value,
}

impl Protocol {
    /// Returns a streamed response with this body.
    pub fn stream(&self, body: impl Into<Vec<u8>>) -> Answer {
        // Bedrock's Converse API sends the id of a reply in this header only.
        Answer::new(200, self.stream_type, body).header("x-amzn-requestid", "reply-1")
    }

    /// Returns a valid streamed response.
    pub fn valid_stream(&self) -> Answer {
        self.stream([(self.begin)(), (self.middle)(), (self.end)()].concat())
    }
}

/// The protocols of this build.
pub const PROTOCOLS: &[Protocol] = &[
    RESPONSES,
    COMPLETIONS,
    MESSAGES,
    GEMINI,
    #[cfg(feature = "bedrock")]
    bedrock::INVOKE_MODEL,
    #[cfg(feature = "bedrock")]
    bedrock::CONVERSE,
];

fn sse(data: &str) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

fn sse_json(data: &Value) -> Vec<u8> {
    sse(&data.to_string())
}

pub const RESPONSES: Protocol = Protocol {
    name: "OpenAI Responses",
    target: "responses",
    chat: |url, options| {
        let url = format!("{url}/v1");
        Chat::new(OpenAi::new(MODEL).with_base_url(url).with_api_key(KEY).with_http(options))
    },
    stream_type: "text/event-stream; charset=utf-8",
    begin: || {
        let response = json!({"id": "reply-1", "model": MODEL});
        let created = sse_json(&json!({"type": "response.created", "response": response}));
        [created, response_text("Hel")].concat()
    },
    middle: || response_text("lo"),
    end: || sse_json(&json!({"type": "response.completed", "response": response("Hello")})),
    event: sse,
    text: response_text,
    failure_event: |message| {
        sse_json(&json!({"type": "error", "code": "server_error", "message": message}))
    },
    first_input_tokens: None,
    complete: response,
    tool_call: |tool| {
        let mut reply = response("");
        reply["output"] = json!([{"type": "function_call", "id": "fc-1", "call_id": "call-1",
            "name": tool, "arguments": "{}"}]);
        reply
    },
    error_body: |message| json!({"error": {"message": message, "type": "some_error"}}),
};

fn response_text(text: &str) -> Vec<u8> {
    sse_json(&json!({"type": "response.output_text.delta", "delta": text}))
}

fn response(text: &str) -> Value {
    json!({
        "id": "reply-1", "status": "completed", "model": MODEL,
        "output": [{"type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": text}]}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    })
}

pub const COMPLETIONS: Protocol = Protocol {
    name: "OpenAI Chat Completions",
    target: "completions",
    chat: |url, options| {
        let url = format!("{url}/v1");
        Chat::new(
            OpenAiCompletions::new(MODEL).with_base_url(url).with_api_key(KEY).with_http(options),
        )
    },
    stream_type: "text/event-stream; charset=utf-8",
    begin: || {
        let role = chunk(&json!({"delta": {"role": "assistant", "content": ""}}));
        [role, chunk_text("Hel")].concat()
    },
    middle: || chunk_text("lo"),
    // Some servers omit the `[DONE]` that OpenAI sends after it.
    end: || {
        sse_json(&json!({"id": "reply-1", "model": MODEL,
            "choices": [{"delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2}}))
    },
    event: sse,
    text: chunk_text,
    failure_event: |message| {
        sse_json(&json!({"error": {"code": "server_error", "message": message}}))
    },
    first_input_tokens: None,
    complete: |text| chat_completion(&json!({"content": text}), "stop"),
    tool_call: |tool| {
        let function = json!({"name": tool, "arguments": "{}"});
        let calls = json!([{"id": "call-1", "type": "function", "function": function}]);
        chat_completion(&json!({"content": null, "tool_calls": calls}), "tool_calls")
    },
    error_body: |message| json!({"error": {"message": message, "type": "some_error"}}),
};

fn chunk(choice: &Value) -> Vec<u8> {
    sse_json(&json!({"id": "reply-1", "model": MODEL, "choices": [choice]}))
}

fn chunk_text(text: &str) -> Vec<u8> {
    chunk(&json!({"delta": {"content": text}}))
}

fn chat_completion(message: &Value, reason: &str) -> Value {
    json!({
        "id": "reply-1", "object": "chat.completion", "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    })
}

pub const MESSAGES: Protocol = Protocol {
    name: "Anthropic Messages",
    target: "messages",
    chat: |url, options| {
        Chat::new(Anthropic::new(MODEL).with_base_url(url).with_api_key(KEY).with_http(options))
    },
    stream_type: "text/event-stream; charset=utf-8",
    begin: || {
        let message = json!({"id": "reply-1", "model": MODEL, "role": "assistant", "content": [],
            "stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 1}});
        let block = json!({"type": "text", "text": ""});
        [
            sse_json(&json!({"type": "message_start", "message": message})),
            sse_json(&json!({"type": "content_block_start", "index": 0, "content_block": block})),
            message_text("Hel"),
        ]
        .concat()
    },
    middle: || {
        let stop = sse_json(&json!({"type": "content_block_stop", "index": 0}));
        [message_text("lo"), stop].concat()
    },
    // Some gateways omit the last of these events.
    end: || {
        let reason = json!({"stop_reason": "end_turn"});
        [
            sse_json(&json!({"type": "message_delta", "delta": reason,
                "usage": {"output_tokens": 2}})),
            sse_json(&json!({"type": "message_stop"})),
        ]
        .concat()
    },
    event: sse,
    text: message_text,
    failure_event: |message| {
        let error = json!({"type": "overloaded_error", "message": message});
        sse_json(&json!({"type": "error", "error": error}))
    },
    first_input_tokens: Some(3),
    complete: |text| message(&json!([{"type": "text", "text": text}]), "end_turn"),
    tool_call: |tool| {
        let content = json!([{"type": "tool_use", "id": "call-1", "name": tool, "input": {}}]);
        message(&content, "tool_use")
    },
    error_body: |message| json!({"type": "error", "error": {"type": "some_error", "message": message}}),
};

fn message_text(text: &str) -> Vec<u8> {
    let delta = json!({"type": "text_delta", "text": text});
    sse_json(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
}

fn message(content: &Value, reason: &str) -> Value {
    json!({"id": "reply-1", "type": "message", "role": "assistant", "model": MODEL,
        "content": content, "stop_reason": reason,
        "usage": {"input_tokens": 3, "output_tokens": 2}})
}

pub const GEMINI: Protocol = Protocol {
    name: "Gemini",
    target: "gemini",
    chat: |url, options| {
        let url = format!("{url}/v1beta");
        Chat::new(Gemini::new(MODEL).with_base_url(url).with_api_key(KEY).with_http(options))
    },
    stream_type: "text/event-stream",
    begin: || sse_json(&candidate(&json!([{"text": "Hel"}]), None)),
    middle: || gemini_text("lo"),
    end: || sse_json(&candidate(&json!([{"text": ""}]), Some("STOP"))),
    event: sse,
    text: gemini_text,
    failure_event: |message| sse_json(&gemini_failure(message)),
    first_input_tokens: Some(3),
    complete: |text| candidate(&json!([{"text": text}]), Some("STOP")),
    tool_call: |tool| {
        let call = json!({"name": tool, "args": {}});
        candidate(&json!([{"functionCall": call}]), Some("STOP"))
    },
    error_body: gemini_failure,
};

fn gemini_text(text: &str) -> Vec<u8> {
    sse_json(&candidate(&json!([{"text": text}]), None))
}

fn candidate(parts: &Value, reason: Option<&str>) -> Value {
    json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
        "responseId": "reply-1", "modelVersion": MODEL,
    })
}

fn gemini_failure(message: &str) -> Value {
    json!({"error": {"code": 503, "message": message, "status": "SOME_ERROR"}})
}

#[cfg(feature = "bedrock")]
pub mod bedrock {
    use chatlas::prelude::*;
    use chatlas::{Bedrock, BedrockApi, HttpOptions};
    use serde_json::{Value, json};

    use super::super::frames::{CONTENT_TYPE, chunk, event, exception, raw};
    use super::{KEY, MESSAGES, MODEL, Protocol};

    fn chat(url: &str, options: HttpOptions, api: BedrockApi) -> Chat {
        let model =
            Bedrock::new(MODEL).with_region("us-east-1").with_base_url(url).with_api_key(KEY);
        Chat::new(model.with_http(options).with_api(api))
    }

    /// Returns the events of the Messages API, each in a frame.
    fn framed(events: &[u8]) -> Vec<u8> {
        let events = std::str::from_utf8(events).expect("text").lines();
        let data = events.filter_map(|line| line.strip_prefix("data: "));
        data.flat_map(|data| chunk(&serde_json::from_str(data).expect("JSON"))).collect()
    }

    fn event_of_type(kind: &str, payload: &str) -> Vec<u8> {
        raw(&[(":message-type", "event"), (":event-type", kind)], payload)
    }

    fn failure_event(message: &str) -> Vec<u8> {
        exception("internalServerException", &json!({"message": message}))
    }

    pub const INVOKE_MODEL: Protocol = Protocol {
        name: "Bedrock InvokeModel",
        target: "invoke_model",
        chat: |url, options| chat(url, options, BedrockApi::InvokeModel),
        stream_type: CONTENT_TYPE,
        begin: || framed(&(MESSAGES.begin)()),
        middle: || framed(&(MESSAGES.middle)()),
        end: || framed(&(MESSAGES.end)()),
        event: |payload| event_of_type("chunk", payload),
        text: |text| framed(&(MESSAGES.text)(text)),
        failure_event,
        error_body: |message| json!({"message": message}),
        ..MESSAGES
    };

    pub const CONVERSE: Protocol = Protocol {
        name: "Bedrock Converse",
        target: "converse",
        chat: |url, options| chat(url, options, BedrockApi::Converse),
        stream_type: CONTENT_TYPE,
        begin: || {
            [event("messageStart", &json!({"role": "assistant"})), converse_text("Hel")].concat()
        },
        middle: || {
            [converse_text("lo"), event("contentBlockStop", &json!({"contentBlockIndex": 0}))]
                .concat()
        },
        // AWS sends the usage after this event; a reply without it is complete, too.
        end: || event("messageStop", &json!({"stopReason": "end_turn"})),
        event: |payload| event_of_type("contentBlockDelta", payload),
        text: converse_text,
        failure_event,
        first_input_tokens: None,
        complete: |text| converse(&json!([{"text": text}]), "end_turn"),
        tool_call: |tool| {
            let call = json!({"toolUseId": "call-1", "name": tool, "input": {}});
            converse(&json!([{"toolUse": call}]), "tool_use")
        },
        error_body: |message| json!({"message": message}),
    };

    fn converse_text(text: &str) -> Vec<u8> {
        event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": text}}))
    }

    fn converse(content: &Value, reason: &str) -> Value {
        json!({"output": {"message": {"role": "assistant", "content": content}},
            "stopReason": reason, "usage": {"inputTokens": 3, "outputTokens": 2}})
    }
}
