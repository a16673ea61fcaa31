//! Requests that vendors refuse: histories, schemas and contents.

use std::collections::{BTreeSet, HashSet};

use chatlas::content::{Thinking, ToolOutcome, ToolRequest, ToolResult};
use chatlas::prelude::*;
use chatlas::{
    Anthropic, AssistantTurn, Bedrock, ChatRequest, Cloudflare, DeepSeek, DynTool, Gemini, Mistral,
    OpenAi, OpenAiCompletions, OpenRouter, Provider, ProviderErrorKind, ToolCall, ToolDefinition,
    Turn, UserTurn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::server::{Answer, Server};
use super::support::timeout::in_time;

/// Returns the bodies of the requests, in order.
fn bodies(server: &Server) -> Vec<Value> {
    server.sent().into_iter().map(|request| request.body).collect()
}

fn completion(message: &Value) -> Answer {
    Answer::json(200, &json!({"choices": [{"message": message}]}))
}

fn text(text: &str) -> Answer {
    completion(&json!({"role": "assistant", "content": text}))
}

fn claude(content: &Value) -> Answer {
    Answer::json(200, &json!({"type": "message", "content": content}))
}

fn call(id: &str) -> Content {
    Content::ToolRequest(ToolRequest::new(id, "clock", json!({})))
}

fn result(id: &str, value: &str) -> Content {
    Content::ToolResult(ToolResult::new(id, "clock", ToolOutcome::Value(value.into())))
}

fn user(contents: Vec<Content>) -> Turn {
    UserTurn::new(contents).into()
}

fn assistant(contents: Vec<Content>) -> Turn {
    AssistantTurn::new(contents).into()
}

/// A conversation with one call of that id.
fn with_call(id: &str) -> Vec<Turn> {
    vec![
        Turn::user("What time is it?"),
        assistant(vec![call(id)]),
        user(vec![result(id, "noon")]),
        Turn::assistant("Noon."),
    ]
}

/// Sends a prompt after these turns. Returns the body of the request.
async fn sent(server: &Server, provider: impl Provider, turns: Vec<Turn>) -> Value {
    let mut chat = Chat::new(provider).with_turns(turns);
    in_time(chat.chat("Thanks.")).await.expect("a reply");
    bodies(server).pop().expect("a request")
}

/// Returns the roles of a request of Chat Completions.
fn roles(body: &Value) -> Vec<&str> {
    let messages = body["messages"].as_array().into_iter().flatten();
    messages.filter_map(|message| message["role"].as_str()).collect()
}

/// Returns the current time.
#[tool]
fn clock() -> &'static str {
    "noon"
}

macro_rules! at {
    ($vendor:ident, $server:expr) => {
        $vendor::new("m").with_base_url($server.url()).with_api_key("k")
    };
}

/// Messages with calls alone have a `content` for vendors that require the field.
/// <https://github.com/graniet/llm/issues/111>
#[tokio::test]
async fn a_message_of_calls_has_the_content_that_the_vendor_requires() {
    let server = Server::start(vec![text("Bye.")]);
    let body = sent(&server, at!(OpenRouter, server), with_call("c1")).await;
    assert_eq!(body["messages"][1]["content"], Value::Null);
    assert!(body["messages"][1].get("content").is_some(), "{body}");
    let body = sent(&server, at!(Cloudflare, server), with_call("c1")).await;
    assert_eq!(body["messages"][1]["content"], "");
}

/// A message of text alone is a string: some servers refuse a list of parts, or ignore it.
/// <https://github.com/decolua/9router/issues/4180>,
/// <https://github.com/CommandCodeAI/command-code/issues/820>
#[tokio::test]
async fn text_alone_is_sent_as_a_string() {
    let server = Server::start(vec![text("Bye.")]);
    let turns = vec![
        user(vec![Content::text("One."), Content::text("Two.")]),
        assistant(vec![Content::text("Three, "), Content::text("four.")]),
    ];
    let body = sent(&server, at!(OpenAiCompletions, server), turns).await;
    let contents: Vec<&Value> =
        body["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(contents, ["One.\nTwo.", "Three, four.", "Thanks."]);
}

/// Mistral refuses a message of the user directly after the result of a tool: a message of the model
/// is sent between them, after an interrupted run and for an image that a tool returned.
/// <https://github.com/aaif-goose/goose/issues/5998>, <https://github.com/zed-industries/zed/issues/37021>
#[tokio::test]
async fn a_message_of_the_model_separates_results_from_the_user_for_mistral() {
    let server = Server::start(vec![text("Bye.")]);
    let mut turns = with_call("abcdefghi");
    turns.pop();
    let body = sent(&server, at!(Mistral, server), turns.clone()).await;
    assert_eq!(roles(&body), ["user", "assistant", "tool", "assistant", "user"]);
    let picture = ToolOutcome::Contents(vec![Content::image_base64("image/png", "AA==")]);
    turns[2] = user(vec![Content::ToolResult(ToolResult::new("abcdefghi", "clock", picture))]);
    let provider = at!(Mistral, server);
    in_time(provider.chat(ChatRequest::new(turns.clone()))).await.expect("a reply");
    let body = bodies(&server).pop().unwrap();
    assert_eq!(roles(&body), ["user", "assistant", "tool", "assistant", "user"]);
    let body = sent(&server, at!(OpenAiCompletions, server), turns).await;
    assert_eq!(roles(&body), ["user", "assistant", "tool", "user"]);
}

/// Google's signature of a thought, which its Chat Completions API adds to a call, is sent back
/// unchanged, and to that vendor only.
/// <https://github.com/securo-finance/securo/issues/884>
#[tokio::test]
async fn the_signature_in_the_extra_content_of_a_call_is_sent_back() {
    let signature = json!({"google": {"thought_signature": "sig/1=="}});
    let asked = json!({"id": "c1", "type": "function", "index": 0, "extra_content": signature,
        "function": {"name": "clock", "arguments": "{}"}});
    let event = |value: &Value| format!("data: {value}\n\n");
    let streamed = [
        event(&json!({"choices": [{"index": 0, "delta": {"tool_calls": [asked]}}]})),
        event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})),
    ];
    for (first, is_streamed) in [
        (completion(&json!({"tool_calls": [asked]})), false),
        (Answer::events(streamed.concat()), true),
    ] {
        let server = Server::start(vec![first, text("Noon.")]);
        let mut chat = Chat::new(at!(OpenAiCompletions, server)).with_tools(tools![clock]);
        if is_streamed {
            let mut events = chat.stream("What time is it?");
            while let Some(event) = in_time(events.next()).await {
                event.expect("an event");
            }
        } else {
            in_time(chat.chat("What time is it?")).await.expect("a reply");
        }
        let body = &bodies(&server)[1];
        assert_eq!(body["messages"][1]["tool_calls"][0]["extra_content"], signature);
        let turns = chat.turns().iter().map(|turn| Turn::clone(turn)).collect();
        let body = sent(&server, at!(DeepSeek, server), turns).await;
        assert_eq!(body["messages"][1]["tool_calls"][0].get("extra_content"), None);
    }
}

/// OpenAI accepts ids of calls with at most 64 characters: a longer one is shortened, for the call and
/// its result alike.
/// <https://github.com/agentgateway/agentgateway/issues/3342>
#[tokio::test]
async fn long_ids_of_calls_are_shortened_for_openai() {
    let id = format!("call_{}", "é0".repeat(140));
    let server = Server::start(vec![text("Bye.")]);
    let body = sent(&server, at!(OpenAiCompletions, server), with_call(&id)).await;
    let short = body["messages"][1]["tool_calls"][0]["id"].as_str().expect("an id");
    assert!(short.chars().count() <= 64, "{short}");
    assert_eq!(body["messages"][2]["tool_call_id"], short);
    let output = json!([{"type": "message", "content": [{"type": "output_text", "text": "Bye."}]}]);
    let reply = json!({"status": "completed", "output": output});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let body = sent(&server, at!(OpenAi, server), with_call(&id)).await;
    assert_eq!(body["input"][1]["call_id"], short);
    assert_eq!(body["input"][2]["call_id"], short);
}

/// Ids that repeat, between the rounds of a conversation or within one reply, become unique, and each
/// result stays with its call.
/// <https://github.com/NVIDIA-NeMo/Switchyard/issues/502>, <https://github.com/HKUDS/nanobot/pull/4444>
#[tokio::test]
async fn repeated_ids_of_calls_become_unique() {
    let server = Server::start(vec![claude(&json!([{"type": "text", "text": "Bye."}]))]);
    let turns = vec![
        Turn::user("Twice, please."),
        assistant(vec![call("call_0"), call("call_0")]),
        user(vec![result("call_0", "one"), result("call_0", "two")]),
        assistant(vec![call("call_0")]),
        user(vec![result("call_0", "three")]),
        Turn::assistant("Done."),
    ];
    let body = sent(&server, at!(Anthropic, server), turns).await;
    let blocks = body["messages"].as_array().unwrap().iter();
    let blocks: Vec<&Value> =
        blocks.flat_map(|message| message["content"].as_array().unwrap()).collect();
    let ids: Vec<&Value> =
        blocks.iter().filter(|b| b["type"] == "tool_use").map(|b| &b["id"]).collect();
    assert_eq!(ids.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), 3, "{ids:?}");
    let results = blocks.iter().filter(|block| block["type"] == "tool_result");
    let results: Vec<(&Value, &str)> =
        results.map(|block| (&block["tool_use_id"], block["content"].as_str().unwrap())).collect();
    assert_eq!(results, [(ids[0], "one"), (ids[1], "two"), (ids[2], "three")]);
}

/// A tool whose schema has no properties is sent with empty ones, which OpenAI requires.
/// <https://github.com/langchain-ai/langchain-mcp-adapters/issues/137>
#[tokio::test]
async fn a_schema_without_properties_is_sent_with_empty_ones() {
    let tool = ToolDefinition::new("ping", "Pings.", json!({"type": "object"}));
    let server = Server::start(vec![text("Hi."), Answer::json(200, &json!({"output": []}))]);
    let mut request = ChatRequest::new([Turn::user("Hi.")]);
    request.tools = [tool].into();
    in_time(at!(OpenAiCompletions, server).chat(request.clone())).await.expect("a reply");
    let _ = in_time(at!(OpenAi, server).chat(request)).await;
    let bodies = bodies(&server);
    let expected = json!({"type": "object", "properties": {}});
    assert_eq!(bodies[0]["tools"][0]["function"]["parameters"], expected);
    assert_eq!(bodies[1]["tools"][0]["parameters"], expected);
}

/// An empty reply leaves no two messages of the user in a row, which chat templates refuse.
/// <https://github.com/vllm-project/vllm/issues/6862>
#[tokio::test]
async fn an_empty_reply_leaves_no_two_user_messages() {
    let server = Server::start(vec![text(""), text("Here.")]);
    let mut chat = Chat::new(at!(OpenAiCompletions, server));
    in_time(chat.chat("Hello?")).await.expect("a reply");
    in_time(chat.chat("Anyone?")).await.expect("a reply");
    let messages = &bodies(&server)[1]["messages"];
    assert_eq!(messages, &json!([{"role": "user", "content": "Hello?\nAnyone?"}]));
}

/// Arguments in a history that are no object (JSON in a string, JSON that was cut off) are sent back
/// as an object, which servers parse.
/// <https://github.com/JetBrains/koog/issues/2095>, <https://github.com/nielspeter/claude-code-proxy/pull/13>
#[tokio::test]
async fn arguments_are_sent_back_as_an_object() {
    let turns = |arguments: Value| {
        let mut turns = with_call("c1");
        let call = ToolRequest::new("c1", "clock", arguments);
        turns[1] = assistant(vec![Content::ToolRequest(call)]);
        turns
    };
    for (arguments, object) in [
        (json!("{\"zone\": \"UTC\"}"), json!({"zone": "UTC"})),
        (json!("{\"zone\": \"U"), json!({"INVALID_JSON": "{\"zone\": \"U"})),
        (Value::Null, json!({})),
    ] {
        let server = Server::start(vec![text("Bye.")]);
        let body = sent(&server, at!(OpenAiCompletions, server), turns(arguments.clone())).await;
        let written = &body["messages"][1]["tool_calls"][0]["function"]["arguments"];
        let read: Value = serde_json::from_str(written.as_str().unwrap()).unwrap();
        assert_eq!(read, object);
        let server = Server::start(vec![claude(&json!([]))]);
        let body = sent(&server, at!(Anthropic, server), turns(arguments)).await;
        assert_eq!(body["messages"][1]["content"][0]["input"], object);
    }
}

/// Google reads a `$ref` in a result as a reference to a medium: such a result is sent as text.
/// <https://github.com/vercel/ai/issues/14369>
#[tokio::test]
async fn a_result_with_a_reference_is_sent_as_text_to_google() {
    let reply = json!({"candidates": [{"content": {"parts": [{"text": "Bye."}]},
        "finishReason": "STOP"}]});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let value = json!({"schema": [{"$ref": "#/$defs/Zone"}]});
    let mut turns = with_call("c1");
    let outcome = ToolOutcome::Value(value.clone());
    turns[2] = user(vec![Content::ToolResult(ToolResult::new("c1", "clock", outcome))]);
    let body = sent(&server, at!(Gemini, server), turns).await;
    let response = &body["contents"][2]["parts"][0]["functionResponse"]["response"];
    assert_eq!(response, &json!({"result": value.to_string()}));
}

/// A tool whose name Google rejects is refused before the request, with the rule in the message.
/// <https://github.com/diegosouzapw/OmniRoute/pull/13752>
#[tokio::test]
async fn a_tool_name_that_google_rejects_is_refused_by_name() {
    let server = Server::start(vec![Answer::json(200, &json!({}))]);
    let run = async |_: ToolCall| Ok::<_, ToolError>("x");
    let tool = DynTool::new("7zip", "Packs.", json!({"type": "object"}), run).unwrap();
    let mut chat =
        Chat::new(at!(Gemini, server)).with_tools([tool].into_iter().collect::<ToolSet>());
    let Err(ChatError::Provider(error)) = in_time(chat.chat("Pack it.")).await else {
        panic!("an error of the provider")
    };
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
    assert!(error.message().contains("`7zip`"), "{error}");
    assert!(server.sent().is_empty());
}

/// Names in a history that a model invented are sent in the characters that vendors accept.
/// <https://github.com/diegosouzapw/OmniRoute/pull/13752>
#[tokio::test]
async fn invented_names_in_a_history_are_fitted() {
    let turns = |name: &str| {
        let call = ToolRequest::new("c1", name, json!({}));
        let result = ToolResult::new("c1", name, ToolOutcome::Error("no such tool".into()));
        vec![
            Turn::user("Go."),
            assistant(vec![Content::ToolRequest(call)]),
            user(vec![Content::ToolResult(result)]),
            Turn::assistant("Sorry."),
        ]
    };
    let server = Server::start(vec![text("Bye.")]);
    let body = sent(&server, at!(OpenAiCompletions, server), turns("functions.clock")).await;
    let name = &body["messages"][1]["tool_calls"][0]["function"]["name"];
    assert_eq!(name, "functions_clock");
    let reply = json!({"candidates": [{"content": {"parts": [{"text": "Bye."}]},
        "finishReason": "STOP"}]});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let body = sent(&server, at!(Gemini, server), turns("1c")).await;
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["name"], "_1c");
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["name"], "_1c");
}

/// A result that the program gives with its prompt is the only one of the call.
/// (Found by the project itself: the chat had added a second result, that of an interrupted call.)
#[tokio::test]
async fn a_call_has_one_result_the_one_of_the_program() {
    let server = Server::start(vec![text("Bye.")]);
    let turns = vec![Turn::user("What time is it?"), assistant(vec![call("c1")])];
    let mut chat = Chat::new(at!(OpenAiCompletions, server)).with_turns(turns);
    in_time(chat.chat([result("c1", "noon"), Content::text("Well?")])).await.expect("a reply");
    let body = &bodies(&server)[0];
    assert_eq!(roles(body), ["user", "assistant", "tool", "user"]);
    assert_eq!(body["messages"][2]["content"], "noon");
}

/// A history with calls is accepted by a request without tools: the tools of the history are defined.
/// <https://github.com/patriceckhart/zot/pull/18>
#[tokio::test]
async fn tools_of_the_history_are_defined_where_the_request_has_none() {
    let reply = json!({"output": {"message": {"content": [{"text": "Bye."}]}},
        "stopReason": "end_turn"});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let nova = Bedrock::new("amazon.nova-lite-v1:0").with_region("us-east-1");
    let nova = nova.with_base_url(server.url()).with_api_key("k");
    let body = sent(&server, nova, with_call("c1")).await;
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "clock");
    let server = Server::start(vec![claude(&json!([{"type": "text", "text": "Bye."}]))]);
    let body = sent(&server, at!(Anthropic, server), with_call("c1")).await;
    assert_eq!(body["tools"][0]["name"], "clock");
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
    let body = sent(&server, at!(Anthropic, server), vec![]).await;
    assert_eq!(body.get("tools"), None);
}

/// DeepSeek requires `reasoning_content` with each message that has calls, also if another vendor's
/// model made them, and rejects an empty one.
/// <https://github.com/NousResearch/hermes-agent/pull/15228>, <https://github.com/HKUDS/nanobot/issues/946>
#[tokio::test]
async fn deepseek_receives_thinking_with_all_calls() {
    let server = Server::start(vec![text("Bye.")]);
    let body = sent(&server, at!(DeepSeek, server), with_call("c1")).await;
    assert!(!body["messages"][1]["reasoning_content"].as_str().unwrap().is_empty(), "{body}");
    let mut turns = with_call("c1");
    turns[1] = assistant(vec![Content::Thinking(Thinking::new("A clock.")), call("c1")]);
    let body = sent(&server, at!(DeepSeek, server), turns.clone()).await;
    assert_eq!(body["messages"][1]["reasoning_content"], "A clock.");
    let body = sent(&server, at!(OpenAiCompletions, server), turns).await;
    assert_eq!(body["messages"][1].get("reasoning_content"), None);
}

/// Thinking that a server with Anthropic's API did not sign is sent back to it.
/// <https://github.com/can1357/oh-my-pi/pull/908>
#[tokio::test]
async fn unsigned_thinking_is_sent_back_to_the_server_that_sent_it() {
    let thought = json!({"type": "thinking", "thinking": "A clock."});
    let asked = json!({"type": "tool_use", "id": "t1", "name": "clock", "input": {}});
    let server = Server::start(vec![
        claude(&json!([thought, asked])),
        claude(&json!([{"type": "text", "text": "Noon."}])),
    ]);
    let mut chat = Chat::new(at!(Anthropic, server)).with_tools(tools![clock]);
    in_time(chat.chat("What time is it?")).await.expect("a reply");
    let content = &bodies(&server)[1]["messages"][1]["content"];
    assert_eq!(content[0]["thinking"], "A clock.");
}

/// A reasoning item that no other item follows is not sent: the API refuses it.
/// <https://github.com/lukacf/meerkat/pull/25>
#[tokio::test]
async fn a_reasoning_item_alone_is_not_sent() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [],
        "encrypted_content": "g"});
    let cut = json!({"status": "incomplete", "output": [thought],
        "incomplete_details": {"reason": "max_output_tokens"}});
    let answer = json!({"type": "message", "content": [{"type": "output_text", "text": "Hi."}]});
    let complete = json!({"status": "completed", "output": [thought, answer]});
    let server = Server::start(vec![Answer::json(200, &cut), Answer::json(200, &complete)]);
    let openai = OpenAi::new("gpt-5.4").with_base_url(server.url()).with_api_key("k");
    let mut chat = Chat::new(openai);
    for prompt in ["a", "b", "c"] {
        in_time(chat.chat(prompt)).await.expect("a reply");
    }
    let bodies = bodies(&server);
    let kinds = |body: &Value| -> Vec<String> {
        let items = body["input"].as_array().unwrap().iter();
        let kind =
            |item: &Value| item["type"].as_str().or(item["role"].as_str()).map(str::to_owned);
        items.filter_map(kind).collect()
    };
    assert_eq!(kinds(&bodies[1]), ["user", "user"]);
    assert_eq!(kinds(&bodies[2]), ["user", "user", "reasoning", "assistant", "user"]);
}

/// A text of the model without an id is sent in the form that has none: a role and a string.
/// (The published schema of the other form requires the id.)
#[tokio::test]
async fn a_text_without_an_id_has_the_simple_form() {
    let answer = json!({"type": "message", "content": [{"type": "output_text", "text": "Hi."}]});
    let reply = json!({"status": "completed", "output": [answer]});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let body =
        sent(&server, at!(OpenAi, server), vec![Turn::user("a"), Turn::assistant("b")]).await;
    assert_eq!(body["input"][1], json!({"role": "assistant", "content": "b"}));
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code)]
struct Labels {
    labels: HashSet<String>,
    letter: char,
}

/// Counts labels.
#[tool]
fn count(labels: BTreeSet<String>) -> usize {
    labels.len()
}

/// What is sent as strict has only the keywords that strict mode supports.
/// <https://github.com/likelion-apex/BE/issues/114>, <https://github.com/QwenLM/qwen-code/issues/9865>
#[tokio::test]
async fn strict_schemas_have_supported_keywords_only() {
    let server = Server::start(vec![text("{\"labels\": [\"a\"], \"letter\": \"b\"}")]);
    let mut chat = Chat::new(at!(OpenAiCompletions, server));
    in_time(chat.extract::<Labels>("Label it.")).await.expect("labels");
    let format = &bodies(&server)[0]["response_format"]["json_schema"];
    assert_eq!(format["strict"], true);
    let labels = &format["schema"]["properties"]["labels"];
    assert_eq!(
        (labels.get("uniqueItems"), &labels["description"]),
        (None, &json!("{unique items: true}"))
    );
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {"a": {"type": "string", "not": {"enum": ["b"]}}}});
    let run = async |_: ToolCall| Ok::<_, ToolError>("x");
    let foreign = DynTool::new("foreign", "Of others.", schema, run).unwrap();
    let answer = json!({"type": "message", "content": [{"type": "output_text", "text": "Hi."}]});
    let reply = json!({"status": "completed", "output": [answer]});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let mut chat = Chat::new(at!(OpenAi, server)).with_tools(tools![count]);
    chat.add_tool(foreign).unwrap();
    in_time(chat.chat("Hi.")).await.expect("a reply");
    let tools = bodies(&server)[0]["tools"].clone();
    assert_eq!(
        (&tools[0]["strict"], &tools[1]["strict"]),
        (&json!(false), &json!(false)),
        "{tools}"
    );
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code)]
struct Node {
    value: u8,
    next: Option<Box<Node>>,
}

/// Counts nodes.
#[tool(strict)]
fn count_nodes(node: Node) -> u8 {
    node.value
}

/// A strict tool whose schema refers to itself is not strict for Anthropic, which enforces no such
/// schema. (Found by the project itself.)
#[tokio::test]
async fn a_recursive_strict_tool_is_not_strict_for_anthropic() {
    let server = Server::start(vec![claude(&json!([{"type": "text", "text": "Hi."}]))]);
    let mut chat = Chat::new(at!(Anthropic, server)).with_tools(tools![count_nodes]);
    in_time(chat.chat("Hi.")).await.expect("a reply");
    let tool = bodies(&server)[0]["tools"][0].clone();
    assert!(tool["input_schema"].to_string().contains("$ref"), "{tool}");
    assert_eq!(tool.get("strict"), None);
}

/// An image that the vendor does not support is an error in the prompt, and a text in the history: a
/// conversation that moves to another vendor goes on.
#[tokio::test]
async fn unsupported_media_are_an_error_in_the_prompt_alone() {
    let reply = json!({"output": {"message": {"content": [{"text": "Bye."}]}},
        "stopReason": "end_turn"});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let nova = Bedrock::new("amazon.nova-lite-v1:0").with_region("us-east-1");
    let nova = nova.with_base_url(server.url()).with_api_key("k");
    let image = Content::image_url("https://a.example/a.png");
    let mut chat = Chat::new(nova.clone());
    assert!(in_time(chat.chat([image.clone()])).await.is_err());
    assert!(server.sent().is_empty());
    in_time(chat.chat("Hi.")).await.expect("the failed prompt is not in the history");
    let turns = vec![user(vec![image]), Turn::assistant("A cat.")];
    let body = sent(&server, nova, turns).await;
    assert_eq!(body["messages"][0]["content"], json!([{"text": "[an image that cannot be sent]"}]));
}
