//! Recordings of AWS Bedrock.

use crate::support::cassettes::{self, Interaction, Recording, interactions};
use crate::support::frames::{self, chunks};
use crate::support::messages::{
    assert_as_recorded, assert_span_carries, chat_of, chat_request, conversations, message_of,
    normalized,
};
use crate::support::request::send;
use crate::support::server::{Answer, Server};
use crate::support::trials::Trials;
use chatlas::Bedrock;
use chatlas::bedrock::Credentials;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use serde_json::Value;

const RUNTIME: &str = "https://bedrock-runtime.us-east-1.amazonaws.com";

/// Adds the trials of this vendor.
pub(super) fn add(trials: &mut Trials) {
    let messages =
        cassettes::recordings(|method, url| method == "POST" && url.starts_with(RUNTIME));
    let lists = cassettes::recordings(|method, url| {
        method == "GET" && url == "https://bedrock.us-east-1.amazonaws.com/foundation-models"
    });
    let mut with_tools = messages.clone();
    with_tools.retain(|file| !conversations(&file.interactions, message).is_empty());
    let streams = cassettes::retained(&messages, streamed);
    let shortest = cassettes::shortest(&streams);
    trials.for_each("bedrock::replies", &messages, replies);
    trials.for_each("bedrock::streams_in_single_bytes", &streams, stream_in_single_bytes);
    trials.for_each("bedrock::streams_split_at_each_byte", &shortest, stream_split_at_each_byte);
    trials.for_each("bedrock::tool_conversations", &with_tools, tool_conversations);
    trials.for_each("bedrock::model_lists", &lists, model_lists);
    trials.add("bedrock::no_recording_is_missing", async move || {
        let all = interactions(&messages);
        let thinks = |interaction: &&&Interaction| {
            let blocks = message(interaction)["content"].clone();
            blocks.as_array().is_some_and(|blocks| blocks.iter().any(|b| b["type"] == "thinking"))
        };
        assert!(messages.len() >= 6 && all.len() >= 14, "{} {}", messages.len(), all.len());
        assert_eq!(all.iter().filter(thinks).count(), 1);
        let bytes = |streams: &[Recording]| -> usize {
            interactions(streams).iter().map(|stream| stream.body.len() - 1).sum()
        };
        let cuts = bytes(&streams) + bytes(&shortest);
        assert!(cuts > 29_000, "{cuts}");
        let loops = with_tools.iter().map(|file| conversations(&file.interactions, message).len());
        assert!(loops.sum::<usize>() >= 2);
        assert!(!interactions(&lists).is_empty());
    });
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

/// Returns the path of the request: `/model/{id}/{operation}`.
fn path(interaction: &Interaction) -> &str {
    interaction.url.strip_prefix(RUNTIME).expect("an address of the runtime")
}

/// Returns the provider with the settings of the recorded request.
fn provider(interaction: &Interaction, server: &Server) -> Bedrock {
    let model = path(interaction).split('/').nth(2).expect("a model");
    let keys = Credentials::new("AKIDTEST", "canary-secret", None, None, "test");
    let provider = Bedrock::new(model)
        .with_region("us-east-1")
        .with_base_url(server.url())
        .with_credentials_provider(keys)
        .with_http_spans(true);
    match interaction.request["thinking"]["budget_tokens"].as_u64() {
        Some(tokens) => provider.with_thinking_budget(u32::try_from(tokens).expect("a budget")),
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

async fn replies(recording: Recording) {
    for interaction in recording.interactions {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(interaction, &server);
        let stream = streamed(interaction);
        let result = send(&provider, chat_request(&interaction.request), stream).await;
        let (completion, text, thoughts) = result.expect("the recording is of a success");
        let sent = &server.sent()[0];
        assert_eq!(normalized(&sent.body), normalized(&interaction.request), "{name}");
        assert_head(name, &sent.head, path(interaction));
        let message = message(interaction);
        assert_as_recorded("aws.bedrock", name, &completion, &message);
        assert_eq!(text, completion.text(), "{name}");
        let thinks = message["content"].to_string().contains("\"thinking\"");
        assert_eq!(!thoughts.is_empty(), thinks, "{name}");
        assert_span_carries(name, &message, &recorder);
        let spans = recorder.spans();
        let chat = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a span");
        assert_eq!(chat["gen_ai.provider.name"], "aws.bedrock");
        assert!(!format!("{spans:?}").contains("canary"), "{name}");
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
    let provider = provider(interaction, &server).with_http_spans(false);
    let message = message(interaction);
    for _ in &splits {
        let result = send(&provider, chat_request(&interaction.request), true).await;
        let (completion, text, _) = result.expect("a success");
        assert_as_recorded("aws.bedrock", &interaction.name, &completion, &message);
        assert_eq!(text, completion.text());
    }
}

/// The loop of a `Chat` sends the recorded requests.
async fn tool_conversations(recording: Recording) {
    for conversation in conversations(&recording.interactions, message) {
        let name = &conversation[0].name;
        let server = Server::start(conversation.iter().map(|i| answer(i)).collect());
        let (mut chat, prompt) = chat_of(provider(conversation[0], &server), &conversation);
        let events: Vec<_> = chat.stream(prompt).collect().await;
        assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))), "{name}: {events:?}");
        let sent = server.sent();
        assert_eq!(sent.len(), conversation.len(), "{name}");
        for (sent, recorded) in sent.iter().zip(&conversation) {
            assert_eq!(normalized(&sent.body), normalized(&recorded.request), "{name}");
        }
    }
}

async fn model_lists(recording: Recording) {
    for interaction in recording.interactions {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let keys = Credentials::new("AKIDTEST", "canary-secret", None, None, "test");
        let provider = Bedrock::new("any")
            .with_region("us-east-1")
            .with_base_url(server.url())
            .with_credentials_provider(keys);
        let models = provider.list_models().await.expect("a list");
        let body = interaction.json();
        let expected = body["modelSummaries"].as_array().expect("models");
        let texts: Vec<&Value> = expected
            .iter()
            .filter(|model| model["outputModalities"].to_string().contains("TEXT"))
            .collect();
        assert_eq!(models.len(), texts.len());
        for (model, expected) in models.iter().zip(&texts) {
            assert_eq!(expected["modelId"], model.id);
            assert_eq!(expected["modelName"].as_str(), model.name.as_deref());
            assert_eq!(expected["providerName"].as_str(), model.owner.as_deref());
        }
        assert!(models.iter().any(|model| model.id.starts_with("anthropic.claude")));
        assert_head(&interaction.name, &server.sent()[0].head, "/foundation-models");
        recorder.assert_sound();
    }
}
