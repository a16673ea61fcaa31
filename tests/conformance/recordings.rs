//! The telemetry of every recording that the providers can play.
//!
//! To add the recordings of a vendor, add a line to [`VENDORS`].

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::cassettes::{Interaction, Recording, interactions, recordings};
use crate::support::conformance::{Conventions, Findings, text};
use crate::support::server::{Answer, Server};
use crate::support::signals::{Signals, signals};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::tool::BoxFuture;
use chatlas::{
    Anthropic, AzureOpenAi, Bedrock, Cloudflare, Databricks, DeepSeek, Gemini, HttpOptions,
    HuggingFace, Mistral, OpenAi, OpenAiCompletions, OpenRouter, ToolCall, ToolDefinition,
    ToolError, ToolOutput,
};
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Value, json};

/// A vendor whose recordings are played.
struct Vendor {
    /// The name of the trials.
    label: &'static str,
    /// The value of `gen_ai.provider.name`.
    name: &'static str,
    /// Returns whether a recorded request (its method and URL) is a model call of this vendor.
    fits: fn(&str, &str) -> bool,
    /// Creates the provider for the model of a recording and the server at an address.
    provider: fn(&Interaction, &str) -> Arc<dyn Provider>,
    /// The minimum number of recorded model calls.
    least: usize,
}

/// A vendor of Chat Completions, selected by its host.
macro_rules! completions {
    ($name:literal, $provider:ident, $host:literal, $least:literal) => {
        Vendor {
            label: concat!($name, "::completions"),
            name: $name,
            fits: |_, url| url.contains($host) && url.ends_with("/chat/completions"),
            provider: |recorded, url| {
                Arc::new(
                    $provider::new(model(recorded))
                        .with_api_key("test")
                        .with_base_url(url)
                        .with_http(once()),
                )
            },
            least: $least,
        }
    };
}

const VENDORS: &[Vendor] = &[
    completions!("openai", OpenAiCompletions, "//api.openai.com/", 24),
    completions!("deepseek", DeepSeek, "//api.deepseek.com/", 8),
    completions!("mistral_ai", Mistral, "//api.mistral.ai/", 8),
    completions!("openrouter", OpenRouter, "//openrouter.ai/", 12),
    completions!("huggingface", HuggingFace, "//router.huggingface.co/", 11),
    completions!("cloudflare", Cloudflare, "//api.cloudflare.com/", 5),
    completions!("databricks", Databricks, ".azuredatabricks.net/", 20),
    Vendor {
        label: "azure.ai.openai",
        name: "azure.ai.openai",
        fits: |_, url| url.contains(".cognitiveservices.azure.com/openai/responses"),
        provider: |recorded, url| {
            let azure = AzureOpenAi::new(model(recorded)).with_api_key("test").with_resource(url);
            Arc::new(azure.with_http(once()))
        },
        least: 2,
    },
    Vendor {
        label: "openai",
        name: "openai",
        fits: |method, url| method == "POST" && url == "https://api.openai.com/v1/responses",
        provider: |recorded, url| {
            Arc::new(
                OpenAi::new(model(recorded))
                    .with_api_key("test")
                    .with_base_url(url)
                    .with_http(once()),
            )
        },
        least: 118,
    },
    Vendor {
        label: "anthropic",
        name: "anthropic",
        fits: |method, url| method == "POST" && url == "https://api.anthropic.com/v1/messages",
        provider: |recorded, url| {
            Arc::new(
                Anthropic::new(model(recorded))
                    .with_api_key("test")
                    .with_base_url(url)
                    .with_http(once()),
            )
        },
        least: 30,
    },
    Vendor {
        label: "gcp.gemini",
        name: "gcp.gemini",
        fits: |_, url| {
            url.contains("generativelanguage.googleapis.com")
                && url.to_lowercase().contains("generatecontent")
                && !url.contains(":batch")
        },
        provider: |recorded, url| {
            let model = model_in(&recorded.url, "/models/", ':');
            Arc::new(Gemini::new(model).with_api_key("test").with_base_url(url).with_http(once()))
        },
        least: 21,
    },
    Vendor {
        label: "aws.bedrock",
        name: "aws.bedrock",
        fits: |method, url| method == "POST" && url.contains("bedrock-runtime"),
        provider: |recorded, url| {
            let model = model_in(&recorded.url, "/model/", '/');
            let model = Bedrock::new(model);
            Arc::new(
                model
                    .with_region("us-east-1")
                    .with_api_key("test")
                    .with_base_url(url)
                    .with_http(once()),
            )
        },
        least: 14,
    },
];

/// The beginning of a violation about a missing token count.
const USAGE_MISSING: &str = "`gen_ai.usage.";

/// Returns whether a recorded response contains token counts. AWS frames cannot be searched, so
/// they are assumed to.
fn has_usage(recorded: &Interaction) -> bool {
    let has_counts = recorded.body.windows(6).any(|bytes| bytes == br#""usage"#);
    has_counts || recorded.status != 200 || recorded.url.contains("amazonaws")
}

/// Returns the model in the body of a recorded request.
fn model(recorded: &Interaction) -> String {
    recorded.request["model"].as_str().expect("a model").to_owned()
}

/// Returns the model in a recorded URL, after `folder` and up to `end`.
fn model_in(url: &str, folder: &str, end: char) -> String {
    let (_, rest) = url.split_once(folder).expect("a model");
    rest.split(end).next().unwrap_or_default().to_owned()
}

/// Returns options without retries: each recorded response is sent once.
fn once() -> HttpOptions {
    HttpOptions::default().with_max_retries(0)
}

/// A tool that accepts any arguments.
struct Anything(ToolDefinition);

impl Tool for Anything {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            match call.arguments.as_object().map(serde_json::Map::len) {
                Some(1) => Err(ToolError::new("sorry", "not with one argument")),
                _ => Ok(ToolOutput::Value(json!({"given": call.arguments}))),
            }
        })
    }
}

/// Returns tools for all names in the recorded tool definitions, whatever the vendor's format.
fn tools(recorded: &[&Interaction]) -> ToolSet {
    fn names(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("name").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| names(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for interaction in recorded {
        names(&interaction.request["tools"], &mut found);
    }
    let mut tools = ToolSet::new();
    for name in found {
        let definition = ToolDefinition::new(name, "Takes anything.", json!({"type": "object"}));
        tools.add(Arc::new(Anything(definition))).expect("distinct names");
    }
    tools
}

/// Returns the consecutive interactions that are all streamed, or all complete.
fn runs_of_one_kind(interactions: &[&'static Interaction]) -> Vec<Vec<&'static Interaction>> {
    let mut found: Vec<Vec<&Interaction>> = Vec::new();
    for interaction in interactions.iter().copied() {
        match found.last_mut() {
            Some(last) if last[0].is_streamed() == interaction.is_streamed() => {
                last.push(interaction);
            }
            _ => found.push(vec![interaction]),
        }
    }
    found
}

/// Plays recorded responses, as as many conversations as they make. A tool call may lead from one
/// recorded conversation into the next; the telemetry must be correct nevertheless.
async fn play(vendor: &Vendor, recorded: &[&Interaction], capture: Capture) {
    let mut rest = recorded;
    while let [first, ..] = rest {
        let answers = rest.iter().map(|interaction| {
            Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
        });
        let server = Server::start(answers.collect());
        let mut chat = Chat::new((vendor.provider)(first, server.url()))
            .with_name("player")
            .with_description("Plays recordings.")
            .with_conversation_id("c-1")
            .with_attribute("user.id", "u-1")
            .with_system_prompt("Be brief.")
            .with_tools(tools(recorded))
            .with_max_rounds(rest.len())
            .with_capture(capture);
        if first.is_streamed() {
            let events: Vec<_> = in_time(chat.stream("Go on.").collect::<Vec<_>>()).await;
            assert!(!events.is_empty());
        } else {
            // Some recordings are of errors.
            let _ = in_time(chat.chat("Go on.")).await;
        }
        let played = server.sent().len();
        assert!(played > 0, "{}: no request was sent", first.name);
        rest = &rest[played.min(rest.len())..];
    }
}

/// Checks the signals recorded since the last check.
fn check(signals: &Signals, conventions: &Conventions, findings: &mut Findings) -> Vec<SpanData> {
    let spans = signals.spans();
    for span in &spans {
        conventions.check_span(span, &signals.start_of(span), findings);
    }
    Conventions::check_tree(&spans, findings);
    let events = signals.events();
    for event in &events {
        conventions.check_event(event, &spans, findings);
    }
    let of_operation = |name: &str| {
        let of = |span: &&SpanData| {
            text(&span.attributes, "gen_ai.operation.name").as_deref() == Some(name)
        };
        spans.iter().filter(of).count()
    };
    let details_event = "gen_ai.client.inference.operation.details";
    let details = events.iter().filter(|event| event.event_name() == Some(details_event)).count();
    assert_eq!(details, of_operation("chat"), "one event for each model call");
    signals.clear();
    spans
}

fn assert_conformant(findings: &Findings) {
    let list = findings.violations.join("\n");
    assert!(findings.violations.is_empty(), "{} violations:\n{list}", findings.violations.len());
}

/// Adds the trials: one for each recording of each vendor.
pub(super) fn add(trials: &mut Trials) {
    for vendor in VENDORS {
        let recordings = recordings(vendor.fits);
        let check = format!("recordings::{}", vendor.label);
        let play = async move |recording| conforms(vendor, recording).await;
        trials.for_each(&check, &recordings, play);
        trials.add(format!("{check}::no_recording_is_missing"), async move || {
            let calls = interactions(&recordings).len();
            assert!(calls >= vendor.least, "{calls} model calls");
        });
    }
}

async fn conforms(vendor: &Vendor, recording: Recording) {
    let conventions = Conventions::get();
    let signals = signals();
    let mut findings = Findings::default();
    for run in runs_of_one_kind(&recording.interactions) {
        for capture in [Capture::Nothing, Capture::SpansAndEvents] {
            play(vendor, &run, capture).await;
            let before = findings.violations.len();
            let spans = check(&signals, conventions, &mut findings);
            let fresh = findings.violations.split_off(before);
            // The library cannot report counts that the vendor did not send.
            let counted = run.iter().all(|recorded| has_usage(recorded));
            let fresh = fresh.into_iter().filter(|v| counted || !v.contains(USAGE_MISSING));
            findings.violations.extend(fresh);
            assert_provider(vendor, &spans);
            assert_capture(capture, &spans, &recording.name);
        }
    }
    signals.each_metric(|metric| conventions.check_metric(metric, &mut findings));
    assert_conformant(&findings);
}

fn assert_provider(vendor: &Vendor, spans: &[SpanData]) {
    for span in spans {
        if let Some(name) = text(&span.attributes, "gen_ai.provider.name") {
            assert_eq!(name, vendor.name, "{}", span.name);
        }
    }
}

/// Asserts that content attributes are present exactly if capture is on.
fn assert_capture(capture: Capture, spans: &[SpanData], name: &str) {
    for span in spans {
        let has = |key: &str| text(&span.attributes, key).is_some();
        let on = capture.on_spans();
        let chat = text(&span.attributes, "gen_ai.operation.name").as_deref() == Some("chat");
        for key in ["gen_ai.system_instructions", "gen_ai.input.messages"] {
            assert_eq!(has(key), on && !span.name.starts_with("execute_tool"), "{name} {key}");
        }
        assert!(on || !has("gen_ai.output.messages"), "{name}");
        assert!(on || !has("gen_ai.tool.definitions"), "{name}");
        assert!(on || !has("gen_ai.tool.call.arguments"), "{name}");
        if on && chat && !has("error.type") {
            assert!(has("gen_ai.output.messages"), "{name}");
        }
    }
}
