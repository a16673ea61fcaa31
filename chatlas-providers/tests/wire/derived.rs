//! Vendors that are derived from Gemini and from the Responses API.

use chatlas_core::{Content, Provider as _};
use chatlas_macros::provider;
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
