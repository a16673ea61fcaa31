//! The choice of a tool, and how much the model reasons, in the form of each vendor.

use std::sync::Arc;

use chatlas_core::schemars;
use chatlas_core::{
    ChatRequest, ModelParams, OutputSchema, Provider, ProviderErrorKind, Reasoning, ToolChoice,
    ToolDefinition,
};
use chatlas_providers::anthropic::Anthropic;
use chatlas_providers::bedrock::{Bedrock, BedrockApi};
use chatlas_providers::completions::OpenAiCompletions;
use chatlas_providers::google::Gemini;
use chatlas_providers::http::HttpOptions;
use chatlas_providers::openai::OpenAi;
use chatlas_providers::vendors::{DeepSeek, Mistral, OpenRouter};
use serde_json::{Value, json};

use super::fixed::{Answer, answering, hi, run};

/// Sends a request with these parameters. Returns its body, or the kind of the error if it was
/// refused before anything was sent.
fn body_of<P: Provider>(
    model: impl FnOnce(HttpOptions) -> P,
    mut request: ChatRequest,
    change: impl FnOnce(&mut ModelParams),
) -> Result<Value, ProviderErrorKind> {
    change(Arc::make_mut(&mut request.params));
    let (http, sent) = answering([Answer::json(200, &json!({}))]);
    // The reply is not read: an error may also be that of the empty reply.
    let error = run(model(http).chat(request)).err();
    let body = sent.all().pop().map(|request| request.body);
    body.ok_or_else(|| error.expect("an error").kind())
}

fn openai(http: HttpOptions) -> OpenAi {
    OpenAi::new("gpt-5.1").with_api_key("k").with_http(http)
}

fn completions(http: HttpOptions) -> OpenAiCompletions {
    OpenAiCompletions::new("gpt-5.1").with_api_key("k").with_http(http)
}

fn claude(http: HttpOptions) -> Anthropic {
    Anthropic::new("claude-opus-4-6").with_api_key("k").with_http(http)
}

fn gemini(http: HttpOptions) -> Gemini {
    Gemini::new("gemini-3-pro").with_api_key("k").with_http(http)
}

fn converse(model: &str) -> impl FnOnce(HttpOptions) -> Bedrock {
    move |http| {
        let model = Bedrock::new(model).with_region("us-east-1").with_api_key("k");
        model.with_api(BedrockApi::Converse).with_http(http)
    }
}

const NOVA: &str = "amazon.nova-2-lite-v1:0";

fn with_tool() -> ChatRequest {
    let mut request = hi();
    request.tools = [ToolDefinition::new("look", "Looks.", json!({"type": "object"}))].into();
    request
}

#[test]
fn tool_choice_is_sent_in_the_form_of_each_protocol() {
    use ToolChoice::{Auto, None, Required};
    let look = || ToolChoice::tool("look");
    for (choice, expected) in [
        (Auto, [json!("auto"), json!("auto"), json!({"type": "auto"}), json!({"mode": "AUTO"})]),
        (None, [json!("none"), json!("none"), json!({"type": "none"}), json!({"mode": "NONE"})]),
        (
            Required,
            [json!("required"), json!("required"), json!({"type": "any"}), json!({"mode": "ANY"})],
        ),
        (
            look(),
            [
                json!({"type": "function", "name": "look"}),
                json!({"type": "function", "function": {"name": "look"}}),
                json!({"type": "tool", "name": "look"}),
                json!({"mode": "ANY", "allowedFunctionNames": ["look"]}),
            ],
        ),
    ] {
        let change = |params: &mut ModelParams| params.tool_choice = Some(choice.clone());
        let sent = [
            body_of(openai, with_tool(), change).unwrap()["tool_choice"].take(),
            body_of(completions, with_tool(), change).unwrap()["tool_choice"].take(),
            body_of(claude, with_tool(), change).unwrap()["tool_choice"].take(),
            body_of(gemini, with_tool(), change).unwrap()["toolConfig"]["functionCallingConfig"]
                .take(),
        ];
        assert_eq!(sent, expected);
    }
    for (choice, expected) in [
        (Auto, Ok(json!({"auto": {}}))),
        (Required, Ok(json!({"any": {}}))),
        (look(), Ok(json!({"tool": {"name": "look"}}))),
        (None, Err(ProviderErrorKind::Unsupported)),
    ] {
        let change = |params: &mut ModelParams| params.tool_choice = Some(choice);
        let sent = body_of(converse(NOVA), with_tool(), change);
        assert_eq!(sent.map(|mut body| body["toolConfig"]["toolChoice"].take()), expected);
    }
}

#[test]
fn tool_choice_without_that_tool_is_refused() {
    let invalid = Err(ProviderErrorKind::InvalidRequest);
    let change = |params: &mut ModelParams| params.tool_choice = Some(ToolChoice::Required);
    assert_eq!(body_of(openai, hi(), change), invalid);
    let change = |params: &mut ModelParams| params.tool_choice = Some(ToolChoice::tool("other"));
    assert_eq!(body_of(claude, with_tool(), change), invalid);
    let change = |params: &mut ModelParams| params.tool_choice = Some(ToolChoice::None);
    assert_eq!(body_of(openai, hi(), change).unwrap().get("tool_choice"), None);
}

#[test]
fn claude_is_not_forced_to_call_a_tool_while_it_thinks() {
    let change = |params: &mut ModelParams| {
        params.tool_choice = Some(ToolChoice::Required);
        params.reasoning = Some(Reasoning::High);
    };
    let unsupported = Err(ProviderErrorKind::Unsupported);
    assert_eq!(body_of(claude, with_tool(), change), unsupported);
    assert_eq!(body_of(converse("anthropic.claude-opus-4-6-v1"), with_tool(), change), unsupported);
    let change = |params: &mut ModelParams| {
        params.tool_choice = Some(ToolChoice::Required);
        params.reasoning = Some(Reasoning::Off);
    };
    assert_eq!(
        body_of(claude, with_tool(), change).unwrap()["tool_choice"],
        json!({"type": "any"})
    );
}

#[test]
fn output_tool_stays_possible_without_other_tools() {
    let older =
        |http| Anthropic::new("claude-3-7-sonnet-20250219").with_api_key("k").with_http(http);
    let mut request = with_tool();
    request.output = Some(OutputSchema::new("answer", json!({"type": "object"})).into());
    let change = |params: &mut ModelParams| params.tool_choice = Some(ToolChoice::None);
    let forced = body_of(older, request.clone(), change).unwrap();
    assert_eq!(forced["tool_choice"], json!({"type": "tool", "name": "_structured_tool_call"}));
    let forced = body_of(converse(NOVA), request, change).unwrap();
    let expected = json!({"tool": {"name": "_structured_tool_call"}});
    assert_eq!(forced["toolConfig"]["toolChoice"], expected);
}

#[derive(schemars::JsonSchema)]
#[schemars(crate = "chatlas_core::schemars", tag = "kind")]
#[allow(dead_code)]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

#[test]
fn every_protocol_receives_an_object_at_the_root() {
    for output in [
        OutputSchema::for_type::<Shape>(),
        OutputSchema::for_type::<Vec<u8>>(),
        OutputSchema::for_type::<String>(),
        OutputSchema::for_type::<Option<bool>>(),
    ] {
        let mut request = hi();
        request.output = Some(output.into());
        let unset = |_: &mut ModelParams| {};
        for body in [
            body_of(openai, request.clone(), unset).unwrap(),
            body_of(completions, request.clone(), unset).unwrap(),
            body_of(claude, request.clone(), unset).unwrap(),
            body_of(gemini, request.clone(), unset).unwrap(),
            body_of(converse(NOVA), request.clone(), unset).unwrap(),
        ] {
            let schema = wrapping_schema(&body).unwrap_or_else(|| panic!("no wrapper in {body}"));
            let kind = schema["type"].as_str().map(str::to_lowercase);
            assert_eq!(kind.as_deref(), Some("object"), "{schema}");
        }
    }
}

/// Returns the schema of an object with the field `value` in a body.
fn wrapping_schema(body: &Value) -> Option<&Value> {
    if body["properties"]["value"].is_object() {
        return Some(body);
    }
    match body {
        Value::Object(map) => map.values().find_map(wrapping_schema),
        Value::Array(list) => list.iter().find_map(wrapping_schema),
        _ => None,
    }
}

/// Returns the fields that set how much the model reasons.
fn reasoning<P: Provider>(
    model: impl FnOnce(HttpOptions) -> P,
    reasoning: Reasoning,
) -> Result<Value, ProviderErrorKind> {
    let body = body_of(model, hi(), |params| params.reasoning = Some(reasoning))?;
    let fields = [
        "additionalModelRequestFields",
        "generationConfig",
        "output_config",
        "reasoning",
        "reasoning_effort",
        "thinking",
    ];
    let found =
        fields.iter().filter_map(|field| Some(((*field).to_owned(), body.get(*field)?.clone())));
    Ok(Value::Object(found.collect()))
}

#[test]
fn reasoning_is_sent_in_the_form_of_each_vendor() {
    use Reasoning::{Budget, High, Low, Max, Minimal, Off};
    let unsupported = Err(ProviderErrorKind::Unsupported);
    assert_eq!(reasoning(openai, Off), Ok(json!({"reasoning": {"effort": "none"}})));
    assert_eq!(reasoning(openai, Minimal), Ok(json!({"reasoning": {"effort": "minimal"}})));
    assert_eq!(reasoning(openai, Budget(2000)), unsupported);
    assert_eq!(reasoning(completions, High), Ok(json!({"reasoning_effort": "high"})));
    assert_eq!(reasoning(completions, Budget(2000)), unsupported);
    let mistral = |http| Mistral::new("m").with_api_key("k").with_http(http);
    assert_eq!(reasoning(mistral, Off), Ok(json!({"reasoning_effort": "none"})));
    let deepseek = || |http| DeepSeek::new("m").with_api_key("k").with_http(http);
    assert_eq!(reasoning(deepseek(), Off), Ok(json!({"thinking": {"type": "disabled"}})));
    assert_eq!(reasoning(deepseek(), Max), Ok(json!({"reasoning_effort": "max"})));
    assert_eq!(reasoning(deepseek(), Budget(2000)), unsupported);
    let openrouter = || |http| OpenRouter::new("m").with_api_key("k").with_http(http);
    assert_eq!(reasoning(openrouter(), Low), Ok(json!({"reasoning": {"effort": "low"}})));
    let budget = json!({"reasoning": {"max_tokens": 2000}});
    assert_eq!(reasoning(openrouter(), Budget(2000)), Ok(budget));
    let level = json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}});
    assert_eq!(reasoning(gemini, Minimal), Ok(level));
    assert_eq!(reasoning(gemini, Max), unsupported);
}

#[test]
fn claude_thinks_by_itself_or_with_a_budget() {
    use Reasoning::{Budget, Low, Max, Minimal, Off};
    let unsupported = Err(ProviderErrorKind::Unsupported);
    let model =
        |name: &'static str| move |http| Anthropic::new(name).with_api_key("k").with_http(http);
    let budget = |tokens: u32| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    let adaptive = json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}});
    for name in ["claude-opus-4-6", "claude-sonnet-5", "claude-haiku-4-7-20260601"] {
        assert_eq!(reasoning(model(name), Low), Ok(adaptive.clone()), "{name}");
        assert_eq!(reasoning(model(name), Budget(2000)), Ok(budget(2000)), "{name}");
        let off = json!({"thinking": {"type": "disabled"}});
        assert_eq!(reasoning(model(name), Off), Ok(off), "{name}");
        assert_eq!(reasoning(model(name), Minimal), unsupported, "{name}");
    }
    for name in ["claude-3-7-sonnet-latest", "claude-opus-4-20250514", "claude-sonnet-4-5@20250929"]
    {
        assert_eq!(reasoning(model(name), Low), Ok(budget(1024)), "{name}");
        assert_eq!(reasoning(model(name), Max), unsupported, "{name}");
    }
}

#[test]
fn converse_sends_reasoning_in_the_form_of_each_family() {
    use Reasoning::{Budget, Low, Off};
    let unsupported = Err(ProviderErrorKind::Unsupported);
    let more = |model: &str, level| {
        reasoning(converse(model), level)
            .map(|mut fields| fields["additionalModelRequestFields"].take())
    };
    let off = json!({"reasoningConfig": {"type": "disabled"}});
    assert_eq!(more(NOVA, Off), Ok(off));
    assert_eq!(more(NOVA, Budget(2000)), unsupported);
    let adaptive = json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}});
    assert_eq!(more("us.anthropic.claude-opus-4-6-v1", Low), Ok(adaptive));
    assert_eq!(more("openai.gpt-oss-120b-1:0", Low), Ok(json!({"reasoning_effort": "low"})));
    assert_eq!(more("meta.llama3-70b-instruct-v1:0", Low), unsupported);
}
