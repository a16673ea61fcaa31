//! Recordings of Anthropic's API.

use crate::support::cassettes::{self, Interaction, Recording, interactions};
use crate::support::messages::{
    assert_as_recorded, assert_span_carries, chat_of, chat_request, conversations, message_of,
    normalized,
};
use crate::support::request::send;
use crate::support::server::{Answer, Server};
use crate::support::trials::Trials;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{Anthropic, Caching};
use serde_json::Value;

const API: &str = "https://api.anthropic.com/v1/";

fn recordings(method: &str, path: &str) -> Vec<Recording> {
    cassettes::recordings(|m, url| m == method && url.strip_prefix(API) == Some(path))
}

/// Adds the trials of this vendor.
pub(super) fn add(trials: &mut Trials) {
    let messages = recordings("POST", "messages");
    let counts = recordings("POST", "messages/count_tokens");
    let lists = recordings("GET", "models");
    let with_tools = with_conversations(&messages);
    let (streams, shortest) = streams(&messages);
    trials.for_each("anthropic::replies", &messages, replies);
    trials.for_each("anthropic::streams_in_single_bytes", &streams, stream_in_single_bytes);
    trials.for_each("anthropic::streams_split_at_each_byte", &shortest, stream_split_at_each_byte);
    trials.for_each("anthropic::tool_conversations", &with_tools, tool_conversations);
    trials.for_each("anthropic::streamed_equals_complete", &messages, streamed_equals_complete);
    trials.for_each("anthropic::token_counts", &counts, token_counts);
    trials.for_each("anthropic::model_lists", &lists, model_lists);
    trials.add("anthropic::no_recording_is_missing", async move || {
        let played = interactions(&messages).len();
        assert!(messages.len() >= 13 && played >= 29, "{} {played}", messages.len());
        let bytes = |streams: &[Recording]| -> usize {
            interactions(streams).iter().map(|stream| stream.body.len() - 1).sum()
        };
        let cuts = bytes(&streams) + bytes(&shortest);
        assert!(cuts > 40_000, "{cuts}");
        let loops = with_tools.iter().map(|file| conversations(&file.interactions, message).len());
        assert!(loops.sum::<usize>() >= 6);
        assert!(interactions(&counts).len() >= 3);
        assert!(!interactions(&lists).is_empty());
    });
}

fn with_conversations(recordings: &[Recording]) -> Vec<Recording> {
    let mut found = recordings.to_vec();
    found.retain(|recording| !conversations(&recording.interactions, message).is_empty());
    found
}

/// Returns the streamed interactions, and the shortest of them alone.
fn streams(recordings: &[Recording]) -> (Vec<Recording>, Vec<Recording>) {
    let streams = cassettes::retained(recordings, Interaction::streamed);
    let shortest = cassettes::shortest(&streams);
    (streams, shortest)
}

fn message(interaction: &Interaction) -> Value {
    if interaction.streamed() { message_of(&interaction.events()) } else { interaction.json() }
}

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

fn provider(recorded: &Value, server: &Server) -> Anthropic {
    let model = recorded["model"].as_str().expect("a model");
    Anthropic::new(model).with_base_url(server.url()).with_api_key("test").with_http_spans(true)
}

fn assert_head(name: &str, head: &str, path: &str, recorded: &Value) {
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!(" /v1/{path} http/1.1")), "{name}: {head}");
    assert!(head.contains("anthropic-version: 2023-06-01"), "{name}: {head}");
    assert!(head.contains("x-api-key: test"), "{name}: {head}");
    let files = recorded.to_string().contains("file_id");
    assert_eq!(head.contains("anthropic-beta: files-api-2025-04-14"), files, "{name}: {head}");
}

async fn replies(recording: Recording) {
    for interaction in recording.interactions {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(&interaction.request, &server);
        let stream = interaction.request["stream"] == true;
        let result = send(&provider, chat_request(&interaction.request), stream).await;
        let (completion, text, _) = result.expect("the recording is of a success");
        let sent = &server.sent()[0];
        assert_eq!(normalized(&sent.body), normalized(&interaction.request), "{name}");
        assert_head(name, &sent.head, "messages", &interaction.request);
        let message = message(interaction);
        assert_as_recorded("anthropic", name, &completion, &message);
        assert_eq!(text, completion.text(), "{name}");
        assert_span_carries(name, &message, &recorder);
    }
}

async fn stream_in_single_bytes(recording: Recording) {
    for interaction in recording.interactions {
        read_split(interaction, vec![(1..interaction.body.len()).collect()]).await;
    }
}

async fn stream_split_at_each_byte(recording: Recording) {
    for interaction in recording.interactions {
        read_split(
            interaction,
            (1..interaction.body.len()).map(|position| vec![position]).collect(),
        )
        .await;
    }
}

/// Reads a stream once for each list of positions to split it at.
async fn read_split(interaction: &Interaction, splits: Vec<Vec<usize>>) {
    let answers = splits.iter().map(|positions| answer(interaction).split_at(positions)).collect();
    let server = Server::start(answers);
    let provider = provider(&interaction.request, &server).with_http_spans(false);
    let message = message(interaction);
    for _ in &splits {
        let result = send(&provider, chat_request(&interaction.request), true).await;
        let (completion, text, _) = result.expect("a success");
        assert_as_recorded("anthropic", &interaction.name, &completion, &message);
        assert_eq!(text, completion.text());
    }
}

/// The loop of a `Chat` sends the recorded requests.
async fn tool_conversations(recording: Recording) {
    for conversation in conversations(&recording.interactions, message) {
        let name = &conversation[0].name;
        let server = Server::start(conversation.iter().map(|i| answer(i)).collect());
        let model = provider(&conversation[0].request, &server);
        let (mut chat, prompt) = chat_of(model, &conversation);
        let events: Vec<_> = chat.stream(prompt).collect().await;
        assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))), "{name}: {events:?}");
        let sent = server.sent();
        assert_eq!(sent.len(), conversation.len(), "{name}");
        for (sent, recorded) in sent.iter().zip(&conversation) {
            assert_eq!(normalized(&sent.body), normalized(&recorded.request), "{name}");
        }
    }
}

async fn token_counts(recording: Recording) {
    for interaction in recording.interactions {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(&interaction.request, &server);
        let tokens = provider.count_tokens(chat_request(&interaction.request)).await;
        assert_eq!(tokens.ok(), interaction.json()["input_tokens"].as_u64(), "{name}");
        let sent = &server.sent()[0];
        assert_eq!(normalized(&sent.body), normalized(&interaction.request), "{name}");
        assert_head(name, &sent.head, "messages/count_tokens", &interaction.request);
        recorder.assert_sound();
        assert!(recorder.spans().iter().all(|span| !span.name().starts_with("chat ")), "{name}");
    }
}

async fn model_lists(recording: Recording) {
    for interaction in recording.interactions {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = Anthropic::new("any").with_base_url(server.url()).with_api_key("test");
        let models = provider.list_models().await.expect("a list");
        let body = interaction.json();
        let expected = body["data"].as_array().expect("models");
        assert_eq!(models.len(), expected.len());
        for (model, expected) in models.iter().zip(expected) {
            assert_eq!(expected["id"], model.id);
            assert_eq!(expected["display_name"].as_str(), model.name.as_deref());
            assert!(model.created.is_some_and(|seconds| seconds > 1_700_000_000));
        }
        assert_head(&interaction.name, &server.sent()[0].head, "models", &Value::Null);
        recorder.assert_sound();
        assert_eq!(recorder.span("list_models")["gen_ai.provider.name"], "anthropic");
    }
}

/// A recording serves both forms of a request: the complete message is the sum of its events.
async fn streamed_equals_complete(recording: Recording) {
    for interaction in recording.interactions {
        let message = message(interaction);
        let server = Server::start(vec![answer(interaction), Answer::json(200, &message)]);
        let provider = provider(&interaction.request, &server).with_caching(Caching::Off);
        let request = chat_request(&interaction.request);
        let streamed = send(&provider, request.clone(), true).await.expect("a success");
        let complete = send(&provider, request, false).await.expect("a success");
        assert_eq!(streamed.0, complete.0, "{}", interaction.name);
        assert!(!server.sent()[0].body.to_string().contains("cache_control"));
    }
}
