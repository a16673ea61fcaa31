//! The requests that Gemini receives, and the meaning of its replies.

use std::sync::Arc;
use std::time::Duration;

use chatlas_core::content::{
    Citation, Media, MediaSource, Replay, ServerTool, Text, Thinking, ToolOutcome, ToolRequest,
    ToolResult,
};
use chatlas_core::{
    AssistantTurn, ChatRequest, Completion, CompletionEvent, Content, FinishReason, Modalities,
    OutputSchema, Provider as _, ProviderError, ProviderErrorKind, Reasoning, ToolDefinition, Turn,
    Usage, UserTurn, WebFetch, WebSearch,
};
use chatlas_providers::google::Gemini;
use serde_json::{Value, json};

use super::fixed::{
    Answer, answering, done, events, hi, partial, replying, run, server, set, streaming,
};

const VENDOR: &str = "gcp.gemini";

fn gemini() -> Gemini {
    Gemini::new("gemini-3.5-flash").with_api_key("k")
}

// Requests.

/// Returns the body of a request.
fn sent(gemini: Gemini, request: ChatRequest) -> Value {
    let reply = json!({"candidates": [{"finishReason": "STOP"}]});
    let (options, sent) = server(200, "application/json", reply.to_string());
    run(gemini.with_http(options).chat(request)).expect("a reply");
    sent.body()
}

/// Returns the contents of a request with these turns.
fn contents(model: &str, turns: impl IntoIterator<Item = Turn>) -> Value {
    sent(gemini().with_model(model), ChatRequest::new(turns))["contents"].clone()
}

fn assistant(contents: Vec<Content>) -> Turn {
    Turn::from(AssistantTurn::new(contents))
}

fn user(contents: Vec<Content>) -> Turn {
    Turn::User(UserTurn::new(contents))
}

fn replay(item: Value) -> Replay {
    Replay::new(VENDOR, item)
}

fn call(id: &str, replay: Option<Replay>) -> Content {
    let mut request = ToolRequest::new(id, "add", json!({"a": 1}));
    request.replay = replay;
    Content::ToolRequest(request)
}

fn result(id: &str, outcome: ToolOutcome) -> Content {
    Content::ToolResult(ToolResult::new(id, "add", outcome))
}

#[test]
fn settings_are_sent_under_their_names_and_no_others() {
    assert_eq!(
        sent(gemini(), hi()),
        json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
    );
    let mut request = hi();
    request.system_prompt = Some("Be brief.".into());
    set(&mut request, |params| {
        params.temperature = Some(0.5);
        params.top_p = Some(0.25);
        params.top_k = Some(3);
        params.max_tokens = Some(7);
        params.stop_sequences = vec!["END".to_owned()];
        params.seed = Some(1);
        params.frequency_penalty = Some(0.5);
        params.presence_penalty = Some(0.25);
        params.choice_count = Some(2);
        params.reasoning = Some(Reasoning::High);
        params.extra.insert("cachedContent".to_owned(), "cachedContents/a".into());
        params.extra.insert("generationConfig".to_owned(), json!({"responseModalities": ["TEXT"]}));
    });
    let tool = |schema: Value| ToolDefinition::new("add", "Adds.", schema);
    request.tools = Arc::new([
        tool(json!({"type": "object", "properties": {}})),
        tool(json!({"type": "object", "properties": {"a": {"type": "integer"}}})),
        tool(json!({"type": "object", "properties": {"a": {"const": 1}}})),
    ]);
    let third = (*request.tools[2].parameters).clone();
    let gemini = gemini()
        .with_tool(WebSearch::new())
        .with_tool(WebFetch::new())
        .with_code_execution()
        .with_thoughts();
    let declared = |more: Value| {
        let mut function = json!({"name": "add", "description": "Adds."});
        function.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        function
    };
    let subset = json!({"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}});
    assert_eq!(
        sent(gemini, request),
        json!({
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
            "tools": [
                {"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}},
                {"functionDeclarations": [
                    declared(json!({})),
                    declared(json!({"parameters": subset})),
                    declared(json!({"parametersJsonSchema": third})),
                ]},
            ],
            "toolConfig": {"includeServerSideToolInvocations": true},
            "cachedContent": "cachedContents/a",
            "generationConfig": {
                "temperature": 0.5, "topP": 0.25, "topK": 3, "maxOutputTokens": 7,
                "stopSequences": ["END"], "seed": 1, "frequencyPenalty": 0.5,
                "presencePenalty": 0.25, "candidateCount": 2,
                "thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": true},
                "responseModalities": ["TEXT"],
            },
        })
    );
}

#[test]
fn a_blank_system_prompt_is_not_sent() {
    let mut request = hi();
    request.system_prompt = Some(" ".into());
    assert!(sent(gemini(), request).get("systemInstruction").is_none());
}

#[test]
fn a_count_names_the_model_with_its_collection() {
    for (model, name) in [
        ("gemini-3.5-flash", "models/gemini-3.5-flash"),
        ("models/gemini-3.5-flash", "models/gemini-3.5-flash"),
        ("tunedModels/a", "tunedModels/a"),
    ] {
        let (options, sent) = server(200, "application/json", r#"{"totalTokens": 9}"#.to_owned());
        let counted = run(gemini().with_model(model).with_http(options).count_tokens(hi()));
        assert_eq!(counted, Ok(9));
        assert_eq!(sent.body()["generateContentRequest"]["model"], name);
    }
}

#[test]
fn a_reasoning_level_is_a_budget_for_models_without_levels() {
    let config = |model: &str, reasoning: Option<Reasoning>| {
        let mut request = hi();
        set(&mut request, |params| params.reasoning = reasoning);
        sent(gemini().with_model(model), request)["generationConfig"]["thinkingConfig"].clone()
    };
    for (model, reasoning, expected) in [
        ("gemini-3.5-flash", Reasoning::Low, json!({"thinkingLevel": "LOW"})),
        ("gemini-3.5-flash", Reasoning::Budget(2048), json!({"thinkingBudget": 2048})),
        ("gemini-2.5-flash", Reasoning::Low, json!({"thinkingBudget": 1024})),
        ("gemini-2.5-pro", Reasoning::Medium, json!({"thinkingBudget": 8192})),
        ("gemini-2.5-pro", Reasoning::High, json!({"thinkingBudget": 24576})),
        ("gemini-2.5-flash", Reasoning::Off, json!({"thinkingBudget": 0})),
        ("unknown", Reasoning::High, json!({"thinkingLevel": "HIGH"})),
    ] {
        assert_eq!(config(model, Some(reasoning)), expected, "{model} {reasoning:?}");
    }
    assert_eq!(config("gemini-3.5-flash", None), Value::Null);
}

#[test]
fn an_output_schema_is_sent_in_the_subset_or_as_json_schema() {
    let config = |schema: Value| {
        let mut request = hi();
        request.output = Some(Arc::new(OutputSchema::new("a", schema).with_strict(true)));
        sent(gemini(), request)["generationConfig"].clone()
    };
    let mime = "application/json";
    assert_eq!(
        config(json!({"type": "string"})),
        json!({"responseMimeType": mime, "responseSchema": {"type": "STRING"}})
    );
    assert_eq!(
        config(json!({"$ref": "#"})),
        json!({"responseMimeType": mime, "responseJsonSchema": {"$ref": "#"}})
    );
}

#[test]
fn unsupported_parameters_are_refused_by_name() {
    let assert_refused = |gemini: Gemini, request: ChatRequest, name: &str| {
        let (options, sent) = server(200, "application/json", String::new());
        let error = run(gemini.with_http(options).chat(request)).expect_err("an error");
        assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
        assert!(error.message().contains(&format!("`{name}`")), "{error}");
        assert!(sent.all().is_empty());
    };
    let (search, fetch) = (WebSearch::new, WebFetch::new);
    for (gemini, name) in [
        (gemini().with_tool(search().with_max_uses(1)), "max_uses of web_search"),
        (gemini().with_tool(search().with_allowed_domains(["a"])), "allowed_domains of web_search"),
        (gemini().with_tool(search().with_blocked_domains(["a"])), "blocked_domains of web_search"),
        (gemini().with_tool(fetch().with_max_uses(1)), "max_uses of web_fetch"),
        (gemini().with_tool(fetch().with_allowed_domains(["a"])), "allowed_domains of web_fetch"),
        (gemini().with_tool(fetch().with_blocked_domains(["a"])), "blocked_domains of web_fetch"),
    ] {
        assert_refused(gemini, hi(), name);
    }
    let mut request = hi();
    set(&mut request, |params| params.previous_response_id = Some("r-1".to_owned()));
    assert_refused(gemini(), request, "previous_response_id");
}

#[test]
fn signatures_are_sent_back_at_their_positions() {
    let signature = |s: &str| json!({"thoughtSignature": s});
    let code = json!({"executableCode": {"code": "1"}, "thoughtSignature": "s6"});
    let foreign = Replay::new("openai", json!({"text": "x"}));
    let thinking = |text: &str, replay: Option<Replay>| {
        let mut thinking = Thinking::new(text);
        thinking.replay = replay;
        Content::Thinking(thinking)
    };
    let tool = |item: Value| Content::ServerTool(ServerTool::new("t", replay(item)));
    let turn = vec![
        thinking("Hm.", Some(replay(json!({"thought": true, "thoughtSignature": "s1"})))),
        thinking("Unsigned.", None),
        thinking("Of others.", Some(foreign.clone())),
        Content::Text(Text::new("A").with_replay(replay(signature("s2")))),
        Content::text(""),
        Content::Text(Text::new("B").with_replay(foreign)),
        call("c-1", Some(replay(signature("s3")))),
        thinking("", Some(replay(signature("s4")))),
        Content::image_base64("image/png", "aGk="),
        thinking("", Some(replay(json!({"text": "", "thoughtSignature": "s5"})))),
        tool(code.clone()),
        tool(json!({"groundingMetadata": {}})),
    ];
    assert_eq!(
        contents("gemini-3.5-flash", [Turn::user("a"), assistant(turn)])[1],
        json!({"role": "model", "parts": [
            {"text": "Hm.", "thought": true, "thoughtSignature": "s1"},
            {"text": "A", "thoughtSignature": "s2"},
            {"text": "B"},
            {"functionCall": {"id": "c-1", "name": "add", "args": {"a": 1}},
                "thoughtSignature": "s3"},
            {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "s4"},
            {"text": "", "thoughtSignature": "s5"},
            code,
        ]})
    );
}

#[test]
fn a_user_turn_is_never_blank() {
    let sent = |parts: Vec<Content>| contents("gemini-3.5-flash", [user(parts)]);
    let text = |text: &str| json!([{"role": "user", "parts": [{"text": text}]}]);
    assert_eq!(sent(vec![Content::text(" \n")]), text("[empty string]"));
    assert_eq!(sent(vec![]), text("[empty string]"));
    assert_eq!(sent(vec![Content::text(""), Content::text("hi")]), text("hi"));
}

#[test]
fn an_invented_id_is_not_sent() {
    let id = "invented_call_r_1";
    let turns = [
        Turn::user("a"),
        assistant(vec![call(id, None), call("c-2", None)]),
        user(vec![
            result(id, ToolOutcome::Value(json!({"sum": 2}))),
            result("c-2", ToolOutcome::Error("no".to_owned())),
        ]),
    ];
    assert_eq!(
        contents("gemini-2.5-flash", turns),
        json!([
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [
                {"functionCall": {"name": "add", "args": {"a": 1}}},
                {"functionCall": {"id": "c-2", "name": "add", "args": {"a": 1}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "add", "response": {"result": {"sum": 2}}}},
                {"functionResponse": {"id": "c-2", "name": "add", "response": {"error": "no"}}},
            ]},
        ])
    );
}

#[test]
fn images_of_a_tool_are_sent_inside_its_result_or_beside_it() {
    let outcome = ToolOutcome::Contents(vec![
        Content::text("Look."),
        Content::image_base64("image/png", "aGk="),
    ]);
    let calls = assistant(vec![call("c-1", None)]);
    let turns = [Turn::user("a"), calls, user(vec![result("c-1", outcome)])];
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "aGk="}});
    let mut answer = json!({"id": "c-1", "name": "add", "response": {"result": "Look."}});
    let beside = json!([{"functionResponse": answer}, image]);
    answer["parts"] = json!([image]);
    let inside = json!([{"functionResponse": answer}]);
    for (model, parts) in [
        ("gemini-2.5-flash", &beside),
        ("unknown", &beside),
        ("gemini-3-pro-preview", &inside),
        ("publishers/gemini-4", &inside),
    ] {
        let sent = contents(model, turns.clone());
        assert_eq!(&sent[2]["parts"], parts, "{model}");
    }
}

#[test]
fn media_are_sent_by_their_source() {
    let part = |content: Content| {
        contents("gemini-3.5-flash", [user(vec![content])])[0]["parts"][0].clone()
    };
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "aGk="}});
    let file = |uri: &str, mime_type: Option<&str>| match mime_type {
        Some(mime_type) => json!({"fileData": {"fileUri": uri, "mimeType": mime_type}}),
        None => json!({"fileData": {"fileUri": uri}}),
    };
    for (content, expected) in [
        (Content::image_base64("image/png", "aGk="), inline.clone()),
        (Content::image_url("data:image/png;base64,aGk="), inline),
        (
            Content::document_url("https://a.example/b/C.PDF?x=1.png"),
            file("https://a.example/b/C.PDF?x=1.png", Some("application/pdf")),
        ),
        (
            Content::document_url("https://www.youtube.com/watch?v=9hE5-98ZeCg"),
            file("https://www.youtube.com/watch?v=9hE5-98ZeCg", None),
        ),
        (Content::image_url("gs://bucket/a.jpg"), file("gs://bucket/a.jpg", Some("image/jpeg"))),
    ] {
        assert_eq!(part(content), expected);
    }
    let uploaded = |id: &str| {
        let source =
            MediaSource::File { id: id.to_owned(), mime_type: Some("text/csv".to_owned()) };
        part(Content::Document(Media::new(source)))
    };
    let uri = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    assert_eq!(uploaded("files/abc"), file(uri, Some("text/csv")));
    assert_eq!(uploaded(uri), file(uri, Some("text/csv")));
}

// Replies.

fn chunk(parts: &Value, reason: Option<&str>) -> Value {
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    if let Some(reason) = reason {
        candidate["finishReason"] = reason.into();
    }
    json!({"candidates": [candidate], "responseId": "r-1", "modelVersion": "m-1"})
}

fn streamed(chunks: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    events(&gemini().with_http(streaming(chunks)))
}

fn complete(reply: &Value) -> Result<Completion, ProviderError> {
    super::fixed::reply(&gemini().with_http(replying(reply)))
}

/// Returns the reply to chunks, which is the same as a stream and as a list.
fn reply(chunks: &[Value]) -> Completion {
    let streamed = streamed(chunks).expect("a reply");
    let done = done(&streamed);
    assert_eq!(&complete(&json!(chunks)).expect("a reply"), done);
    done.clone()
}

fn signature(item: Value) -> Content {
    Content::Thinking(Thinking::default().with_replay(replay(item)))
}

fn tokens() -> Value {
    json!({
        "promptTokenCount": 10, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 4,
        "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 20,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7},
            {"modality": "IMAGE", "tokenCount": 3}, {"modality": "SMELL", "tokenCount": 1}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
    })
}

fn modalities(text: Option<u64>, image: Option<u64>, audio: Option<u64>) -> Modalities {
    let mut modalities = Modalities::default();
    (modalities.text, modalities.image, modalities.audio) = (text, image, audio);
    modalities
}

#[test]
fn each_part_of_a_reply_becomes_its_content() {
    let code =
        json!({"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "s4"});
    let search = json!({"toolCall": {"id": "t-1", "toolType": "GOOGLE_SEARCH_WEB"}});
    let mut last = chunk(
        &json!([
            {"functionCall": {"name": "add", "args": {"a": 1}, "id": "c-1"}, "thoughtSignature": "s2"},
            {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "s3"},
            {"inlineData": {"mimeType": "image/png", "data": "draft"}, "thought": true},
            code, search,
            {"novelty": 1}, null, 3,
            {"text": "", "thoughtSignature": "s5"},
        ]),
        Some("STOP"),
    );
    last["usageMetadata"] = tokens();
    let chunks = [
        chunk(&json!([{"text": "H", "thought": true}]), None),
        chunk(&json!([{"text": "m.", "thought": true}]), None),
        chunk(&json!([{"text": "", "thought": true, "thoughtSignature": "s0"}]), None),
        chunk(&json!([{"text": "Hel"}]), None),
        chunk(&json!([{"text": "lo"}, {"text": "!", "thoughtSignature": "s1"}]), None),
        last,
    ];
    let image = Content::image_base64("image/png", "aGk=");
    let call = call("c-1", Some(replay(json!({"thoughtSignature": "s2"}))));
    let tool = |name: &str, id: Option<&str>, item: &Value| {
        let mut tool = ServerTool::new(name, replay(item.clone()));
        tool.id = id.map(str::to_owned);
        Content::ServerTool(tool)
    };
    let mut usage = Usage::new(15, 5).with_cache_read_tokens(4).with_reasoning_tokens(2);
    usage.input_by_modality = modalities(Some(12), Some(3), None);
    usage.output_by_modality = modalities(None, None, Some(3));
    usage.cache_read_by_modality = modalities(Some(4), None, None);
    let mut completion = Completion::new(vec![
        Content::Thinking(Thinking::new("Hm.")),
        signature(json!({"thought": true, "thoughtSignature": "s0"})),
        Content::text("Hello"),
        Content::Text(Text::new("!").with_replay(replay(json!({"thoughtSignature": "s1"})))),
        call.clone(),
        signature(json!({"thoughtSignature": "s3"})),
        image.clone(),
        tool("code_execution", None, &code),
        tool("web_search", Some("t-1"), &search),
        signature(json!({"text": "", "thoughtSignature": "s5"})),
    ]);
    completion.usage = usage;
    completion.finish_reason = Some(FinishReason::ToolCall);
    completion.response_id = Some("r-1".to_owned());
    completion.model = Some("m-1".to_owned());
    assert_eq!(reply(&chunks), completion);
    let started = CompletionEvent::Started {
        response_id: Some("r-1".to_owned()),
        model: Some("m-1".to_owned()),
    };
    assert_eq!(
        streamed(&chunks).expect("a reply"),
        [
            started,
            CompletionEvent::Thinking("H".to_owned()),
            CompletionEvent::Thinking("m.".to_owned()),
            CompletionEvent::Text("Hel".to_owned()),
            CompletionEvent::Text("lo".to_owned()),
            CompletionEvent::Text("!".to_owned()),
            CompletionEvent::Usage(usage),
            CompletionEvent::Content(call),
            CompletionEvent::Content(image),
            CompletionEvent::Content(tool("code_execution", None, &code)),
            CompletionEvent::Content(tool("web_search", Some("t-1"), &search)),
            CompletionEvent::Done(Arc::new(completion)),
        ]
    );
}

#[test]
fn each_call_without_an_id_gets_one() {
    let call = json!({"functionCall": {"name": "now"}});
    let completion =
        reply(&[chunk(&json!([call, call]), None), chunk(&json!([call]), Some("STOP"))]);
    let ids: Vec<&str> = completion.tool_requests().map(|request| request.id.as_str()).collect();
    assert_eq!(ids, ["invented_call_r-1_1", "invented_call_r-1_2", "invented_call_r-1_3"]);
    assert!(completion.tool_requests().all(|request| request.arguments == json!({})));
    let without = json!({"functionCall": {"name": "now", "args": null}});
    let completion = reply(&[chunk(&json!([without]), Some("STOP"))]);
    assert_eq!(completion.tool_requests().next().expect("a call").arguments, json!({}));
    let mut nameless = chunk(&json!([call]), Some("STOP"));
    nameless["responseId"] = Value::Null;
    let id = |reply: &Value| {
        let completion = complete(reply).expect("a reply");
        completion.tool_requests().next().expect("a call").id.clone()
    };
    assert_ne!(id(&nameless), id(&nameless));
}

fn cited(url: &str, title: Option<&str>, quote: Option<&str>) -> Content {
    let mut citation = Citation::from_url(url);
    citation.title = title.map(str::to_owned);
    citation.quote = quote.map(str::to_owned);
    Content::Citation(citation)
}

#[test]
fn sources_are_cited_with_the_text_that_they_support() {
    let web = |uri: &str| json!({"web": {"uri": uri, "title": "T"}});
    let mut last = chunk(&json!([{"text": "A and B."}]), Some("STOP"));
    let candidate = &mut last["candidates"][0];
    candidate["groundingMetadata"] = json!({
        "webSearchQueries": ["q"],
        "groundingChunks": [web("https://a"), web("https://b"), web("https://c"), null],
        "groundingSupports": [
            {"segment": {"text": "A"}, "groundingChunkIndices": [0, 1]},
            {"segment": {"text": "B"}, "groundingChunkIndices": [1, 99, "x"]},
        ],
    });
    candidate["urlContextMetadata"] = json!({"urlMetadata": [{"retrievedUrl": "https://d"}]});
    candidate["citationMetadata"] = json!({"citationSources": [{"uri": "https://e"}]});
    let completion = reply(std::slice::from_ref(&last));
    assert_eq!(
        completion.contents[3..],
        [
            cited("https://a", Some("T"), Some("A")),
            cited("https://b", Some("T"), Some("A")),
            cited("https://b", Some("T"), Some("B")),
            cited("https://c", Some("T"), None),
            cited("https://e", None, None),
        ]
    );
    let names: Vec<&str> = completion.contents[1..3]
        .iter()
        .map(|content| match content {
            Content::ServerTool(tool) => tool.name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["web_search", "web_fetch"]);
    let events = streamed(&[last]).expect("a reply");
    let emitted = events.iter().filter(|e| matches!(e, CompletionEvent::Content(_))).count();
    assert_eq!(emitted, 7);
}

#[test]
fn citations_of_all_chunks_are_kept_once() {
    let cites = |text: &str, uris: &[&str], reason: Option<&str>| {
        let sources: Vec<Value> = uris.iter().map(|uri| json!({"uri": uri})).collect();
        let mut chunk = chunk(&json!([{"text": text}]), reason);
        chunk["candidates"][0]["citationMetadata"] = json!({"citationSources": sources});
        chunk
    };
    let completion = reply(&[cites("a", &["x", "y"], None), cites("b", &["y", "z"], Some("STOP"))]);
    let urls = ["x", "y", "z"].map(|url| cited(url, None, None));
    assert_eq!(completion.contents[1..], urls);
}

#[test]
fn other_candidates_are_alternatives() {
    let candidate = |index: u64, text: &str, reason: &str| {
        json!({"index": index, "finishReason": reason,
            "content": {"parts": [{"text": text}]}})
    };
    let candidates =
        json!({"candidates": [candidate(1, "no", "MAX_TOKENS"), candidate(0, "yes", "STOP")]});
    let completion = reply(std::slice::from_ref(&candidates));
    assert_eq!(completion.text(), "yes");
    let [other] = completion.alternatives.as_slice() else { panic!("{completion:?}") };
    assert_eq!(other.contents, [Content::text("no")]);
    assert_eq!(other.finish_reason, Some(FinishReason::Length));
    let events = streamed(&[candidates]).expect("a reply");
    let texts: Vec<_> =
        events.iter().filter(|event| matches!(event, CompletionEvent::Text(_))).collect();
    assert_eq!(texts, [&CompletionEvent::Text("yes".to_owned())]);
}

#[test]
fn finish_reasons_are_those_of_the_conventions() {
    for (reason, expected) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("IMAGE_SAFETY", FinishReason::ContentFilter),
        ("ESCALATION", FinishReason::ContentFilter),
        ("OTHER", FinishReason::Other("OTHER".to_owned())),
        ("BOREDOM", FinishReason::Other("BOREDOM".to_owned())),
    ] {
        // Google leaves out the content of a reply that it filtered.
        let filtered = json!({"candidates": [{"finishReason": reason}]});
        assert_eq!(complete(&filtered).expect("a reply").finish_reason, Some(expected));
    }
    let call = chunk(&json!([{"functionCall": {"name": "a"}}]), Some("FUNCTION_CALL"));
    assert_eq!(reply(&[call]).finish_reason, Some(FinishReason::ToolCall));
}

#[test]
fn an_unusable_reply_is_an_error_with_its_token_counts() {
    use ProviderErrorKind as Kind;
    let usage = json!({"promptTokenCount": 8, "totalTokenCount": 8});
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage,
        "responseId": "r-1"});
    let mut broken = chunk(&json!([{"text": "I add."}]), Some("MALFORMED_FUNCTION_CALL"));
    broken["usageMetadata"] = usage.clone();
    broken["candidates"][0]["finishMessage"] = "Malformed function call: add(".into();
    for (reply, kind, code, message) in [
        (&blocked, Kind::ContentFilter, "SAFETY", "the prompt was blocked (SAFETY)"),
        (&broken, Kind::MalformedReply, "MALFORMED_FUNCTION_CALL", "Malformed function call: add("),
    ] {
        let error = complete(reply).unwrap_err();
        assert_eq!(streamed(std::slice::from_ref(reply)).unwrap_err(), error);
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
        assert_eq!(error.message(), message);
        let partial = error.partial().unwrap();
        assert_eq!(partial.usage.input_tokens, Some(8));
        assert_eq!(partial.response_id.as_deref(), Some("r-1"));
    }
    assert_eq!(complete(&broken).unwrap_err().partial().unwrap().text(), "I add.");
    let error = complete(&json!({"usageMetadata": usage, "responseId": "r-1"})).unwrap_err();
    assert_eq!(error.partial().unwrap().usage.input_tokens, Some(8));
    let error = json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "full"}});
    for reply in [error.clone(), json!([error])] {
        let error = complete(&reply).unwrap_err();
        assert_eq!(streamed(&[reply]).unwrap_err(), error);
        assert_eq!((error.kind(), error.code()), (Kind::Overloaded, Some("UNAVAILABLE")));
    }
    for reply in [json!({}), json!({"candidates": []}), json!([]), json!("no")] {
        assert_eq!(complete(&reply).unwrap_err().kind(), Kind::MalformedReply, "{reply}");
    }
}

#[test]
fn a_stream_is_complete_if_each_candidate_has_a_finish_reason() {
    let begun = chunk(&json!([{"text": "Hel"}]), None);
    let going = chunk(&json!([{"text": "Hel"}]), Some("FINISH_REASON_UNSPECIFIED"));
    for chunks in [vec![], vec![begun.clone()], vec![going], vec![json!({"usageMetadata": {}})]] {
        let error = streamed(&chunks).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::TruncatedStream);
    }
    let end = json!({"candidates": [{"finishReason": "STOP"}]});
    let more = json!({"usageMetadata": {"promptTokenCount": 3}});
    let events = streamed(&[begun, end, more]).expect("a reply");
    let completion = done(&events);
    assert_eq!((completion.text().as_str(), completion.usage.input_tokens), ("Hel", Some(3)));
    for data in ["{\"candidates\": ", "<html>"] {
        let error = events_of(data).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
}

#[test]
fn a_partial_reply_contains_what_was_taken() {
    let chunks = [
        chunk(&json!([{"text": "Hm.", "thought": true}]), None),
        chunk(&json!([{"text": "a"}, {"text": "b"}]), None),
        chunk(&json!([{"text": "c"}]), Some("STOP")),
    ];
    let partial = partial(&gemini().with_http(streaming(&chunks)), 3).expect("a partial reply");
    assert_eq!(partial.contents, [Content::Thinking(Thinking::new("Hm.")), Content::text("a")]);
    assert_eq!(partial.response_id.as_deref(), Some("r-1"));
}

fn events_of(data: &str) -> Result<Vec<CompletionEvent>, ProviderError> {
    events(&gemini().with_http(streaming([data])))
}

#[test]
fn a_list_of_models_with_more_than_100_pages_is_an_error() {
    let page = |number: usize| {
        let token = number.to_string();
        let page = json!({"models": [{"name": "models/a"}], "nextPageToken": token});
        Answer::new(200, "application/json", page.to_string())
    };
    let (options, sent) = answering((0..200).map(page).collect::<Vec<_>>());
    let error = run(gemini().with_http(options).list_models()).expect_err("an endless list");
    assert!(error.to_string().contains("its list of models has more than 100 pages"), "{error}");
    assert_eq!(sent.all().len(), 100);
}

// Errors.

fn failure(status: u16, body: &str) -> ProviderError {
    let (options, _) = server(status, "application/json", body.to_owned());
    run(gemini().with_http(options).chat(hi())).expect_err("an error")
}

fn rpc_status(status: u16, code: &str, message: &str, details: &Value) -> ProviderError {
    let body = json!({"error":
        {"code": status, "message": message, "status": code, "details": details}});
    let error = failure(status, &body.to_string());
    // The error of a stream that is not an event stream is in a list.
    assert_eq!(failure(status, &json!([body]).to_string()), error);
    assert_eq!(complete(&body).unwrap_err(), error);
    error
}

#[test]
fn errors_have_kinds() {
    use ProviderErrorKind as Kind;
    for (status, code, kind) in [
        (400, "INVALID_ARGUMENT", Kind::InvalidRequest),
        (400, "FAILED_PRECONDITION", Kind::InvalidRequest),
        (401, "UNAUTHENTICATED", Kind::Authentication),
        (403, "PERMISSION_DENIED", Kind::Authentication),
        (404, "NOT_FOUND", Kind::ModelNotFound),
        (429, "RESOURCE_EXHAUSTED", Kind::RateLimit),
        (499, "CANCELLED", Kind::InvalidRequest),
        (500, "INTERNAL", Kind::Overloaded),
        (501, "UNIMPLEMENTED", Kind::Unsupported),
        (503, "UNAVAILABLE", Kind::Overloaded),
        (504, "DEADLINE_EXCEEDED", Kind::Timeout),
    ] {
        let error = rpc_status(status, code, "no", &json!([]));
        assert_eq!(
            (error.kind(), error.status(), error.code(), error.message()),
            (kind, Some(status), Some(code), "no")
        );
    }
    let long = "The input token count (9) exceeds the maximum number of tokens allowed (8).";
    let error = rpc_status(400, "INVALID_ARGUMENT", long, &json!(null));
    assert_eq!(error.kind(), Kind::ContextTooLong);
}

#[test]
fn error_details_contain_the_reason_the_delay_and_the_request_id() {
    let detail = |kind: &str, field: &str, value: &str| json!({"@type": format!("type.googleapis.com/google.rpc.{kind}"), field: value});
    let details = json!([
        null,
        detail("ErrorInfo", "reason", "API_KEY_INVALID"),
        detail("RetryInfo", "retryDelay", "3.5s"),
        detail("RequestInfo", "requestId", "req-1"),
    ]);
    let error = rpc_status(400, "INVALID_ARGUMENT", "API key not valid.", &details);
    assert_eq!(error.kind(), ProviderErrorKind::Authentication);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(3500)));
    assert_eq!(error.request_id(), Some("req-1"));
    for invalid in ["soon", "-1s", "1", "", "nans", "1e300s"] {
        let details = json!([detail("RetryInfo", "retryDelay", invalid)]);
        let error = rpc_status(400, "INVALID_ARGUMENT", "no", &details);
        assert_eq!(error.retry_after(), None, "{invalid}");
    }
}

#[test]
fn an_error_without_a_known_form_quotes_the_response() {
    let error = failure(502, &"<h1>Bad  gateway</h1>\n".repeat(100));
    assert!(error.message().starts_with("the server answered: <h1>Bad gateway</h1> <h1>"));
    assert!(error.message().len() < 400);
    assert_eq!(failure(502, "").message(), "the server gave no reason");
    assert_eq!(failure(403, "").kind(), ProviderErrorKind::Authentication);
    assert_eq!(failure(400, "{\"error\":\"no\"}").message(), "no");
    let error = complete(&json!({"error": {}})).unwrap_err();
    assert_eq!(error.message(), "the server reported an error without a message");
}
