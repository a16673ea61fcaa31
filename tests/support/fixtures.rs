//! The replies of `tests/fixtures/wire`, as a server of each protocol sends them.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

#[cfg(feature = "bedrock")]
use serde_json::Value;

#[cfg(feature = "bedrock")]
use super::frames;
use super::server::Answer;

/// The fixtures of one protocol.
#[derive(Clone, Copy)]
pub struct Fixtures {
    reply: &'static str,
    reply_stream: &'static str,
    tool_call: &'static str,
    tool_call_stream: &'static str,
    error: &'static str,
    framing: Framing,
    /// The vendor's code of the error.
    pub error_code: &'static str,
    /// The model of a reply. Bedrock's Converse API sends none: it is that of the request.
    pub response_model: &'static str,
}

#[derive(Clone, Copy)]
enum Framing {
    /// Server-sent events, sent verbatim.
    Sse,
    /// Server-sent events, each in the `chunk` frame of an AWS event stream.
    SseInFrames,
    /// A line `{"event type": payload}` for each frame of an AWS event stream.
    JsonLines,
}

macro_rules! files {
    ($folder:literal, $stream:literal) => {
        Fixtures {
            reply: include_str!(concat!("../fixtures/wire/", $folder, "/reply.json")),
            reply_stream: include_str!(concat!("../fixtures/wire/", $folder, "/reply.", $stream)),
            tool_call: include_str!(concat!("../fixtures/wire/", $folder, "/tool_call.json")),
            tool_call_stream: include_str!(concat!(
                "../fixtures/wire/",
                $folder,
                "/tool_call.",
                $stream
            )),
            error: include_str!(concat!("../fixtures/wire/", $folder, "/error.json")),
            framing: Framing::Sse,
            error_code: "rate_limit_exceeded",
            response_model: "model-1-2026",
        }
    };
}

pub const RESPONSES: Fixtures = files!("responses", "sse");
pub const CHAT_COMPLETIONS: Fixtures = files!("chat_completions", "sse");
pub const ANTHROPIC_MESSAGES: Fixtures =
    Fixtures { error_code: "rate_limit_error", ..files!("anthropic_messages", "sse") };
pub const GEMINI: Fixtures =
    Fixtures { error_code: "RESOURCE_EXHAUSTED", ..files!("gemini", "sse") };
pub const BEDROCK_INVOKE_MODEL: Fixtures = Fixtures {
    framing: Framing::SseInFrames,
    error: include_str!("../fixtures/wire/bedrock_converse/error.json"),
    error_code: "ThrottlingException",
    ..ANTHROPIC_MESSAGES
};
pub const BEDROCK_CONVERSE: Fixtures = Fixtures {
    framing: Framing::JsonLines,
    error_code: "ThrottlingException",
    response_model: "model-1",
    ..files!("bedrock_converse", "jsonl")
};

impl Fixtures {
    /// Returns a text reply, streamed or complete.
    pub fn reply(&self, streamed: bool) -> Answer {
        self.success(streamed, self.reply, self.reply_stream)
    }

    /// Returns a reply that calls a tool, streamed or complete.
    pub fn tool_call(&self, streamed: bool) -> Answer {
        self.success(streamed, self.tool_call, self.tool_call_stream)
    }

    /// Returns a response with status 429.
    pub fn error(&self) -> Answer {
        Answer::new(429, "application/json", self.error)
            .header("x-amzn-errortype", "ThrottlingException")
    }

    fn success(&self, streamed: bool, complete: &str, stream: &str) -> Answer {
        let answer = match (streamed, self.framing) {
            (false, _) => Answer::new(200, "application/json", complete),
            (true, Framing::Sse) => Answer::events(stream),
            #[cfg(feature = "bedrock")]
            (true, Framing::SseInFrames) => {
                let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
                let payloads = data.map(|data| serde_json::from_str(data).expect("JSON"));
                frames::answer(&payloads.map(|payload| frames::chunk(&payload)).collect::<Vec<_>>())
            }
            #[cfg(feature = "bedrock")]
            (true, Framing::JsonLines) => {
                let frame = |line| {
                    let event: Value = serde_json::from_str(line).expect("JSON");
                    let (kind, payload) =
                        event.as_object().and_then(|event| event.iter().next())?;
                    Some(frames::event(kind, payload))
                };
                frames::answer(&stream.lines().filter_map(frame).collect::<Vec<_>>())
            }
            #[cfg(not(feature = "bedrock"))]
            (true, Framing::SseInFrames | Framing::JsonLines) => unreachable!("a Bedrock protocol"),
        };
        // The Converse API sends the id of a reply in this header only.
        answer.header("x-amzn-requestid", "reply-77")
    }
}
