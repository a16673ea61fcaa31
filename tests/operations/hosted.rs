//! `#[hosted_agent]` on impls of `HostedAgent`.

use chatlas::hosted_agent;
use chatlas::operations::{AgentInfo, HostedAgent, NewAgent};
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{FinishReason, Usage};
use opentelemetry::trace::SpanKind;
use serde_json::json;

struct Acme {
    info: ProviderInfo,
    agent: AgentInfo,
}

fn acme() -> Acme {
    let info = ProviderInfo::new("acme").with_model("m-1").with_server("agents.acme.example", 443);
    let agent = AgentInfo::new("booking").with_id("ag-1").with_version("3");
    Acme { info, agent }
}

#[hosted_agent]
impl HostedAgent for Acme {
    fn provider(&self) -> &ProviderInfo {
        &self.info
    }

    fn agent(&self) -> &AgentInfo {
        &self.agent
    }

    async fn create(&self, agent: NewAgent) -> Result<AgentInfo, ProviderError> {
        Ok(agent.info.with_id("ag-2"))
    }

    async fn invoke(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        if request.turns.is_empty() {
            return Err(
                ProviderError::new(ProviderErrorKind::InvalidRequest, "empty").with_status(400)
            );
        }
        Ok(Completion::new([Content::text("Booked.")])
            .with_usage(Usage::new(100, 20))
            .with_finish_reason(FinishReason::Stop))
    }
}

#[tokio::test]
async fn hosted_agent_has_client_spans() {
    let trace = Recorder::new();
    let agent = acme();
    let new = NewAgent::new("refunds").with_instructions("Be kind.");
    assert_eq!(agent.create(new).await.unwrap().id.as_deref(), Some("ag-2"));
    agent.invoke(ChatRequest::new([Turn::user("Book it.")])).await.unwrap();
    trace.assert_sound();
    let created = trace.span("create_agent refunds");
    let invoked = trace.span("invoke_agent booking");
    for (span, key, value) in [
        (&created, "gen_ai.operation.name", json!("create_agent")),
        (&created, "gen_ai.agent.name", json!("refunds")),
        (&created, "gen_ai.agent.id", json!("ag-2")),
        (&created, "gen_ai.request.model", json!("m-1")),
        (&invoked, "gen_ai.operation.name", json!("invoke_agent")),
        (&invoked, "gen_ai.provider.name", json!("acme")),
        (&invoked, "gen_ai.agent.id", json!("ag-1")),
        (&invoked, "gen_ai.agent.version", json!("3")),
        (&invoked, "server.address", json!("agents.acme.example")),
        (&invoked, "server.port", json!(443)),
        (&invoked, "gen_ai.usage.input_tokens", json!(100)),
        (&invoked, "gen_ai.response.finish_reasons", json!(["stop"])),
    ] {
        assert_eq!(span[key], value, "{key}");
        assert_eq!(span.kind(), SpanKind::Client);
    }
    for span in [created, invoked] {
        assert!(span.attributes().keys().all(|key| !key.contains("messages")));
    }
    let metric = trace.metric("gen_ai.client.operation.duration");
    assert_eq!(metric.count(), 2);
    assert_eq!(metric.filter("gen_ai.operation.name", "invoke_agent").count(), 1);
}

#[tokio::test]
async fn failed_hosted_agent_has_the_status_as_its_error_type() {
    let trace = Recorder::new();
    acme().invoke(ChatRequest::default()).await.unwrap_err();
    trace.assert_sound();
    let span = trace.span("invoke_agent booking");
    assert_eq!(span["error.type"], "400");
    let metric = trace.metric("gen_ai.client.operation.duration");
    assert_eq!(metric.measurements()[0].attributes()["error.type"], "400");
}

struct Named;

#[hosted_agent(provider = "acme")]
impl HostedAgent for Named {
    fn agent(&self) -> &AgentInfo {
        static INFO: std::sync::LazyLock<AgentInfo> =
            std::sync::LazyLock::new(|| AgentInfo::new("named"));
        &INFO
    }

    async fn invoke(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::new([Content::text("Hi.")]))
    }
}

#[tokio::test]
async fn provider_argument_is_the_provider_and_create_is_unsupported() {
    let trace = Recorder::new();
    Named.invoke(ChatRequest::default()).await.unwrap();
    assert_eq!(trace.span("invoke_agent named")["gen_ai.provider.name"], "acme");
    let error = Named.create(NewAgent::new("x")).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
}
