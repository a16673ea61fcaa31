//! Captured content: on which signals, redaction hooks and limits. The conformance tests check its
//! form.

#![allow(clippy::unused_async)] // some tools have nothing to await

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chatlas::prelude::*;
use chatlas::telemetry::{Capture, ContentKind};
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{Content, Turn};
use serde_json::{Value, json};

/// Looks something up.
#[tool]
async fn look_up(word: String) -> Result<Value, String> {
    match word.as_str() {
        "" => Err("canary: no word".to_owned()),
        "text" => Ok("canary: just text".into()),
        _ => Ok(json!({"found": "canary", "times": 2})),
    }
}

/// Draws a picture.
#[tool]
async fn draw() -> Vec<Content> {
    vec![Content::text("canary"), Content::image_base64("image/png", "iVBORw0KGgo=")]
}

fn canary() -> Script {
    let calls = Answer::calls("look_up", json!({"word": "canary"}))
        .call("look_up", json!({"word": "text"}))
        .call("look_up", json!({"word": ""}))
        .call("draw", json!({}));
    Script::new().then(calls).says("canary: the answer").says("canary: and again")
}

async fn run(chat: Chat) -> Chat {
    let mut chat = chat.with_system_prompt("canary: be brief").with_tools(tools![look_up, draw]);
    chat.chat("canary: the question").await.unwrap();
    chat.stream("canary: once more").collect::<Vec<_>>().await;
    chat
}

#[tokio::test]
async fn content_is_recorded_only_on_the_selected_signals() {
    for capture in [Capture::Nothing, Capture::Spans, Capture::Events, Capture::SpansAndEvents] {
        let trace = Recorder::new();
        run(Chat::new(canary()).with_capture(capture)).await;
        let spans = format!("{:?}", trace.spans()).contains("canary");
        let events = format!("{:?}", trace.events()).contains("canary");
        assert_eq!((spans, events), (capture.on_spans(), capture.on_events()), "{capture:?}");
        trace.assert_sound();
    }
}

#[tokio::test]
async fn no_content_is_recorded_by_default() {
    let trace = Recorder::new();
    run(Chat::new(canary())).await;
    assert!(!format!("{:?} {:?}", trace.spans(), trace.events()).contains("canary"));
}

#[tokio::test]
async fn tool_results_are_recorded_as_text_or_json() {
    let trace = Recorder::new();
    run(Chat::new(canary()).with_capture(Capture::Spans)).await;
    let calls = trace.spans_with_operation("execute_tool");
    let result = "gen_ai.tool.call.result";
    let by_word = |word: &str| {
        let find = |call: &&chatlas::testing::RecordedSpan| {
            call.json("gen_ai.tool.call.arguments")["word"] == word
        };
        calls.iter().find(find).unwrap()
    };
    assert_eq!(by_word("canary").json(result), json!({"found": "canary", "times": 2}));
    assert_eq!(by_word("text")[result], "canary: just text");
    assert!(by_word("")[result].is_null(), "it has none");
    let drawn = trace.span("execute_tool draw").json(result);
    assert_eq!(drawn[0], json!({"type": "text", "content": "canary"}));
    assert_eq!(drawn[1]["type"], "blob");
}

#[tokio::test]
async fn redaction_hook_receives_all_content_and_can_change_it() {
    let trace = Recorder::new();
    let kinds: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let seen = Arc::clone(&kinds);
    let chat =
        Chat::new(canary()).with_capture(Capture::SpansAndEvents).with_redaction(move |content| {
            seen.lock().unwrap().insert(format!("{:?}", content.kind()));
            content.each_text(&mut |text| *text = text.replace("canary", "***"));
        });
    let chat = run(chat).await;
    let all = format!("{:?} {:?}", trace.spans(), trace.events());
    assert!(!all.contains("canary") && all.contains("***: the answer"), "{all}");
    assert!(format!("{:?}", chat.turns()).contains("canary"), "the conversation is unchanged");
    let expected =
        ["Error", "Message", "SystemInstructions", "ToolArguments", "ToolDefinition", "ToolResult"];
    assert_eq!(kinds.lock().unwrap().iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn redaction_hook_can_remove_parts() {
    let trace = Recorder::new();
    let chat = Chat::new(Script::new().says("A cat."));
    let mut chat = chat.with_capture(Capture::Spans).with_redaction(|content| {
        if content.kind() == ContentKind::Message
            && let Some(parts) = content.value_mut()["parts"].as_array_mut()
        {
            parts.retain(|part| part["type"] != "blob");
        }
    });
    let picture = Content::image_base64("image/png", "canary");
    chat.chat([Content::text("What is it?"), picture]).await.unwrap();
    let messages = trace.span("invoke_agent").json("gen_ai.input.messages");
    assert_eq!(messages[0]["parts"], json!([{"type": "text", "content": "What is it?"}]));
}

#[tokio::test]
async fn panic_in_a_redaction_hook_drops_only_the_content() {
    let trace = Recorder::new();
    let chat = Chat::new(canary()).with_capture(Capture::SpansAndEvents);
    let chat = run(chat.with_redaction(|_| panic!("on purpose"))).await;
    assert_eq!(chat.turns().len(), 6);
    assert!(!format!("{:?} {:?}", trace.spans(), trace.events()).contains("canary"));
    let messages = trace.spans_with_operation("invoke_agent")[0].json("gen_ai.output.messages");
    assert_eq!(messages[0]["role"], "assistant");
    trace.assert_sound();
}

#[tokio::test]
async fn truncated_content_is_valid_json_and_marked() {
    let trace = Recorder::new();
    let long = "y".repeat(100_000);
    let model = Script::new().calls("look_up", json!({"word": long})).says(long.clone());
    let mut chat = Chat::new(model.otherwise(|_| Answer::says("Yes.")))
        .with_system_prompt(long.as_str())
        .with_tools(tools![look_up])
        .with_capture(Capture::Spans)
        .with_capture_limit(4096);
    chat.chat(long.as_str()).await.unwrap();
    for n in 0..200 {
        chat.chat(format!("question {n}")).await.unwrap();
    }
    for span in trace.spans() {
        for (key, value) in span.attributes().iter() {
            let text = value.as_str().unwrap_or_default();
            assert!(text.len() <= 4096, "{key}: {}", text.len());
            if key.ends_with("messages") || key.ends_with("instructions") {
                serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{key}: {e}"));
            }
        }
    }
    let first = trace.spans_with_operation("chat")[0].json("gen_ai.input.messages");
    let cut = first[0]["parts"][0]["content"].as_str().unwrap();
    assert!(cut.starts_with("yyy") && cut.ends_with("of 100000 bytes]"), "{}", &cut[2000..]);
    // The latest messages of a long conversation are kept, and the first one says how many are missing.
    let last = trace.spans_with_operation("chat").last().unwrap().json("gen_ai.input.messages");
    let messages = last.as_array().unwrap();
    let note = messages[0]["parts"][0]["content"].as_str().unwrap();
    assert!(note.contains("earlier messages; the limit is 4096 bytes"), "{note}");
    assert_eq!(messages.last().unwrap()["parts"][0]["content"], "question 199");
    assert!(messages.len() > 20);
}

#[tokio::test]
async fn default_capture_limit_is_64_kib() {
    let trace = Recorder::new();
    let mut chat = Chat::new(Script::new().says("z".repeat(200_000))).with_capture(Capture::Spans);
    chat.chat("go").await.unwrap();
    let text = trace.span("invoke_agent")["gen_ai.output.messages"].clone();
    let length = text.as_str().unwrap().len();
    assert!((16_000..=64 * 1024).contains(&length), "{length}");
}

#[tokio::test]
async fn past_turns_are_recorded_once() {
    let trace = Recorder::new();
    let shown = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&shown);
    let history = (0..400).map(|n| match n % 2 {
        0 => Turn::user(format!("question {n}")),
        _ => Turn::assistant(format!("answer {n}")),
    });
    let mut chat = Chat::new(Script::from_fn(|_| Answer::says("Yes.")))
        .with_capture(Capture::SpansAndEvents)
        .with_redaction(move |_| *count.lock().unwrap() += 1);
    chat.set_turns(history);
    chat.chat("one").await.unwrap();
    let at_first = std::mem::take(&mut *shown.lock().unwrap());
    assert!(at_first >= 401, "{at_first}");
    for _ in 0..10 {
        chat.chat("more").await.unwrap();
    }
    let later = std::mem::take(&mut *shown.lock().unwrap());
    assert!(later <= 10 * 4, "{later} pieces in ten rounds");

    // A clone continues independently of the original.
    let mut copy = chat.clone();
    copy.chat("copy").await.unwrap();
    chat.chat("original").await.unwrap();
    assert!(*shown.lock().unwrap() <= 2 * 4);
    let messages =
        |index: usize| trace.spans_with_operation("chat")[index].json("gen_ai.input.messages");
    let last = |messages: &Value| messages.as_array().unwrap().last().cloned().unwrap();
    assert_eq!(last(&messages(11))["parts"][0]["content"], "copy");
    assert_eq!(last(&messages(12))["parts"][0]["content"], "original");
    // Neither contains messages of the other.
    assert!(!messages(12).to_string().contains("copy"));
}

#[tokio::test]
async fn partial_reply_of_an_error_is_recorded() {
    use chatlas::{AssistantTurn, FinishReason, ProviderError, ProviderErrorKind};
    let trace = Recorder::new();
    let partial = AssistantTurn::new(vec![Content::text("canary, half of it")])
        .with_usage(chatlas::Usage::new(7, 3))
        .with_finish_reason(FinishReason::ContentFilter)
        .with_response_id("resp-9");
    let error = ProviderError::new(ProviderErrorKind::ContentFilter, "no").with_partial(partial);
    let mut chat = Chat::new(Script::new().fails(error)).with_capture(Capture::Spans);
    chat.chat("go").await.unwrap_err();
    for span in trace.spans() {
        assert_eq!(span["error.type"], "content_filter");
        assert_eq!(span["gen_ai.response.finish_reasons"], json!(["content_filter"]));
        assert_eq!(span["gen_ai.usage.input_tokens"], 7, "{}", span.name());
        let messages = span.json("gen_ai.output.messages");
        assert_eq!(messages[0]["parts"][0]["content"], "canary, half of it");
    }
    assert_eq!(trace.span("chat test-model")["gen_ai.response.id"], "resp-9");
}

#[tokio::test]
async fn server_tools_are_among_the_tool_definitions() {
    let trace = Recorder::new();
    let info = chatlas::ProviderInfo::new("scripted").with_model("m");
    let model = Script::new().with_info(info.with_server_tool("web_search_20250305", "web_search"));
    let mut chat = Chat::new(model.says("Hi").says("Hi")).with_capture(Capture::SpansAndEvents);
    chat.chat("Hi").await.unwrap();
    let searches = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    for span in trace.spans() {
        assert_eq!(span.json("gen_ai.tool.definitions"), searches, "{}", span.name());
    }
    let event = trace.event("gen_ai.client.inference.operation.details");
    assert_eq!(event.attributes().get("gen_ai.tool.definitions"), Some(&searches));
    drop(trace);
    let trace = Recorder::new();
    chat.with_tools(tools![draw]).chat("Hi").await.unwrap();
    let definitions = trace.span("invoke_agent").json("gen_ai.tool.definitions");
    assert_eq!((&definitions[0]["name"], &definitions[1]), (&json!("draw"), &searches[0]));
}

#[test]
fn provider_info_lists_the_server_tools() {
    use chatlas::{Anthropic, Gemini, OpenAi, WebFetch, WebSearch};
    let kinds = |provider: &dyn Provider| {
        let tools = &provider.info().server_tools;
        tools.iter().map(|tool| format!("{} {}", tool.kind, tool.name)).collect::<Vec<_>>()
    };
    let claude = Anthropic::new("m").with_tool(WebSearch::new()).with_tool(WebFetch::new());
    let claude = claude.with_tool(WebSearch::new().with_max_uses(1));
    assert_eq!(kinds(&claude), ["web_fetch_20250910 web_fetch", "web_search_20250305 web_search"]);
    let openai = OpenAi::new("m").with_tool(WebSearch::new());
    assert_eq!(kinds(&openai), ["web_search web_search"]);
    let gemini = Gemini::new("m").with_tool(WebFetch::new()).with_code_execution();
    assert_eq!(kinds(&gemini), ["urlContext web_fetch", "codeExecution code_execution"]);
}

#[tokio::test]
async fn paused_reply_is_recorded_completely() {
    let trace = Recorder::new();
    let paused =
        Answer::says("First, ").with_finish_reason(chatlas::FinishReason::Pause).with_tokens(5, 1);
    let model = Script::new().then(paused).then(Answer::says("then.").with_tokens(7, 2));
    let reply = Chat::new(model).with_capture(Capture::Spans).chat("Go.").await.unwrap();
    let agent = trace.span("invoke_agent");
    let messages = agent.json("gen_ai.output.messages");
    let texts: Vec<_> =
        messages[0]["parts"].as_array().unwrap().iter().map(|p| &p["content"]).collect();
    assert_eq!(texts, ["First, ", "then."]);
    assert_eq!(agent["gen_ai.usage.input_tokens"], 12);
    assert_eq!(reply.usage.input_tokens, Some(12));
}

#[tokio::test]
async fn redacted_messages_keep_their_form() {
    let trace = Recorder::new();
    let model = Script::new().calls("look_up", json!({"word": "canary"})).says("canary");
    let mut chat = Chat::new(model)
        .with_tools(tools![look_up])
        .with_capture(Capture::Spans)
        .with_redaction(|content| *content.value_mut() = json!("***"));
    chat.chat("canary").await.unwrap();
    let agent = trace.span("invoke_agent");
    assert_eq!(
        agent.json("gen_ai.output.messages"),
        json!([{
            "role": "assistant",
            "parts": [{"type": "text", "content": "***"}],
            "finish_reason": "stop",
        }])
    );
    let definition = agent.json("gen_ai.tool.definitions");
    assert_eq!(definition, json!([{"type": "function", "name": "look_up"}]));
    let call = trace.span("execute_tool look_up");
    assert_eq!(call.json("gen_ai.tool.call.arguments"), json!({"unparsed": "***"}));
    let results = trace.spans_with_operation("chat")[1].json("gen_ai.input.messages")[2].clone();
    let part = json!({"type": "tool_call_response", "response": "***"});
    assert_eq!(results, json!({"role": "tool", "parts": [part]}));
}
