//! Rare cases: empty fields in replies, redaction hooks that remove everything, small capture
//! limits, agents inside tools, and operations other than inference.

#![allow(clippy::unused_async)] // some tools have nothing to await

use std::sync::Arc;
use std::time::Duration;

use crate::support::conformance::{Conventions, Findings};
use crate::support::signals::{Signals, signals};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use chatlas::content::Refusal;
use chatlas::prelude::*;
use chatlas::telemetry::{Capture, CapturedContent};
use chatlas::testing::{Answer, Script};
use chatlas::turn::Alternative;
use chatlas::{
    AssistantTurn, CancellationToken, ChatRequest, Completion, FinishReason, Model, ProviderError,
    ProviderErrorKind, ProviderInfo, ToolMode, Usage,
};
use opentelemetry::KeyValue;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::FutureExt as _;
use serde_json::{Value, json};

/// Adds the trials.
pub(super) fn add(trials: &mut Trials) {
    trials.add(
        "edges::empty_fields_of_a_reply_are_not_recorded",
        empty_fields_of_a_reply_are_not_recorded,
    );
    trials.add(
        "edges::minimal_providers_and_operations_other_than_inference_conform",
        minimal_providers_and_operations_other_than_inference_conform,
    );
    trials.add(
        "edges::redacted_and_truncated_content_matches_its_schema",
        redacted_and_truncated_content_matches_its_schema,
    );
    trials.add("edges::nested_and_concurrent_agents_conform", nested_and_concurrent_agents_conform);
    trials.add(
        "edges::cancelled_runs_record_what_they_received",
        cancelled_runs_record_what_they_received,
    );
    trials.add(
        "edges::refusals_filtered_and_empty_replies_conform",
        refusals_filtered_and_empty_replies_conform,
    );
}

/// Returns its argument.
#[tool]
async fn echo(text: String) -> String {
    text
}

/// Takes longer than its timeout.
#[tool(timeout = "20ms")]
async fn slow() -> String {
    tokio::time::sleep(Duration::from_secs(60)).await;
    String::new()
}

/// Runs another agent.
#[tool]
async fn delegate(question: String) -> Result<String, chatlas::ChatError> {
    let model = Script::new().calls("echo", json!({"text": question})).says("Done.");
    let mut expert = Chat::new(model).with_name("expert").with_tools(tools![echo]);
    Ok(expert.chat(question).await?.text())
}

/// A provider with a minimal description.
struct Bare(ProviderInfo);

#[provider]
impl Provider for Bare {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let _ = request;
        Ok(AssistantTurn::new(vec![Content::text("Hi")]))
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        Ok(vec![Model::new("a")])
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        if request.turns.is_empty() { Err(failure(ProviderErrorKind::Timeout)) } else { Ok(7) }
    }
}

fn failure(kind: ProviderErrorKind) -> ProviderError {
    ProviderError::new(kind, "no")
}

struct Conformance {
    conventions: &'static Conventions,
    signals: Signals,
    findings: Findings,
}

impl Conformance {
    fn new() -> Self {
        let conventions = Conventions::get();
        Self { conventions, signals: signals(), findings: Findings::default() }
    }

    /// Checks the signals recorded so far. Violations that contain an `excused` text are ignored:
    /// they are caused by data that the vendor does not send.
    fn check(&mut self, excused: &[&str]) {
        let (conventions, findings) = (self.conventions, &mut self.findings);
        let spans = self.signals.spans();
        for span in &spans {
            conventions.check_span(span, &self.signals.start_of(span), findings);
        }
        Conventions::check_tree(&spans, findings);
        for event in self.signals.events() {
            conventions.check_event(&event, &spans, findings);
        }
        self.signals.each_metric(|metric| conventions.check_metric(metric, findings));
        findings.violations.retain(|found| !excused.iter().any(|word| found.contains(word)));
        assert!(findings.violations.is_empty(), "{}", findings.violations.join("\n"));
        self.signals.clear();
    }
}

const MISSING_FROM_REPLY: [&str; 6] = [
    "`gen_ai.response.id` is recommended",
    "`gen_ai.response.model` is recommended",
    "`gen_ai.usage.input_tokens` is recommended",
    "`gen_ai.usage.output_tokens` is recommended",
    "`server.address` is recommended",
    "`gen_ai.tool.call.id` is recommended",
];

async fn empty_fields_of_a_reply_are_not_recorded() {
    let mut conformance = Conformance::new();
    let reply = |contents: Vec<Content>| {
        AssistantTurn::new(contents)
            .with_response_id("")
            .with_model("")
            .with_attribute("openai.response.system_fingerprint", "")
            .with_finish_reason(FinishReason::Other(String::new()))
    };
    let call = Answer::new()
        .call_with_id("", "echo", json!({"text": ""}))
        .with_response_id("")
        .with_model("");
    let model = Script::new()
        .with_info(ProviderInfo::new("openai").with_model("").with_server("", 443))
        .then(call)
        .then(reply(Vec::new()))
        .then(reply(vec![Content::text("")]));
    let context = opentelemetry::Context::new().with_baggage([KeyValue::new("tenant", "")]);
    let mut chat = Chat::new(model)
        .with_name("")
        .with_description("")
        .with_conversation_id("")
        .with_system_prompt("")
        .with_baggage("tenant")
        .with_tools(tools![echo])
        .with_capture(Capture::SpansAndEvents);
    let talk = async {
        let reply = chat.chat("").await.unwrap();
        reply.feedback("thumbs", "", "");
        chat.stream("").collect::<Vec<_>>().await;
    };
    in_time(talk.with_context(context)).await;
    conformance.check(&MISSING_FROM_REPLY);
}

async fn minimal_providers_and_operations_other_than_inference_conform() {
    let mut conformance = Conformance::new();
    let provider = Arc::new(Bare(ProviderInfo::new("bare")));
    let mut chat = Chat::new(provider.clone());
    in_time(chat.chat("Hi")).await.unwrap();
    in_time(chat.stream("Hi").collect::<Vec<_>>()).await;
    assert_eq!(in_time(chat.count_tokens("Hi")).await, Ok(7));
    in_time(provider.count_tokens(ChatRequest::new([]))).await.unwrap_err();
    in_time(provider.list_models()).await.unwrap();
    assert_eq!(conformance.signals.span("list_models").attributes.len(), 1);
    conformance.check(&MISSING_FROM_REPLY);
}

type Hook = fn(&mut CapturedContent<'_>);

async fn redacted_and_truncated_content_matches_its_schema() {
    let mut conformance = Conformance::new();
    let hooks: [Hook; 5] = [
        |content| *content.value_mut() = json!("[redacted]"),
        |content| *content.value_mut() = Value::Null,
        |content| {
            content.value_mut().take();
            panic!("on purpose")
        },
        |content| content.each_text(&mut String::clear),
        |_| {},
    ];
    let long = "\u{1}\"ä".repeat(30_000);
    for (hook, limit) in hooks.into_iter().zip([600, 4096, 600, 600, 512]) {
        let calls = (0..40).fold(Answer::new(), |answer, n| {
            answer.call_with_id(format!("c{n}"), "echo", json!({"text": "x".repeat(n * 50)}))
        });
        let others = (0..30).map(|_| {
            Alternative::new(vec![Content::text(long.as_str())])
                .with_finish_reason(FinishReason::Stop)
        });
        let last = AssistantTurn::new([Content::text(long.as_str())])
            .with_alternatives(others.collect::<Vec<_>>())
            .with_response_id("r")
            .with_model("m")
            .with_usage(chatlas::Usage::new(1, 1))
            .with_finish_reason(FinishReason::Stop);
        let model = Script::new()
            .with_info(
                ProviderInfo::new("scripted")
                    .with_model("m")
                    .with_server("a.example", 443)
                    .with_server_tool("web_search_20250305", "web_search"),
            )
            .then(calls)
            .then(last)
            .fails(failure(ProviderErrorKind::Overloaded));
        let mut chat = Chat::new(model)
            .with_system_prompt(long.as_str())
            .with_tools(tools![echo, slow, delegate])
            .with_capture(Capture::SpansAndEvents)
            .with_capture_limit(limit)
            .with_redaction(hook);
        in_time(chat.chat(long.as_str())).await.unwrap();
        in_time(chat.chat(long.as_str())).await.unwrap_err();
        for span in conformance.signals.spans() {
            for attribute in &span.attributes {
                let bytes = attribute.value.as_str().len();
                assert!(bytes <= limit, "{bytes} of {limit} in {}", attribute.key);
            }
        }
        conformance.check(&["the numbers of finish reasons and messages differ"]);
    }
}

async fn nested_and_concurrent_agents_conform() {
    let mut conformance = Conformance::new();
    let chat = |name: &str| {
        let calls = Answer::calls("delegate", json!({"question": "a"}))
            .call("delegate", json!({"question": "b"}))
            .call("slow", json!({}))
            .call("echo", json!({"text": 7}));
        let model = Script::new().then(calls).streams(["Do", "ne."]);
        Chat::new(model)
            .with_name(name)
            .with_tools(tools![echo, slow, delegate])
            .with_capture(Capture::SpansAndEvents)
    };
    let (mut a, mut b) = (chat("a"), chat("b").with_tool_mode(ToolMode::Sequential));
    let both = async { tokio::join!(a.chat("Go."), b.stream("Go.").collect::<Vec<_>>()) };
    let (reply, events) = in_time(both).await;
    reply.unwrap();
    assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))));
    let spans = conformance.signals.spans();
    assert_eq!(spans.iter().filter(|span| span.name == "invoke_agent expert").count(), 4);
    for expert in spans.iter().filter(|span| span.name == "invoke_agent expert") {
        let above = spans.iter().find(|s| s.span_context.span_id() == expert.parent_span_id);
        assert_eq!(above.unwrap().name, "execute_tool delegate");
    }
    conformance.check(&[]);
}

async fn cancelled_runs_record_what_they_received() {
    let mut conformance = Conformance::new();
    let stalls = || {
        [
            Script::new().then(Answer::new().then_stalls()),
            Script::new().then(Answer::new().with_response_id("r").with_model("m").then_stalls()),
            Script::new().then(Answer::says("He").usage_update(3, 1).then_stalls()),
            Script::new().then(Answer::new().thinking("Hm").then_stalls()),
            Script::new().calls("never_returns", json!({})),
            Script::new().then(Answer::new().without_done()),
        ]
    };
    for capture in [Capture::Nothing, Capture::SpansAndEvents] {
        for streams in [false, true] {
            for script in stalls() {
                let token = CancellationToken::new();
                let stop = token.clone();
                let mut chat = Chat::new(script)
                    .with_tools(tools![never_returns])
                    .with_cancellation(token)
                    .with_capture(capture);
                let stopping = async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    stop.cancel();
                };
                let talking = async {
                    if streams {
                        chat.stream("Go.").collect::<Vec<_>>().await;
                    } else {
                        let _ = chat.chat("Go.").await;
                    }
                };
                in_time(async { tokio::join!(talking, stopping) }).await;
                conformance.check(&[]);
            }
        }
    }
}

/// Never returns.
#[tool]
async fn never_returns() -> String {
    std::future::pending().await
}

async fn refusals_filtered_and_empty_replies_conform() {
    let mut conformance = Conformance::new();
    let refusal = Content::Refusal(Refusal::new("No."));
    let odd = FinishReason::Other("weird_stop".into());
    let reasons = [FinishReason::ContentFilter, FinishReason::Length, FinishReason::Error, odd];
    for capture in [Capture::Nothing, Capture::Spans, Capture::Events, Capture::SpansAndEvents] {
        let script = reasons.iter().fold(Script::new(), |script, reason| {
            script.then(Answer::new().content(refusal.clone()).with_finish_reason(reason.clone()))
        });
        let no_usage = AssistantTurn::default().with_usage(Usage::default());
        let mut chat = Chat::new(script.then(no_usage)).with_capture(capture);
        for _ in 0..5 {
            in_time(chat.chat("Go.")).await.unwrap();
        }
        // The schema accepts vendor-specific values.
        conformance.check(&[MISSING_FROM_REPLY.as_slice(), &["weird_stop"]].concat());
    }
}
