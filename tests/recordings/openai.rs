//! Recordings of the OpenAI Responses API.

use std::collections::HashMap;

use crate::support::cassettes::{self, Interaction, Recording, interactions};
use crate::support::recorded_tools::recorded_tools;
use crate::support::request::send;
use crate::support::responses::{
    chat_request, normalized, openai_counts, openai_responses, output, response, turns,
};
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use crate::support::wire::{every_position, split_at};
use chatlas::content::ToolRequest;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{Completion, FinishReason, OpenAi, ProviderErrorKind, WebSearch};
use serde_json::{Value, json};

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

/// Returns the provider with the settings of the recorded request.
fn provider(recorded: &Value, url: &str) -> OpenAi {
    let model = recorded["model"].as_str().expect("a model");
    let mut provider =
        OpenAi::new(model).with_base_url(url).with_api_key("test").with_http_spans(true);
    let has = |key: &str, what: &str| {
        let list = recorded[key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().any(|item| item == what || item["type"] == what)
    };
    if has("tools", "web_search") {
        provider = provider.with_tool(WebSearch::new());
    }
    if has("include", "message.output_text.logprobs") {
        provider = provider.with_logprobs();
    }
    if let Some(tier) = recorded["service_tier"].as_str() {
        provider = provider.with_service_tier(tier);
    }
    provider
}

fn items<'a>(response: &'a Value, kind: &str) -> Vec<&'a Value> {
    let output = response["output"].as_array().expect("output");
    output.iter().filter(|item| item["type"] == kind).collect()
}

fn recorded_text(response: &Value) -> String {
    let parts = items(response, "message").into_iter().flat_map(|item| {
        item["content"].as_array().expect("content").iter().filter_map(|part| part["text"].as_str())
    });
    parts.collect()
}

fn assert_as_recorded(name: &str, completion: &Completion, response: &Value) {
    let string = |key: &str| response[key].as_str().map(str::to_owned);
    assert_eq!(completion.text(), recorded_text(response), "{name}");
    assert_eq!(completion.response_id, string("id"), "{name}");
    assert_eq!(completion.model, string("model"), "{name}");
    let usage = &response["usage"];
    assert!(usage["input_tokens"].is_u64(), "{name}");
    assert_eq!(completion.usage.input_tokens, usage["input_tokens"].as_u64(), "{name}");
    assert_eq!(completion.usage.output_tokens, usage["output_tokens"].as_u64(), "{name}");
    let cached = usage["input_tokens_details"]["cached_tokens"].as_u64();
    assert_eq!(completion.usage.cache_read_tokens, cached, "{name}");
    let reasoning = usage["output_tokens_details"]["reasoning_tokens"].as_u64();
    assert_eq!(completion.usage.reasoning_tokens, reasoning, "{name}");
    let calls = items(response, "function_call");
    let requests: Vec<&ToolRequest> = completion.tool_requests().collect();
    assert_eq!(requests.len(), calls.len(), "{name}");
    for (request, call) in requests.iter().zip(&calls) {
        assert_eq!(request.id, call["call_id"].as_str().expect("an id"), "{name}");
        assert!(request.id.starts_with("call_"), "{name}: {}", request.id);
        assert_eq!(request.name, call["name"].as_str().expect("a name"), "{name}");
        let arguments: Value =
            serde_json::from_str(call["arguments"].as_str().expect("arguments")).expect("JSON");
        assert_eq!(request.arguments, arguments, "{name}");
    }
    let reason = if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCall };
    assert_eq!(completion.finish_reason, Some(reason), "{name}");
    // No item and no citation is lost.
    let of = |is: fn(&Content) -> bool| completion.contents.iter().filter(|c| is(c)).count();
    let searches = of(|content| matches!(content, Content::ServerTool(_)));
    assert_eq!(searches, items(response, "web_search_call").len(), "{name}");
    let parts = items(response, "message")
        .into_iter()
        .flat_map(|item| item["content"].as_array().expect("content").iter());
    let (mut citations, mut logprobs) = (0, 0);
    for part in parts {
        citations += part["annotations"].as_array().map_or(0, Vec::len);
        logprobs += part["logprobs"].as_array().map_or(0, Vec::len);
    }
    assert_eq!(of(|content| matches!(content, Content::Citation(_))), citations, "{name}");
    let kept: usize = completion
        .contents
        .iter()
        .filter_map(|content| match content {
            Content::Text(text) => text.logprobs.as_ref()?.as_array().map(Vec::len),
            _ => None,
        })
        .sum();
    assert_eq!(kept, logprobs, "{name}");
}

fn assert_span_carries(interaction: &Interaction, response: &Value, recorder: &Recorder) {
    let name = &interaction.name;
    recorder.assert_sound();
    let spans = recorder.spans();
    let chat = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a chat span");
    let usage = &response["usage"];
    let tier = &interaction.request["service_tier"];
    for (key, value) in [
        ("openai.api.type", &Value::from("responses")),
        ("openai.request.service_tier", tier),
        ("openai.response.service_tier", &response["service_tier"]),
        ("gen_ai.response.id", &response["id"]),
        ("gen_ai.response.model", &response["model"]),
        ("gen_ai.usage.input_tokens", &usage["input_tokens"]),
        ("gen_ai.usage.output_tokens", &usage["output_tokens"]),
        ("gen_ai.usage.cache_read.input_tokens", &usage["input_tokens_details"]["cached_tokens"]),
        (
            "gen_ai.usage.reasoning.output_tokens",
            &usage["output_tokens_details"]["reasoning_tokens"],
        ),
    ] {
        assert_eq!(&chat[key], value, "{name}: {key}");
    }
    let reason = if items(response, "function_call").is_empty() { "stop" } else { "tool_call" };
    assert_eq!(chat["gen_ai.response.finish_reasons"], json!([reason]), "{name}");
    let post = spans.iter().find(|span| span.name() == "POST").expect("an HTTP span");
    assert_eq!(post.parent_id(), chat.id(), "{name}");
}

/// Adds the trials of this API.
pub(super) fn add(trials: &mut Trials) {
    let responses = openai_responses();
    let counts = openai_counts();
    let lists = cassettes::recordings(|_, url| url == "https://api.openai.com/v1/models");
    let mut with_tools = responses.clone();
    with_tools.retain(|recording| !conversations(&recording.interactions).is_empty());
    let streams = cassettes::retained(&responses, Interaction::streamed);
    let shortest = cassettes::shortest(&streams);
    trials.for_each("openai::replies", &responses, replies);
    trials.for_each("openai::streams_in_single_bytes", &streams, stream_in_single_bytes);
    trials.for_each("openai::streams_split_at_each_byte", &shortest, stream_split_at_each_byte);
    trials.for_each("openai::tool_conversations", &with_tools, tool_conversations);
    trials.for_each("openai::token_counts", &counts, token_counts);
    trials.for_each("openai::model_lists", &lists, model_lists);
    trials.add("openai::no_recording_is_missing", async move || {
        let all = interactions(&responses);
        let refused = all.iter().filter(|interaction| interaction.status != 200).count();
        let played = all.len() - refused;
        assert!(responses.len() >= 40 && played >= 112 && refused >= 6, "{played} {refused}");
        let loops = with_tools.iter().map(|file| conversations(&file.interactions).len());
        assert!(loops.sum::<usize>() >= 20);
        assert_eq!(interactions(&counts).len(), 3);
        assert_eq!(lists.len(), 1);
    });
}

async fn replies(recording: Recording) {
    for interaction in recording.interactions {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(&interaction.request, server.url());
        let stream = interaction.request["stream"] == true;
        let result = send(&provider, chat_request(&interaction.request), stream).await;
        assert_eq!(normalized(&server.sent()[0].body), normalized(&interaction.request), "{name}");
        if interaction.status != 200 {
            let error = result.expect_err("the recording is of an error");
            assert_eq!(error.kind(), ProviderErrorKind::Authentication, "{name}");
            assert_eq!(error.status(), Some(interaction.status), "{name}");
            assert_eq!(error.code(), Some("invalid_api_key"), "{name}");
            recorder.assert_sound();
            let spans = recorder.spans();
            let chat = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a span");
            assert_eq!(chat["openai.api.type"], "responses", "{name}");
            assert_eq!(chat["error.type"], "invalid_api_key");
            continue;
        }
        let (completion, streamed, _) = result.expect("the recording is of a success");
        let response = response(interaction);
        assert_as_recorded(name, &completion, &response);
        assert_eq!(streamed, completion.text(), "{name}");
        assert_span_carries(interaction, &response, &recorder);
    }
}

async fn stream_in_single_bytes(recording: Recording) {
    for interaction in recording.interactions {
        read_split(interaction, &response(interaction), &every_position(interaction)).await;
    }
}

async fn stream_split_at_each_byte(recording: Recording) {
    for interaction in recording.interactions {
        let response = response(interaction);
        for position in every_position(interaction) {
            read_split(interaction, &response, &[position]).await;
        }
    }
}

async fn read_split(interaction: &Interaction, response: &Value, positions: &[usize]) {
    let provider = provider(&interaction.request, "http://vendor.example/v1");
    let provider = provider.with_http(split_at(interaction, positions));
    let request = chat_request(&interaction.request);
    let (completion, text, _) = send(&provider, request, true).await.expect("a success");
    assert_as_recorded(&interaction.name, &completion, response);
    assert_eq!(text, completion.text());
}

async fn token_counts(recording: Recording) {
    for interaction in recording.interactions {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(&interaction.request, server.url());
        let request = chat_request(&interaction.request);
        let count = provider.count_tokens(request).await.expect("a count");
        assert_eq!(Some(count), interaction.json()["input_tokens"].as_u64());
        let sent = &server.sent()[0];
        assert_eq!(
            normalized(&sent.body),
            normalized(&interaction.request),
            "{}",
            interaction.name
        );
        assert!(sent.head.starts_with("POST /v1/responses/input_tokens HTTP/1.1\r\n"));
        recorder.assert_sound();
        assert!(recorder.spans().iter().any(|span| span.name().starts_with("count_tokens ")));
    }
}

async fn model_lists(recording: Recording) {
    let interaction = recording.interactions[0];
    let recorder = Recorder::new();
    let server = Server::start(vec![answer(interaction)]);
    let models = provider(&json!({"model": "any"}), server.url()).list_models().await;
    let body = interaction.json();
    let ids: Vec<&str> =
        body["data"].as_array().expect("a list").iter().filter_map(|m| m["id"].as_str()).collect();
    let models = models.expect("a list");
    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ids);
    recorder.assert_sound();
    assert_eq!(recorder.span("list_models")["gen_ai.provider.name"], "openai");
}

/// Returns the conversations among the interactions: in each, a request contains the tool results
/// for the reply before it.
fn conversations(interactions: &[&'static Interaction]) -> Vec<Vec<&'static Interaction>> {
    let last = |i: &Interaction| i.request["input"].as_array().expect("input").last().cloned();
    let begins = |i: &&'static Interaction| last(i).is_some_and(|item| item["role"] == "user");
    let open_calls = |i: &Interaction| -> Vec<Value> {
        if i.status != 200 {
            return Vec::new();
        }
        items(&response(i), "function_call").iter().map(|item| item["id"].clone()).collect()
    };
    let mut found = Vec::new();
    for first in interactions.iter().copied().filter(begins) {
        let mut conversation = vec![first];
        while let Some(next) = interactions.iter().copied().find(|next| {
            let ids = open_calls(conversation[conversation.len() - 1]);
            last(next).is_some_and(|item| ids.contains(&item["call_id"]))
        }) {
            conversation.push(next);
        }
        if conversation.len() > 1 {
            found.push(conversation);
        }
    }
    found
}

/// The loop of a `Chat` sends the recorded requests, except for one mistake of the recorded client:
/// it identified a call by the id of its item.
async fn tool_conversations(recording: Recording) {
    for conversation in conversations(&recording.interactions) {
        let (first, last) = (conversation[0], conversation[conversation.len() - 1]);
        let mut call_ids = HashMap::new();
        for interaction in &conversation {
            for call in items(&response(interaction), "function_call") {
                let id = |key: &str| call[key].as_str().expect("an id").to_owned();
                call_ids.insert(id("id"), id("call_id"));
            }
        }
        let server = Server::start(conversation.iter().map(|i| answer(i)).collect());
        let mut chat = chat_of(first, last, &server, &call_ids);
        let mut before = turns(first.request["input"].as_array().expect("input"));
        let prompt = before.pop().expect("a prompt").contents().to_vec();
        chat.set_turns(before);
        if first.request["stream"] == true {
            let events: Vec<_> = in_time(chat.stream(prompt).collect()).await;
            assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))), "{}", first.name);
        } else {
            in_time(chat.chat(prompt)).await.expect("a success");
        }
        let sent = server.sent();
        assert_eq!(sent.len(), conversation.len(), "{}", first.name);
        for (sent, recorded) in sent.iter().zip(&conversation) {
            let mut expected = recorded.request.clone();
            for item in expected["input"].as_array_mut().expect("input") {
                if let Some(id) = item["call_id"].as_str().and_then(|id| call_ids.get(id)) {
                    item["call_id"] = id.as_str().into();
                }
            }
            assert_eq!(normalized(&sent.body), normalized(&expected), "{}", first.name);
        }
    }
}

fn chat_of(
    first: &Interaction,
    last: &Interaction,
    server: &Server,
    call_ids: &HashMap<String, String>,
) -> Chat {
    let input = last.request["input"].as_array().expect("input");
    let outputs: HashMap<String, Value> = input
        .iter()
        .filter(|item| item["type"] == "function_call_output")
        .filter_map(|item| {
            let id = call_ids.get(item["call_id"].as_str()?)?;
            Some((id.clone(), item["output"].clone()))
        })
        .collect();
    let request = chat_request(&first.request);
    let tools = recorded_tools(request.tools.to_vec(), outputs);
    let mut chat = Chat::new(provider(&first.request, server.url())).with_tools(tools);
    if let Some(prompt) = request.system_prompt {
        chat = chat.with_system_prompt(prompt);
    }
    match output(&first.request) {
        Some(output) => chat.with_output(output),
        None => chat,
    }
}
