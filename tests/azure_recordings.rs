//! Every recording of Azure OpenAI, consumed through the public API; and its Chat Completions, of
//! which there is no recording, on the recordings of OpenAI's own.

mod support {
    pub mod cassettes;
    pub mod completions;
    pub mod recordings;
    pub mod server;
    #[path = "mod.rs"]
    pub mod shared;
    pub mod wire;
}

use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    AzureOpenAi, AzureOpenAiCompletions, Completion, CompletionEvent, CompletionStream,
    ProviderErrorKind, Token,
};
use serde_json::{Value, json};
use support::cassettes::Interaction;
use support::completions::{completions, told};
use support::recordings::{azure_responses, chat_request, meaning, response};
use support::server::{Answer, Server};
use support::shared::in_time;
use support::wire::{every_place, in_pieces};

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

fn origin(server: &Server) -> &str {
    server.url().strip_suffix("/v1").expect("the test server's own path")
}

async fn last(mut events: CompletionStream) -> Completion {
    let mut done = None;
    while let Some(event) = in_time(events.next()).await {
        if let CompletionEvent::Done(completion) = event.expect("a success") {
            done = Some(completion);
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

#[tokio::test(flavor = "multi_thread")]
async fn every_recording_comes_out_as_recorded_wherever_it_is_cut() {
    let Some(files) = azure_responses() else { return };
    for interaction in files.iter().flat_map(|(_, interactions)| interactions) {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let model = interaction.request["model"].as_str().expect("a model");
        let azure = AzureOpenAi::new(model).resource(origin(&server)).api_key("azure-key");
        let request = chat_request(&interaction.request);
        let events = azure.chat_stream(request.clone()).await.expect("a stream");
        let completion = last(events).await;
        let response = response(interaction);
        assert_as_recorded(&completion, &response);
        let sent = &server.sent()[0];
        assert_eq!(meaning(&sent.body), meaning(&interaction.request));
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
        let http = in_pieces(interaction, &every_place(interaction));
        let azure = AzureOpenAi::new(model).resource("https://a.example").api_key("k").http(http);
        let events = azure.chat_stream(request).await.expect("a stream");
        assert_as_recorded(&last(events).await, &response);
    }
    println!("replayed {} recordings of Azure's", files.len());
    assert_eq!(files.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_stands_in_the_address_of_chat_completions() {
    let Some(files) = completions() else { return };
    let recorded = files.iter().flat_map(|(_, interactions)| interactions);
    let openai = recorded.filter(|i| i.url.contains("api.openai.com") && i.streamed());
    for interaction in openai.take(3) {
        let server = Server::start(vec![answer(interaction)]);
        let azure = AzureOpenAiCompletions::new("my deployment")
            .resource(origin(&server))
            .api_version("2024-10-21")
            .token_provider(|| async { Ok::<_, std::io::Error>(Token::new("entra")) });
        let request = support::completions::chat_request("azure.ai.openai", &interaction.request);
        let completion = last(azure.chat_stream(request).await.expect("a stream")).await;
        let told = told(interaction);
        assert_eq!((completion.text(), completion.response_id), (told.text, Some(told.id)));
        let sent = &server.sent()[0];
        let path = "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21";
        assert!(sent.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", sent.head);
        let head = sent.head.to_lowercase();
        assert!(head.contains("authorization: bearer entra\r\n") && !head.contains("api-key"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_set_is_named() {
    let request = || chatlas::ChatRequest::new([Turn::user("hi")]);
    let error = AzureOpenAi::new("d").api_key("k").chat(request()).await.expect_err("no resource");
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
    assert!(error.message().contains("AZURE_OPENAI_ENDPOINT"), "{error}");
    let azure = AzureOpenAiCompletions::new("d").resource("https://a.example").api_key("");
    let error = azure.chat(request()).await.expect_err("no key");
    assert_eq!(error.kind(), ProviderErrorKind::Authentication);
    assert!(error.message().contains("AZURE_OPENAI_API_KEY"), "{error}");
}
