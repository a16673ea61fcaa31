//! Any history of turns, of whatever vendor, is sent in a form that the receiver accepts.

pub(crate) mod rules;
mod turns;

use chatlas_core::content::Content;
use chatlas_core::{ChatRequest, Provider, ProviderError, ToolDefinition, Turn};
use chatlas_providers::anthropic::Anthropic;
use chatlas_providers::azure::{AzureOpenAi, AzureOpenAiCompletions};
use chatlas_providers::bedrock::{Bedrock, BedrockApi};
use chatlas_providers::completions::OpenAiCompletions;
use chatlas_providers::google::{Gemini, Vertex};
use chatlas_providers::http::{BearerToken, HttpOptions};
use chatlas_providers::openai::OpenAi;
use chatlas_providers::vendors::{
    Cloudflare, Databricks, DeepSeek, Mistral, OpenRouter, Perplexity,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixed::{Answer, answering};
use rules::Completions;

/// A vendor that receives a history.
struct Receiver {
    name: &'static str,
    provider: fn(HttpOptions) -> Box<dyn Provider>,
    check: fn(&Value) -> Vec<String>,
}

macro_rules! receiver {
    ($name:literal, $provider:expr, $check:expr) => {
        Receiver {
            name: $name,
            provider: |http| Box::new($provider.with_api_key("k").with_http(http)),
            check: $check,
        }
    };
}

const OPENAI: Completions =
    Completions { is_openai: true, is_mistral: false, is_deepseek: false, requires_content: false };
const OTHER: Completions = Completions { is_openai: false, ..OPENAI };

fn bedrock(model: &str, api: BedrockApi) -> Bedrock {
    Bedrock::new(model).with_region("us-east-1").with_api(api)
}

fn receivers() -> Vec<Receiver> {
    vec![
        receiver!("Responses", OpenAi::new("gpt-5.4"), rules::responses),
        receiver!("Responses, no reasoning", OpenAi::new("gpt-4o"), rules::responses),
        receiver!(
            "Azure",
            AzureOpenAi::new("m").with_resource("https://a.example"),
            rules::responses
        ),
        receiver!("Completions", OpenAiCompletions::new("m"), |body| rules::completions(
            body, OPENAI
        )),
        receiver!(
            "Azure Completions",
            AzureOpenAiCompletions::new("m").with_resource("https://a.example"),
            |body| rules::completions(body, Completions { is_openai: false, ..OPENAI })
        ),
        receiver!("Mistral", Mistral::new("m"), |body| {
            rules::completions(body, Completions { is_mistral: true, ..OTHER })
        }),
        receiver!("DeepSeek", DeepSeek::new("m"), |body| {
            rules::completions(body, Completions { is_deepseek: true, ..OTHER })
        }),
        receiver!("OpenRouter", OpenRouter::new("m"), |body| {
            rules::completions(body, Completions { requires_content: true, ..OTHER })
        }),
        receiver!("Cloudflare", Cloudflare::new("m").with_account("a"), |body| {
            rules::completions(body, Completions { requires_content: true, ..OTHER })
        }),
        receiver!("Databricks", Databricks::new("m").with_workspace("a.example"), |body| {
            rules::completions(body, OTHER)
        }),
        receiver!("Perplexity", Perplexity::new("m"), |body| rules::completions(body, OTHER)),
        receiver!("Anthropic", Anthropic::new("claude-sonnet-4-5"), rules::messages),
        receiver!("Gemini 2.5", Gemini::new("gemini-2.5-flash"), |body| rules::gemini(body, false)),
        receiver!("Gemini 3", Gemini::new("gemini-3-pro"), |body| rules::gemini(body, true)),
        Receiver {
            name: "Vertex",
            provider: |http| {
                let token = || async { Ok::<_, ProviderError>(BearerToken::new("t")) };
                let vertex = Vertex::new("gemini-3-pro").with_project("p").with_location("global");
                Box::new(vertex.with_token_provider(token).with_http(http))
            },
            check: |body| rules::gemini(body, true),
        },
        receiver!(
            "InvokeModel",
            bedrock("us.anthropic.claude-sonnet-4-5", BedrockApi::InvokeModel),
            rules::messages
        ),
        receiver!(
            "Converse",
            bedrock("us.anthropic.claude-sonnet-4-5", BedrockApi::Converse),
            rules::converse
        ),
        receiver!(
            "Converse, Nova",
            bedrock("amazon.nova-lite-v1:0", BedrockApi::Converse),
            rules::converse
        ),
    ]
}

/// Returns the body that a vendor receives. The answer is no valid reply.
fn sent(receiver: &Receiver, request: ChatRequest) -> Value {
    let (http, sent) = answering([Answer::new(200, "application/json", "{}")]);
    let provider = (receiver.provider)(http);
    let result = super::fixed::run(provider.chat(request));
    let requests = sent.all();
    let [request] = requests.as_slice() else { panic!("{}: {result:?}", receiver.name) };
    request.body.clone()
}

fn request(turns: &[Turn], has_tools: bool) -> ChatRequest {
    let mut request = ChatRequest::new(turns.to_vec());
    if has_tools {
        request.tools = [ToolDefinition::new("look", "Looks.", json!({"type": "object"}))].into();
    }
    request
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_is_acceptable_to_any_vendor(
        turns in turns::history(),
        has_tools in any::<bool>(),
    ) {
        for receiver in receivers() {
            let body = sent(&receiver, request(&turns, has_tools));
            let violations = (receiver.check)(&body);
            prop_assert!(violations.is_empty(), "{}: {violations:#?}", receiver.name);
            let sent = body.to_string();
            for text in turns.iter().flat_map(Turn::contents) {
                let Content::Text(text) = text else { continue };
                let text = text.text.trim();
                let is_sent = sent.contains(text) || sent.contains("audio_1");
                prop_assert!(is_sent, "{}: {text} is lost: {sent}", receiver.name);
            }
        }
    }
}
