//! Recordings of the Gemini API that are a chat, a structured reply, a list of models or a token
//! count.

use std::collections::HashMap;

use crate::support::cassettes::{self, Interaction, Recording, interactions};
use crate::support::google::{
    RecordedReply, chat_request, chats, google, model_and_method, normalized, output,
    recorded_reply, turns, without_client_differences,
};
use crate::support::recorded_tools::recorded_tools;
use crate::support::request::send;
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use chatlas::content::{Replay, ToolRequest};
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{Completion, FinishReason, Gemini, Model, WebSearch};
use serde_json::{Value, json};

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

/// Returns the provider with the settings of the recorded request.
fn provider(interaction: &Interaction, server: &Server) -> Gemini {
    let (model, _) = model_and_method(interaction);
    let provider =
        Gemini::new(model).with_base_url(server.url()).with_api_key("test").with_http_spans(true);
    let tools = interaction.request["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tools.iter().any(|tool| tool["googleSearch"].is_object()) {
        provider.with_tool(WebSearch::new())
    } else {
        provider
    }
}

/// Returns the token counts of the semantic conventions: input, output, cached, reasoning. Asserts
/// that input and output add up to the total.
fn tokens(usage: &Value) -> [Option<u64>; 4] {
    let count = |key: &str| usage[key].as_u64();
    let input = count("promptTokenCount").expect("a count")
        + count("toolUsePromptTokenCount").unwrap_or_default();
    let output = count("candidatesTokenCount").expect("a count")
        + count("thoughtsTokenCount").unwrap_or_default();
    assert_eq!(Some(input + output), count("totalTokenCount"));
    [Some(input), Some(output), count("cachedContentTokenCount"), count("thoughtsTokenCount")]
}

/// Returns the signatures that would be sent back, in order.
fn signatures(completion: &Completion) -> Vec<String> {
    let replay = |content: &Content| -> Option<Replay> {
        match content {
            Content::Text(text) => text.replay.clone(),
            Content::Thinking(thinking) => thinking.replay.clone(),
            Content::ToolRequest(request) => request.replay.clone(),
            _ => None,
        }
    };
    let items = completion.contents.iter().filter_map(replay);
    items.map(|replay| replay.item["thoughtSignature"].as_str().expect("text").to_owned()).collect()
}

fn reason(reply: &RecordedReply) -> FinishReason {
    assert_eq!(reply.finish_reason, "STOP");
    if reply.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCall }
}

fn assert_as_recorded(name: &str, completion: &Completion, reply: &RecordedReply) {
    assert_eq!(completion.text(), reply.text, "{name}");
    assert_eq!(completion.response_id.as_ref(), Some(&reply.response_id), "{name}");
    assert_eq!(completion.model.as_ref(), Some(&reply.model), "{name}");
    let usage = &completion.usage;
    let counted =
        [usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens];
    assert_eq!(counted, tokens(&reply.usage), "{name}");
    let by_kind = usage.input_by_modality;
    assert_eq!(
        by_kind.text.unwrap_or_default() + by_kind.image.unwrap_or_default(),
        usage.input_tokens.expect("a count"),
        "{name}"
    );
    assert_eq!(signatures(completion), reply.signatures, "{name}");
    let requests: Vec<&ToolRequest> = completion.tool_requests().collect();
    assert_eq!(requests.len(), reply.calls.len(), "{name}");
    for (request, call) in requests.iter().zip(&reply.calls) {
        assert_eq!(request.id, call["id"].as_str().expect("an id"), "{name}");
        assert_eq!(request.name, call["name"].as_str().expect("a name"), "{name}");
        assert_eq!(request.arguments, call["args"], "{name}");
    }
    assert_eq!(completion.finish_reason, Some(reason(reply)), "{name}");
    let of = |is: fn(&Content) -> bool| completion.contents.iter().filter(|c| is(c)).count();
    assert_eq!(of(|content| matches!(content, Content::Citation(_))), reply.sources, "{name}");
    let searches = of(|content| matches!(content, Content::ServerTool(_)));
    assert_eq!(searches, usize::from(reply.sources > 0), "{name}");
}

fn assert_span_carries(name: &str, reply: &RecordedReply, recorder: &Recorder) {
    recorder.assert_sound();
    let spans = recorder.spans();
    let chat = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a chat span");
    let [input, output, cached, thought] = tokens(&reply.usage).map(|count| json!(count));
    for (key, value) in [
        ("gen_ai.provider.name", "gcp.gemini".into()),
        ("gen_ai.response.id", reply.response_id.as_str().into()),
        ("gen_ai.response.model", reply.model.as_str().into()),
        ("gen_ai.usage.input_tokens", input),
        ("gen_ai.usage.output_tokens", output),
        ("gen_ai.usage.cache_read.input_tokens", cached),
        ("gen_ai.usage.reasoning.output_tokens", thought),
        ("gen_ai.response.finish_reasons", json!([reason(reply).as_str()])),
    ] {
        assert_eq!(chat[key], value, "{name}: {key}");
    }
    let post = spans.iter().find(|span| span.name() == "POST").expect("an HTTP span");
    assert_eq!(post.parent_id(), chat.id(), "{name}");
}

/// Asserts that the path is the recorded one and that the key is only in its header.
fn assert_address(interaction: &Interaction, head: &str) {
    let (_, path) = interaction.url.split_once("/v1beta/").expect("a path");
    let line = format!("{} /v1/{path} HTTP/1.1\r\n", interaction.method);
    assert!(head.starts_with(&line), "{head}");
    assert!(head.to_lowercase().contains("\r\nx-goog-api-key: test\r\n"), "{head}");
}

/// Adds the trials of this vendor.
pub(super) fn add(trials: &mut Trials) {
    let chats = chats();
    let lists =
        google(|url| url.ends_with("/v1beta/models") || url.contains("/v1beta/models?pageToken="));
    let counts = google(|url| url.ends_with(":countTokens"));
    let streams = cassettes::retained(&chats, Interaction::streamed);
    let shortest = cassettes::shortest(&streams);
    let (mut with_tools, mut without_tools) = (chats.clone(), chats.clone());
    with_tools.retain(|recording| {
        let last = recording.interactions[recording.interactions.len() - 1];
        recording.interactions.len() > 1 && last.request["tools"].is_array()
    });
    without_tools.retain(|recording| continued(recording).next().is_some());
    trials.for_each("google::replies", &chats, replies);
    trials.for_each("google::streams_in_single_bytes", &streams, stream_in_single_bytes);
    trials.for_each("google::streams_split_at_each_byte", &shortest, stream_split_at_each_byte);
    trials.for_each("google::tool_conversations", &with_tools, tool_conversation);
    trials.for_each("google::continued_conversations", &without_tools, continued_conversation);
    trials.for_each("google::model_lists", &lists, model_list);
    trials.for_each("google::token_counts", &counts, token_counts);
    trials.add("google::no_recording_is_missing", async move || {
        let played = interactions(&chats).len();
        assert!(chats.len() >= 9 && played >= 21, "{} {played}", chats.len());
        let streams = interactions(&streams).len();
        assert!(streams >= 18, "{streams}");
        assert!(with_tools.len() >= 2, "{}", with_tools.len());
        let pairs = without_tools.iter().flat_map(continued);
        let compared = pairs.filter(|(first, _)| !is_rewritten(first)).count();
        assert!(compared >= 3, "{compared}");
        assert_eq!(interactions(&lists).len(), 2);
        assert_eq!(lists.len(), 1);
        assert!(!interactions(&counts).is_empty());
    });
}

async fn replies(recording: Recording) {
    for interaction in recording.interactions {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(interaction, &server);
        let result =
            send(&provider, chat_request(&interaction.request), interaction.streamed()).await;
        let sent = &server.sent()[0];
        assert_eq!(normalized(&sent.body), normalized(&interaction.request), "{name}");
        assert_address(interaction, &sent.head);
        let (completion, streamed, _) = result.expect("the recording is of a success");
        let reply = recorded_reply(interaction);
        assert_as_recorded(name, &completion, &reply);
        assert_eq!(streamed, completion.text(), "{name}");
        assert_span_carries(name, &reply, &recorder);
    }
}

async fn stream_in_single_bytes(recording: Recording) {
    for interaction in recording.interactions {
        read_split(interaction, vec![(1..interaction.body.len()).collect()]).await;
    }
}

async fn stream_split_at_each_byte(recording: Recording) {
    for interaction in recording.interactions {
        read_split(interaction, (1..interaction.body.len()).map(|at| vec![at]).collect()).await;
    }
}

async fn read_split(interaction: &Interaction, splits: Vec<Vec<usize>>) {
    let answers = splits.iter().map(|positions| answer(interaction).split_at(positions)).collect();
    let server = Server::start(answers);
    let provider = provider(interaction, &server).with_http_spans(false);
    let reply = recorded_reply(interaction);
    for _ in &splits {
        let request = chat_request(&interaction.request);
        let (completion, text, _) = send(&provider, request, true).await.expect("a success");
        assert_as_recorded(&interaction.name, &completion, &reply);
        assert_eq!(text, completion.text());
    }
}

/// Returns a chat in its state before the last interaction, with tools that return the recorded
/// results.
fn chat_of(first: &Interaction, last: &Interaction, server: &Server) -> Chat {
    let contents = last.request["contents"].as_array().expect("contents");
    let outputs: HashMap<String, Value> = contents
        .iter()
        .filter_map(|content| content["parts"][0].get("functionResponse"))
        .map(|result| {
            let id = result["id"].as_str().expect("an id").to_owned();
            (id, result["response"]["result"].clone())
        })
        .collect();
    let request = chat_request(&first.request);
    let tools = recorded_tools(request.tools.to_vec(), outputs);
    let mut chat = Chat::new(provider(first, server)).with_tools(tools).with_temperature(0.0);
    if let Some(prompt) = request.system_prompt {
        chat = chat.with_system_prompt(prompt);
    }
    match output(&first.request) {
        Some(output) => chat.with_output(output),
        None => chat,
    }
}

async fn run(chat: &mut Chat, prompt: Vec<Content>, stream: bool) -> Reply {
    if !stream {
        return in_time(chat.chat(prompt)).await.expect("a success");
    }
    let mut events: Vec<_> = in_time(chat.stream(prompt).collect()).await;
    match events.pop() {
        Some(Ok(StreamEvent::Done(reply))) => *reply,
        other => panic!("{other:?}"),
    }
}

/// The loop of a `Chat` sends the recorded requests, with the signatures and ids it received.
async fn tool_conversation(recording: Recording) {
    let conversation = recording.interactions;
    let (first, last) = (conversation[0], conversation[conversation.len() - 1]);
    let server = Server::start(conversation.iter().map(|i| answer(i)).collect());
    let mut chat = chat_of(first, last, &server);
    let prompt = turns(&first.request["contents"]).pop().expect("a prompt").contents().to_vec();
    let reply = run(&mut chat, prompt, first.streamed()).await;
    assert_eq!(reply.text(), recorded_reply(last).text, "{}", first.name);
    let counted: u64 = conversation
        .iter()
        .map(|interaction| {
            recorded_reply(interaction).usage["totalTokenCount"].as_u64().expect("a sum")
        })
        .sum();
    let usage = reply.usage;
    let ours = usage.input_tokens.zip(usage.output_tokens).map(|(input, out)| input + out);
    assert_eq!(ours, Some(counted), "{}", first.name);
    let sent = server.sent();
    assert_eq!(sent.len(), conversation.len(), "{}", first.name);
    for (sent, recorded) in sent.iter().zip(&conversation) {
        assert_eq!(normalized(&sent.body), normalized(&recorded.request), "{}", first.name);
    }
}

/// Returns the interactions without tools that follow each other, in pairs.
fn continued(
    recording: &Recording,
) -> impl Iterator<Item = (&'static Interaction, &'static Interaction)> {
    let pairs = recording.interactions.windows(2).map(|pair| (pair[0], pair[1]));
    pairs.filter(|(first, _)| first.request["tools"].is_null()).collect::<Vec<_>>().into_iter()
}

/// Returns whether the recorded client sent this structured reply back without its spaces.
fn is_rewritten(interaction: &Interaction) -> bool {
    recorded_reply(interaction).text.contains("\": \"")
}

/// A conversation without tools continues as recorded, except that the signatures of texts, which
/// the recorded client lost, are sent back.
async fn continued_conversation(recording: Recording) {
    let name = &recording.name;
    for (first, second) in continued(&recording) {
        let server = Server::start(vec![answer(first), answer(second)]);
        let mut before = turns(&first.request["contents"]);
        let prompt = before.pop().expect("a prompt").contents().to_vec();
        let mut chat = chat_of(first, second, &server);
        chat.set_turns(before);
        let reply = run(&mut chat, prompt, first.streamed()).await;
        let next = turns(&second.request["contents"]).pop().expect("a prompt");
        let mut chat = chat_of(second, second, &server);
        chat.set_turns(
            turns(&first.request["contents"]).into_iter().chain([Turn::Assistant(reply.turn)]),
        );
        run(&mut chat, next.contents().to_vec(), second.streamed()).await;
        let sent = &server.sent()[1].body;
        let expected = without_client_differences(&second.request);
        if is_rewritten(first) {
            continue;
        }
        assert_eq!(without_client_differences(sent), expected, "{name}");
        let signatures = recorded_reply(first).signatures;
        assert_eq!(signatures.len(), 1, "{name}");
        let contents = sent["contents"].as_array().expect("contents");
        let parts = contents[contents.len() - 2]["parts"].as_array().expect("parts");
        assert_eq!(parts[parts.len() - 1]["thoughtSignature"], signatures[0], "{name}");
    }
}

async fn model_list(recording: Recording) {
    let recorder = Recorder::new();
    let pages = recording.interactions;
    let server = Server::start(pages.iter().map(|page| answer(page)).collect());
    let provider = Gemini::new("any").with_base_url(server.url()).with_api_key("test");
    let models = provider.list_models().await.expect("a list");
    let listed: Vec<Value> = pages
        .iter()
        .flat_map(|page| page.json()["models"].as_array().expect("models").clone())
        .collect();
    assert_eq!(models.len(), listed.len());
    for (model, recorded) in models.iter().zip(&listed) {
        let Model { id, name, .. } = model;
        assert_eq!(format!("models/{id}"), recorded["name"].as_str().expect("a name"));
        assert_eq!(name.as_deref(), recorded["displayName"].as_str());
        assert_eq!(model.max_input_tokens, recorded["inputTokenLimit"].as_u64());
        assert_eq!(model.max_output_tokens, recorded["outputTokenLimit"].as_u64());
    }
    for (sent, page) in server.sent().iter().zip(&pages) {
        assert_address(page, &sent.head);
    }
    recorder.assert_sound();
    let spans = recorder.spans();
    assert_eq!(spans.len(), 1, "{}", recorder.tree());
}

async fn token_counts(recording: Recording) {
    let recorder = Recorder::new();
    for interaction in recording.interactions {
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(interaction, &server).with_http_spans(false);
        let counted = provider.count_tokens(chat_request(&interaction.request)).await;
        assert_eq!(counted.ok(), interaction.json()["totalTokens"].as_u64());
        let sent = &server.sent()[0];
        assert_eq!(normalized(&sent.body), normalized(&interaction.request));
        assert_address(interaction, &sent.head);
    }
    recorder.assert_sound();
}
