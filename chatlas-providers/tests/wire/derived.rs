//! Vendors that are derived from every protocol other than Chat Completions.

use chatlas_core::{Content, Provider as _};
use chatlas_macros::provider;
use chatlas_providers::anthropic::Anthropic;
#[cfg(feature = "bedrock")]
use chatlas_providers::bedrock::Bedrock;
use chatlas_providers::google::Gemini;
use chatlas_providers::openai::OpenAi;
use serde_json::json;

use super::fixed::{hi, run, server};

/// A gateway that speaks the protocol of Gemini.
#[provider(like = Gemini, name = "bridge", base_url = "https://bridge.example/v9")]
struct Bridge;

/// A gateway that speaks the Responses API.
#[provider(like = OpenAi, name = "relay", base_url = "https://relay.example/v9")]
struct Relay;

#[test]
fn a_vendor_is_derived_from_gemini() {
    let reply = json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [
        {"text": "Hello", "thoughtSignature": "s"}]}}]});
    let (options, sent) = server(200, "application/json", reply.to_string());
    let bridge = Bridge::new("m").with_http(options);
    assert_eq!(bridge.info().name, "bridge");
    let completion = run(bridge.chat(hi())).expect("a reply");
    let [Content::Text(text)] = completion.contents.as_slice() else { panic!("{completion:?}") };
    assert_eq!(text.replay.as_ref().map(|replay| replay.provider.as_str()), Some("bridge"));
    let urls: Vec<String> = sent.all().into_iter().map(|request| request.url).collect();
    assert_eq!(urls, ["https://bridge.example/v9/models/m:generateContent"]);
}

#[test]
fn a_vendor_is_derived_from_the_responses_api() {
    let reply = json!({"status": "completed", "service_tier": "flex", "output": [
        {"type": "reasoning", "summary": []}]});
    let (options, sent) = server(200, "application/json", reply.to_string());
    let relay = Relay::new("m").with_http(options);
    assert_eq!(relay.info().name, "relay");
    // The attributes of OpenAI are recorded for OpenAI only.
    assert!(relay.info().attributes.is_empty());
    let completion = run(relay.chat(hi())).expect("a reply");
    assert!(completion.attributes.is_empty());
    let [Content::Thinking(thinking)] = completion.contents.as_slice() else {
        panic!("{completion:?}")
    };
    assert_eq!(thinking.replay.as_ref().map(|replay| replay.provider.as_str()), Some("relay"));
    let urls: Vec<String> = sent.all().into_iter().map(|request| request.url).collect();
    assert_eq!(urls, ["https://relay.example/v9/responses"]);
}

/// A gateway that speaks the Messages API.
#[provider(like = Anthropic, name = "span", base_url = "https://span.example/v1",
    api_key_env = "SPAN_API_KEY", default_model = "m-1")]
struct Span;

#[test]
fn a_vendor_is_derived_from_the_messages_api() {
    let thinking = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    let reply = json!({"content": [thinking], "stop_reason": "end_turn"});
    let (options, sent) = server(200, "application/json", reply.to_string());
    let span = Span::new("m").with_api_key("k").with_http(options);
    assert_eq!(span.info().name, "span");
    let completion = run(span.chat(hi())).expect("a reply");
    let [Content::Thinking(thought)] = completion.contents.as_slice() else {
        panic!("{completion:?}")
    };
    assert_eq!(thought.replay.as_ref().map(|replay| replay.provider.as_str()), Some("span"));
    let request = sent.request();
    assert_eq!(request.url, "https://span.example/v1/messages");
    assert_eq!(request.header("x-api-key"), Some("k"));
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
}

/// A gateway that speaks the APIs of Bedrock.
#[cfg(feature = "bedrock")]
#[provider(like = Bedrock, name = "quarry", base_url = "https://quarry.example/aws")]
struct Quarry;

#[cfg(feature = "bedrock")]
#[test]
fn a_vendor_is_derived_from_bedrock() {
    let block = json!({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}});
    let reply = json!({"output": {"message": {"content": [block]}}, "stopReason": "end_turn"});
    let (options, sent) = server(200, "application/json", reply.to_string());
    let quarry = Quarry::new("m").with_api_key("k").with_http(options);
    assert_eq!(quarry.info().name, "quarry");
    let completion = run(quarry.chat(hi())).expect("a reply");
    let [Content::Thinking(thought)] = completion.contents.as_slice() else {
        panic!("{completion:?}")
    };
    assert_eq!(thought.replay.as_ref().map(|replay| replay.provider.as_str()), Some("quarry"));
    let request = sent.request();
    assert_eq!(request.url, "https://quarry.example/aws/model/m/converse");
    assert_eq!(request.header("authorization"), Some("Bearer k"));
}
