//! The requests that Anthropic receives.

use chatlas_core::content::{
    Content, Media, MediaSource, Refusal, Replay, ServerTool, Text, Thinking, ToolOutcome,
    ToolRequest, ToolResult,
};
use chatlas_core::{
    AssistantTurn, ChatRequest, OutputSchema, Provider as _, ProviderError, ToolDefinition, Turn,
    UserTurn, WebFetch, WebSearch,
};
use chatlas_providers::anthropic::{Anthropic, Caching};
use serde_json::{Map, Value, json};

use super::fixed::{Answer, Request, answering, hi, run};

/// The vendor whose items are sent back.
const ANTHROPIC: &str = "anthropic";
/// The text that replaces an empty one.
const NO_TEXT: &str = "[empty string]";
const OUTPUT_TOOL: &str = "_structured_tool_call";

fn model() -> Anthropic {
    Anthropic::new("claude-sonnet-4-5").with_api_key("k")
}

/// Sends a request and returns it as the server receives it.
fn sent(model: Anthropic, request: ChatRequest) -> Result<Request, ProviderError> {
    let (http, requests) = answering(vec![Answer::json(200, &json!({"content": []}))]);
    run(model.with_http(http).chat(request))?;
    Ok(requests.request())
}

fn body(model: Anthropic, request: &ChatRequest) -> Value {
    sent(model, request.clone()).expect("a valid request").body
}

/// Returns the body of a request for a count of tokens.
fn counted(model: Anthropic, request: ChatRequest) -> Value {
    let (http, requests) = answering(vec![Answer::json(200, &json!({"input_tokens": 1}))]);
    assert_eq!(run(model.with_http(http).count_tokens(request)), Ok(1));
    let sent = requests.request();
    assert_eq!(sent.url, "https://api.anthropic.com/v1/messages/count_tokens");
    sent.body
}

/// Returns the messages of a conversation, without cache marks.
fn messages(turns: Vec<Turn>) -> Value {
    body(model().with_caching(Caching::Off), &ChatRequest::new(turns))["messages"].take()
}

fn user(contents: Vec<Content>) -> Value {
    messages(vec![UserTurn::new(contents).into()])[0]["content"].take()
}

/// Returns the blocks of a user turn that follows the calls of its results.
fn answers(contents: Vec<Content>) -> Value {
    let turn = UserTurn::new(contents);
    let calls = turn.tool_results().map(|result| {
        Content::ToolRequest(ToolRequest::new(&*result.id, &*result.name, json!({})))
    });
    let calls = AssistantTurn::new(calls.collect::<Vec<_>>());
    messages(vec![Turn::user("a"), calls.into(), turn.into()])[2]["content"].take()
}

/// Returns the blocks of an assistant turn that is not the last one; `None` if it is not sent.
fn assistant(contents: Vec<Content>) -> Option<Value> {
    let turns = vec![Turn::user("a"), AssistantTurn::new(contents).into(), Turn::user("and?")];
    let mut messages = messages(turns);
    (messages[1]["role"] == "assistant").then(|| messages[1]["content"].take())
}

fn replay(provider: &str, item: &Value) -> Replay {
    Replay::new(provider, item.clone())
}

fn result(outcome: ToolOutcome) -> Content {
    Content::ToolResult(ToolResult::new("a.1", "look", outcome))
}

fn file() -> MediaSource {
    MediaSource::File { id: "file_1".into(), mime_type: None }
}

fn server_tool(item: Value) -> Content {
    Content::ServerTool(ServerTool::new("x", Replay::new(ANTHROPIC, item)))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is not an object"),
    }
}

#[test]
fn tool_results_precede_other_contents() {
    let picture = Content::image_base64("image/png", "AAAA");
    let pdf = Content::document_base64("a.pdf", "application/pdf", "BBBB");
    let contents = vec![Content::text("see"), picture, pdf];
    let blocks = answers(vec![
        Content::text("well?"),
        result(ToolOutcome::Contents(contents)),
        result(ToolOutcome::Value(json!({"a": 1}))),
        result(ToolOutcome::Error("no such city".into())),
    ]);
    assert_eq!(
        blocks,
        json!([
            {"type": "tool_result", "tool_use_id": "a_1", "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source":
                    {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "title": "a.pdf", "source":
                    {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}},
            ]},
            {"type": "tool_result", "tool_use_id": "a_1_1", "content": "{\"a\":1}"},
            {"type": "tool_result", "tool_use_id": "a_1_2", "content": "no such city",
                "is_error": true},
            {"type": "text", "text": "well?"},
        ])
    );
}

#[test]
fn no_text_is_blank() {
    assert_eq!(user(vec![Content::text(" \n")])[0]["text"], NO_TEXT);
    assert_eq!(
        user(vec![Content::text(""), Content::text("hi")]),
        json!([{"type": "text", "text": "hi"}])
    );
    assert_eq!(assistant(vec![Content::text("")]), None);
    let cited = json!({"type": "text", "text": " ", "citations": [{"type": "x"}]});
    let blank = Text::new(" ").with_replay(replay(ANTHROPIC, &cited));
    assert_eq!(assistant(vec![Content::Text(blank)]), None);
    let failed = answers(vec![result(ToolOutcome::Error(String::new()))]);
    assert_eq!((&failed[0]["content"], &failed[0]["is_error"]), (&json!(NO_TEXT), &json!(true)));
}

#[test]
fn cache_marks_are_on_blocks_that_accept_them() {
    for (kind, is_cacheable) in [
        ("text", true),
        ("tool_result", true),
        ("server_tool_use", true),
        ("web_search_tool_result", true),
        ("thinking", false),
        ("redacted_thinking", false),
        ("fallback", false),
    ] {
        let turns = [
            Turn::user("a"),
            AssistantTurn::new([server_tool(json!({"type": kind, "id": "s1"}))]).into(),
        ];
        let sent = body(model(), &ChatRequest::new(turns));
        let block = &sent["messages"][1]["content"][0];
        assert_eq!(block["type"], kind);
        assert_eq!(block.get("cache_control").is_some(), is_cacheable, "{kind}");
    }
}

#[test]
fn media_are_sent_by_their_source() {
    let blocks = user(vec![
        Content::image_url("https://a.example/a.png"),
        Content::image_url("data:image/gif;base64,R0lG"),
        Content::Image(Media::new(file())),
        Content::document_url("https://a.example/a.pdf"),
        Content::Document(Media::new(file()).with_name("a")),
        Content::document_base64("a.csv", "text/csv; charset=utf-8", "YSxiCg=="),
        Content::document_base64("a.json", "application/json", "e30="),
        Content::document_base64("a.txt", "text/plain", "/w=="),
    ]);
    let sources: Vec<Value> =
        blocks.as_array().unwrap().iter().map(|block| block["source"].clone()).collect();
    assert_eq!(
        Value::from(sources),
        json!([
            {"type": "url", "url": "https://a.example/a.png"},
            {"type": "base64", "media_type": "image/gif", "data": "R0lG"},
            {"type": "file", "file_id": "file_1"},
            {"type": "url", "url": "https://a.example/a.pdf"},
            {"type": "file", "file_id": "file_1"},
            {"type": "text", "media_type": "text/plain", "data": "a,b\n"},
            {"type": "text", "media_type": "text/plain", "data": "{}"},
            {"type": "base64", "media_type": "text/plain", "data": "/w=="},
        ])
    );
    let pdf = Content::document_url("https://a.example/a.pdf");
    let request = ChatRequest::new([UserTurn::new([pdf]).into()]);
    let cited = body(model().with_document_citations(), &request);
    assert_eq!(cited["messages"][0]["content"][0]["citations"], json!({"enabled": true}));
}

#[test]
fn items_are_sent_back_to_their_vendor_only() {
    let thought = json!({"type": "thinking", "thinking": "Hm.", "signature": "sig"});
    let hidden = json!({"type": "redacted_thinking", "data": "xyz"});
    let call = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []});
    let cited = json!({"type": "text", "text": "so", "citations": [{"type": "x"}]});
    let thinking = |replay| {
        let thinking = Thinking::new("Hm.");
        Content::Thinking(match replay {
            Some(replay) => thinking.with_replay(replay),
            None => thinking,
        })
    };
    let text = |text: &str, replay| Content::Text(Text::new(text).with_replay(replay));
    let searched = |provider: &str| {
        let replay = replay(provider, &json!([call, found]));
        Content::ServerTool(ServerTool::new("web_search", replay))
    };
    let other_api = Replay::new(ANTHROPIC, json!({"toolUse": {}}));
    let blocks = assistant(vec![
        thinking(Some(replay(ANTHROPIC, &thought))),
        thinking(Some(replay(ANTHROPIC, &hidden))),
        thinking(Some(replay("openai", &json!({"id": 1})))),
        thinking(Some(replay(ANTHROPIC, &json!({"reasoningContent": {}})))),
        thinking(None),
        searched(ANTHROPIC),
        searched("openai"),
        Content::ServerTool(ServerTool::new("of_another_api", other_api)),
        text("so", replay(ANTHROPIC, &cited)),
        text("or so", replay(ANTHROPIC, &cited)),
        text("so", replay("openai", &json!({}))),
        Content::Refusal(Refusal::new("No.")),
    ]);
    let plain = |text: &str| json!({"type": "text", "text": text});
    let expected = [
        thought.clone(),
        hidden.clone(),
        call.clone(),
        found.clone(),
        cited.clone(),
        plain("or so"),
        plain("so"),
        plain("No."),
    ];
    assert_eq!(blocks, Some(expected.into_iter().collect()));
}

#[test]
fn the_arguments_of_a_call_are_an_object() {
    for (arguments, input) in [
        (json!({"a": 1}), json!({"a": 1})),
        (Value::Null, json!({})),
        (json!("{\"a\": "), json!({"INVALID_JSON": "{\"a\": "})),
        (json!([1]), json!({"INVALID_JSON": "[1]"})),
    ] {
        let request = ToolRequest::new("call|1", "look", arguments);
        let blocks = assistant(vec![Content::ToolRequest(request)]).unwrap();
        assert_eq!(blocks[0]["input"], input);
        assert_eq!(blocks[0]["id"], "call_1");
    }
}

#[test]
fn a_budget_is_not_sent_after_calls_without_thinking() {
    let thought = json!({"type": "thinking", "thinking": "Hm.", "signature": "sig"});
    let thought = Thinking::new("Hm.").with_replay(replay(ANTHROPIC, &thought));
    let call = Content::ToolRequest(ToolRequest::new("a.1", "look", json!({})));
    let answer = result(ToolOutcome::Value(json!(1)));
    let thinks = |contents: Vec<Content>| {
        let turns = [
            Turn::user("a"),
            AssistantTurn::new(contents).into(),
            UserTurn::new([answer.clone()]).into(),
        ];
        let sent = body(model().with_thinking_budget(2048), &ChatRequest::new(turns));
        sent.get("thinking").is_some()
    };
    assert!(!thinks(vec![call.clone()]));
    assert!(thinks(vec![Content::Thinking(thought), call]));
    assert!(thinks(vec![Content::text("b")]));
}

#[test]
fn models_with_output_format_are_recognised_by_name() {
    let mut request = hi();
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    request.output = Some(OutputSchema::new("answer", schema).with_strict(true).into());
    let has_format = |model: &str| {
        let sent = body(Anthropic::new(model).with_api_key("k"), &request);
        assert_ne!(sent.get("output_config").is_some(), sent.get("tools").is_some(), "{model}");
        sent.get("output_config").is_some()
    };
    for model in [
        "claude-haiku-4-5-20251001",
        "claude-opus-4-5",
        "claude-sonnet-4-6",
        "claude-sonnet-5",
        "claude-opus-4-10",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "another",
    ] {
        assert!(has_format(model), "{model}");
    }
    for model in [
        "claude-opus-4-1-20250805",
        "claude-opus-4-20250514",
        "claude-sonnet-4-0",
        "claude-sonnet-4",
        "claude-sonnet-4@20250514",
        "claude-3-7-sonnet-20250219",
        "claude-3-opus-latest",
        "claude-2.1",
        "claude-instant-1.2",
    ] {
        assert!(!has_format(model), "{model}");
    }
}

#[test]
fn an_unsupported_parameter_is_named_in_the_error() {
    let mut request = hi();
    std::sync::Arc::make_mut(&mut request.params).seed = Some(1);
    let error = sent(model(), request).expect_err("an error");
    assert_eq!(error.message(), "Anthropic's Messages API has no parameter `seed`: leave it unset");
}

#[test]
fn the_system_prompt_and_the_last_block_are_cached() {
    let mut request = hi();
    request.system_prompt = Some("be brief".into());
    for (caching, mark) in [
        (Caching::FiveMinutes, json!({"type": "ephemeral", "ttl": "5m"})),
        (Caching::OneHour, json!({"type": "ephemeral", "ttl": "1h"})),
        (Caching::Off, Value::Null),
    ] {
        let sent = body(model().with_caching(caching), &request);
        assert_eq!(sent["system"][0]["cache_control"], mark);
        assert_eq!(sent["messages"][0]["content"][0]["cache_control"], mark);
    }
}

#[test]
fn a_thinking_budget_raises_the_token_limit() {
    for (budget, limit) in [(1024, 4096), (4000, 4096), (4096, 8192), (32_000, 36_096)] {
        let sent = body(model().with_thinking_budget(budget), &hi());
        assert_eq!(sent["thinking"], json!({"type": "enabled", "budget_tokens": budget}));
        assert_eq!(sent["max_tokens"], limit);
    }
    let mut request = hi();
    std::sync::Arc::make_mut(&mut request.params).max_tokens = Some(7);
    let sent = body(model().with_adaptive_thinking(), &request);
    assert_eq!(sent["thinking"], json!({"type": "adaptive"}));
    assert_eq!(sent["max_tokens"], 7);
}

#[test]
fn an_older_model_returns_structured_output_by_a_tool() {
    let older = || Anthropic::new("claude-3-7-sonnet-20250219").with_api_key("k");
    let mut request = hi();
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let output = OutputSchema::new("answer", schema.clone()).with_strict(true);
    request.output = Some(output.into());
    let sent = body(older(), &request);
    assert_eq!(sent["tools"][0]["input_schema"]["properties"]["data"], schema);
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": OUTPUT_TOOL}));
    assert!(sent.get("output_config").is_none());
    request.tools = [ToolDefinition::new("look", "Looks.", json!({"type": "object"}))].into();
    let sent = body(older(), &request);
    assert_eq!(sent["tool_choice"], json!({"type": "any"}));
    let sent = body(older().with_adaptive_thinking(), &request);
    assert_eq!(sent["tool_choice"], json!({"type": "auto"}));
}

#[test]
fn a_schema_that_is_not_enforced_is_the_input_of_a_tool() {
    let sent = |schema: Value| {
        let mut request = hi();
        request.output = Some(OutputSchema::new("a", schema).with_strict(true).into());
        body(model(), &request)
    };
    let closed =
        sent(json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}},
        "required": ["a"], "additionalProperties": false}));
    let field = json!({"type": "integer", "description": "{minimum: 0}"});
    assert_eq!(closed["output_config"]["format"]["schema"]["properties"]["a"], field);
    assert!(closed.get("tools").is_none());
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let open = sent(map.clone());
    assert_eq!(open["tools"][0]["input_schema"]["properties"]["data"], map);
    assert!(open.get("output_config").is_none());
}

#[test]
fn a_server_call_is_sent_while_its_turn_may_continue() {
    let call = json!({"type": "server_tool_use", "id": "s1", "name": "x", "input": {}});
    let result = json!({"type": "x_tool_result", "tool_use_id": "s1", "content": []});
    let caller = json!({"type": "code_execution_20250825", "tool_id": "s1"});
    // A text inside a call is not sent back: <https://github.com/sgl-project/sglang/pull/24294>
    let item = json!({"type": "tool_use", "caller": caller, "text": " "});
    let replay = Replay::new(ANTHROPIC, item);
    let request = ToolRequest::new("t1", "look", json!({})).with_replay(replay);
    let by_code = Content::ToolRequest(request);
    let model_turn = |contents: Vec<Content>| Turn::from(AssistantTurn::new(contents));
    let kinds = |turns: Vec<Turn>| {
        let sent = messages(turns);
        let messages = sent.as_array().unwrap().iter();
        let blocks = messages.flat_map(|message| message["content"].as_array().unwrap().clone());
        blocks.map(|block| block["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let open = model_turn(vec![server_tool(json!([call]))]);
    assert_eq!(kinds(vec![Turn::user("a"), open.clone()]), ["text", "server_tool_use"]);
    assert_eq!(kinds(vec![Turn::user("a"), open.clone(), Turn::user("b")]), ["text", "text"]);
    let waits = model_turn(vec![server_tool(json!([call])), by_code.clone()]);
    assert_eq!(
        kinds(vec![Turn::user("a"), waits, Turn::user("b")]),
        ["text", "server_tool_use", "tool_use", "tool_result", "text"]
    );
    let answered = model_turn(vec![server_tool(json!([result]))]);
    assert_eq!(
        kinds(vec![Turn::user("a"), open, Turn::user("b"), answered, Turn::user("c")]),
        ["text", "server_tool_use", "text", "x_tool_result", "text"]
    );
    let sent = messages(vec![Turn::user("a"), model_turn(vec![by_code])]);
    let sent = &sent[1]["content"][0];
    assert_eq!((&sent["caller"], &sent["id"]), (&caller, &json!("t1")));
    assert_eq!(sent.get("text"), None);
}

#[test]
fn the_last_text_of_the_model_ends_without_white_space() {
    let sent = messages(vec![Turn::user("a"), Turn::assistant("So: \n")]);
    assert_eq!(sent[1]["content"][0]["text"], "So:");
    let item = json!({"type": "text", "text": "So: ", "citations": [{"type": "x"}]});
    let cited = Text::new("So: ").with_replay(Replay::new(ANTHROPIC, item));
    let last = AssistantTurn::new([Content::Text(cited)]);
    let sent = messages(vec![Turn::user("a"), last.into()]);
    let expected = json!({"type": "text", "text": "So:", "citations": [{"type": "x"}]});
    assert_eq!(sent[1]["content"][0], expected);
}

#[test]
fn extra_fields_override_the_others() {
    let mut request = hi();
    let params = std::sync::Arc::make_mut(&mut request.params);
    params.reasoning = Some(chatlas_core::Reasoning::Low);
    params.extra = object(json!({"max_tokens": 1, "metadata": {"user_id": "u"}}));
    let sent = body(model(), &request);
    assert_eq!(sent["max_tokens"], 1);
    assert_eq!(sent["metadata"]["user_id"], "u");
    assert_eq!(sent["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    let counted = counted(model(), request);
    let keys: Vec<_> = counted.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["messages", "model", "thinking"]);
}

#[test]
fn betas_that_a_request_requires_are_sent() {
    let document = Content::Document(Media::new(file()));
    let contents = vec![Content::text("what is it?"), document];
    let request = ChatRequest::new([UserTurn::new(contents).into()]);
    let model_with_fetch =
        model().with_tool(WebFetch::new()).with_beta("mine").with_beta("web-fetch-2025-09-10");
    let sent_betas = sent(model_with_fetch, request).expect("a valid request");
    let expected = "mine,web-fetch-2025-09-10,files-api-2025-04-14";
    assert_eq!(sent_betas.header("anthropic-beta"), Some(expected));
    let plain = sent(model(), hi()).expect("a valid request");
    assert_eq!(plain.header("anthropic-beta"), None);
    assert_eq!(plain.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(plain.header("x-api-key"), Some("k"));
}

#[test]
fn server_tools_have_their_limits() {
    let model = model()
        .with_tool(WebSearch::new().with_max_uses(2).with_allowed_domains(["a.example"]))
        .with_tool(WebFetch::new().with_blocked_domains(["b.example"]));
    let mut request = hi();
    let look = ToolDefinition::new("look", "Looks.", json!({"type": "object"}));
    request.tools = [look.with_strict(true)].into();
    assert_eq!(
        body(model, &request)["tools"],
        json!([
            {"name": "look", "description": "Looks.", "strict": true, "input_schema":
                {"type": "object", "properties": {}, "additionalProperties": false}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2,
                "allowed_domains": ["a.example"]},
            {"type": "web_fetch_20250910", "name": "web_fetch",
                "blocked_domains": ["b.example"]},
        ])
    );
}
