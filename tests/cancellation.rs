//! A conversation that is cancelled by a token: it ends at once, in an orderly way, and the next
//! one works.

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{CancellationToken, ChatError, ToolContext, Turn};
use chatlas::{Tool, ToolCall, ToolDefinition, ToolError, ToolOutput, ToolSet};
use opentelemetry::trace::Status;
use serde_json::json;
use support::in_time;

/// A tool that never answers, and shows whether it was told to stop.
struct Waits {
    definition: ToolDefinition,
    seen: Arc<Mutex<Option<ToolContext>>>,
}

impl Tool for Waits {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, call: ToolCall) -> chatlas::tool::BoxFuture<'_, Result<ToolOutput, ToolError>> {
        *self.seen.lock().unwrap() = Some(call.context);
        Box::pin(std::future::pending())
    }
}

fn cancelled_soon() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        cancel.cancel();
    });
    token
}

#[tokio::test]
async fn a_token_ends_a_stream_that_stalls() {
    let recorder = Recorder::new();
    let model = Script::new().then(Answer::says("Once upon").stalls()).says("a time");
    let mut chat = Chat::new(model).cancellation(cancelled_soon());
    let begin = Instant::now();
    let events: Vec<_> = in_time(chat.stream("tell").collect::<Vec<_>>()).await;
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(events.last(), Some(&Err(ChatError::Cancelled)));
    let Turn::Assistant(turn) = chat.turns()[1].as_ref() else { panic!("{:?}", chat.turns()) };
    assert_eq!((turn.text().as_str(), turn.partial), ("Once upon", true));
    let spans = recorder.spans();
    recorder.assert_sound();
    assert_eq!(spans.len(), 2);
    for span in &spans {
        assert_eq!(span.status(), Status::Unset, "{}", span.name());
        assert_eq!(span["chatlas.cancelled"], true, "{}", span.name());
    }

    // The same token ends the next run before it begins; a new one lets it run.
    assert_eq!(chat.chat("go on").await, Err(ChatError::Cancelled));
    let mut chat = chat.cancellation(CancellationToken::new());
    assert_eq!(chat.chat("go on").await.unwrap().text(), "a time");
}

#[tokio::test]
async fn a_token_ends_a_tool_that_hangs_and_the_tool_is_told() {
    let recorder = Recorder::new();
    let seen = Arc::default();
    let waits = Waits {
        definition: ToolDefinition::new("wait", "Waits.", json!({"type": "object"})),
        seen: Arc::clone(&seen),
    };
    let mut tools = ToolSet::new();
    tools.add(Arc::new(waits)).unwrap();
    let model = Script::new().calls("wait", json!({})).says("ok");
    let mut chat = Chat::new(model.clone()).tools(tools).cancellation(cancelled_soon());
    assert_eq!(in_time(chat.chat("go")).await, Err(ChatError::Cancelled));
    assert!(seen.lock().unwrap().as_ref().unwrap().cancellation().is_cancelled());
    recorder.assert_sound();

    // The request that was never answered is answered for it.
    let mut chat = chat.cancellation(CancellationToken::new());
    assert_eq!(in_time(chat.chat("and now?")).await.unwrap().text(), "ok");
    let asked = model.requests();
    let Turn::User(turn) = asked[1].turns.last().unwrap().as_ref() else { panic!("{asked:?}") };
    assert!(turn.tool_results().all(|result| result.outcome.is_error()));
    assert_eq!(turn.tool_results().count(), 1);
}
