//! Model servers of other projects. Each test is skipped unless an environment variable contains the
//! address of its server:
//!
//! - `CHATLAS_LIVE_LLM`: a real model with the Responses API, Chat Completions and Anthropic's
//!   Messages (`http://127.0.0.1:4040`);
//! - `CHATLAS_LIVE_AIMOCK`: a mock of every vendor, with a script that calls `get_weather` for
//!   questions about Tokyo (`http://127.0.0.1:4010`).

use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{Anthropic, Gemini, OpenAi, OpenAiCompletions};
use serde_json::json;

/// Returns the address of a server, without a trailing `/`.
fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        println!("skipped: {variable} is not set");
    }
    url.map(|url| url.trim_end_matches('/').to_owned())
}

fn llm() -> Option<String> {
    server("CHATLAS_LIVE_LLM")
}

fn aimock() -> Option<String> {
    server("CHATLAS_LIVE_AIMOCK")
}

/// Asserts that a small model replies, streamed and complete, and that the span has its tokens.
async fn assert_replies<P: Provider>(model: impl Fn() -> P) {
    for stream in [true, false] {
        let recorder = Recorder::new();
        let mut chat = Chat::new(model()).with_max_tokens(16).with_temperature(0.0);
        let question = "What is the capital of France?";
        let reply = if stream {
            let mut arriving = chat.stream(question);
            let (mut pieces, mut reply) = (Vec::new(), None);
            while let Some(event) = arriving.next().await {
                match event.expect("the model answers") {
                    StreamEvent::Text(text) => pieces.push(text),
                    StreamEvent::Done(done) => reply = Some(*done),
                    _ => {}
                }
            }
            drop(arriving);
            let reply = reply.expect("an end");
            assert!(pieces.len() > 1, "the reply is streamed");
            assert_eq!(pieces.concat(), reply.text());
            reply
        } else {
            chat.chat(question).await.expect("the model answers")
        };
        assert!(!reply.text().trim().is_empty());
        assert!(reply.usage.output_tokens.is_some_and(|tokens| (1..=16).contains(&tokens)));
        assert!(reply.usage.input_tokens.is_some_and(|tokens| tokens > 5));
        recorder.assert_sound();
        let span = recorder.span("chat a-small-model");
        assert_eq!(span["gen_ai.usage.output_tokens"].as_u64(), reply.usage.output_tokens);
        assert_eq!(span["gen_ai.usage.input_tokens"].as_u64(), reply.usage.input_tokens);
    }
}

const SMALL: &str = "a-small-model";

#[tokio::test(flavor = "multi_thread")]
async fn real_model_replies_over_the_responses_api() {
    let Some(url) = llm() else { return };
    assert_replies(|| OpenAi::new(SMALL).with_base_url(format!("{url}/v1"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_replies_over_chat_completions() {
    let Some(url) = llm() else { return };
    assert_replies(|| OpenAiCompletions::new(SMALL).with_base_url(format!("{url}/v1"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_replies_over_anthropics_messages() {
    let Some(url) = llm() else { return };
    assert_replies(|| Anthropic::new(SMALL).with_base_url(&url)).await;
}

/// Get the current weather forecast for a city.
#[tool]
fn get_weather(city: &str) -> String {
    assert_eq!(city, "Tokyo");
    format!("{city}: 14°C, light rain")
}

/// Runs two model calls with a tool call between them, streamed and complete. `counts` are the
/// tokens that the server reports in this protocol: of the first and of the second call.
async fn assert_tool_loop<P: Provider>(model: impl Fn() -> P, counts: Option<[[u64; 2]; 2]>) {
    for stream in [true, false] {
        let recorder = Recorder::new();
        let mut chat = Chat::new(model()).with_tools(tools![get_weather]).with_max_tokens(256);
        let question = "I am headed to Tokyo: what should I pack?";
        let reply = if stream {
            let mut events: Vec<_> = in_time(chat.stream(question).collect()).await;
            match events.pop() {
                Some(Ok(StreamEvent::Done(reply))) => *reply,
                other => panic!("streamed: {other:?}"),
            }
        } else {
            in_time(chat.chat(question)).await.expect("an answer")
        };
        assert_eq!(reply.text(), "Pack a light raincoat, an umbrella and a warm layer.");
        recorder.assert_sound();
        let calls = recorder.spans_with_operation("chat");
        let name = calls[0].name().to_owned();
        assert_eq!(
            recorder.tree(),
            format!(
                "invoke_agent\n  {name}\n    POST\n  execute_tool get_weather\n  {name}\n    POST\n"
            )
        );
        let reasons: Vec<_> =
            calls.iter().map(|span| span["gen_ai.response.finish_reasons"].clone()).collect();
        assert_eq!(reasons, [json!(["tool_call"]), json!(["stop"])]);
        let tool = recorder.span("execute_tool get_weather");
        assert!(tool["gen_ai.tool.call.id"].as_str().is_some_and(|id| !id.is_empty()));
        for (span, counted) in calls.iter().zip(counts.iter().flatten()) {
            let tokens = ["input", "output"]
                .map(|kind| span[format!("gen_ai.usage.{kind}_tokens").as_str()].as_u64());
            assert_eq!(tokens, counted.map(Some), "{}", recorder.tree());
        }
    }
}

/// The token counts in the server's script.
const COUNTS: Option<[[u64; 2]; 2]> = Some([[80, 18], [110, 20]]);

#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_over_the_responses_api() {
    let Some(url) = aimock() else { return };
    let url = format!("{url}/v1");
    let model =
        || OpenAi::new("gpt-4o").with_api_key("test").with_base_url(&url).with_http_spans(true);
    assert_tool_loop(model, COUNTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_over_chat_completions() {
    let Some(url) = aimock() else { return };
    let url = format!("{url}/v1");
    let model = || {
        OpenAiCompletions::new("gpt-4o")
            .with_api_key("test")
            .with_base_url(&url)
            .with_http_spans(true)
    };
    assert_tool_loop(model, COUNTS).await;
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_over_both_apis_of_azure() {
    use chatlas::{AzureOpenAi, AzureOpenAiCompletions};
    let Some(url) = aimock() else { return };
    assert_tool_loop(
        || {
            AzureOpenAiCompletions::new("gpt-4o")
                .with_api_key("test")
                .with_resource(&url)
                .with_http_spans(true)
        },
        COUNTS,
    )
    .await;
    assert_tool_loop(
        || {
            AzureOpenAi::new("gpt-4o")
                .with_api_key("test")
                .with_resource(&url)
                .with_http_spans(true)
        },
        COUNTS,
    )
    .await;
}

#[cfg(feature = "ollama")]
#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_with_ollama() {
    let Some(url) = aimock() else { return };
    let url = format!("{url}/v1");
    assert_tool_loop(
        || chatlas::Ollama::new("llama3").with_base_url(&url).with_http_spans(true),
        COUNTS,
    )
    .await;
}

#[cfg(feature = "bedrock")]
#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_over_both_apis_of_bedrock() {
    use chatlas::bedrock::Credentials;
    use chatlas::{Bedrock, BedrockApi};
    let Some(url) = aimock() else { return };
    for api in [BedrockApi::InvokeModel, BedrockApi::Converse] {
        let model = || {
            let keys = Credentials::new("AKIDTEST", "secret", None, None, "test");
            Bedrock::new("anthropic.claude-sonnet-4-5-20250929-v1:0")
                .with_region("us-east-1")
                .with_credentials_provider(keys)
                .with_base_url(&url)
                .with_api(api)
                .with_http_spans(true)
        };
        // For streams of Claude, this server reports no output tokens at the end.
        let counts = COUNTS.filter(|_| api == BedrockApi::Converse);
        assert_tool_loop(model, counts).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_over_anthropics_messages() {
    let Some(url) = aimock() else { return };
    let model = || {
        Anthropic::new("claude-haiku-4-5")
            .with_api_key("test")
            .with_base_url(&url)
            .with_http_spans(true)
    };
    assert_tool_loop(model, COUNTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_over_the_gemini_api() {
    let Some(url) = aimock() else { return };
    let url = format!("{url}/v1beta");
    let model = || {
        Gemini::new("gemini-3.5-flash")
            .with_api_key("test")
            .with_base_url(&url)
            .with_http_spans(true)
    };
    assert_tool_loop(model, COUNTS).await;
}

#[cfg(feature = "vertex")]
#[tokio::test(flavor = "multi_thread")]
async fn tool_loop_over_vertex_ai() {
    let Some(url) = aimock() else { return };
    let url = format!("{url}/v1");
    let model = || {
        chatlas::Vertex::new("gemini-3.5-flash")
            .with_project("a-project")
            .with_location("europe-west4")
            .with_api_key("test")
            .with_base_url(&url)
            .with_http_spans(true)
    };
    assert_tool_loop(model, COUNTS).await;
}
