//! Histories of any shape: turns with the contents that programs and vendors make, in any order.

use chatlas_core::content::{
    Citation, Content, Refusal, Replay, ServerTool, Text, Thinking, ToolOutcome, ToolRequest,
    ToolResult,
};
use chatlas_core::{AssistantTurn, Turn, UserTurn};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The items that vendors require back with a thinking.
fn thoughts() -> Vec<(&'static str, Value)> {
    let signed = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    vec![
        (
            "openai",
            json!({"type": "reasoning", "id": "rs_1", "summary": [],
            "encrypted_content": "g"}),
        ),
        ("anthropic", signed.clone()),
        ("anthropic", json!({"type": "thinking", "thinking": "Hm."})),
        ("anthropic", json!({"type": "redacted_thinking", "data": "x"})),
        ("aws.bedrock", signed),
        (
            "aws.bedrock",
            json!({"reasoningContent": {"reasoningText":
            {"text": "Hm.", "signature": "s"}}}),
        ),
        ("gcp.gemini", json!({"thought": true, "thoughtSignature": "s"})),
        ("gcp.gemini", json!({"text": "", "thoughtSignature": "s"})),
        ("deepseek", json!({"reasoning_content": "Hm."})),
        ("openrouter", json!({"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]})),
        ("mistral_ai", json!({"content": [{"type": "thinking", "thinking": []}]})),
    ]
}

/// The items that vendors require back with a text.
fn text_items() -> Vec<(&'static str, Value)> {
    vec![
        ("openai", json!({"phase": "commentary"})),
        ("openai", json!({"audio": {"id": "audio_1"}})),
        ("anthropic", json!({"type": "text", "text": "so", "citations": [{"type": "x"}]})),
        ("gcp.gemini", json!({"thoughtSignature": "s"})),
    ]
}

/// The items of tools that vendors run.
fn server_tools() -> Vec<(&'static str, Value)> {
    let call = json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s1", "content": []});
    vec![
        ("openai", json!({"type": "web_search_call", "id": "ws_1", "status": "completed"})),
        ("anthropic", json!([call, found])),
        ("anthropic", json!([{"type": "server_tool_use", "id": "s2", "name": "x", "input": {}}])),
        ("gcp.gemini", json!({"executableCode": {"code": "1"}})),
    ]
}

/// Ids that vendors make: unique ones, such as repeat in each round, long ones, missing ones.
const IDS: [&str; 7] = ["call_0", "call_0", "call|1.a", "", "abcdefghi", "invented_call_r_0", LONG];
const LONG: &str =
    "call_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NAMES: [&str; 5] = ["look", "look", "1c_reload", "functions.look", ""];
const TEXTS: [&str; 5] = ["alpha", "beta \n", "gamma", "", " \n"];

fn replay((provider, item): (&'static str, Value)) -> Replay {
    Replay::new(provider, item)
}

fn medium() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::image_base64("image/png", "AAAA")),
        Just(Content::image_url("https://a.example/a.png")),
        Just(Content::document_base64("a.pdf", "application/pdf", "BBBB")),
    ]
}

fn outcome() -> impl Strategy<Value = ToolOutcome> {
    prop_oneof![
        Just(ToolOutcome::Value(json!({"a": 1, "b": {"$ref": "#/a"}}))),
        Just(ToolOutcome::Value(json!(""))),
        Just(ToolOutcome::Error("no".to_owned())),
        Just(ToolOutcome::Error(String::new())),
        Just(ToolOutcome::Contents(Vec::new())),
        medium().prop_map(|medium| ToolOutcome::Contents(vec![Content::text("see"), medium])),
    ]
}

fn result() -> impl Strategy<Value = Content> {
    let (id, name) = (prop::sample::select(&IDS[..]), prop::sample::select(&NAMES[..]));
    (id, name, outcome())
        .prop_map(|(id, name, outcome)| Content::ToolResult(ToolResult::new(id, name, outcome)))
}

fn call() -> impl Strategy<Value = Content> {
    let (id, name) = (prop::sample::select(&IDS[..]), prop::sample::select(&NAMES[..]));
    let arguments =
        [json!({"a": 1}), json!("{\"a\": 1}"), json!("{\"a\": "), json!(null), json!([1])];
    let signature = [
        None,
        Some(("gcp.gemini", json!({"thoughtSignature": "s"}))),
        Some(("openai", json!({"extra_content": {"google": {"thought_signature": "s"}}}))),
    ];
    (id, name, prop::sample::select(arguments.to_vec()), prop::sample::select(signature.to_vec()))
        .prop_map(|(id, name, arguments, signature)| {
            let mut call = ToolRequest::new(id, name, arguments);
            call.replay = signature.map(replay);
            Content::ToolRequest(call)
        })
}

fn text() -> impl Strategy<Value = Content> {
    prop::sample::select(&TEXTS[..]).prop_map(Content::text)
}

fn of_model() -> impl Strategy<Value = Content> {
    let signed_text = (prop::sample::select(&TEXTS[..]), prop::sample::select(text_items()));
    let signed_text = signed_text
        .prop_map(|(text, item)| Content::Text(Text::new(text).with_replay(replay(item))));
    let thinking = prop::option::of(prop::sample::select(thoughts())).prop_map(|item| {
        let mut thinking = Thinking::new("Hm.");
        thinking.replay = item.map(replay);
        Content::Thinking(thinking)
    });
    let server_tool = prop::sample::select(server_tools())
        .prop_map(|item| Content::ServerTool(ServerTool::new("t", replay(item))));
    let citation = Content::Citation(Citation::from_url("https://a.example"));
    prop_oneof![
        3 => text(),
        1 => signed_text,
        3 => thinking,
        4 => call(),
        1 => server_tool,
        1 => Just(Content::Refusal(Refusal::new("delta"))),
        1 => Just(citation),
        1 => medium(),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let user = prop_oneof![3 => text(), 1 => medium(), 3 => result()];
    prop_oneof![
        prop::collection::vec(user, 0..4).prop_map(|contents| UserTurn::new(contents).into()),
        prop::collection::vec(of_model(), 0..5)
            .prop_map(|contents| AssistantTurn::new(contents).into()),
    ]
}

/// Any history, with a prompt at its end.
pub(super) fn history() -> impl Strategy<Value = Vec<Turn>> {
    let prompt = prop::option::of(result()).prop_map(|result| {
        let contents: Vec<Content> = result.into_iter().chain([Content::text("prompt")]).collect();
        Turn::from(UserTurn::new(contents))
    });
    (prop::collection::vec(turn(), 0..9), prompt).prop_map(|(mut turns, prompt)| {
        turns.push(prompt);
        turns
    })
}
