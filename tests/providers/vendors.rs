//! Every vendor against a server that sends the fixtures of its protocol: a complete reply, a
//! stream, a tool call in both forms, and an error. No recorded traffic is needed.

use crate::support::fixtures::{self, CHAT_COMPLETIONS, Fixtures};
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::{RecordedSpan, Recorder};
use chatlas::{
    ChatRequest, Completion, CompletionEvent, FinishReason, HttpOptions, ProviderErrorKind,
    ToolDefinition,
};
use serde_json::{Value, json};

const MODEL: &str = "model-1";
const TEXT: &str = "Rain in Oslo until Friday. Take an umbrella.";
const KEY: &str = "key-1";

/// How a vendor is called, and what its requests look like.
struct Vendor {
    /// The value of `gen_ai.provider.name`.
    name: &'static str,
    fixtures: Fixtures,
    /// The request targets of a complete reply and of a stream.
    targets: [&'static str; 2],
    /// The header of the credentials, in lower case.
    credentials: &'static str,
}

const BEARER: &str = "authorization: bearer key-1";

const fn completions(name: &'static str) -> Vendor {
    Vendor {
        name,
        fixtures: CHAT_COMPLETIONS,
        targets: ["/v1/chat/completions"; 2],
        credentials: BEARER,
    }
}

/// Declares the tests of a vendor: its description and its provider for a server's address (scheme,
/// host and port).
macro_rules! vendor {
    ($feature:literal, $module:ident, $vendor:expr, $provider:expr) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::*;

            const VENDOR: Vendor = $vendor;

            fn provider(root: &str) -> impl Provider + use<> {
                let http = HttpOptions::default().with_max_retries(0);
                let provider: fn(&str, HttpOptions) -> _ = $provider;
                provider(root, http)
            }

            #[tokio::test]
            async fn complete_reply() {
                reply(&VENDOR, provider, false).await;
            }

            #[tokio::test]
            async fn streamed_reply() {
                reply(&VENDOR, provider, true).await;
            }

            #[tokio::test]
            async fn complete_tool_call() {
                tool_call(&VENDOR, provider, false).await;
            }

            #[tokio::test]
            async fn streamed_tool_call() {
                tool_call(&VENDOR, provider, true).await;
            }

            #[tokio::test]
            async fn rate_limit_error() {
                error(&VENDOR, provider).await;
            }
        }
    };
}

/// A vendor of Chat Completions whose base URL ends with `/v1`.
macro_rules! completions {
    ($feature:literal, $module:ident, $vendor:ident, $name:literal) => {
        vendor!($feature, $module, completions($name), |root, http| {
            chatlas::$vendor::new(MODEL)
                .with_base_url(format!("{root}/v1"))
                .with_api_key(KEY)
                .with_http(http)
        });
    };
}

completions!("openai", openai_completions, OpenAiCompletions, "openai");
completions!("cloudflare", cloudflare, Cloudflare, "cloudflare");
completions!("databricks", databricks, Databricks, "databricks");
completions!("deepseek", deepseek, DeepSeek, "deepseek");
completions!("groq", groq, Groq, "groq");
completions!("huggingface", huggingface, HuggingFace, "huggingface");
completions!("lm-studio", lm_studio, LmStudio, "lm_studio");
completions!("mistral", mistral, Mistral, "mistral_ai");
completions!("ollama", ollama, Ollama, "ollama");
completions!("openrouter", openrouter, OpenRouter, "openrouter");
completions!("perplexity", perplexity, Perplexity, "perplexity");
vendor!(
    "portkey",
    portkey,
    Vendor { credentials: "x-portkey-api-key: key-1", ..completions("portkey") },
    |root, http| chatlas::Portkey::new(MODEL)
        .with_base_url(format!("{root}/v1"))
        .with_api_key(KEY)
        .with_http(http)
);
vendor!(
    "openai",
    openai,
    Vendor {
        name: "openai",
        fixtures: fixtures::RESPONSES,
        targets: ["/v1/responses"; 2],
        credentials: BEARER,
    },
    |root, http| chatlas::OpenAi::new(MODEL)
        .with_base_url(format!("{root}/v1"))
        .with_api_key(KEY)
        .with_http(http)
);
vendor!(
    "azure",
    azure,
    Vendor {
        name: "azure.ai.openai",
        fixtures: fixtures::RESPONSES,
        targets: ["/openai/responses?api-version=2025-03-01-preview"; 2],
        credentials: "api-key: key-1",
    },
    |root, http| chatlas::AzureOpenAi::new(MODEL)
        .with_resource(root)
        .with_api_version("2025-03-01-preview")
        .with_api_key(KEY)
        .with_http(http)
);
vendor!(
    "azure",
    azure_completions,
    Vendor {
        name: "azure.ai.openai",
        fixtures: CHAT_COMPLETIONS,
        targets: ["/openai/deployments/model-1/chat/completions?api-version=2024-10-21"; 2],
        credentials: "api-key: key-1",
    },
    |root, http| chatlas::AzureOpenAiCompletions::new(MODEL)
        .with_resource(root)
        .with_api_version("2024-10-21")
        .with_api_key(KEY)
        .with_http(http)
);
vendor!(
    "anthropic",
    anthropic,
    Vendor {
        name: "anthropic",
        fixtures: fixtures::ANTHROPIC_MESSAGES,
        targets: ["/v1/messages"; 2],
        credentials: "x-api-key: key-1",
    },
    |root, http| chatlas::Anthropic::new(MODEL)
        .with_base_url(root)
        .with_api_key(KEY)
        .with_http(http)
);
vendor!(
    "google",
    gemini,
    Vendor {
        name: "gcp.gemini",
        fixtures: fixtures::GEMINI,
        targets: [
            "/v1beta/models/model-1:generateContent",
            "/v1beta/models/model-1:streamGenerateContent?alt=sse",
        ],
        credentials: "x-goog-api-key: key-1",
    },
    |root, http| chatlas::Gemini::new(MODEL)
        .with_base_url(format!("{root}/v1beta"))
        .with_api_key(KEY)
        .with_http(http)
);
vendor!(
    "vertex",
    vertex,
    Vendor {
        name: "gcp.vertex_ai",
        fixtures: fixtures::GEMINI,
        targets: [
            "/v1/projects/p-1/locations/europe-west4/publishers/google/models/model-1:generateContent",
            "/v1/projects/p-1/locations/europe-west4/publishers/google/models/model-1:streamGenerateContent?alt=sse",
        ],
        credentials: BEARER,
    },
    |root, http| chatlas::Vertex::new(MODEL)
        .with_project("p-1")
        .with_location("europe-west4")
        .with_base_url(format!("{root}/v1"))
        .with_token_provider(|| async { Ok::<_, std::io::Error>(chatlas::BearerToken::new(KEY)) })
        .with_http(http)
);
vendor!(
    "bedrock",
    bedrock_invoke_model,
    Vendor {
        name: "aws.bedrock",
        fixtures: fixtures::BEDROCK_INVOKE_MODEL,
        targets: ["/model/model-1/invoke", "/model/model-1/invoke-with-response-stream"],
        credentials: BEARER,
    },
    |root, http| chatlas::Bedrock::new(MODEL)
        .with_region("us-east-1")
        .with_base_url(root)
        .with_api_key(KEY)
        .with_api(chatlas::BedrockApi::InvokeModel)
        .with_http(http)
);
vendor!(
    "bedrock",
    bedrock_converse,
    Vendor {
        name: "aws.bedrock",
        fixtures: fixtures::BEDROCK_CONVERSE,
        targets: ["/model/model-1/converse", "/model/model-1/converse-stream"],
        credentials: BEARER,
    },
    |root, http| chatlas::Bedrock::new(MODEL)
        .with_region("us-east-1")
        .with_base_url(root)
        .with_api_key(KEY)
        .with_api(chatlas::BedrockApi::Converse)
        .with_http(http)
);

/// The result of one request: the reply, the pieces of a streamed text, and the span of the call.
struct Call {
    completion: Completion,
    pieces: Vec<String>,
    span: RecordedSpan,
}

async fn call<P: Provider>(
    vendor: &Vendor,
    provider: fn(&str) -> P,
    answer: Answer,
    streamed: bool,
) -> Call {
    let recorder = Recorder::new();
    let server = Server::start(vec![answer]);
    let provider = provider(server.root());
    let mut request = ChatRequest::new([Turn::user("Will it rain in Oslo?")]);
    let parameters = json!({"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}}});
    let tool = ToolDefinition::new("get_forecast", "Returns the forecast of a city.", parameters);
    request.tools = [tool].into_iter().collect();
    let mut pieces = Vec::new();
    let completion = if streamed {
        let mut events = in_time(provider.chat_stream(request)).await.expect("a stream");
        let mut done = None;
        while let Some(event) = in_time(events.next()).await {
            match event.expect("an event") {
                CompletionEvent::Text(text) => pieces.push(String::from(&*text)),
                CompletionEvent::Done(completion) => done = Some((*completion).clone()),
                _ => {}
            }
        }
        done.expect("a last event")
    } else {
        in_time(provider.chat(request)).await.expect("a reply")
    };
    recorder.assert_sound();
    let span = recorder.span(&format!("chat {MODEL}"));
    assert_request(vendor, &server, streamed);
    assert_span(vendor, &span, &completion, streamed);
    Call { completion, pieces, span }
}

fn assert_request(vendor: &Vendor, server: &Server, streamed: bool) {
    let sent = server.sent();
    assert_eq!(sent.len(), 1);
    let line = format!("POST {} HTTP/1.1\r\n", vendor.targets[usize::from(streamed)]);
    assert!(sent[0].head.starts_with(&line), "{}", sent[0].head);
    let head = sent[0].head.to_lowercase();
    assert!(head.contains(&format!("\r\n{}\r\n", vendor.credentials)), "{head}");
    let body = sent[0].body.to_string();
    assert!(body.contains("Will it rain in Oslo?") && body.contains("get_forecast"), "{body}");
}

fn assert_span(vendor: &Vendor, span: &RecordedSpan, completion: &Completion, streamed: bool) {
    let model = vendor.fixtures.response_model;
    assert_eq!(completion.response_id.as_deref(), Some("reply-77"));
    assert_eq!(completion.model.as_deref(), Some(model));
    assert_eq!(completion.usage.input_tokens, Some(21));
    assert_eq!(completion.usage.output_tokens, Some(9));
    assert_eq!(completion.usage.cache_read_tokens, Some(4));
    for (key, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!(vendor.name)),
        ("gen_ai.request.model", json!(MODEL)),
        ("gen_ai.request.stream", if streamed { json!(true) } else { Value::Null }),
        ("gen_ai.response.id", json!("reply-77")),
        ("gen_ai.response.model", json!(model)),
        ("gen_ai.usage.input_tokens", json!(21)),
        ("gen_ai.usage.output_tokens", json!(9)),
        ("gen_ai.usage.cache_read.input_tokens", json!(4)),
        ("server.address", json!("127.0.0.1")),
        ("error.type", Value::Null),
    ] {
        assert_eq!(span[key], value, "{key}");
    }
}

async fn reply<P: Provider>(vendor: &Vendor, provider: fn(&str) -> P, streamed: bool) {
    let call = call(vendor, provider, vendor.fixtures.reply(streamed), streamed).await;
    assert_eq!(call.completion.text(), TEXT);
    assert_eq!(call.completion.finish_reason, Some(FinishReason::Stop));
    assert_eq!(call.completion.tool_requests().count(), 0);
    assert_eq!(call.span["gen_ai.response.finish_reasons"], json!(["stop"]));
    if streamed {
        assert_eq!(call.pieces.len(), 3, "{:?}", call.pieces);
        assert_eq!(call.pieces.concat(), TEXT);
    }
}

async fn tool_call<P: Provider>(vendor: &Vendor, provider: fn(&str) -> P, streamed: bool) {
    let call = call(vendor, provider, vendor.fixtures.tool_call(streamed), streamed).await;
    assert_eq!(call.completion.finish_reason, Some(FinishReason::ToolCall));
    assert_eq!(call.span["gen_ai.response.finish_reasons"], json!(["tool_call"]));
    let requests: Vec<_> = call.completion.tool_requests().collect();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].id, "call_77");
    assert_eq!(requests[0].name, "get_forecast");
    assert_eq!(requests[0].arguments, json!({"city": "Oslo", "days": 3}));
    assert_eq!(call.completion.text(), "");
}

async fn error<P: Provider>(vendor: &Vendor, provider: fn(&str) -> P) {
    for streamed in [false, true] {
        let recorder = Recorder::new();
        let server = Server::start(vec![vendor.fixtures.error()]);
        let provider = provider(server.root());
        let request = ChatRequest::new([Turn::user("hi")]);
        let error = if streamed {
            in_time(provider.chat_stream(request)).await.map(|_| ()).expect_err("status 429")
        } else {
            in_time(provider.chat(request)).await.expect_err("status 429")
        };
        assert_eq!(error.kind(), ProviderErrorKind::RateLimit);
        assert_eq!(error.status(), Some(429));
        assert_eq!(error.code(), Some(vendor.fixtures.error_code));
        assert_eq!(error.message(), "Too many requests: wait a minute.");
        recorder.assert_sound();
        let span = recorder.span(&format!("chat {MODEL}"));
        assert!(span.is_error());
        assert_eq!(span["error.type"], *error.error_type());
        assert_eq!(span["gen_ai.provider.name"], vendor.name);
    }
}
