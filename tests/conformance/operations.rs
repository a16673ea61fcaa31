//! The operations of annotated functions, compared with the conventions.

use chatlas::operations::{AgentInfo, Document, HostedAgent, Judged, MemoryRecord, NewAgent};
use chatlas::prelude::*;
use chatlas::stores::InMemoryStore;
use chatlas::telemetry::{Capture, set_default_capture};
use chatlas::testing::{Answer, Script};
use chatlas::{
    Completion, EmbeddingRequest, Embeddings, FinishReason, MemoryStore as _, ProviderInfo, Usage,
    agent, evaluator, hosted_agent, plan, retriever, workflow,
};

use crate::support::conformance::{Conventions, Findings};
use crate::support::signals::signals;
use crate::support::trials::Trials;

/// Adds the trials.
pub(super) fn add(trials: &mut Trials) {
    trials.add("operations::every_operation_conforms", every_operation_conforms);
}

#[retriever(data_source = "faq", top_k = 1)]
async fn search(query: &str) -> Result<Vec<Document>, String> {
    if query.is_empty() {
        return Err("empty".to_owned());
    }
    Ok(vec![Document::new(query).with_id("d").with_score(0.5)])
}

/// Notes.
#[tool]
fn note(text: String) -> usize {
    text.len()
}

#[plan]
async fn make_plan(model: &impl Provider) -> Result<String, ProviderError> {
    Ok(model.chat(ChatRequest::new([Turn::user("Plan.")])).await?.text())
}

/// Researches.
#[agent(name = "researcher", model = "m", conversation = "c-1")]
async fn research(model: &impl Provider, prompt: &str) -> Result<String, ProviderError> {
    make_plan(model).await?;
    note(prompt.to_owned());
    Ok(model.chat(ChatRequest::new([Turn::user(prompt)])).await?.text())
}

#[workflow(name = "report", conversation = "c-1")]
async fn report(model: &impl Provider, topic: &str) -> Result<String, ProviderError> {
    let _ = search(topic).await;
    research(model, topic).await
}

#[evaluator(labels("pass", "fail"))]
async fn is_short(judged: &Judged) -> bool {
    judged.output.len() < 100
}

struct Hosted(ProviderInfo, AgentInfo);

#[hosted_agent]
impl HostedAgent for Hosted {
    fn provider(&self) -> &ProviderInfo {
        &self.0
    }

    fn agent(&self) -> &AgentInfo {
        &self.1
    }

    async fn create(&self, agent: NewAgent) -> Result<AgentInfo, ProviderError> {
        Ok(agent.info.with_id("a-2"))
    }

    async fn invoke(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        let mut usage = Usage::new(10, 5);
        (usage.cache_read_tokens, usage.cache_write_tokens) = (Some(1), Some(1));
        usage.reasoning_tokens = Some(1);
        Ok(Completion::new([Content::text("Done.")])
            .with_usage(usage)
            .with_finish_reason(FinishReason::Stop))
    }
}

async fn every_operation() {
    let info = || ProviderInfo::new("openai").with_model("m").with_server("api.example", 443);
    let answer = |text: &str| Answer::says(text).with_tokens(10, 5).with_response_id("r");
    let model = Script::new().then(answer("Steps.")).then(answer("Report.")).with_info(info());
    report(&model, "gates").await.unwrap();
    search("").await.unwrap_err();

    let model = Script::new().with_info(info()).with_embeddings(|request| {
        let vectors = request.inputs.iter().map(|_| vec![0.5]);
        Ok(Embeddings::new(vectors).with_model("m").with_tokens(3).with_encoding_format("base64"))
    });
    model.embed(EmbeddingRequest::new(["gates"])).await.unwrap();

    let memory = InMemoryStore::new();
    memory.create_store().await.unwrap();
    memory.create(vec![MemoryRecord::new("tea")]).await.unwrap();
    memory.upsert(vec![MemoryRecord::new("tea").with_id("x").with_metadata("n", 1)]).await.unwrap();
    memory.update(vec![MemoryRecord::new("milk").with_id("x")]).await.unwrap();
    memory.search("tea", 3).await.unwrap();
    memory.delete(vec!["x".to_owned()]).await.unwrap();
    memory.update(vec![MemoryRecord::new("milk").with_id("x")]).await.unwrap_err();
    memory.delete_store().await.unwrap();

    let hosted = Hosted(info(), AgentInfo::new("booking").with_id("a-1"));
    hosted.create(NewAgent::new("refunds").with_instructions("Be kind.")).await.unwrap();
    hosted.invoke(ChatRequest::new([Turn::user("Book.")])).await.unwrap();

    let script = Script::new().then(answer("B12")).with_info(info());
    let reply = Chat::new(script).with_name("gates").chat("Gate?").await.unwrap();
    is_short(&Judged::from_reply("Gate?", &reply)).await;
}

async fn every_operation_conforms() {
    let conventions = Conventions::get();
    let signals = signals();
    let mut findings = Findings::default();
    for capture in [Capture::Nothing, Capture::SpansAndEvents] {
        set_default_capture(Some(capture));
        every_operation().await;
        let spans = signals.spans();
        for span in &spans {
            conventions.check_span(span, &signals.start_of(span), &mut findings);
        }
        Conventions::check_tree(&spans, &mut findings);
        for event in signals.events() {
            conventions.check_event(&event, &spans, &mut findings);
        }
        signals.clear();
    }
    set_default_capture(None);
    signals.each_metric(|metric| conventions.check_metric(metric, &mut findings));
    assert!(findings.violations.is_empty(), "{}", findings.violations.join("\n"));
    for kind in [
        "gen_ai.client.inference",
        "gen_ai.create_agent.client",
        "gen_ai.embeddings.client",
        "gen_ai.execute_tool.internal",
        "gen_ai.invoke_agent.client",
        "gen_ai.invoke_agent.internal",
        "gen_ai.invoke_workflow.internal",
        "gen_ai.memory.client",
        "gen_ai.plan.internal",
        "gen_ai.retrieval.client",
    ] {
        assert!(findings.count(kind) > 0, "{kind}");
    }
}
