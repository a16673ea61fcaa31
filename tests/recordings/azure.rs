//! Recordings of Azure OpenAI. There are none of its Chat Completions: these tests use OpenAI's own.

use crate::support::cassettes::{Interaction, Recording, interactions, retained};
use crate::support::completions::{completions, recorded_reply};
use crate::support::responses::{azure_responses, chat_request, normalized, response};
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use crate::support::wire::{every_position, split_at};
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    AzureOpenAi, AzureOpenAiCompletions, BearerToken, Completion, CompletionEvent, CompletionStream,
};
use serde_json::{Value, json};

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

fn origin(server: &Server) -> &str {
    server.url().strip_suffix("/v1").expect("the test server's own path")
}

async fn last_event(mut events: CompletionStream) -> Completion {
    let mut done = None;
    while let Some(event) = in_time(events.next()).await {
        if let CompletionEvent::Done(completion) = event.expect("a success") {
            done = Some((*completion).clone());
        }
    }
    done.expect("a last event")
}

fn text(response: &Value) -> &str {
    let output = response["output"].as_array().expect("output");
    let message = output.iter().find(|item| item["type"] == "message").expect("a message");
    message["content"][0]["text"].as_str().expect("text")
}

fn assert_as_recorded(completion: &Completion, response: &Value) {
    assert_eq!(completion.text(), text(response));
    assert_eq!(completion.response_id.as_deref(), response["id"].as_str());
    let usage = &response["usage"];
    assert_eq!(completion.usage.input_tokens, usage["input_tokens"].as_u64());
    assert_eq!(completion.usage.output_tokens, usage["output_tokens"].as_u64());
    let reasoning = usage["output_tokens_details"]["reasoning_tokens"].as_u64();
    assert_eq!(completion.usage.reasoning_tokens, reasoning);
    let thinking = completion.contents.iter().find_map(|content| match content {
        Content::Thinking(thinking) => thinking.replay.as_ref(),
        _ => None,
    });
    assert_eq!(thinking.expect("a thought").provider, "azure.ai.openai");
}

/// Adds the trials of this vendor.
pub(super) fn add(trials: &mut Trials) {
    let responses = azure_responses();
    let openai = retained(&completions(), |interaction| {
        interaction.url.contains("api.openai.com") && interaction.streamed()
    });
    trials.for_each("azure::replies_and_streams_in_single_bytes", &responses, replies);
    let three = interactions(&openai).into_iter().take(3);
    let three: Vec<Recording> = three.map(Recording::from).collect();
    trials.for_each("azure::completions_send_the_deployment_in_the_path", &three, deployment_path);
    trials.add("azure::no_recording_is_missing", async move || assert_eq!(responses.len(), 2));
}

async fn replies(recording: Recording) {
    for interaction in recording.interactions {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let model = interaction.request["model"].as_str().expect("a model");
        let azure =
            AzureOpenAi::new(model).with_resource(origin(&server)).with_api_key("azure-key");
        let request = chat_request(&interaction.request);
        let events = azure.chat_stream(request.clone()).await.expect("a stream");
        let completion = last_event(events).await;
        let response = response(interaction);
        assert_as_recorded(&completion, &response);
        let sent = &server.sent()[0];
        assert_eq!(normalized(&sent.body), normalized(&interaction.request));
        let path = interaction.url.splitn(4, '/').nth(3).expect("a path");
        assert!(sent.head.starts_with(&format!("POST /{path} HTTP/1.1\r\n")), "{}", sent.head);
        let head = sent.head.to_lowercase();
        assert!(head.contains("api-key: azure-key\r\n") && !head.contains("authorization"));
        recorder.assert_sound();
        let span = recorder.span(&format!("chat {model}"));
        for (key, value) in [
            ("gen_ai.provider.name", &json!("azure.ai.openai")),
            ("gen_ai.usage.input_tokens", &response["usage"]["input_tokens"]),
            ("gen_ai.usage.output_tokens", &response["usage"]["output_tokens"]),
            ("gen_ai.response.id", &response["id"]),
            ("openai.api.type", &Value::Null),
            ("openai.response.service_tier", &Value::Null),
        ] {
            assert_eq!(&span[key], value, "{key}");
        }
        let http = split_at(interaction, &every_position(interaction));
        let azure = AzureOpenAi::new(model)
            .with_resource("https://a.example")
            .with_api_key("k")
            .with_http(http);
        let events = azure.chat_stream(request).await.expect("a stream");
        assert_as_recorded(&last_event(events).await, &response);
    }
}

async fn deployment_path(recording: Recording) {
    for interaction in recording.interactions {
        let server = Server::start(vec![answer(interaction)]);
        let azure = AzureOpenAiCompletions::new("my deployment")
            .with_resource(origin(&server))
            .with_api_version("2024-10-21")
            .with_token_provider(|| async { Ok::<_, std::io::Error>(BearerToken::new("entra")) });
        let request =
            crate::support::completions::chat_request("azure.ai.openai", &interaction.request);
        let completion = last_event(azure.chat_stream(request).await.expect("a stream")).await;
        let reply = recorded_reply(interaction);
        assert_eq!((completion.text(), completion.response_id), (reply.text, Some(reply.id)));
        let sent = &server.sent()[0];
        let path = "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21";
        assert!(sent.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", sent.head);
        let head = sent.head.to_lowercase();
        assert!(head.contains("authorization: bearer entra\r\n") && !head.contains("api-key"));
    }
}
