//! Recordings of Chat Completions, of all vendors that speak it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::support::cassettes::{self, Interaction, Recording, interactions};
use crate::support::completions::{
    RecordedReply, chat_request, completions, contents, normalized, recorded_reply, turns,
};
use crate::support::recorded_tools::recorded_tools;
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use crate::support::wire::{every_position, split_at};
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    ChatRequest, Cloudflare, Completion, CompletionEvent, Databricks, DeepSeek, FinishReason,
    HttpOptions, HuggingFace, Mistral, OpenAiCompletions, OpenRouter, ProviderError, Usage,
};
use serde_json::{Value, json};

/// The host, the name and the API path of each vendor.
const VENDORS: [(&str, &str, &str); 7] = [
    ("api.openai.com", "openai", "/v1"),
    ("api.deepseek.com", "deepseek", ""),
    ("api.mistral.ai", "mistral_ai", "/v1"),
    ("openrouter.ai", "openrouter", "/api/v1"),
    ("router.huggingface.co", "huggingface", "/v1"),
    ("api.cloudflare.com", "cloudflare", "/client/v4/accounts/CLOUDFLARE_ACCOUNT_ID/ai/v1"),
    ("adb-0000000000000000.0.azuredatabricks.net", "databricks", "/serving-endpoints"),
];

fn vendor(interaction: &Interaction) -> (&'static str, &'static str) {
    let host = interaction.url.split('/').nth(2).expect("a host");
    let vendor = VENDORS.iter().find(|(name, ..)| *name == host);
    let (_, vendor, path) = vendor.unwrap_or_else(|| panic!("no vendor for the host: {host}"));
    (vendor, path)
}

/// Returns the provider of the interaction, which sends to `origin` instead of the vendor.
fn provider(interaction: &Interaction, origin: &str, http: HttpOptions) -> Arc<dyn Provider> {
    let (vendor, path) = vendor(interaction);
    let model = interaction.request["model"].as_str().unwrap_or("any");
    let url = format!("{origin}{path}");
    let logprobs = interaction.request["logprobs"] == true;
    macro_rules! derived {
        ($vendor:ident) => {
            Arc::new($vendor::new(model).with_base_url(url).with_api_key("test").with_http(http))
        };
    }
    match vendor {
        "openai" => {
            let model = OpenAiCompletions::new(model)
                .with_base_url(url)
                .with_api_key("test")
                .with_http(http);
            Arc::new(if logprobs { model.with_logprobs() } else { model })
        }
        "deepseek" => derived!(DeepSeek),
        "mistral_ai" => derived!(Mistral),
        "openrouter" => derived!(OpenRouter),
        "huggingface" => derived!(HuggingFace),
        "cloudflare" => derived!(Cloudflare),
        "databricks" => derived!(Databricks),
        other => panic!("no provider for {other}"),
    }
}

fn origin(server: &Server) -> &str {
    server.url().strip_suffix("/v1").expect("the test server's own path")
}

fn answer(interaction: &Interaction) -> Answer {
    Answer::new(interaction.status, &interaction.content_type, interaction.body.clone())
}

async fn send(
    provider: &dyn Provider,
    request: ChatRequest,
    stream: bool,
) -> Result<(Completion, Option<String>), ProviderError> {
    if !stream {
        return Ok((provider.chat(request).await?, None));
    }
    let mut events = provider.chat_stream(request).await?;
    let (mut text, mut done) = (String::new(), None);
    while let Some(event) = in_time(events.next()).await {
        match event? {
            CompletionEvent::Text(more) => text.push_str(&more),
            CompletionEvent::Done(completion) => done = Some((*completion).clone()),
            _ => {}
        }
    }
    Ok((done.expect("a last event"), Some(text)))
}

/// Returns the token counts of a vendor's `usage` object.
fn counts(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let mut counts = Usage::default();
    counts.input_tokens = count("/prompt_tokens");
    counts.output_tokens = count("/completion_tokens");
    counts.cache_read_tokens =
        count("/prompt_tokens_details/cached_tokens").or_else(|| count("/cache_read_input_tokens"));
    counts.cache_write_tokens = count("/cache_creation_input_tokens");
    counts.reasoning_tokens = count("/completion_tokens_details/reasoning_tokens");
    counts
}

fn assert_as_recorded(name: &str, completion: &Completion, reply: &RecordedReply) {
    assert_eq!(completion.text(), reply.text, "{name}");
    assert_eq!(completion.response_id.as_ref(), Some(&reply.id), "{name}");
    assert_eq!(completion.model.as_ref(), Some(&reply.model), "{name}");
    assert_eq!(completion.usage, counts(&reply.usage), "{name}");
    let calls: Vec<_> = completion.tool_requests().cloned().collect();
    assert_eq!(calls, reply.calls, "{name}");
    let reason = match reply.finish.as_str() {
        "stop" => FinishReason::Stop,
        "tool_calls" => FinishReason::ToolCall,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(completion.finish_reason, Some(reason), "{name}");
    let thinking: String = completion
        .contents
        .iter()
        .filter_map(|content| match content {
            Content::Thinking(thinking) => Some(thinking.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(thinking, reply.thinking, "{name}");
    let logprobs: usize = completion
        .contents
        .iter()
        .filter_map(|content| match content {
            Content::Text(text) => text.logprobs.as_ref()?.as_array().map(Vec::len),
            _ => None,
        })
        .sum();
    assert_eq!(logprobs, reply.logprobs, "{name}");
}

fn assert_span_carries(interaction: &Interaction, reply: &RecordedReply, recorder: &Recorder) {
    let name = &interaction.name;
    recorder.assert_sound();
    let spans = recorder.spans();
    let chat = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a chat span");
    let usage = counts(&reply.usage);
    let vendor = vendor(interaction).0;
    let if_openai = |value: &str| (vendor == "openai").then(|| value.to_owned());
    let number = |count: Option<u64>| json!(count);
    let text = |text: Option<String>| json!(text);
    for (key, value) in [
        ("gen_ai.provider.name", json!(vendor)),
        ("gen_ai.request.model", interaction.request["model"].clone()),
        ("gen_ai.response.id", json!(reply.id)),
        ("gen_ai.response.model", json!(reply.model)),
        ("gen_ai.usage.input_tokens", number(usage.input_tokens)),
        ("gen_ai.usage.output_tokens", number(usage.output_tokens)),
        ("gen_ai.usage.cache_read.input_tokens", number(usage.cache_read_tokens)),
        ("gen_ai.usage.cache_write.input_tokens", number(usage.cache_write_tokens)),
        ("gen_ai.usage.reasoning.output_tokens", number(usage.reasoning_tokens)),
        ("openai.api.type", text(if_openai("chat_completions"))),
        ("openai.request.service_tier", Value::Null),
        ("openai.response.service_tier", text(reply.tier.as_deref().and_then(if_openai))),
        (
            "openai.response.system_fingerprint",
            text(reply.fingerprint.as_deref().and_then(if_openai)),
        ),
    ] {
        assert_eq!(chat[key], value, "{name}: {key}");
    }
    let reason = if reply.calls.is_empty() { "stop" } else { "tool_call" };
    assert_eq!(chat["gen_ai.response.finish_reasons"], json!([reason]), "{name}");
    let post = spans.iter().find(|span| span.name() == "POST").expect("an HTTP span");
    assert_eq!(post.parent_id(), chat.id(), "{name}");
}

/// Adds the trials of these vendors.
pub(super) fn add(trials: &mut Trials) {
    let completions = completions();
    let lists = cassettes::recordings(|method, url| {
        let supported = VENDORS.iter().any(|(host, ..)| url.contains(host));
        method == "GET" && supported && url.ends_with("/models")
    });
    let mut with_tools = completions.clone();
    with_tools.retain(|recording| !conversations(&recording.interactions).is_empty());
    let streams = cassettes::retained(&completions, Interaction::streamed);
    let shortest: Vec<Recording> = VENDORS
        .iter()
        .flat_map(|(_, name, _)| cassettes::shortest(&of_vendor(&streams, name)))
        .collect();
    let counted = |recordings: &[Recording], count: fn(&Recording) -> usize| -> Vec<usize> {
        let of = |vendor| of_vendor(recordings, vendor).iter().map(count).sum();
        VENDORS.iter().map(|(_, vendor, _)| of(vendor)).collect()
    };
    let replies_of_vendors = counted(&completions, |file| file.interactions.len());
    let loops_of_vendors = counted(&with_tools, |file| conversations(&file.interactions).len());
    for (_, vendor, _) in VENDORS {
        let check = |check: &str| format!("{vendor}::completions::{check}");
        let of = |recordings: &[Recording]| of_vendor(recordings, vendor);
        trials.for_each(&check("replies"), &of(&completions), replies);
        trials.for_each(&check("streams_in_single_bytes"), &of(&streams), stream_in_single_bytes);
        trials.for_each(
            &check("streams_split_at_each_byte"),
            &of(&shortest),
            stream_split_at_each_byte,
        );
        trials.for_each(&check("tool_conversations"), &of(&with_tools), tool_conversations);
        trials.for_each(&check("model_lists"), &of(&lists), model_lists);
    }
    trials.add("completions::no_recording_is_missing", async move || {
        let names = VENDORS.iter().map(|(_, vendor, _)| *vendor);
        let played: BTreeMap<&str, usize> = names.zip(replies_of_vendors).collect();
        let expected = [
            ("cloudflare", 5),
            ("databricks", 20),
            ("deepseek", 8),
            ("huggingface", 11),
            ("mistral_ai", 8),
            ("openai", 24),
            ("openrouter", 12),
        ];
        assert_eq!(played, BTreeMap::from(expected));
        assert!(interactions(&streams).len() >= 60);
        assert_eq!(loops_of_vendors.iter().sum::<usize>(), 16, "{loops_of_vendors:?}");
        assert_eq!(interactions(&lists).len(), 3);
    });
}

/// Returns the recordings of a vendor.
fn of_vendor(recordings: &[Recording], name: &str) -> Vec<Recording> {
    cassettes::retained(recordings, |interaction| vendor(interaction).0 == name)
}

async fn replies(recording: Recording) {
    for interaction in recording.interactions {
        let name = &interaction.name;
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let http = HttpOptions::default().with_spans(true);
        let provider = provider(interaction, origin(&server), http);
        let stream = interaction.request["stream"] == true;
        let request = chat_request(vendor(interaction).0, &interaction.request);
        let (completion, streamed) =
            send(&*provider, request, stream).await.expect("the recording is of a success");
        let sent = &server.sent()[0];
        assert_eq!(normalized(&sent.body), normalized(&interaction.request), "{name}");
        let path = interaction.url.splitn(4, '/').nth(3).expect("a path");
        assert!(sent.head.starts_with(&format!("POST /{path} HTTP/1.1\r\n")), "{}", sent.head);
        assert!(sent.head.to_lowercase().contains("authorization: bearer test\r\n"), "{name}");
        let reply = recorded_reply(interaction);
        assert_as_recorded(name, &completion, &reply);
        assert_eq!(streamed.is_some(), stream);
        assert_eq!(streamed.unwrap_or_else(|| reply.text.clone()), completion.text(), "{name}");
        assert_span_carries(interaction, &reply, &recorder);
    }
}

async fn read_split(interaction: &Interaction, reply: &RecordedReply, positions: &[usize]) {
    let http = split_at(interaction, positions);
    let provider = provider(interaction, "http://vendor.example", http);
    let request = chat_request(vendor(interaction).0, &interaction.request);
    let (completion, text) = send(&*provider, request, true).await.expect("a success");
    assert_as_recorded(&interaction.name, &completion, reply);
    assert_eq!(text.as_deref(), Some(reply.text.as_str()), "{}", interaction.name);
}

async fn stream_in_single_bytes(recording: Recording) {
    for interaction in recording.interactions {
        read_split(interaction, &recorded_reply(interaction), &every_position(interaction)).await;
    }
}

async fn stream_split_at_each_byte(recording: Recording) {
    for interaction in recording.interactions {
        let reply = recorded_reply(interaction);
        for position in every_position(interaction) {
            read_split(interaction, &reply, &[position]).await;
        }
    }
}

fn messages(interaction: &Interaction) -> &[Value] {
    interaction.request["messages"].as_array().expect("messages")
}

/// Returns the conversations among the interactions: in each, a request contains the tool results
/// for the reply before it.
fn conversations(interactions: &[&'static Interaction]) -> Vec<Vec<&'static Interaction>> {
    let mut found: Vec<Vec<&'static Interaction>> = Vec::new();
    for interaction in interactions.iter().copied() {
        let goes_on = found.last().is_some_and(|conversation| {
            let before = messages(conversation[conversation.len() - 1]);
            let now = messages(interaction);
            now.starts_with(before)
                && now.len() > before.len()
                && now.last().is_some_and(|m| m["role"] == "tool")
        });
        match found.last_mut() {
            Some(conversation) if goes_on => conversation.push(interaction),
            _ => found.push(vec![interaction]),
        }
    }
    found.retain(|conversation| conversation.len() > 1);
    found
}

/// The loop of a `Chat` sends the recorded requests.
async fn tool_conversations(recording: Recording) {
    for conversation in conversations(&recording.interactions) {
        let (first, last) = (conversation[0], conversation[conversation.len() - 1]);
        let vendor = vendor(first).0;
        let server = Server::start(conversation.iter().map(|i| answer(i)).collect());
        let results = messages(last).iter().filter(|message| message["role"] == "tool");
        let outputs: HashMap<String, Value> = results
            .map(|m| (m["tool_call_id"].as_str().expect("an id").into(), m["content"].clone()))
            .collect();
        let request = chat_request(vendor, &first.request);
        let tools = recorded_tools(request.tools.to_vec(), outputs);
        let provider = provider(first, origin(&server), HttpOptions::default());
        let mut chat = Chat::new(provider).with_tools(tools).with_params((*request.params).clone());
        if let Some(prompt) = request.system_prompt {
            chat = chat.with_system_prompt(prompt);
        }
        let (prompt, before) = messages(first).split_last().expect("a prompt");
        chat.set_turns(turns(vendor, before));
        let events: Vec<_> = in_time(chat.stream(contents(vendor, prompt)).collect()).await;
        assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))), "{}", first.name);
        let sent = server.sent();
        assert_eq!(sent.len(), conversation.len(), "{}", first.name);
        for (sent, recorded) in sent.iter().zip(&conversation) {
            assert_eq!(normalized(&sent.body), normalized(&recorded.request), "{}", first.name);
        }
    }
}

async fn model_lists(recording: Recording) {
    for interaction in recording.interactions {
        let recorder = Recorder::new();
        let server = Server::start(vec![answer(interaction)]);
        let provider = provider(interaction, origin(&server), HttpOptions::default());
        let models = provider.list_models().await.expect("a list");
        let body = interaction.json();
        let expected = body["data"].as_array().expect("a list");
        assert_eq!(models.len(), expected.len());
        for (model, expected) in models.iter().zip(expected) {
            assert_eq!(model.id, expected["id"].as_str().expect("an id"));
            assert_eq!(model.owner.as_deref(), expected["owned_by"].as_str());
            assert_eq!(model.created, expected["created"].as_i64());
        }
        recorder.assert_sound();
        let span = recorder.span("list_models");
        assert_eq!(span["gen_ai.provider.name"], vendor(interaction).0);
    }
}
