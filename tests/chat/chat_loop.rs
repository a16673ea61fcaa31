//! The loop of model calls and tool calls: requests, tool results, stream events, history.

#![allow(clippy::unused_async)] // some tools have nothing to await

use std::sync::Arc;

use crate::support::timeout::in_time;
use chatlas::content::{ToolOutcome, ToolResult};
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{
    AssistantTurn, ChatError, ChatRequest, Completion, Content, ProviderError, ProviderErrorKind,
    ProviderInfo, ToolMode, Turn,
};
use serde_json::json;
use tokio::sync::Mutex;

/// Adds two numbers.
#[tool]
fn add(
    /// The first.
    a: i64,
    /// The second.
    b: i64,
) -> i64 {
    a + b
}

/// Divides.
#[tool]
async fn divide(a: i64, b: i64) -> Result<i64, String> {
    a.checked_div(b).ok_or_else(|| "there is no division by zero".to_owned())
}

/// Panics.
#[tool]
async fn crash() -> String {
    panic!("on purpose")
}

/// Panics on a blocking thread.
#[tool]
fn crash_blocking() -> String {
    panic!("on purpose")
}

fn results(turn: &Turn) -> Vec<(String, ToolOutcome)> {
    let Turn::User(turn) = turn else { panic!("{turn:?} is not a user turn") };
    turn.tool_results().map(|result| (result.id.clone(), result.outcome.clone())).collect()
}

fn unavailable() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Overloaded, "try later").with_status(503)
}

#[tokio::test]
async fn tools_run_until_the_model_requests_none() {
    let _recorder = Recorder::new();
    let model = Script::new()
        .calls("add", json!({"a": 1, "b": 2}))
        .calls("divide", json!({"a": 9, "b": 3}))
        .says("three, and three");
    let mut chat =
        Chat::new(model.clone()).with_system_prompt("Calculate.").with_tools(tools![add, divide]);
    let reply = in_time(chat.chat("1+2, 9/3?")).await.unwrap();
    assert_eq!(reply.text(), "three, and three");
    assert_eq!(reply.to_string(), reply.text());
    assert_eq!(reply.rounds, 3);
    assert_eq!(reply.usage, Usage::new(30, 15));
    assert_eq!(chat.turns().len(), 6);
    assert_eq!(results(&chat.turns()[2]), [("call-1".into(), ToolOutcome::Value(json!(3)))]);
    let requests = model.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].system_prompt.as_deref(), Some("Calculate."));
    assert_eq!(requests[0].tools.len(), 2);
    assert_eq!(requests[2].turns.len(), 5);
}

#[tokio::test]
async fn results_are_sent_in_call_order_including_failures() {
    let _recorder = Recorder::new();
    let model = Script::new()
        .then(
            Answer::calls("divide", json!({"a": 1, "b": 0}))
                .call("add", json!({"a": "one", "b": 2}))
                .call("subtract", json!({}))
                .call("add", json!("{\"a\": 1, \"b\": 2}"))
                .call("add", json!("{\"a\": 1, "))
                .call("add", json!({"a": 1, "b": 2, "c": 3}))
                .call("add", json!({"a": 1}))
                .call("crash", json!({}))
                .call("crash_blocking", json!({})),
        )
        .says("sorry");
    let mut chat = Chat::new(model).with_tools(tools![add, divide, crash, crash_blocking]);
    in_time(chat.chat("go")).await.unwrap();
    let results = results(&chat.turns()[2]);
    let ids: Vec<&str> = results.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, (1..=9).map(|n| format!("call-{n}")).collect::<Vec<_>>());
    let outputs: Vec<String> = results.iter().map(|(_, outcome)| outcome.to_model_text()).collect();
    assert_eq!(outputs[0], "there is no division by zero");
    assert!(outputs[1].starts_with("argument `a`: invalid type: string"), "{}", outputs[1]);
    assert!(outputs[2].contains("no tool named `subtract`"), "{}", outputs[2]);
    assert_eq!(outputs[3], "3");
    assert!(outputs[4].contains("not a JSON object"), "{}", outputs[4]);
    assert!(outputs[5].contains("unknown argument `c`"), "{}", outputs[5]);
    assert_eq!(outputs[6], "argument `b` is missing");
    assert_eq!(outputs[7], "The tool `crash` crashed.");
    assert_eq!(outputs[8], "The tool `crash_blocking` crashed.");
}

static MEETING: std::sync::LazyLock<tokio::sync::Barrier> =
    std::sync::LazyLock::new(|| tokio::sync::Barrier::new(2));

/// Waits until two calls wait.
#[tool]
async fn meet() -> &'static str {
    MEETING.wait().await;
    "met"
}

#[tokio::test]
async fn tool_calls_of_one_reply_run_concurrently() {
    let _recorder = Recorder::new();
    let model =
        Script::new().then(Answer::calls("meet", json!({})).call("meet", json!({}))).says("both");
    let mut chat = Chat::new(model).with_tools(tools![meet]);
    in_time(chat.chat("meet")).await.unwrap();
}

static ORDER: Mutex<Vec<String>> = Mutex::const_new(Vec::new());

/// Records its start and its end.
#[tool]
async fn note(name: String, wait: u64) -> String {
    ORDER.lock().await.push(format!("{name} starts"));
    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    ORDER.lock().await.push(format!("{name} ends"));
    name
}

#[tokio::test]
async fn sequential_mode_runs_calls_in_order() {
    let _recorder = Recorder::new();
    let model = Script::new()
        .then(
            Answer::calls("note", json!({"name": "a", "wait": 20}))
                .call("note", json!({"name": "b", "wait": 1})),
        )
        .says("done");
    let mut chat = Chat::new(model).with_tools(tools![note]).with_tool_mode(ToolMode::Sequential);
    in_time(chat.chat("go")).await.unwrap();
    assert_eq!(*ORDER.lock().await, ["a starts", "a ends", "b starts", "b ends"]);
}

#[tokio::test]
async fn exceeding_max_rounds_is_an_error_that_names_the_setting() {
    let _recorder = Recorder::new();
    let again = || Answer::calls("add", json!({"a": 1, "b": 1}));
    let model = Script::new().then(again()).then(again()).then(again()).says("two");
    let mut chat = Chat::new(model).with_tools(tools![add]).with_max_rounds(3);
    let error = in_time(chat.chat("1+1?")).await.unwrap_err();
    assert_eq!(error, ChatError::TooManyRounds { limit: 3 });
    assert!(error.to_string().contains("raise the limit with `Chat::with_max_rounds`"), "{error}");
    // The next run works.
    assert_eq!(in_time(chat.chat("well?")).await.unwrap().text(), "two");
}

#[tokio::test]
async fn stream_yields_events_in_order() {
    let _recorder = Recorder::new();
    let calls = Answer::new().thinking("Hm.").text("Let me ").text("see.");
    let calls = calls.call("add", json!({"a": 1, "b": 2}));
    let model = Script::new().then(calls).says("three");
    let mut chat = Chat::new(model).with_tools(tools![add]);
    let mut seen = Vec::new();
    let mut stream = chat.stream("1+2?");
    while let Some(event) = in_time(stream.next()).await {
        seen.push(match event.unwrap() {
            StreamEvent::Text(text) => format!("text {text}"),
            StreamEvent::Thinking(text) => format!("thinking {text}"),
            StreamEvent::ToolRequest(request) => format!("calls {}", request.name),
            StreamEvent::ToolResult(result) => format!("got {}", result.outcome.to_model_text()),
            StreamEvent::Done(reply) => format!("done {reply}"),
            other => panic!("{other:?}"),
        });
    }
    let expected = [
        "thinking Hm.",
        "text Let me ",
        "text see.",
        "calls add",
        "got 3",
        "text three",
        "done three",
    ];
    assert_eq!(seen, expected);
    assert!(in_time(stream.next()).await.is_none(), "an ended stream stays ended");
}

#[tokio::test]
async fn failed_first_call_leaves_the_history_unchanged() {
    let _recorder = Recorder::new();
    let model = Script::new().says("hello").fails(unavailable()).says("again");
    let mut chat = Chat::new(model);
    chat.chat("hi").await.unwrap();
    let before = chat.turns().to_vec();
    assert_eq!(chat.chat("and?").await.unwrap_err(), ChatError::Provider(unavailable()));
    assert_eq!(chat.turns(), before);
    assert_eq!(chat.chat("and?").await.unwrap().text(), "again");
}

#[tokio::test]
async fn call_that_fails_after_tools_keeps_their_results() {
    let _recorder = Recorder::new();
    let model =
        Script::new().calls("add", json!({"a": 1, "b": 2})).fails(unavailable()).says("three");
    let mut chat = Chat::new(model.clone()).with_tools(tools![add]);
    chat.chat("1+2?").await.unwrap_err();
    assert_eq!(chat.turns().len(), 3);
    chat.chat("well?").await.unwrap();
    // The results and the new prompt are one user turn: vendors reject two in a row.
    let requests = model.requests();
    let last = requests[2].turns.last().unwrap();
    assert_eq!(results(last).len(), 1);
    assert_eq!(last.text(), "well?");
}

#[tokio::test]
async fn dropped_stream_keeps_the_received_text_as_a_partial_turn() {
    let _recorder = Recorder::new();
    let model = Script::new().then(Answer::says("Once upon").then_stalls()).says("a time");
    let mut chat = Chat::new(model);
    let mut stream = chat.stream("tell");
    assert_eq!(stream.next().await.unwrap().unwrap(), StreamEvent::Text("Once upon".into()));
    drop(stream);
    let Turn::Assistant(turn) = chat.turns()[1].as_ref() else { panic!("{:?}", chat.turns()) };
    assert_eq!((turn.text().as_str(), turn.partial), ("Once upon", true));
    assert_eq!(chat.chat("go on").await.unwrap().text(), "a time");
}

#[tokio::test]
async fn error_in_a_stream_keeps_the_received_text_and_is_returned() {
    let _recorder = Recorder::new();
    let model = Script::new().then(Answer::says("Once").then_fails(unavailable()));
    let mut chat = Chat::new(model);
    let events: Vec<_> = chat.stream("tell").collect().await;
    assert_eq!(events.len(), 2);
    let Err(ChatError::Provider(error)) = &events[1] else { panic!("{events:?}") };
    assert_eq!((error.kind(), error.status()), (unavailable().kind(), Some(503)));
    // The received text is in the error and in the history, but not in the printed error.
    assert_eq!(error.partial().unwrap().text(), "Once");
    assert!(!format!("{error} {error:?}").contains("Once"));
    assert_eq!(chat.turns()[1].text(), "Once");
}

#[tokio::test]
async fn stream_without_its_last_event_is_an_error() {
    let _recorder = Recorder::new();
    let model = Script::new().then(Answer::says("Once").without_done());
    let mut chat = Chat::new(model);
    let events: Vec<_> = chat.stream("tell").collect().await;
    let Some(Err(ChatError::Provider(error))) = events.last() else { panic!("{events:?}") };
    assert_eq!(error.kind(), ProviderErrorKind::TruncatedStream);
}

#[tokio::test]
async fn parameters_reach_the_provider() {
    let _recorder = Recorder::new();
    let model = Script::new().says("ok");
    let mut chat = Chat::new(model.clone())
        .with_temperature(0.2)
        .with_top_p(0.9)
        .with_top_k(40)
        .with_max_tokens(100)
        .with_stop_sequences(["END"])
        .with_seed(7)
        .with_frequency_penalty(0.1)
        .with_presence_penalty(0.3)
        .with_reasoning(chatlas::Reasoning::Low)
        .with_choice_count(2)
        .with_extra("verbosity", "low");
    chat.chat("hi").await.unwrap();
    let params = model.requests()[0].params.clone();
    let expected = json!({
        "temperature": 0.2, "top_p": 0.9, "top_k": 40, "max_tokens": 100, "stop_sequences": ["END"],
        "seed": 7, "frequency_penalty": 0.1, "presence_penalty": 0.3, "reasoning": "low",
        "choice_count": 2, "tool_choice": null, "previous_response_id": null, "extra": {"verbosity": "low"},
    });
    assert_eq!(serde_json::to_value(params).unwrap(), expected);
}

#[tokio::test]
async fn stored_conversation_round_trips_and_continues() {
    let _recorder = Recorder::new();
    let model = Script::new().calls("add", json!({"a": 1, "b": 2})).says("three");
    let mut chat = Chat::new(model).with_tools(tools![add]);
    chat.chat([Content::text("1+2?"), Content::image_url("https://example.com/x.png")])
        .await
        .unwrap();
    let stored = serde_json::to_string(chat.turns()).unwrap();
    let turns: Vec<Turn> = serde_json::from_str(&stored).unwrap();
    let model = Script::new().says("still three");
    let mut later = Chat::new(model.clone());
    later.set_turns(turns);
    assert_eq!(later.turns(), chat.turns());
    later.chat("sure?").await.unwrap();
    assert_eq!(model.requests()[0].turns.len(), 5);
}

#[test]
fn every_content_type_round_trips_through_json() {
    let _recorder = Recorder::new();
    let replay = chatlas::content::Replay::new("openai", json!({"id": "x"}));
    let contents = vec![
        Content::text("a"),
        Content::Thinking(chatlas::content::Thinking::new("b").with_replay(replay.clone())),
        Content::Refusal(chatlas::content::Refusal::new("no")),
        Content::image_base64("image/png", "AAAA"),
        Content::document_base64("a.pdf", "application/pdf", "AAAA"),
        Content::document_url("https://example.com/a.pdf"),
        Content::Citation(chatlas::content::Citation::from_url("https://example.com")),
        Content::ServerTool(chatlas::content::ServerTool::new("web_search", replay)),
        Content::ToolResult(ToolResult::new("1", "t", ToolOutcome::Error("e".into()))),
    ];
    let stored = serde_json::to_string(&contents).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Content>>(&stored).unwrap(), contents);
}

#[tokio::test]
async fn chat_with_a_shared_provider_can_move_to_another_task() {
    let _recorder = Recorder::new();
    let model: Arc<dyn Provider> = Arc::new(Script::new().says("ok"));
    let mut chat = Chat::new(model);
    let reply = tokio::spawn(async move { chat.chat("hi").await }).await.unwrap().unwrap();
    assert_eq!(reply.text(), "ok");
}

/// Returns a long text.
#[tool]
async fn long(length: usize) -> String {
    "x".repeat(length)
}

#[tokio::test]
async fn calls_with_the_same_id_both_get_a_result() {
    let _recorder = Recorder::new();
    let calls = Answer::new()
        .call_with_id("c", "add", json!({"a": 1, "b": 2}))
        .call_with_id("c", "add", json!({"a": 3, "b": 4}))
        .call_with_id("c", "subtract", json!({}));
    let model = Script::new().then(calls).says("3 and 7");
    let mut chat = Chat::new(model).with_tools(tools![add]);
    in_time(chat.chat("go")).await.unwrap();
    let results = results(&chat.turns()[2]);
    let outputs: Vec<String> = results.iter().map(|(_, outcome)| outcome.to_model_text()).collect();
    assert_eq!(outputs[..2], ["3", "7"]);
    assert_eq!(results.len(), 3);
}

#[tokio::test]
async fn hundred_calls_in_one_reply_get_results_in_order() {
    let _recorder = Recorder::new();
    let calls =
        (0..100).fold(Answer::new(), |answer, n| answer.call("add", json!({"a": n, "b": n})));
    for mode in [ToolMode::Concurrent, ToolMode::Sequential] {
        let model = Script::new().then(calls.clone()).says("ok");
        let mut chat = Chat::new(model).with_tools(tools![add]).with_tool_mode(mode);
        in_time(chat.stream("go").collect::<Vec<_>>()).await;
        let results = results(&chat.turns()[2]);
        assert_eq!(results.len(), 100);
        for (n, (id, outcome)) in results.iter().enumerate() {
            let expected = (&format!("call-{}", n + 1), &ToolOutcome::Value(json!(2 * n)));
            assert_eq!((id, outcome), expected);
        }
    }
}

#[tokio::test]
async fn large_result_reaches_the_model_unchanged() {
    let _recorder = Recorder::new();
    let model = Script::new().calls("long", json!({"length": 5_000_000})).says("ok");
    let mut chat = Chat::new(model.clone()).with_tools(tools![long]);
    in_time(chat.chat("go")).await.unwrap();
    let requests = model.requests();
    let last = requests[1].turns.last().unwrap();
    assert_eq!(results(last)[0].1.to_model_text().len(), 5_000_000);
}

#[tokio::test]
async fn provider_without_streaming_yields_one_text_event() {
    struct CompleteOnly(chatlas::ProviderInfo);

    #[provider]
    impl Provider for CompleteOnly {
        fn info(&self) -> &chatlas::ProviderInfo {
            &self.0
        }

        async fn chat(
            &self,
            _: chatlas::ChatRequest,
        ) -> Result<chatlas::Completion, ProviderError> {
            Ok(AssistantTurn::new(vec![Content::text("all at once")]))
        }
    }

    let recorder = Recorder::new();
    let mut chat =
        Chat::new(CompleteOnly(chatlas::ProviderInfo::new("complete-only").with_model("w")));
    let events: Vec<_> = in_time(chat.stream("hi").collect::<Vec<_>>()).await;
    assert_eq!(events[0], Ok(StreamEvent::Text("all at once".into())));
    assert!(matches!(&events[1], Ok(StreamEvent::Done(reply)) if reply.text() == "all at once"));
    // No stream was requested, so the span does not have these attributes.
    let span = recorder.span("chat w");
    for key in ["gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"] {
        assert!(span[key].is_null());
    }
}

/// Calls the second provider if the first one fails.
struct Fallback(Arc<dyn Provider>, Arc<dyn Provider>);

#[provider(transparent)]
impl Provider for Fallback {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        match self.0.chat(request.clone()).await {
            Err(_) => self.1.chat(request).await,
            reply => reply,
        }
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        match self.0.chat_stream(request.clone()).await {
            Err(_) => self.1.chat_stream(request).await,
            reply => reply,
        }
    }
}

#[tokio::test]
async fn shared_provider_is_a_provider_and_transparent_wrapper_has_no_span() {
    let trace = Recorder::new();
    let (first, second) = (Script::new().fails(unavailable()), Script::new().says("Oslo."));
    let shared: Arc<dyn Provider> = Arc::new(Fallback(Arc::new(first), Arc::new(second)));
    let reply = Chat::new(Arc::clone(&shared)).chat("Where?").await.unwrap();
    assert_eq!(reply.text(), "Oslo.");
    assert_eq!(shared.list_models().await.unwrap_err().kind(), ProviderErrorKind::Unsupported);
    trace.assert_sound();
    assert_eq!(trace.tree(), "invoke_agent\n  chat test-model\n  chat test-model\n");
    let counted = trace.metric("gen_ai.client.inference.usage.output_tokens").sum();
    assert!((counted - 5.0).abs() < f64::EPSILON, "{counted}");
}

#[tokio::test]
async fn shared_provider_streams() {
    let _recorder = Recorder::new();
    let shared = Arc::new(Script::new().streams(["Os", "lo."]));
    let mut chat = Chat::new(shared);
    let mut pieces = Vec::new();
    let mut events = chat.stream("Where?");
    while let Some(event) = events.next().await {
        if let StreamEvent::Text(text) = event.unwrap() {
            pieces.push(text);
        }
    }
    assert_eq!(pieces, ["Os", "lo."]);
}
