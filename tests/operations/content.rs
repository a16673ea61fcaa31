//! Capture of content: off by default, redacted, limited, and skipped on request.

use std::sync::Arc;

use chatlas::operations::{Document, MemoryRecord, MemoryStore};
use chatlas::prelude::*;
use chatlas::stores::InMemoryStore;
use chatlas::telemetry::{
    Capture, CapturedContent, ContentKind, set_default_capture, set_default_redaction,
};
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{agent, retriever, toolbox, workflow};
use serde_json::json;

/// Turns capture on for the process, until it is dropped. Needs a recorder of the process.
struct CaptureOn;

impl CaptureOn {
    fn spans() -> Self {
        set_default_capture(Some(Capture::Spans));
        Self
    }
}

impl Drop for CaptureOn {
    fn drop(&mut self) {
        set_default_capture(None);
        set_default_redaction(None);
    }
}

#[retriever]
async fn search(query: &str) -> Vec<Document> {
    vec![Document::new(format!("{query} secret")).with_id("d-1").with_score(0.5)]
}

#[agent(name = "writer")]
async fn write(prompt: &str) -> Result<String, String> {
    if prompt.is_empty() { Err("secret cause".to_owned()) } else { Ok(format!("{prompt}!")) }
}

#[agent(name = "careful", skip(prompt, output))]
async fn write_carefully(prompt: &str) -> String {
    search(prompt).await;
    format!("{prompt}!")
}

#[workflow]
fn shout(#[input] words: &[u32], _other: &str) -> usize {
    words.len()
}

#[tokio::test]
async fn captured_content_has_the_form_of_the_conventions() {
    let trace = Recorder::for_process();
    let _capture = CaptureOn::spans();
    write("Hi").await.unwrap();
    search("gate").await;
    shout(&[1, 2], "x");
    let memory = InMemoryStore::new();
    memory.create(vec![MemoryRecord::new("Ada likes tea").with_id("m")]).await.unwrap();
    memory.search("tea", 1).await.unwrap();
    trace.assert_sound();
    let message = |role: &str, text: &str| json!({"role": role, "parts": [{"type": "text", "content": text}]});
    let agent = trace.span("invoke_agent writer");
    assert_eq!(agent.json("gen_ai.input.messages"), json!([message("user", "Hi")]));
    let mut output = message("assistant", "Hi!");
    output["finish_reason"] = json!("stop");
    assert_eq!(agent.json("gen_ai.output.messages"), json!([output]));
    let workflow = trace.span("invoke_workflow shout");
    assert_eq!(workflow.json("gen_ai.input.messages"), json!([message("user", "[1,2]")]));
    let retrieval = trace.span("retrieval");
    assert_eq!(retrieval["gen_ai.retrieval.query.text"], "gate");
    assert_eq!(
        retrieval.json("gen_ai.retrieval.documents"),
        json!([{"id": "d-1", "score": 0.5, "content": "gate secret"}])
    );
    let created = trace.span("create_memory");
    assert_eq!(
        created.json("gen_ai.memory.records"),
        json!([{"id": "m", "content": "Ada likes tea"}])
    );
    let found = trace.span("search_memory");
    assert_eq!(found["gen_ai.memory.query.text"], "tea");
    assert_eq!(found.json("gen_ai.memory.records")[0]["content"], "Ada likes tea");
    write("").await.unwrap_err();
    let failed = &trace.spans_with_operation("invoke_agent")[1];
    assert!(format!("{:?}", failed.status()).contains("secret cause"));
}

#[tokio::test]
async fn no_content_is_recorded_while_capture_is_off() {
    let trace = Recorder::for_process();
    write("canary").await.unwrap();
    write("").await.unwrap_err();
    search("canary").await;
    let memory = InMemoryStore::new();
    memory.create(vec![MemoryRecord::new("canary")]).await.unwrap();
    memory.search("canary", 1).await.unwrap();
    let all = format!("{:?}{:?}", trace.spans(), trace.events());
    assert!(!all.contains("canary") && !all.contains("secret cause"), "{all}");
}

#[tokio::test]
async fn skipped_parameters_and_outputs_are_never_recorded() {
    let trace = Recorder::for_process();
    let _capture = CaptureOn::spans();
    write_carefully("canary").await;
    let agent = trace.span("invoke_agent careful");
    assert!(!format!("{agent:?}").contains("canary"));
    assert!(agent.attributes().get("gen_ai.output.messages").is_none());
}

#[tokio::test]
async fn redaction_hook_and_limit_apply() {
    let trace = Recorder::for_process();
    let _capture = CaptureOn::spans();
    set_default_redaction(Some(Arc::new(|content: &mut CapturedContent<'_>| {
        if content.kind() == ContentKind::Document {
            *content.value_mut() = json!("gone");
        } else {
            content.each_text(&mut |text| *text = text.replace("secret", "***"));
        }
    })));
    search("secret gate").await;
    write(&"secret long ".repeat(20_000)).await.unwrap();
    let retrieval = trace.span("retrieval");
    assert_eq!(retrieval["gen_ai.retrieval.query.text"], "*** gate");
    assert_eq!(retrieval.json("gen_ai.retrieval.documents"), json!([{"content": "gone"}]));
    let agent = trace.span("invoke_agent writer");
    let output = agent["gen_ai.output.messages"].as_str().unwrap();
    assert!(output.len() <= 64 * 1024 && !output.contains("secret"), "{}", output.len());
    agent.json("gen_ai.output.messages");
}

/// Searches.
#[tool]
async fn look_up(query: String) -> usize {
    search(&query).await.len()
}

#[tokio::test]
async fn settings_of_a_chat_hold_inside_its_tools() {
    let trace = Recorder::new();
    let model = Script::new().calls("look_up", json!({"query": "secret gate"})).says("Done.");
    let mut chat = Chat::new(model)
        .with_tools(tools![look_up])
        .with_attribute("user.id", "ada")
        .with_capture(Capture::Spans)
        .with_redaction(|content| {
            content.each_text(&mut |text| *text = text.replace("secret", "***"));
        });
    chat.chat("go").await.unwrap();
    trace.assert_sound();
    let span = trace.span("retrieval");
    assert_eq!(span["gen_ai.retrieval.query.text"], "*** gate");
    assert_eq!(span["user.id"], "ada");
    assert_eq!(span.json("gen_ai.retrieval.documents")[0]["content"], "*** gate ***");
}

/// Logs a user in.
#[tool(skip(password, output))]
fn log_in(user: &str, password: &str) -> String {
    format!("token of {user}: {password}")
}

/// Finds a page.
#[agent(tool, name = "finder", skip(topic))]
async fn find(topic: &str) -> usize {
    topic.len()
}

struct Accounts;

#[toolbox]
impl Accounts {
    /// Changes the password.
    #[tool(skip(new))]
    fn change(&self, user: &str, new: &str) -> bool {
        user != new
    }
}

#[tokio::test]
async fn skipped_arguments_and_results_of_tools_are_never_recorded() {
    let trace = Recorder::new();
    let calls = Answer::calls("log_in", json!({"user": "ada", "password": "canary"}))
        .call("log_in", json!(r#"{"user": "ada", "password": "can"#))
        .call("finder", json!({"topic": "canary"}))
        .call("change", json!({"user": "ada", "new": "canary"}));
    let model = Script::new().then(calls).says("Done.");
    let mut chat = Chat::new(model)
        .with_tools(tools![log_in, find, ..Accounts])
        .with_capture(Capture::SpansAndEvents);
    chat.chat("go").await.unwrap();
    trace.assert_sound();
    let all = format!("{:?}{:?}", trace.spans(), trace.events());
    assert!(!all.contains("canary") && !all.contains("token of"), "{all}");
    let span = trace.span("execute_tool change");
    assert_eq!(span.json("gen_ai.tool.call.arguments"), json!({"user": "ada"}));
    assert_eq!(span["gen_ai.tool.call.result"], "true");
    let log_in = &trace.spans_with_operation("execute_tool")[0];
    assert_eq!(log_in.json("gen_ai.tool.call.arguments"), json!({"user": "ada"}));
    assert!(log_in.attributes().get("gen_ai.tool.call.result").is_none());
    let messages = trace.spans_with_operation("chat")[1].json("gen_ai.input.messages");
    assert_eq!(messages[1]["parts"][0]["arguments"], json!({"user": "ada"}));
    assert_eq!(messages[2]["parts"][0]["response"], "[not recorded]");
    assert_eq!(messages[2]["parts"][3]["response"], true);
}
