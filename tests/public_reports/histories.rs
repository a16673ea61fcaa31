//! Conversations that move from one vendor to another, over real round trips.

use chatlas::prelude::*;
use chatlas::{HttpOptions, Turn};
use serde_json::Value;

use super::rules::{self, Completions};
use super::support::protocols::{PROTOCOLS, Protocol};
use super::support::server::{Answer, Server};
use super::support::timeout::in_time;

/// Returns the current time.
#[tool]
fn clock() -> &'static str {
    "noon"
}

/// Returns the rules of a protocol that a request violates.
fn violations(protocol: &Protocol, body: &Value) -> Vec<String> {
    match protocol.target {
        "responses" => rules::responses(body),
        "completions" => {
            rules::completions(body, Completions { is_openai: true, ..Completions::default() })
        }
        "messages" | "invoke_model" => rules::messages(body),
        "gemini" => rules::gemini(body, false),
        "converse" => rules::converse(body),
        other => panic!("there are no rules of {other}"),
    }
}

/// Answers a prompt over a protocol, after these turns. Returns the turns, and the last request.
async fn answered(
    protocol: &Protocol,
    turns: Vec<Turn>,
    answers: Vec<Answer>,
) -> (Vec<Turn>, Value) {
    let server = Server::start(answers);
    let chat = (protocol.chat)(server.root(), HttpOptions::default().with_max_retries(0));
    let mut chat = chat.with_turns(turns).with_tools(tools![clock]);
    let reply = in_time(chat.chat("What time is it?")).await;
    let body = server.sent().pop().expect("a request").body;
    assert!(reply.is_ok(), "{}: {reply:?}: {body}", protocol.name);
    (chat.turns().iter().map(|turn| Turn::clone(turn)).collect(), body)
}

/// A conversation with calls moves from any protocol to any other and back, and each accepts it.
#[tokio::test]
async fn a_conversation_moves_between_all_protocols() {
    for from in PROTOCOLS {
        let called = || Answer::json(200, &(from.tool_call)("clock"));
        let answers = |p: &Protocol| vec![Answer::json(200, &(p.complete)("Noon."))];
        let first = vec![called(), called(), Answer::json(200, &(from.complete)("Noon."))];
        let (turns, _) = answered(from, Vec::new(), first).await;
        for to in PROTOCOLS {
            let (moved, body) = answered(to, turns.clone(), answers(to)).await;
            let found = violations(to, &body);
            assert!(found.is_empty(), "{} to {}: {found:#?}", from.name, to.name);
            let (_, body) = answered(from, moved, answers(from)).await;
            let found = violations(from, &body);
            assert!(found.is_empty(), "{} to {} and back: {found:#?}", from.name, to.name);
        }
    }
}

/// After an empty reply, a failure, and a reply that breaks off, the next prompt is accepted.
#[tokio::test]
async fn the_next_prompt_is_accepted_after_any_reply() {
    for protocol in PROTOCOLS {
        let complete = |text: &str| Answer::json(200, &(protocol.complete)(text));
        for odd in [
            complete(""),
            complete(" \n"),
            Answer::json(400, &(protocol.error_body)("no")),
            Answer::new(200, "application/json", "{"),
            protocol.stream((protocol.begin)()),
            protocol.stream([(protocol.begin)(), (protocol.failure_event)("busy")].concat()),
        ] {
            let server = Server::start(vec![odd, complete("Hello.")]);
            let options = HttpOptions::default().with_max_retries(0);
            let mut chat = (protocol.chat)(server.root(), options);
            let mut stream = chat.stream("Hi?");
            while let Some(event) = in_time(stream.next()).await {
                if event.is_err() {
                    break;
                }
            }
            drop(stream);
            let reply = in_time(chat.chat("Hello?")).await;
            let body = server.sent().pop().expect("a request").body;
            assert!(reply.is_ok(), "{}: {reply:?}: {body}", protocol.name);
            let found = violations(protocol, &body);
            assert!(found.is_empty(), "{}: {found:#?}", protocol.name);
        }
    }
}
