//! The protocols that the library speaks, each as a server would: what the tests of faults are run
//! over. A protocol that is added here is held to all of them.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::prelude::*;
use chatlas::{Anthropic, Gemini, HttpOptions, OpenAi, OpenAiCompletions};
use serde_json::{Value, json};

use super::server::Answer;

/// The key that every model of this table is given; no print may show it.
pub const KEY: &str = "canary-key-1f2e3d";
/// The model that is asked for.
pub const MODEL: &str = "model-1";

/// How a server of that protocol speaks.
#[derive(Clone, Copy)]
pub struct Protocol {
    pub name: &'static str,
    /// Its target in `fuzz/`.
    pub target: &'static str,
    /// A conversation with the server at that address: scheme, host and port.
    pub chat: fn(&str, HttpOptions) -> Chat,
    /// The media type of a streamed reply.
    pub stream_type: &'static str,
    /// The beginning of a streamed reply: its id, the model, the text `Hel`.
    pub begin: fn() -> Vec<u8>,
    /// More of it, up to and without the event that ends it.
    pub almost: fn() -> Vec<u8>,
    /// The event that ends it.
    pub end: fn() -> Vec<u8>,
    /// An event of that payload.
    pub event: fn(&str) -> Vec<u8>,
    /// An event that adds that text.
    pub text: fn(&str) -> Vec<u8>,
    /// An event that reports a failure of the server, in those words.
    pub failure: fn(&str) -> Vec<u8>,
    /// The input tokens that the beginning tells of, if it does.
    pub tokens_at_first: Option<u64>,
    /// A whole reply of that text.
    pub whole: fn(&str) -> Value,
    /// A whole reply that asks for the tool of that name, without arguments.
    pub asks: fn(&str) -> Value,
    /// The body of a refusal in those words.
    pub refusal: fn(&str) -> Value,
}

impl Protocol {
    /// A streamed answer of those bytes.
    pub fn stream(&self, body: impl Into<Vec<u8>>) -> Answer {
        // One of them tells the id of its replies there alone.
        Answer::new(200, self.stream_type, body).header("x-amzn-requestid", "reply-1")
    }

    /// A good streamed answer.
    pub fn good_stream(&self) -> Answer {
        self.stream([(self.begin)(), (self.almost)(), (self.end)()].concat())
    }
}

/// Those that this build speaks.
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
    almost: || response_text("lo"),
    end: || sse_json(&json!({"type": "response.completed", "response": response("Hello")})),
    event: sse,
    text: response_text,
    failure: |words| sse_json(&json!({"type": "error", "code": "server_error", "message": words})),
    tokens_at_first: None,
    whole: response,
    asks: |tool| {
        let mut asks = response("");
        asks["output"] = json!([{"type": "function_call", "id": "fc-1", "call_id": "call-1",
            "name": tool, "arguments": "{}"}]);
        asks
    },
    refusal: |words| json!({"error": {"message": words, "type": "some_error"}}),
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
        Chat::new(OpenAiCompletions::new(MODEL).with_base_url(url).with_api_key(KEY).with_http(options))
    },
    stream_type: "text/event-stream; charset=utf-8",
    begin: || {
        let role = chunk(&json!({"delta": {"role": "assistant", "content": ""}}));
        [role, chunk_text("Hel")].concat()
    },
    almost: || chunk_text("lo"),
    // Not all servers send the `[DONE]` that OpenAI sends after it.
    end: || {
        sse_json(&json!({"id": "reply-1", "model": MODEL,
            "choices": [{"delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2}}))
    },
    event: sse,
    text: chunk_text,
    failure: |words| sse_json(&json!({"error": {"code": "server_error", "message": words}})),
    tokens_at_first: None,
    whole: |text| chat_completion(&json!({"content": text}), "stop"),
    asks: |tool| {
        let function = json!({"name": tool, "arguments": "{}"});
        let calls = json!([{"id": "call-1", "type": "function", "function": function}]);
        chat_completion(&json!({"content": null, "tool_calls": calls}), "tool_calls")
    },
    refusal: |words| json!({"error": {"message": words, "type": "some_error"}}),
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
    chat: |url, options| Chat::new(Anthropic::new(MODEL).with_base_url(url).with_api_key(KEY).with_http(options)),
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
    almost: || {
        let reason = json!({"stop_reason": "end_turn"});
        [
            message_text("lo"),
            sse_json(&json!({"type": "content_block_stop", "index": 0})),
            sse_json(&json!({"type": "message_delta", "delta": reason,
                "usage": {"output_tokens": 2}})),
        ]
        .concat()
    },
    end: || sse_json(&json!({"type": "message_stop"})),
    event: sse,
    text: message_text,
    failure: |words| {
        let error = json!({"type": "overloaded_error", "message": words});
        sse_json(&json!({"type": "error", "error": error}))
    },
    tokens_at_first: Some(3),
    whole: |text| message(&json!([{"type": "text", "text": text}]), "end_turn"),
    asks: |tool| {
        let asks = json!([{"type": "tool_use", "id": "call-1", "name": tool, "input": {}}]);
        message(&asks, "tool_use")
    },
    refusal: |words| json!({"type": "error", "error": {"type": "some_error", "message": words}}),
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
    almost: || gemini_text("lo"),
    end: || sse_json(&candidate(&json!([{"text": ""}]), Some("STOP"))),
    event: sse,
    text: gemini_text,
    failure: |words| sse_json(&gemini_failure(words)),
    tokens_at_first: Some(3),
    whole: |text| candidate(&json!([{"text": text}]), Some("STOP")),
    asks: |tool| {
        let call = json!({"name": tool, "args": {}});
        candidate(&json!([{"functionCall": call}]), Some("STOP"))
    },
    refusal: gemini_failure,
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

fn gemini_failure(words: &str) -> Value {
    json!({"error": {"code": 503, "message": words, "status": "SOME_ERROR"}})
}

#[cfg(feature = "bedrock")]
pub mod bedrock {
    use chatlas::prelude::*;
    use chatlas::{Bedrock, BedrockApi, HttpOptions};
    use serde_json::{Value, json};

    use super::super::frames::{CONTENT_TYPE, chunk, event, exception, raw};
    use super::{KEY, MESSAGES, MODEL, Protocol};

    fn chat(url: &str, options: HttpOptions, api: BedrockApi) -> Chat {
        let model = Bedrock::new(MODEL).with_region("us-east-1").with_base_url(url).with_api_key(KEY);
        Chat::new(model.with_http(options).with_api(api))
    }

    /// The events of the Messages API, each in a frame.
    fn framed(events: &[u8]) -> Vec<u8> {
        let events = std::str::from_utf8(events).expect("text").lines();
        let data = events.filter_map(|line| line.strip_prefix("data: "));
        data.flat_map(|data| chunk(&serde_json::from_str(data).expect("JSON"))).collect()
    }

    fn of_kind(kind: &str, payload: &str) -> Vec<u8> {
        raw(&[(":message-type", "event"), (":event-type", kind)], payload)
    }

    fn failure(words: &str) -> Vec<u8> {
        exception("internalServerException", &json!({"message": words}))
    }

    pub const INVOKE_MODEL: Protocol = Protocol {
        name: "Bedrock InvokeModel",
        target: "invoke_model",
        chat: |url, options| chat(url, options, BedrockApi::InvokeModel),
        stream_type: CONTENT_TYPE,
        begin: || framed(&(MESSAGES.begin)()),
        almost: || framed(&(MESSAGES.almost)()),
        end: || framed(&(MESSAGES.end)()),
        event: |payload| of_kind("chunk", payload),
        text: |text| framed(&(MESSAGES.text)(text)),
        failure,
        refusal: |words| json!({"message": words}),
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
        almost: || {
            [converse_text("lo"), event("contentBlockStop", &json!({"contentBlockIndex": 0}))]
                .concat()
        },
        // AWS tells the tokens last; a reply without them is whole all the same.
        end: || event("messageStop", &json!({"stopReason": "end_turn"})),
        event: |payload| of_kind("contentBlockDelta", payload),
        text: converse_text,
        failure,
        tokens_at_first: None,
        whole: |text| converse(&json!([{"text": text}]), "end_turn"),
        asks: |tool| {
            let call = json!({"toolUseId": "call-1", "name": tool, "input": {}});
            converse(&json!([{"toolUse": call}]), "tool_use")
        },
        refusal: |words| json!({"message": words}),
    };

    fn converse_text(text: &str) -> Vec<u8> {
        event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": text}}))
    }

    fn converse(content: &Value, reason: &str) -> Value {
        json!({"output": {"message": {"role": "assistant", "content": content}},
            "stopReason": reason, "usage": {"inputTokens": 3, "outputTokens": 2}})
    }
}
