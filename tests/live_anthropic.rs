//! Servers that nobody here wrote, where they are at hand: set `CHATLAS_LIVE_AIMOCK` to the base
//! URL of an aimock (`http://127.0.0.1:4010`), whose model asks for the weather of Tokyo, and
//! `CHATLAS_LIVE_LLM` to that of a server with a real model that speaks the Messages API
//! (`http://127.0.0.1:4040/v1`).

use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{Anthropic, Caching};
use serde_json::json;

/// Get the current weather forecast for a city.
#[tool]
#[allow(clippy::needless_pass_by_value)] // a tool owns its arguments
fn get_weather(
    /// The city.
    city: String,
) -> String {
    format!("{city}: light rain, 14°C")
}

fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        println!("skipped: set {variable} to the base URL of a server");
    }
    url
}

/// A conversation in which the model asks for the weather, and answers by it.
async fn ask_for_the_weather(model: impl Provider, streamed: bool, provider: &str) {
    let recorder = Recorder::new();
    let mut chat = Chat::new(model).tools(tools![get_weather]);
    let prompt = "I'm headed to Tokyo: what should I pack?";
    let reply = if streamed {
        let mut stream = chat.stream(prompt);
        let (mut text, mut done) = (String::new(), None);
        while let Some(event) = stream.next().await {
            match event.expect("the server answers") {
                StreamEvent::Text(more) => text.push_str(&more),
                StreamEvent::Done(reply) => done = Some(reply),
                _ => {}
            }
        }
        drop(stream);
        let reply = done.expect("an end");
        assert_eq!(text, reply.text());
        reply
    } else {
        chat.chat(prompt).await.expect("the server answers")
    };
    assert_eq!(reply.text(), "Pack a light raincoat, an umbrella and a warm layer.");
    recorder.assert_sound();
    let calls = recorder.spans_of("chat");
    assert_eq!(calls.len(), 2, "{provider}, streamed: {streamed}");
    for (call, reason) in calls.iter().zip(["tool_call", "stop"]) {
        let told = &call["gen_ai.response.finish_reasons"];
        assert_eq!(told, &json!([reason]), "{provider}, streamed: {streamed}");
    }
    assert_eq!(recorder.spans_of("execute_tool").len(), 1);
    for call in calls {
        assert_eq!(call["gen_ai.provider.name"].as_str(), Some(provider));
        for key in ["gen_ai.response.id", "gen_ai.usage.output_tokens"] {
            assert!(call.attributes().get(key).is_some(), "{provider}: {key}");
        }
    }
    println!("{provider}, streamed: {streamed}: two calls and a tool between");
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_asks_for_a_tool_and_answers() {
    let Some(url) = server("CHATLAS_LIVE_AIMOCK") else { return };
    for streamed in [false, true] {
        let model = Anthropic::new("claude-sonnet-4-5").base_url(&url).api_key("test");
        ask_for_the_weather(model, streamed, "anthropic").await;
    }
}

#[cfg(feature = "bedrock")]
#[tokio::test(flavor = "multi_thread")]
async fn bedrock_asks_for_a_tool_and_answers_by_both_apis() {
    use chatlas::bedrock::Credentials;
    use chatlas::{Bedrock, BedrockApi};
    let Some(url) = server("CHATLAS_LIVE_AIMOCK") else { return };
    for api in [BedrockApi::InvokeModel, BedrockApi::Converse] {
        for streamed in [false, true] {
            println!("{api:?}, streamed: {streamed}");
            let keys = Credentials::new("AKIDTEST", "secret", None, None, "test");
            let model = Bedrock::new("anthropic.claude-sonnet-4-5-20250929-v1:0")
                .region("us-east-1")
                .base_url(&url)
                .credentials_provider(keys)
                .api(api);
            ask_for_the_weather(model, streamed, "aws.bedrock").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_answers_by_the_messages_api() {
    let Some(url) = server("CHATLAS_LIVE_LLM") else { return };
    for streamed in [false, true] {
        let recorder = Recorder::new();
        let model = Anthropic::new("a-small-model").base_url(&url).caching(Caching::Off);
        let mut chat = Chat::new(model.http_spans(true)).max_tokens(48).temperature(0.0);
        let prompt = "What is the capital of France?";
        let reply = if streamed {
            let mut stream = chat.stream(prompt);
            let (mut pieces, mut reply) = (Vec::new(), None);
            while let Some(event) = stream.next().await {
                match event.expect("the model answers") {
                    StreamEvent::Text(text) => pieces.push(text),
                    StreamEvent::Done(done) => reply = Some(done),
                    _ => {}
                }
            }
            drop(stream);
            let reply = reply.expect("an end");
            assert!(pieces.len() > 1, "it came in pieces");
            assert_eq!(pieces.concat(), reply.text());
            reply
        } else {
            chat.chat(prompt).await.expect("the model answers")
        };
        assert!(!reply.text().is_empty());
        assert!(reply.usage.output_tokens.is_some_and(|tokens| (1..=48).contains(&tokens)));
        recorder.assert_sound();
        let tokens = &recorder.span("chat a-small-model")["gen_ai.usage.output_tokens"];
        assert_eq!(tokens.as_u64(), reply.usage.output_tokens);
        println!("streamed: {streamed}: {:?} after {:?} tokens", reply.text(), reply.usage);
    }
}
