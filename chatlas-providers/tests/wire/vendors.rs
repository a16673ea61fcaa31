//! How vendors that speak Chat Completions differ: where each is asked, with what, and in which
//! words.

use std::sync::{Arc, Mutex};

use chatlas_core::content::{
    Content, Media, MediaSource, Refusal, Replay, Thinking, ToolOutcome, ToolRequest, ToolResult,
};
use chatlas_core::{
    AssistantTurn, ChatRequest, OutputSchema, Provider, ProviderErrorKind, ToolDefinition, Turn,
    UserTurn,
};
use chatlas_providers::completions::OpenAiCompletions;
use chatlas_providers::http::HttpOptions;
use chatlas_providers::vendors::{
    Cloudflare, Databricks, DeepSeek, Groq, HuggingFace, LmStudio, Mistral, Ollama, OpenRouter,
    Perplexity, Portkey,
};
use serde_json::{Value, json};

/// The parts of a request that the tests compare.
#[derive(Clone, Debug)]
struct Sent {
    url: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A wire that answers all with the same, and what was sent over it.
fn wire(status: u16, answer: &Value) -> (HttpOptions, Arc<Mutex<Vec<Sent>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let answer = answer.to_string();
    let options = HttpOptions::default().with_sender(move |request| {
        let headers = request.headers().iter();
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or(b"null");
        seen.lock().expect("no panic").push(Sent {
            url: request.url().to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
                .collect(),
            body: serde_json::from_slice(body).expect("JSON"),
        });
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(answer.clone())
            .expect("a response");
        std::future::ready(Ok::<_, std::io::Error>(response.into()))
    });
    (options, sent)
}

fn hello() -> Value {
    json!({"id": "r", "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]})
}

fn hi() -> ChatRequest {
    ChatRequest::new([Turn::user("hi")])
}

/// What the provider sends for that request.
async fn sent<P: Provider>(request: ChatRequest, provider: impl FnOnce(HttpOptions) -> P) -> Sent {
    let (options, sent) = wire(200, &hello());
    provider(options).chat(request).await.expect("an answer");
    let sent = sent.lock().expect("no panic");
    sent[0].clone()
}

async fn streamed<P: Provider>(provider: impl FnOnce(HttpOptions) -> P) -> Value {
    let (options, sent) = wire(200, &hello());
    provider(options).chat_stream(hi()).await.expect("an answer");
    let sent = sent.lock().expect("no panic");
    sent[0].body.clone()
}

macro_rules! new {
    ($vendor:ident) => {
        |options| $vendor::new("m").with_api_key("key").with_http(options)
    };
}

#[tokio::test]
async fn requests_go_to_each_vendors_url_with_its_key() {
    let bearer = ("authorization", "Bearer key");
    macro_rules! asked {
        ($vendor:ident $(.$setting:ident($value:literal))*, $name:literal, $url:literal, $key:expr) => {{
            let mut name = String::new();
            let sent = sent(hi(), |options| {
                let provider = new!($vendor)(options)$(.$setting($value))*;
                name = provider.info().name.to_string();
                provider
            })
            .await;
            assert_eq!((name.as_str(), sent.url.as_str()), ($name, concat!($url, "/chat/completions")));
            let (header, value) = $key;
            assert_eq!(sent.header(header), Some(value), $name);
            assert_eq!(sent.body["model"], "m");
        }};
    }
    asked!(DeepSeek, "deepseek", "https://api.deepseek.com", bearer);
    asked!(Groq, "groq", "https://api.groq.com/openai/v1", bearer);
    asked!(HuggingFace, "huggingface", "https://router.huggingface.co/v1", bearer);
    asked!(LmStudio, "lm_studio", "http://localhost:1234/v1", bearer);
    asked!(Mistral, "mistral_ai", "https://api.mistral.ai/v1", bearer);
    asked!(Ollama, "ollama", "http://localhost:11434/v1", bearer);
    asked!(OpenAiCompletions, "openai", "https://api.openai.com/v1", bearer);
    asked!(OpenRouter, "openrouter", "https://openrouter.ai/api/v1", bearer);
    asked!(Perplexity, "perplexity", "https://api.perplexity.ai", bearer);
    let key = ("x-portkey-api-key", "key");
    asked!(Portkey, "portkey", "https://api.portkey.ai/v1", key);
    asked!(
        Cloudflare.with_account("abc"),
        "cloudflare",
        "https://api.cloudflare.com/client/v4/accounts/abc/ai/v1",
        bearer
    );
    asked!(
        Databricks.with_workspace("adb-1.azuredatabricks.net/"),
        "databricks",
        "https://adb-1.azuredatabricks.net/serving-endpoints",
        bearer
    );
}

#[tokio::test]
async fn parameters_are_sent_as_each_vendor_names_them() {
    let mut request = hi();
    let params = Arc::make_mut(&mut request.params);
    params.temperature = Some(0.5);
    params.top_p = Some(0.25);
    params.max_tokens = Some(7);
    params.stop_sequences = vec!["END".into()];
    params.seed = Some(9);
    params.frequency_penalty = Some(0.125);
    params.presence_penalty = Some(-0.5);
    params.choice_count = Some(2);
    params.reasoning = Some(chatlas_core::Reasoning::Low);
    params.extra.insert("user".into(), "me".into());
    let openai = json!({
        "model": "m", "stream": false, "temperature": 0.5, "top_p": 0.25, "stop": ["END"],
        "max_completion_tokens": 7, "seed": 9, "frequency_penalty": 0.125,
        "presence_penalty": -0.5, "n": 2, "reasoning_effort": "low", "user": "me",
        "messages": [{"role": "user", "content": "hi"}],
    });
    let body = |sent: Sent| sent.body;
    assert_eq!(body(sent(request.clone(), new!(OpenAiCompletions)).await), openai);
    assert_eq!(body(sent(request.clone(), new!(Groq)).await), openai);
    let renamed = |names: &[(&str, &str)]| {
        let mut body = openai.clone();
        for (name, new) in names {
            body[*new] = body[*name].take();
            body.as_object_mut().expect("an object").remove(*name);
        }
        body
    };
    let short = ("max_completion_tokens", "max_tokens");
    assert_eq!(body(sent(request.clone(), new!(Ollama)).await), renamed(&[short]));
    let mistral = renamed(&[short, ("seed", "random_seed")]);
    assert_eq!(body(sent(request.clone(), new!(Mistral)).await), mistral);
    let mut deepseek = renamed(&[short]);
    deepseek["messages"][0]["content"] = "hi".into();
    assert_eq!(body(sent(request.clone(), new!(DeepSeek)).await), deepseek);
    let mut openrouter = renamed(&[short, ("reasoning_effort", "reasoning")]);
    openrouter["reasoning"] = json!({"effort": "low"});
    assert_eq!(body(sent(request, new!(OpenRouter)).await), openrouter);
}

#[tokio::test]
async fn usage_of_streams_is_requested_where_supported() {
    let usage = json!({"include_usage": true});
    assert_eq!(streamed(new!(OpenAiCompletions)).await["stream_options"], usage);
    assert_eq!(streamed(new!(Groq)).await["stream_options"], usage);
    assert_eq!(streamed(new!(Mistral)).await.get("stream_options"), None);
    let databricks =
        streamed(|options| new!(Databricks)(options).with_workspace("https://a.example"));
    assert_eq!(databricks.await.get("stream_options"), None);
}

#[tokio::test]
async fn unsupported_parameters_are_rejected() {
    let mut request = hi();
    Arc::make_mut(&mut request.params).top_k = Some(3);
    for body in [
        sent(request.clone(), new!(OpenRouter)).await.body,
        sent(request.clone(), new!(Perplexity)).await.body,
        sent(request.clone(), new!(LmStudio)).await.body,
    ] {
        assert_eq!(body["top_k"], 3);
    }
    let (options, wire) = wire(200, &hello());
    let error = new!(OpenAiCompletions)(options.clone()).chat(request).await.expect_err("refused");
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
    assert!(error.message().contains("`top_k`"), "{error}");
    let mut request = hi();
    Arc::make_mut(&mut request.params).previous_response_id = Some("r".into());
    let error = new!(Groq)(options).chat(request).await.expect_err("refused");
    assert!(error.message().contains("`previous_response_id`"), "{error}");
    assert!(wire.lock().expect("no panic").is_empty(), "nothing is sent");
}

#[tokio::test]
async fn output_schema_is_sent_in_the_response_format_or_the_prompt() {
    let mut request = hi();
    request.system_prompt = Some("Be kind.".into());
    let schema = json!({"type": "object", "description": "A cat.", "properties": {}});
    request.output = Some(OutputSchema::new("cat", schema.clone()).with_strict(true).into());
    let sent_to_openai = sent(request.clone(), new!(OpenAiCompletions)).await.body;
    assert_eq!(
        sent_to_openai["response_format"],
        json!({"type": "json_schema", "json_schema":
            {"name": "cat", "description": "A cat.", "schema": schema, "strict": true}})
    );
    let body = sent(request, new!(DeepSeek)).await.body;
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    let system = body["messages"][0]["content"].as_str().expect("a text");
    assert!(system.starts_with("Be kind.\n\nAnswer with a JSON object"), "{system}");
    assert!(system.ends_with(&schema.to_string()), "{system}");
}

#[tokio::test]
async fn strict_is_sent_only_if_set() {
    let mut request = hi();
    let tool = ToolDefinition::new("add", "Adds.", json!({"type": "object"}));
    request.tools = [tool.clone(), tool.clone().with_strict(true), tool.with_strict(false)].into();
    let body = sent(request, new!(OpenAiCompletions)).await.body;
    let strict: Vec<Option<&Value>> =
        (0..3).map(|index| body["tools"][index]["function"].get("strict")).collect();
    assert_eq!(strict, [None, Some(&json!(true)), Some(&json!(false))]);
    assert_eq!(
        body["tools"][0],
        json!({"type": "function", "function":
            {"name": "add", "description": "Adds.",
                "parameters": {"type": "object", "properties": {}}}})
    );
}

fn file(id: &str) -> Content {
    let source = MediaSource::File { id: id.into(), mime_type: None };
    Content::Document(Media::new(source))
}

fn with_user(contents: Vec<Content>) -> ChatRequest {
    ChatRequest::new([Turn::User(UserTurn::new(contents))])
}

#[tokio::test]
async fn media_are_sent_as_message_parts() {
    let request = with_user(vec![
        Content::text("look"),
        Content::image_url("https://a.example/a.png"),
        Content::image_base64("image/png", "AA=="),
        Content::document_base64("b.pdf", "application/pdf", "BB=="),
        Content::document_base64("c.mp3", "audio/mpeg", "CC=="),
        file("file-1"),
    ]);
    let body = sent(request, new!(OpenAiCompletions)).await.body;
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "file", "file":
                {"filename": "b.pdf", "file_data": "data:application/pdf;base64,BB=="}},
            {"type": "input_audio", "input_audio": {"data": "CC==", "format": "mp3"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ])
    );
}

#[tokio::test]
async fn document_urls_are_sent_where_supported() {
    let url = "https://a.example/b.pdf";
    let request = || with_user(vec![Content::document_url(url)]);
    let part = |sent: Sent| sent.body["messages"][0]["content"][0].clone();
    let mistral = part(sent(request(), new!(Mistral)).await);
    assert_eq!(mistral, json!({"type": "document_url", "document_url": url}));
    let openrouter = part(sent(request(), new!(OpenRouter)).await);
    assert_eq!(
        openrouter,
        json!({"type": "file", "file": {"filename": "document", "file_data": url}})
    );
    let (options, _) = wire(200, &hello());
    let error = new!(Groq)(options).chat(request()).await.expect_err("refused");
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
    assert!(error.message().contains("no document by its URL"), "{error}");
}

#[tokio::test]
async fn media_of_tool_results_follow_in_a_user_message() {
    let result = |id: &str, outcome| Content::ToolResult(ToolResult::new(id, "draw", outcome));
    let chart = ToolOutcome::Contents(vec![
        Content::text("a chart"),
        Content::image_base64("image/png", "AA=="),
    ]);
    let call = |id: &str| Content::ToolRequest(ToolRequest::new(id, "draw", json!({})));
    let request = ChatRequest::new([
        AssistantTurn::new([call("c1"), call("c2")]).into(),
        Turn::User(UserTurn::new([
            result("c1", chart),
            result("c2", ToolOutcome::Error("no paper".into())),
            Content::text("And?"),
        ])),
    ]);
    let body = sent(request, new!(OpenAiCompletions)).await.body;
    assert_eq!(
        body["messages"].as_array().expect("a list")[1..],
        json!([
            {"role": "tool", "tool_call_id": "c1", "content": "a chart"},
            {"role": "tool", "tool_call_id": "c2", "content": "no paper"},
            {"role": "user", "content": [
                {"type": "text", "text": "The tool call c1 of `draw` returned:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "text", "text": "And?"},
            ]},
        ])
        .as_array()
        .expect("a list")[..]
    );
}

#[tokio::test]
async fn thinking_is_sent_back_to_its_vendor_only() {
    let thinking = |provider: &str, item: Value| {
        Content::Thinking(Thinking::new("Hm.").with_replay(Replay::new(provider, item)))
    };
    let asked = Content::ToolRequest(ToolRequest::new("c1", "add", json!("{\"a\": ")));
    let contents = vec![
        thinking("deepseek", json!({"reasoning_content": "Hm."})),
        thinking("openrouter", json!({"reasoning_details": [{"text": "Hm."}]})),
        Content::Refusal(Refusal::new("No.")),
        Content::text("  "),
        asked,
    ];
    let turn = AssistantTurn::new(contents);
    let silent = AssistantTurn::new(vec![Content::text("\n")]);
    let request = ChatRequest::new([
        Turn::user("hi"),
        Turn::from(turn),
        Turn::from(silent),
        Turn::user("so?"),
    ]);
    let call = json!([{"id": "c1", "type": "function",
        "function": {"name": "add", "arguments": "{\"INVALID_JSON\":\"{\\\"a\\\": \"}"}}]);
    let refusal = json!("No.");
    let expected = |key: Option<(&str, Value)>| {
        let mut message = json!({"role": "assistant", "content": refusal, "tool_calls": call});
        if let Some((key, value)) = key {
            message[key] = value;
        }
        message
    };
    let text = ("reasoning_content", json!("Hm."));
    let details = ("reasoning_details", json!([{"text": "Hm."}]));
    for (messages, replayed) in [
        (sent(request.clone(), new!(DeepSeek)).await.body, Some(text)),
        (sent(request.clone(), new!(OpenRouter)).await.body, Some(details)),
        (sent(request, new!(Groq)).await.body, None),
    ] {
        assert_eq!(messages["messages"][1], expected(replayed));
        // A turn without contents is left out. The call has a result.
        assert_eq!(messages["messages"].as_array().map(Vec::len), Some(4));
    }
}

#[tokio::test]
async fn thinking_in_content_parts_is_sent_back_as_parts() {
    let thought = json!({"type": "reasoning", "summary": [
        {"type": "summary_text", "text": "Hm.", "signature": "s"}]});
    let text = json!({"type": "text", "text": "Hello"});
    let call = json!({"id": "c1", "type": "function",
        "function": {"name": "add", "arguments": "{\"a\":1}"}});
    let message = json!({"role": "assistant", "content": [thought, text], "tool_calls": [call]});
    let answer = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
    let (options, wire) = wire(200, &answer);
    let databricks =
        Databricks::new("m").with_api_key("k").with_workspace("a.example").with_http(options);
    let turn = databricks.chat(hi()).await.expect("an answer");
    let again = ChatRequest::new([Turn::user("hi"), Turn::from(turn), Turn::user("so?")]);
    databricks.chat(again.clone()).await.expect("an answer");
    assert_eq!(wire.lock().expect("no panic")[1].body["messages"][1], message);
    // Not to others.
    let other = sent(again, new!(Mistral)).await.body["messages"][1].take();
    assert_eq!(other["content"], text["text"]);
}

#[tokio::test]
async fn tool_call_ids_are_shortened_for_mistral() {
    for (id, is_kept) in [("call_0123456789abcdef", false), ("Ab3456789", true), ("", false)] {
        let asked = Content::ToolRequest(ToolRequest::new(id, "add", json!({})));
        let outcome = ToolOutcome::Value(json!(3));
        let result = ToolResult::new(id, "add", outcome);
        let turn = AssistantTurn::new(vec![asked]);
        let answered = UserTurn::new(vec![Content::ToolResult(result)]);
        let request = ChatRequest::new([Turn::user("a"), Turn::from(turn), Turn::from(answered)]);
        let ids = |body: Value| {
            let messages = &body["messages"];
            let call = messages[1]["tool_calls"][0]["id"].as_str().expect("an id").to_owned();
            assert_eq!(messages[2]["tool_call_id"], *call);
            call
        };
        let short = ids(sent(request.clone(), new!(Mistral)).await.body);
        assert!(short.len() == 9 && short.bytes().all(|b| b.is_ascii_alphanumeric()), "{short}");
        assert_eq!(short == id, is_kept);
        let free = if id.is_empty() { "call" } else { id };
        assert_eq!(ids(sent(request, new!(Groq)).await.body), free);
    }
}

#[tokio::test]
async fn gateway_headers_are_sent_and_redacted() {
    let request = sent(hi(), |options| {
        new!(OpenRouter)(options).with_referer("https://app.example").with_title("App")
    });
    let request = request.await;
    assert_eq!(request.header("http-referer"), Some("https://app.example"));
    assert_eq!(request.header("x-title"), Some("App"));
    let request = sent(hi(), |options| {
        new!(Portkey)(options).with_virtual_key("vk").with_provider("openai").with_config("pc-1")
    });
    let request = request.await;
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("x-portkey-virtual-key"), Some("vk"));
    assert_eq!(request.header("x-portkey-provider"), Some("openai"));
    assert_eq!(request.header("x-portkey-config"), Some("pc-1"));
    let shown =
        format!("{:?}", Portkey::new("m").with_api_key("secret-1").with_virtual_key("secret-2"));
    assert!(!shown.contains("secret-"), "{shown}");
    let body = json!({"status": "failure", "message": "no virtual key canary-0123456789"});
    let (options, _) = wire(401, &body);
    let portkey = new!(Portkey)(options).with_virtual_key("canary-0123456789");
    let error = portkey.chat(hi()).await.expect_err("refused");
    assert_eq!(error.message(), "no virtual key [redacted]");
}

#[tokio::test]
async fn missing_ollama_model_error_names_the_pull_command() {
    let body = json!({"error": {"message": "model 'qwen3' not found", "type": "api_error"}});
    let (options, _) = wire(404, &body);
    let error =
        Ollama::new("qwen3").with_http(options.clone()).chat(hi()).await.expect_err("missing");
    assert_eq!(error.kind(), ProviderErrorKind::ModelNotFound);
    assert_eq!(error.message(), "model 'qwen3' not found; fetch it with `ollama pull qwen3`");
    assert_eq!(error.status(), Some(404));
    let error = LmStudio::new("qwen3").with_http(options).chat(hi()).await.expect_err("missing");
    assert_eq!(error.message(), "model 'qwen3' not found");
}

#[tokio::test]
async fn missing_key_is_an_error_where_one_is_required() {
    let (options, sent) = wire(200, &hello());
    let groq = Groq::new("m").with_api_key("").with_http(options.clone());
    let error = groq.chat(hi()).await.expect_err("no key");
    assert_eq!(error.kind(), ProviderErrorKind::Authentication);
    assert!(error.message().contains("GROQ_API_KEY"), "{error}");
    let databricks = Databricks::new("m").with_api_key("").with_workspace("https://a.example");
    let error = databricks.with_http(options.clone()).chat(hi()).await.expect_err("no key");
    assert!(error.message().contains("DATABRICKS_TOKEN"), "{error}");
    assert!(sent.lock().expect("no panic").is_empty(), "nothing is sent");
    // A proxy may need none, a server of one's own does not.
    let proxy = Groq::new("m").with_api_key("").with_base_url("http://proxy.example/v1");
    proxy.with_http(options.clone()).chat(hi()).await.expect("an answer");
    LmStudio::new("m")
        .with_api_key("")
        .with_http(options.clone())
        .chat(hi())
        .await
        .expect("an answer");
    Ollama::new("m").with_http(options).chat(hi()).await.expect("an answer");
    assert_eq!(sent.lock().expect("no panic").len(), 3);
}

#[tokio::test]
async fn authorization_header_replaces_a_key() {
    let (options, sent) = wire(200, &hello());
    let options = options.with_header("Authorization", "Bearer of-a-gateway");
    Groq::new("m").with_api_key("").with_http(options).chat(hi()).await.expect("an answer");
    let sent = sent.lock().expect("no panic");
    assert_eq!(sent[0].header("authorization"), Some("Bearer of-a-gateway"));
}

#[tokio::test]
async fn missing_part_of_the_url_is_named_in_the_error() {
    let error = Cloudflare::new("m").with_api_key("k").chat(hi()).await.expect_err("no account");
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
    assert!(error.message().contains("CLOUDFLARE_ACCOUNT_ID"), "{error}");
    assert_eq!(Databricks::new("m").info().server_address, None);
    let error = Databricks::new("m").with_api_key("k").chat(hi()).await.expect_err("no workspace");
    assert!(error.message().contains("DATABRICKS_HOST"), "{error}");
}

#[tokio::test]
async fn models_are_listed_where_supported() {
    let (options, sent) = wire(200, &json!({"data": [{"id": "a"}, {"id": "b"}]}));
    let models = new!(Groq)(options.clone()).list_models().await.expect("a list");
    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(sent.lock().expect("no panic")[0].url, "https://api.groq.com/openai/v1/models");
    let ollama = Ollama::new("").with_http(options.clone()).list_models().await;
    assert_eq!(ollama.expect("a list").len(), 2);
    let error = new!(Perplexity)(options.clone()).list_models().await.expect_err("none");
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
    let error = new!(Groq)(options).count_tokens(hi()).await.expect_err("none");
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
}

#[test]
fn openai_attributes_are_set_for_openai_only() {
    let keys = |provider: &dyn Provider| -> Vec<String> {
        let attributes = provider.info().attributes.iter();
        attributes.map(|pair| format!("{}={}", pair.key, pair.value)).collect()
    };
    let openai = || OpenAiCompletions::new("m");
    assert_eq!(keys(&openai()), ["openai.api.type=chat_completions"]);
    assert_eq!(keys(&openai().with_service_tier("auto")), ["openai.api.type=chat_completions"]);
    assert_eq!(
        keys(&openai().with_service_tier("flex")),
        ["openai.api.type=chat_completions", "openai.request.service_tier=flex"]
    );
    let groq = Groq::new("m").with(|api| api.with_service_tier("flex"));
    assert!(keys(&groq).is_empty());
}
