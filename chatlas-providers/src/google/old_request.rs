//! A request in the words of `generateContent`.

use chatlas_core::{
    ChatRequest, ModelParams, OutputSchema, ProviderError, ProviderErrorKind, ToolDefinition,
    WebFetch, WebSearch,
};
use serde_json::{Map, Value, json};

use super::old_contents::contents;
use super::{Platform, schema};

/// What only Google has.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    pub(super) web_search: Option<WebSearch>,
    pub(super) web_fetch: Option<WebFetch>,
    pub(super) code_execution: bool,
    pub(super) thoughts: bool,
}

/// The fields of a request.
pub(super) fn body(
    platform: &Platform,
    model: &str,
    extras: &Extras,
    request: &ChatRequest,
) -> Result<Map<String, Value>, ProviderError> {
    refuse_unknown(platform, &request.params, extras)?;
    let mut body = Map::new();
    let mut set = |key: &str, value: Value| body.insert(key.to_owned(), value);
    set("contents", contents(platform, model, &request.turns)?.into());
    // Google refuses an empty text.
    if let Some(prompt) = request.system_prompt.as_deref().filter(|p| !p.trim().is_empty()) {
        set("systemInstruction", json!({"role": "user", "parts": [{"text": prompt}]}));
    }
    let tools = tools(&request.tools, extras);
    if platform.tells_server_tools && !request.tools.is_empty() && tools.len() > 1 {
        // Without it the API refuses to run its own tools beside the program's.
        set("toolConfig", json!({"includeServerSideToolInvocations": true}));
    }
    if !tools.is_empty() {
        set("tools", tools.into());
    }
    let config = config(model, extras, &request.params, request.output.as_deref());
    if !config.is_empty() {
        set("generationConfig", config.into());
    }
    for (key, value) in &request.params.extra {
        match (body.get_mut(key), value) {
            // A part of the settings leaves the others as they are.
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
            _ => drop(body.insert(key.clone(), value.clone())),
        }
    }
    Ok(body)
}

/// The body that asks how many tokens the request would cost.
pub(super) fn count_body(
    platform: &Platform,
    model: &str,
    mut request: Map<String, Value>,
) -> Map<String, Value> {
    if platform.counts_whole_requests {
        let name = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        request.insert("model".to_owned(), name.into());
        return Map::from_iter([("generateContentRequest".to_owned(), request.into())]);
    }
    request.remove("toolConfig");
    request
}

/// The body as bytes.
pub(super) fn bytes(body: &Map<String, Value>) -> Result<Vec<u8>, ProviderError> {
    serde_json::to_vec(body)
        .map_err(|error| invalid(format!("the request cannot be written as JSON: {error}")))
}

pub(super) fn invalid(why: String) -> ProviderError {
    ProviderError::new(ProviderErrorKind::InvalidRequest, why)
}

/// A parameter that would be dropped in silence is an error instead.
fn refuse_unknown(
    platform: &Platform,
    params: &ModelParams,
    extras: &Extras,
) -> Result<(), ProviderError> {
    let search = extras.web_search.as_ref();
    let fetch = extras.web_fetch.as_ref();
    let set = [
        ("previous_response_id", params.previous_response_id.is_some()),
        ("max_uses of web_search", search.is_some_and(|s| s.max_uses.is_some())),
        ("allowed_domains of web_search", search.is_some_and(|s| !s.allowed_domains.is_empty())),
        (
            "blocked_domains of web_search",
            !platform.blocks_domains && search.is_some_and(|s| !s.blocked_domains.is_empty()),
        ),
        ("max_uses of web_fetch", fetch.is_some_and(|f| f.max_uses.is_some())),
        ("allowed_domains of web_fetch", fetch.is_some_and(|f| !f.allowed_domains.is_empty())),
        ("blocked_domains of web_fetch", fetch.is_some_and(|f| !f.blocked_domains.is_empty())),
    ];
    match set.iter().find(|(_, set)| *set) {
        None => Ok(()),
        Some((name, _)) => {
            let title = platform.title;
            Err(invalid(format!("{title} has no parameter `{name}`: leave it unset")))
        }
    }
}

/// The number in the model's name: 2 of `gemini-2.5-flash`.
pub(super) fn generation(model: &str) -> Option<u32> {
    let rest = model.rsplit('/').next()?.strip_prefix("gemini-")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn tools(tools: &[ToolDefinition], extras: &Extras) -> Vec<Value> {
    let mut list = Vec::new();
    if let Some(search) = &extras.web_search {
        let domains = &search.blocked_domains;
        list.push(if domains.is_empty() {
            json!({"googleSearch": {}})
        } else {
            json!({"googleSearch": {"excludeDomains": domains}})
        });
    }
    if extras.web_fetch.is_some() {
        list.push(json!({"urlContext": {}}));
    }
    if extras.code_execution {
        list.push(json!({"codeExecution": {}}));
    }
    if !tools.is_empty() {
        let functions: Vec<Value> = tools.iter().map(declaration).collect();
        list.push(json!({"functionDeclarations": functions}));
    }
    list
}

fn declaration(tool: &ToolDefinition) -> Value {
    let mut function = json!({"name": tool.name, "description": tool.description});
    let schema = &*tool.parameters;
    let closed = matches!(schema["additionalProperties"], Value::Null | Value::Bool(false));
    let none = schema["properties"].as_object().is_none_or(Map::is_empty);
    match schema::subset(schema, false) {
        Some(subset) => function["parameters"] = subset,
        // A function without parameters has no schema: an empty one is refused.
        None if closed && none => {}
        None => function["parametersJsonSchema"] = schema.clone(),
    }
    function
}

fn config(
    model: &str,
    extras: &Extras,
    params: &ModelParams,
    output: Option<&OutputSchema>,
) -> Map<String, Value> {
    let mut config = Map::new();
    let stops = (!params.stop_sequences.is_empty()).then(|| json!(params.stop_sequences));
    for (key, value) in [
        ("temperature", params.temperature.map(Value::from)),
        ("topP", params.top_p.map(Value::from)),
        ("topK", params.top_k.map(Value::from)),
        ("maxOutputTokens", params.max_tokens.map(Value::from)),
        ("stopSequences", stops),
        ("seed", params.seed.map(Value::from)),
        ("frequencyPenalty", params.frequency_penalty.map(Value::from)),
        ("presencePenalty", params.presence_penalty.map(Value::from)),
        ("candidateCount", params.choice_count.map(Value::from)),
        ("thinkingConfig", thinking(model, extras, params.reasoning_level.as_deref())),
        ("responseMimeType", output.map(|_| "application/json".into())),
    ] {
        if let Some(value) = value {
            config.insert(key.to_owned(), value);
        }
    }
    if let Some(output) = output {
        let (key, schema) = match schema::subset(&output.schema, true) {
            Some(subset) => ("responseSchema", subset),
            None => ("responseJsonSchema", output.schema.clone()),
        };
        config.insert(key.to_owned(), schema);
    }
    config
}

/// How much the model thinks, and whether it shows that. A number is a budget of tokens. A word is
/// a level, which Gemini 2.5 does not know: there it is the budget that Google's
/// [own table](https://ai.google.dev/gemini-api/docs/openai#thinking) has for it.
fn thinking(model: &str, extras: &Extras, level: Option<&str>) -> Option<Value> {
    let mut config = Map::new();
    let budget = level.and_then(|level| match (level, generation(model)) {
        (number, _) if number.parse::<i32>().is_ok() => number.parse::<i32>().ok(),
        ("none", _) => Some(0),
        ("minimal" | "low", Some(2)) => Some(1024),
        ("medium", Some(2)) => Some(8192),
        ("high", Some(2)) => Some(24576),
        _ => None,
    });
    match (budget, level) {
        (Some(budget), _) => drop(config.insert("thinkingBudget".to_owned(), budget.into())),
        (None, Some(level)) => {
            config.insert("thinkingLevel".to_owned(), level.to_ascii_uppercase().into());
        }
        (None, None) => {}
    }
    if extras.thoughts {
        config.insert("includeThoughts".to_owned(), true.into());
    }
    (!config.is_empty()).then(|| config.into())
}

