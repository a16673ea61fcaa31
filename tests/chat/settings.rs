//! A chat in a struct: its settings are read and changed between runs, and its streams are owned.

use std::sync::Arc;

use chatlas::prelude::*;
use chatlas::testing::{Recorder, Script};
use chatlas::{DynTool, ToolCall, ToolMode};
use opentelemetry::trace::{
    FutureExt as _, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use serde_json::json;

/// A provider that can change its model.
#[derive(Clone)]
struct Switchable(ProviderInfo, Script);

#[provider(transparent)]
impl Provider for Switchable {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.1.chat(request).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.1.chat_stream(request).await
    }

    fn for_model(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(Self(self.0.clone().with_model(model), self.1.clone())))
    }
}

fn tool(name: &'static str) -> DynTool {
    let run = async |_: ToolCall| Ok::<_, ToolError>("done");
    DynTool::new(name, "", json!({"type": "object"}), run).unwrap()
}

#[tokio::test]
async fn every_setting_can_be_read_and_changed() {
    let model = Script::new().says("a").says("b");
    let mut chat =
        Chat::new(Switchable(ProviderInfo::new("acme").with_model("one"), model.clone()))
            .with_system_prompt("Be brief.")
            .with_name("helper")
            .with_temperature(0.5);
    assert_eq!(chat.system_prompt(), Some("Be brief."));
    assert_eq!((chat.model(), chat.name()), (Some("one"), Some("helper")));
    chat.chat("hi").await.unwrap();

    chat.set_system_prompt(Some("Be verbose."));
    chat.set_model("two").unwrap();
    chat.params_mut().temperature = None;
    chat.set_tool_mode(ToolMode::Sequential);
    chat.set_max_rounds(0);
    chat.add_tool(tool("look")).unwrap();
    chat.add_tool(tool("find")).unwrap();
    assert_eq!(chat.add_tool(tool("look")).unwrap_err().name(), "look");
    assert!(chat.remove_tool("find").is_some());
    assert_eq!((chat.model(), chat.max_rounds()), (Some("two"), 1));
    assert_eq!(chat.tool_mode(), ToolMode::Sequential);
    assert_eq!(chat.tools().len(), 1);
    chat.chat("again").await.unwrap();

    let requests = model.requests();
    assert_eq!(requests[0].params.temperature, Some(0.5));
    assert_eq!(requests[1].params.temperature, None);
    assert_eq!(requests[1].system_prompt.as_deref(), Some("Be verbose."));
    assert_eq!(requests[1].tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["look"]);
    assert_eq!(requests[1].turns.len(), 3, "the conversation continues");

    chat.set_system_prompt(None::<String>);
    assert_eq!(chat.system_prompt(), None);
    chat.set_provider(Script::new().says("c"));
    assert_eq!(chat.chat("and now?").await.unwrap().text(), "c");
}

#[test]
fn a_provider_with_a_fixed_model_reports_that_it_cannot_change_it() {
    let mut chat = Chat::new(Script::new());
    let error = chat.set_model("another").unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
    assert_eq!(error.to_string(), "the provider `scripted` cannot change its model");
    assert_eq!(chat.model(), Some("test-model"));
}

#[tokio::test]
async fn an_owned_stream_is_moved_into_a_task_and_returns_its_chat() {
    let chat = Chat::new(Script::new().streams(["Hel", "lo"]));
    let mut events = chat.into_stream("hi");
    let task = tokio::spawn(async move {
        let mut text = String::new();
        while let Some(event) = events.next().await {
            match event.unwrap() {
                StreamEvent::Text(piece) => text += &piece,
                StreamEvent::Done(reply) => assert_eq!(reply.text(), "Hello"),
                _ => {}
            }
        }
        (text, events.into_chat())
    });
    let (text, chat) = task.await.unwrap();
    assert_eq!(text, "Hello");
    assert_eq!(chat.turns().len(), 2);
    assert_eq!(chat.turns()[1].text(), "Hello");
}

#[tokio::test]
async fn an_owned_stream_that_is_not_read_to_its_end_returns_the_partial_turn() {
    let chat = Chat::new(Script::new().streams(["Hel", "lo"]));
    let mut events = chat.into_stream("hi");
    assert!(matches!(events.next().await, Some(Ok(StreamEvent::Text(_)))));
    let chat = events.into_chat();
    assert_eq!(chat.turns()[1].text(), "Hel");
    let Turn::Assistant(turn) = &*chat.turns()[1] else { panic!("not an assistant turn") };
    assert!(turn.partial);

    let chat = Chat::new(Script::new()).into_stream("not sent").into_chat();
    assert!(chat.turns().is_empty());
}

#[tokio::test]
async fn the_parent_of_an_owned_stream_is_current_at_the_call() {
    let trace = Recorder::new();
    let tracer = Recorder::tracer_provider().tracer("test");
    let request = opentelemetry::Context::current_with_span(tracer.start("request"));
    let chat = Chat::new(Script::new().says("a"));
    let events = async { chat.into_stream("hi") }.with_context(request.clone()).await;
    let elsewhere = opentelemetry::Context::current_with_span(tracer.start("elsewhere"));
    let _: Vec<_> = events.collect::<Vec<_>>().with_context(elsewhere).await;
    let parent = request.span().span_context().span_id();
    assert_eq!(trace.span("invoke_agent").parent_id(), parent);
}
