//! Every recording of Anthropic's API, served over loopback HTTP and consumed through the public
//! API: what comes out, what was sent, and what the spans say.

mod support {
    pub mod asking;
    pub mod cassettes;
    pub mod messages;
    pub mod recorded_tools;
    pub mod server;
    #[path = "mod.rs"]
    pub mod shared;
}

use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{Anthropic, Caching};
use serde_json::Value;
use support::asking::ask;
use support::cassettes::{Interaction, interactions};
use support::messages::{
    DIFFERENCES, assert_as_recorded, assert_span_carries, chat_of, chat_request, conversations,
    meaning, message_of,
};
use support::server::{Answer, Server};

const API: &str = "https://api.anthropic.com/v1/";

fn recordings(method: &str, path: &str) -> Option<Vec<(String, Vec<Interaction>)>> {
    interactions(|m, url| m == method && url.strip_prefix(API) == Some(path))
}

fn message(interaction: &Interaction) -> Value {
    if interaction.streamed() { message_of(&interaction.events()) } else { interaction.json() }
}

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

fn provider(recorded: &Value, server: &Server) -> Anthropic {
    let model = recorded["model"].as_str().expect("a model");
    Anthropic::new(model).base_url(server.url()).api_key("test").http_spans(true)
}

fn assert_head(name: &str, head: &str, path: &str, recorded: &Value) {
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!(" /v1/{path} http/1.1")), "{name}: {head}");
    assert!(head.contains("anthropic-version: 2023-06-01"), "{name}: {head}");
    assert!(head.contains("x-api-key: test"), "{name}: {head}");
    let files = recorded.to_string().contains("file_id");
    assert_eq!(head.contains("anthropic-beta: files-api-2025-04-14"), files, "{name}: {head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recording_comes_out_as_recorded() {
    let Some(files) = recordings("POST", "messages") else { return };
    let mut played = 0;
    for interaction in files.iter().flat_map(|(_, interactions)| interactions) {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(&interaction.request, &server);
        let stream = interaction.request["stream"] == true;
        let asked = ask(&provider, chat_request(&interaction.request), stream).await;
        let (completion, text, _) = asked.expect("the recording is of a success");
        let sent = &server.sent()[0];
        assert_eq!(meaning(&sent.body), meaning(&interaction.request), "{name}");
        assert_head(name, &sent.head, "messages", &interaction.request);
        let message = message(interaction);
        assert_as_recorded("anthropic", name, &completion, &message);
        assert_eq!(text, completion.text(), "{name}");
        assert_span_carries(name, &message, &recorder);
        played += 1;
    }
    println!("replayed {played} replies of {} recordings", files.len());
    for (what, why) in DIFFERENCES {
        println!("differs from the recordings: {what}: {why}");
    }
    assert!(files.len() >= 13 && played >= 29, "{} {played}", files.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_matter_where_a_stream_is_cut() {
    let Some(files) = recordings("POST", "messages") else { return };
    let mut streams: Vec<&Interaction> = files
        .iter()
        .flat_map(|(_, interactions)| interactions)
        .filter(|interaction| interaction.streamed())
        .collect();
    streams.sort_by_key(|interaction| interaction.body.len());
    let mut cuts = 0;
    // Into single bytes, all of them.
    for interaction in &streams {
        cuts += play_cut(interaction, vec![(1..interaction.body.len()).collect()]).await;
    }
    // In two, everywhere in the shortest.
    let everywhere = (1..streams[0].body.len()).map(|place| vec![place]).collect();
    cuts += play_cut(streams[0], everywhere).await;
    println!("{cuts} cuts in {} streams", streams.len());
    assert!(cuts > 40_000, "{cuts}");
}

/// Plays a stream once for each list of places to cut it at.
async fn play_cut(interaction: &Interaction, cuts: Vec<Vec<usize>>) -> usize {
    let answers = cuts.iter().map(|places| answer(interaction).cut(places)).collect();
    let server = Server::start(answers);
    let provider = provider(&interaction.request, &server).http_spans(false);
    let message = message(interaction);
    for _ in &cuts {
        let asked = ask(&provider, chat_request(&interaction.request), true).await;
        let (completion, text, _) = asked.expect("a success");
        assert_as_recorded("anthropic", &interaction.name, &completion, &message);
        assert_eq!(text, completion.text());
    }
    cuts.iter().map(Vec::len).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_sends_what_was_recorded() {
    let Some(files) = recordings("POST", "messages") else { return };
    let mut loops = 0;
    for (_, interactions) in &files {
        for conversation in conversations(interactions, message) {
            let name = &conversation[0].name;
            let server = Server::start(conversation.iter().map(|i| answer(i)).collect());
            let model = provider(&conversation[0].request, &server);
            let (mut chat, prompt) = chat_of(model, &conversation);
            let events: Vec<_> = chat.stream(prompt).collect().await;
            assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))), "{name}: {events:?}");
            let sent = server.sent();
            assert_eq!(sent.len(), conversation.len(), "{name}");
            for (sent, recorded) in sent.iter().zip(&conversation) {
                assert_eq!(meaning(&sent.body), meaning(&recorded.request), "{name}");
            }
            loops += 1;
        }
    }
    println!("{loops} conversations with tools");
    assert!(loops >= 6, "{loops}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_counted_as_the_vendor_counts_them() {
    let Some(files) = recordings("POST", "messages/count_tokens") else { return };
    let mut counted = 0;
    for interaction in files.iter().flat_map(|(_, interactions)| interactions) {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(&interaction.request, &server);
        let tokens = provider.count_tokens(chat_request(&interaction.request)).await;
        assert_eq!(tokens.ok(), interaction.json()["input_tokens"].as_u64(), "{name}");
        let sent = &server.sent()[0];
        assert_eq!(meaning(&sent.body), meaning(&interaction.request), "{name}");
        assert_head(name, &sent.head, "messages/count_tokens", &interaction.request);
        recorder.assert_sound();
        assert!(recorder.spans().iter().all(|span| !span.name().starts_with("chat ")), "{name}");
        counted += 1;
    }
    println!("{counted} counts of {} recordings", files.len());
    assert!(counted >= 3, "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_are_listed() {
    let Some(files) = recordings("GET", "models") else { return };
    let mut listed = 0;
    for interaction in files.iter().flat_map(|(_, interactions)| interactions) {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = Anthropic::new("any").base_url(server.url()).api_key("test");
        let models = provider.list_models().await.expect("a list");
        let told = interaction.json();
        let told = told["data"].as_array().expect("models");
        assert_eq!(models.len(), told.len());
        for (model, told) in models.iter().zip(told) {
            assert_eq!(told["id"], model.id);
            assert_eq!(told["display_name"].as_str(), model.name.as_deref());
            assert!(model.created.is_some_and(|seconds| seconds > 1_700_000_000));
        }
        assert_head(&interaction.name, &server.sent()[0].head, "models", &Value::Null);
        recorder.assert_sound();
        assert_eq!(recorder.span("list_models")["gen_ai.provider.name"], "anthropic");
        listed += 1;
    }
    println!("{listed} lists of models of {} recordings", files.len());
    assert!(listed >= 1, "{listed}");
}

/// A recording serves both ways of asking: the whole message is what its events add up to.
#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_reply_is_the_same_as_a_whole_one() {
    let Some(files) = recordings("POST", "messages") else { return };
    for interaction in files.iter().flat_map(|(_, interactions)| interactions) {
        let message = message(interaction);
        let server = Server::start(vec![answer(interaction), Answer::json(200, &message)]);
        let provider = provider(&interaction.request, &server).caching(Caching::Off);
        let request = chat_request(&interaction.request);
        let streamed = ask(&provider, request.clone(), true).await.expect("a success");
        let whole = ask(&provider, request, false).await.expect("a success");
        assert_eq!(streamed.0, whole.0, "{}", interaction.name);
        assert!(!server.sent()[0].body.to_string().contains("cache_control"));
    }
}
