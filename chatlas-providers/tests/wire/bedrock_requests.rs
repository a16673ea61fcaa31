//! The requests that AWS Bedrock receives.

use std::sync::Arc;

use chatlas_core::content::{
    Content, Media, MediaSource, Replay, ServerTool, Thinking, ToolOutcome, ToolRequest, ToolResult,
};
use chatlas_core::{
    AssistantTurn, ChatRequest, OutputSchema, Provider as _, ProviderError, ProviderErrorKind,
    ToolDefinition, Turn, UserTurn,
};
use chatlas_providers::anthropic::Caching;
use chatlas_providers::bedrock::{Bedrock, BedrockApi};
use serde_json::{Value, json};

use super::fixed::{Answer, Request, answering, hi, run};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-lite-v1:0";
/// The vendor whose items are sent back.
const PROVIDER: &str = "aws.bedrock";
/// The text that replaces an empty one.
const NO_TEXT: &str = "[empty string]";
const OUTPUT_TOOL: &str = "_structured_tool_call";

/// Returns a model that is called by Converse.
fn model(name: &str) -> Bedrock {
    Bedrock::new(name).with_region("us-east-1").with_api_key("k").with_api(BedrockApi::Converse)
}

/// Sends a request and returns it as the server receives it.
fn sent(model: Bedrock, request: &ChatRequest) -> Result<Request, ProviderError> {
    let reply = json!({"output": {"message": {"content": []}}, "content": []});
    let (http, requests) = answering(vec![Answer::json(200, &reply)]);
    run(model.with_http(http).chat(request.clone()))?;
    Ok(requests.request())
}

fn body(model: Bedrock, request: &ChatRequest) -> Value {
    sent(model, request).expect("a valid request").body
}

fn counted(model: Bedrock, request: ChatRequest) -> Value {
    let (http, requests) = answering(vec![Answer::json(200, &json!({"inputTokens": 1}))]);
    assert_eq!(run(model.with_http(http).count_tokens(request)), Ok(1));
    requests.body()
}

fn user_of(model: Bedrock, contents: Vec<Content>) -> Result<Value, ProviderError> {
    let request = ChatRequest::new([UserTurn::new(contents).into()]);
    Ok(sent(model, &request)?.body["messages"][0]["content"].take())
}

/// Returns the blocks of a user turn that follows the calls of its results.
fn answers(contents: Vec<Content>) -> Value {
    let turn = UserTurn::new(contents);
    let calls = turn.tool_results().map(|result| {
        Content::ToolRequest(ToolRequest::new(&*result.id, &*result.name, json!({})))
    });
    let calls = AssistantTurn::new(calls.collect::<Vec<_>>());
    let request = ChatRequest::new([Turn::user("a"), calls.into(), turn.into()]);
    body(model(NOVA), &request)["messages"][2]["content"].take()
}

fn user(contents: Vec<Content>) -> Result<Value, ProviderError> {
    user_of(model(NOVA), contents)
}

fn assistant(contents: Vec<Content>) -> Value {
    let request = ChatRequest::new([Turn::user("a"), AssistantTurn::new(contents).into()]);
    body(model(NOVA), &request)["messages"][1]["content"].take()
}

#[test]
fn media_are_sent_as_format_and_bytes() {
    let blocks = user(vec![
        Content::image_base64("image/jpeg", "AAAA"),
        Content::image_url("data:image/png;base64,BBBB"),
        Content::image_url("s3://bucket/a.webp"),
        Content::document_base64("my_file (1).pdf", "application/pdf", "CCCC"),
        Content::document_base64("a.csv", "text/csv; charset=utf-8", "DDDD"),
        Content::document_base64("…", "application/json", "EEEE"),
    ]);
    assert_eq!(
        blocks.unwrap(),
        json!([
            {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
            {"image": {"format": "png", "source": {"bytes": "BBBB"}}},
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
            {"document": {"format": "pdf", "name": "my file (1) pdf", "source": {"bytes": "CCCC"}}},
            {"document": {"format": "csv", "name": "a csv", "source": {"bytes": "DDDD"}}},
            {"document": {"format": "txt", "name": "document", "source": {"bytes": "EEEE"}}},
            {"text": "The document is attached."},
        ])
    );
    let pdf = Content::document_base64("a", "application/pdf", "AAAA");
    let cited = user_of(model(NOVA).with_document_citations(), vec![pdf]).unwrap();
    assert_eq!(cited[0]["document"]["citations"], json!({"enabled": true}));
}

#[test]
fn unsupported_media_are_an_error() {
    let file = MediaSource::File { id: "file_1".into(), mime_type: None };
    for (content, message) in [
        (Content::image_url("https://a.example/a.png"), "fetches no images from the web"),
        (
            Content::Document(Media::new(file).with_name("a.pdf")),
            "takes no document of the type ``",
        ),
        (Content::image_base64("image/heic", "AAAA"), "takes no image of the type `image/heic`"),
        (
            Content::document_base64("a", "application/zip", "AAAA"),
            "takes no document of the type `application/zip`",
        ),
    ] {
        let error = user(vec![content]).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
    }
}

#[test]
fn calls_and_results_are_blocks() {
    let request = |arguments| Content::ToolRequest(ToolRequest::new("t1", "look", arguments));
    let result = |outcome| Content::ToolResult(ToolResult::new("t1", "look", outcome));
    assert_eq!(
        assistant(vec![request(json!({"a": 1})), request(json!("{")), Content::text(" ")]),
        json!([
            {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1}}},
            {"toolUse": {"toolUseId": "t1_1", "name": "look", "input": {"INVALID_JSON": "{"}}},
        ])
    );
    let contents = vec![Content::text("see"), Content::image_base64("image/png", "AAAA")];
    let image = json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}});
    assert_eq!(
        answers(vec![
            Content::text("well?"),
            result(ToolOutcome::Value(json!({"a": 1}))),
            result(ToolOutcome::Value(json!(""))),
            result(ToolOutcome::Contents(contents)),
            result(ToolOutcome::Error("no".into())),
        ]),
        json!([
            {"toolResult": {"toolUseId": "t1", "content": [{"text": "{\"a\":1}"}]}},
            {"toolResult": {"toolUseId": "t1_1", "content": [{"text": NO_TEXT}]}},
            {"toolResult": {"toolUseId": "t1_2", "content": [{"text": "see"}, image]}},
            {"toolResult": {"toolUseId": "t1_3", "content": [{"text": "no"}], "status": "error"}},
            {"text": "well?"},
        ])
    );
    assert_eq!(user(vec![]).unwrap(), json!([{"text": NO_TEXT}]));
}

#[test]
fn the_id_of_a_call_is_fitted_to_the_api() {
    let id = format!("call|{}", "x".repeat(80));
    let call = ToolRequest::new(id.clone(), "look", json!({}));
    let request = assistant(vec![Content::ToolRequest(call)]);
    let outcome = ToolOutcome::Value(json!(1));
    let result = answers(vec![Content::ToolResult(ToolResult::new(id, "look", outcome))]);
    let sent = request[0]["toolUse"]["toolUseId"].as_str().unwrap();
    assert!(sent.starts_with("call_x") && sent.len() == 64, "{sent}");
    assert_eq!(result[0]["toolResult"]["toolUseId"], sent);
    // Ids that begin alike remain distinct.
    let call = |end: &str| {
        let id = format!("{}{end}", "y".repeat(80));
        Content::ToolRequest(ToolRequest::new(id, "look", json!({})))
    };
    let requests = assistant(vec![call("1"), call("2")]);
    let sent = |index: usize| requests[index]["toolUse"]["toolUseId"].as_str().unwrap();
    assert!(sent(0).starts_with("yyy") && sent(0).len() == 64, "{requests}");
    assert!(sent(1).starts_with("yyy") && sent(1).len() == 64, "{requests}");
    assert_ne!(sent(0), sent(1));
}

#[test]
fn server_tools_are_sent_back_to_the_same_api_only() {
    let tool = |item: &Value| {
        Content::ServerTool(ServerTool::new("x", Replay::new(PROVIDER, item.clone())))
    };
    let ours = json!({"toolUse": {"toolUseId": "t", "name": "x", "type": "server_tool_use"}});
    let by_invoke = json!([{"type": "server_tool_use", "id": "s"}]);
    assert_eq!(assistant(vec![tool(&ours), tool(&by_invoke)]), json!([ours]));
}

#[test]
fn thinking_is_sent_back_to_the_same_api_only() {
    let thinking = |provider: &str, item: &Value| {
        Content::Thinking(Thinking::new("Hm.").with_replay(Replay::new(provider, item.clone())))
    };
    let ours = json!({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}});
    let by_invoke = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    let sent = assistant(vec![
        thinking(PROVIDER, &ours),
        thinking(PROVIDER, &by_invoke),
        thinking("anthropic", &ours),
        Content::text("So."),
    ]);
    assert_eq!(sent, json!([ours, {"text": "So."}]));
}

#[test]
fn unset_parameters_are_not_sent() {
    assert_eq!(
        body(model(NOVA), &hi()),
        json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
    );
}

#[test]
fn consecutive_turns_of_a_role_are_one_message() {
    let request = ChatRequest::new([
        Turn::user("one"),
        Turn::user("two"),
        AssistantTurn::default().into(),
        Turn::user("three"),
    ]);
    let texts = [json!({"text": "one"}), json!({"text": "two"}), json!({"text": "three"})];
    assert_eq!(
        body(model(CLAUDE), &request)["messages"],
        json!([{"role": "user", "content": texts}])
    );
}

#[test]
fn documents_have_distinct_names() {
    let pdf = |name: &str| Content::document_base64(name, "application/pdf", "AAAA");
    let outcome = ToolOutcome::Contents(vec![pdf("")]);
    let result = ToolResult::new("t", "look", outcome);
    let turn = |contents: Vec<Content>| Turn::from(UserTurn::new(contents));
    let request = ChatRequest::new([
        turn(vec![pdf("a.pdf"), pdf("")]),
        AssistantTurn::new([Content::ToolRequest(ToolRequest::new("t", "look", json!({})))]).into(),
        turn(vec![Content::ToolResult(result), pdf("A_pdf"), pdf("")]),
    ]);
    let sent = body(model(CLAUDE), &request)["messages"].take();
    let name = |block: &Value| block["document"]["name"].clone();
    let last = &sent[2]["content"];
    assert_eq!(name(&sent[0]["content"][0]), "a pdf");
    assert_eq!(name(&sent[0]["content"][1]), "document");
    assert_eq!(name(&last[0]["toolResult"]["content"][0]), "document (2)");
    assert_eq!(name(&last[1]), "A pdf (2)");
    assert_eq!(name(&last[2]), "document (3)");
}

#[test]
fn parameters_are_sent_in_the_form_of_the_model() {
    let mut request = hi();
    let params = Arc::make_mut(&mut request.params);
    params.temperature = Some(0.5);
    params.top_p = Some(0.9);
    params.max_tokens = Some(64);
    params.stop_sequences = vec!["END".into()];
    params.top_k = Some(7);
    params.reasoning = Some(chatlas_core::Reasoning::Low);
    let sent_body = body(model(CLAUDE), &request);
    assert_eq!(
        sent_body["inferenceConfig"],
        json!({"temperature": 0.5, "topP": 0.9, "maxTokens": 64, "stopSequences": ["END"]})
    );
    let more = |name: &str| body(model(name), &request)["additionalModelRequestFields"].take();
    assert_eq!(
        more(CLAUDE),
        json!({"top_k": 7, "thinking": {"type": "enabled", "budget_tokens": 1024}})
    );
    assert_eq!(
        more("amazon.nova-2-lite-v1:0"),
        json!({"inferenceConfig": {"topK": 7},
            "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}})
    );
    assert_eq!(more("openai.gpt-oss-120b-1:0"), json!({"top_k": 7, "reasoning_effort": "low"}));
    let error = sent(model("meta.llama3-70b-instruct-v1:0"), &request).expect_err("an error");
    assert!(error.message().contains("no reasoning level"), "{error}");
    Arc::make_mut(&mut request.params).seed = Some(1);
    let error = sent(model(CLAUDE), &request).expect_err("an error");
    assert!(error.message().contains("`seed`"), "{error}");
}

#[test]
fn each_part_of_the_prefix_is_cached() {
    let mut request = hi();
    request.system_prompt = Some("be brief".into());
    request.tools = [ToolDefinition::new("look", "Looks.", json!({"type": "object"}))].into();
    for (caching, mark) in [
        (Caching::FiveMinutes, json!({"cachePoint": {"type": "default"}})),
        (Caching::OneHour, json!({"cachePoint": {"type": "default", "ttl": "1h"}})),
    ] {
        let sent = body(model(CLAUDE).with_caching(caching), &request);
        assert_eq!(sent["system"], json!([{"text": "be brief"}, mark]));
        assert_eq!(sent["toolConfig"]["tools"][1], mark);
        assert_eq!(sent["messages"][0]["content"][1], mark);
    }
}

#[test]
fn thinking_guardrail_and_output_are_sent() {
    let mut request = hi();
    let schema = json!({"type": "object"});
    request.output = Some(OutputSchema::new("answer", schema.clone()).with_strict(true).into());
    let sent = body(model(CLAUDE), &request);
    let spec = &sent["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(spec["inputSchema"]["json"]["properties"]["data"], schema);
    assert_eq!(sent["toolConfig"]["toolChoice"], json!({"tool": {"name": OUTPUT_TOOL}}));
    let thinking = || model(CLAUDE).with_thinking_budget(2000).with_beta("one");
    let sent = body(thinking().with_guardrail("gr-1", "DRAFT"), &request);
    assert_eq!(sent["toolConfig"]["toolChoice"], json!({"auto": {}}));
    assert_eq!(sent["inferenceConfig"]["maxTokens"], 6096);
    assert_eq!(
        sent["additionalModelRequestFields"],
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000},
            "anthropic_beta": ["one"]})
    );
    assert_eq!(
        sent["guardrailConfig"],
        json!({"guardrailIdentifier": "gr-1", "guardrailVersion": "DRAFT"})
    );
    Arc::make_mut(&mut request.params).extra =
        json!({"additionalModelRequestFields": {"mine": 1}}).as_object().unwrap().clone();
    let sent = body(thinking(), &request);
    assert_eq!(sent["additionalModelRequestFields"], json!({"mine": 1}));
    let counted = counted(model(CLAUDE).with_guardrail("gr-1", "DRAFT"), request);
    let keys: Vec<_> = counted["input"]["converse"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["additionalModelRequestFields", "messages", "toolConfig"]);
}

#[test]
fn claude_is_called_by_invoke_model() {
    let invoke = || Bedrock::new(CLAUDE).with_region("us-east-1").with_api_key("k");
    let model = invoke().with_beta("one").with_guardrail("gr-1", "2");
    let sent = sent(model, &hi()).expect("a valid request");
    let url = format!("https://bedrock-runtime.us-east-1.amazonaws.com/model/{CLAUDE}/invoke");
    assert_eq!(sent.url, url);
    assert_eq!(sent.header("x-amzn-bedrock-guardrailidentifier"), Some("gr-1"));
    assert_eq!(
        sent.body,
        json!({"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["one"],
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
    );
    let mut request = hi();
    Arc::make_mut(&mut request.params).seed = Some(1);
    let error = run(invoke().chat(request)).unwrap_err();
    assert_eq!(error.message(), "Claude on Bedrock has no parameter `seed`: leave it unset");
    assert!(counted(invoke(), hi())["input"]["invokeModel"]["body"].is_string());
}

#[test]
fn another_model_is_another_address_and_api() {
    let model = Bedrock::new(CLAUDE).with_api_key("k").with_region("us-east-1").with_model(NOVA);
    let sent = sent(model, &hi()).expect("a valid request");
    let url = format!("https://bedrock-runtime.us-east-1.amazonaws.com/model/{NOVA}/converse");
    assert_eq!(sent.url, url);
    let (http, requests) = answering(vec![Answer::json(200, &json!({"modelSummaries": []}))]);
    let model = Bedrock::new(NOVA).with_api_key("k").with_region("cn-north-1").with_http(http);
    run(model.list_models()).expect("a list");
    let url = "https://bedrock.cn-north-1.amazonaws.com.cn/foundation-models";
    assert_eq!(requests.request().url, url);
}
