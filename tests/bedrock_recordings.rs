//! Every recording of AWS Bedrock, served over loopback HTTP and consumed through the public API:
//! what comes out, what was sent, and what the spans say.

#![cfg(feature = "bedrock")]

mod support {
    pub mod asking;
    pub mod cassettes;
    pub mod frames;
    pub mod messages;
    pub mod recorded_tools;
    pub mod server;
    #[path = "mod.rs"]
    pub mod shared;
}

use chatlas::Bedrock;
use chatlas::bedrock::Credentials;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use serde_json::Value;
use support::asking::ask;
use support::cassettes::{Interaction, interactions};
use support::frames::{self, chunks};
use support::messages::{
    DIFFERENCES, assert_as_recorded, assert_span_carries, chat_of, chat_request, conversations,
    meaning, message_of,
};
use support::server::{Answer, Server};

const RUNTIME: &str = "https://bedrock-runtime.us-east-1.amazonaws.com";

fn recordings() -> Option<Vec<(String, Vec<Interaction>)>> {
    interactions(|method, url| method == "POST" && url.starts_with(RUNTIME))
}

fn streamed(interaction: &Interaction) -> bool {
    interaction.content_type == frames::CONTENT_TYPE
}

fn message(interaction: &Interaction) -> Value {
    if streamed(interaction) { message_of(&chunks(&interaction.body)) } else { interaction.json() }
}

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

/// The path that was asked: `/model/{id}/{operation}`.
fn path(interaction: &Interaction) -> &str {
    interaction.url.strip_prefix(RUNTIME).expect("an address of the runtime")
}

/// The provider, set as the recorded request was.
fn provider(interaction: &Interaction, server: &Server) -> Bedrock {
    let model = path(interaction).split('/').nth(2).expect("a model");
    let keys = Credentials::new("AKIDTEST", "canary-secret", None, None, "test");
    let provider = Bedrock::new(model)
        .region("us-east-1")
        .base_url(server.url())
        .credentials_provider(keys)
        .http_spans(true);
    match interaction.request["thinking"]["budget_tokens"].as_u64() {
        Some(tokens) => provider.thinking_budget(u32::try_from(tokens).expect("a budget")),
        None => provider,
    }
}

fn assert_head(name: &str, head: &str, path: &str) {
    assert!(head.contains(&format!(" /v1{path} HTTP/1.1")), "{name}: {head}");
    let signature = "authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/";
    assert!(head.contains(signature), "{name}: {head}");
    assert!(head.contains("/us-east-1/bedrock/aws4_request, SignedHeaders="), "{name}: {head}");
    assert!(!head.contains("canary"), "{name}: {head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recording_comes_out_as_recorded() {
    let Some(files) = recordings() else { return };
    let (mut played, mut thought) = (0, 0);
    for interaction in files.iter().flat_map(|(_, interactions)| interactions) {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(interaction, &server);
        let stream = streamed(interaction);
        let asked = ask(&provider, chat_request(&interaction.request), stream).await;
        let (completion, text, thoughts) = asked.expect("the recording is of a success");
        let sent = &server.sent()[0];
        assert_eq!(meaning(&sent.body), meaning(&interaction.request), "{name}");
        assert_head(name, &sent.head, path(interaction));
        let message = message(interaction);
        assert_as_recorded("aws.bedrock", name, &completion, &message);
        assert_eq!(text, completion.text(), "{name}");
        thought += usize::from(!thoughts.is_empty());
        assert_span_carries(name, &message, &recorder);
        let spans = recorder.spans();
        let chat = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a span");
        assert_eq!(chat["gen_ai.provider.name"], "aws.bedrock");
        assert!(!format!("{spans:?}").contains("canary"), "{name}");
        played += 1;
    }
    println!("replayed {played} replies of {} recordings", files.len());
    for (what, why) in DIFFERENCES {
        println!("differs from the recordings: {what}: {why}");
    }
    assert!(files.len() >= 6 && played >= 14 && thought == 1, "{} {played}", files.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_matter_where_a_stream_is_cut() {
    let Some(files) = recordings() else { return };
    let mut streams: Vec<&Interaction> = files
        .iter()
        .flat_map(|(_, interactions)| interactions)
        .filter(|interaction| streamed(interaction))
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
    assert!(cuts > 29_000, "{cuts}");
}

/// Plays a stream once for each list of places to cut it at.
async fn play_cut(interaction: &Interaction, cuts: Vec<Vec<usize>>) -> usize {
    let answers = cuts.iter().map(|places| answer(interaction).cut(places)).collect();
    let server = Server::start(answers);
    let provider = provider(interaction, &server).http_spans(false);
    let message = message(interaction);
    for _ in &cuts {
        let asked = ask(&provider, chat_request(&interaction.request), true).await;
        let (completion, text, _) = asked.expect("a success");
        assert_as_recorded("aws.bedrock", &interaction.name, &completion, &message);
        assert_eq!(text, completion.text());
    }
    cuts.iter().map(Vec::len).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_sends_what_was_recorded() {
    let Some(files) = recordings() else { return };
    let mut loops = 0;
    for (_, interactions) in &files {
        for conversation in conversations(interactions, message) {
            let name = &conversation[0].name;
            let server = Server::start(conversation.iter().map(|i| answer(i)).collect());
            let (mut chat, prompt) = chat_of(provider(conversation[0], &server), &conversation);
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
    assert!(loops >= 2, "{loops}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_are_listed() {
    let found = interactions(|method, url| {
        method == "GET" && url == "https://bedrock.us-east-1.amazonaws.com/foundation-models"
    });
    let Some(files) = found else { return };
    let mut listed = 0;
    for interaction in files.iter().flat_map(|(_, interactions)| interactions) {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let keys = Credentials::new("AKIDTEST", "canary-secret", None, None, "test");
        let provider = Bedrock::new("any")
            .region("us-east-1")
            .base_url(server.url())
            .credentials_provider(keys);
        let models = provider.list_models().await.expect("a list");
        let told = interaction.json();
        let told = told["modelSummaries"].as_array().expect("models");
        let texts: Vec<&Value> = told
            .iter()
            .filter(|model| model["outputModalities"].to_string().contains("TEXT"))
            .collect();
        assert_eq!(models.len(), texts.len());
        for (model, told) in models.iter().zip(&texts) {
            assert_eq!(told["modelId"], model.id);
            assert_eq!(told["modelName"].as_str(), model.name.as_deref());
            assert_eq!(told["providerName"].as_str(), model.owner.as_deref());
        }
        assert!(models.iter().any(|model| model.id.starts_with("anthropic.claude")));
        assert_head(&interaction.name, &server.sent()[0].head, "/foundation-models");
        recorder.assert_sound();
        listed += 1;
    }
    println!("{listed} lists of models of {} recordings", files.len());
    assert!(listed >= 1, "{listed}");
}
