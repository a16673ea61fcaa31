//! A request in the words of `generateContent`.

use chatlas_core::{
    ChatRequest, ModelParams, OutputSchema, ProviderError, ProviderErrorKind, ToolDefinition,
    WebFetch, WebSearch,
};
use serde_json::{Map, Value, json};

use super::contents::contents;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::google::gemini::PLATFORM;
    use chatlas_core::Turn;

    fn sent(extras: &Extras, request: &ChatRequest) -> Value {
        body(&PLATFORM, "gemini-3.5-flash", extras, request).unwrap().into()
    }

    fn request(turns: impl IntoIterator<Item = Turn>) -> ChatRequest {
        ChatRequest::new(turns)
    }

    #[test]
    fn settings_are_sent_under_their_names_and_no_others() {
        assert_eq!(
            sent(&Extras::default(), &request([Turn::user("hi")])),
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
        );
        let mut request = request([Turn::user("hi")]);
        request.system_prompt = Some("Be brief.".into());
        let params = &mut request.params;
        params.temperature = Some(0.5);
        params.top_p = Some(0.25);
        params.top_k = Some(3);
        params.max_tokens = Some(7);
        params.stop_sequences = vec!["END".to_owned()];
        params.seed = Some(1);
        params.frequency_penalty = Some(0.5);
        params.presence_penalty = Some(0.25);
        params.choice_count = Some(2);
        params.reasoning_level = Some("high".to_owned());
        params.extra.insert("cachedContent".to_owned(), "cachedContents/a".into());
        params.extra.insert("generationConfig".to_owned(), json!({"responseModalities": ["TEXT"]}));
        let tool = |schema: Value| ToolDefinition::new("add", "Adds.", schema);
        request.tools = vec![
            tool(json!({"type": "object", "properties": {}})),
            tool(json!({"type": "object", "properties": {"a": {"type": "integer"}}})),
            tool(json!({"type": "object", "properties": {"a": {"const": 1}}})),
        ];
        let extras = Extras {
            web_search: Some(WebSearch::new()),
            web_fetch: Some(WebFetch::new()),
            code_execution: true,
            thoughts: true,
        };
        let declared = |more: Value| {
            let mut function = json!({"name": "add", "description": "Adds."});
            function.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            function
        };
        let subset = json!({"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}});
        assert_eq!(
            sent(&extras, &request),
            json!({
                "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
                "tools": [
                    {"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}},
                    {"functionDeclarations": [
                        declared(json!({})),
                        declared(json!({"parameters": subset})),
                        declared(json!({"parametersJsonSchema": *request.tools[2].parameters})),
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
    fn a_blank_system_prompt_is_none() {
        let mut request = request([Turn::user("hi")]);
        request.system_prompt = Some(" ".into());
        assert!(sent(&Extras::default(), &request).get("systemInstruction").is_none());
    }

    #[test]
    fn a_count_names_the_model_with_its_folder() {
        for (model, name) in [
            ("gemini-3.5-flash", "models/gemini-3.5-flash"),
            ("models/gemini-3.5-flash", "models/gemini-3.5-flash"),
            ("tunedModels/a", "tunedModels/a"),
        ] {
            let body = count_body(&PLATFORM, model, Map::new());
            assert_eq!(body["generateContentRequest"]["model"], name);
        }
    }

    #[test]
    fn a_level_of_thinking_is_a_budget_for_models_that_know_no_levels() {
        let sent = |model: &str, level: &str| {
            thinking(model, &Extras::default(), Some(level)).unwrap_or_default()
        };
        for (model, level, config) in [
            ("gemini-3.5-flash", "low", json!({"thinkingLevel": "LOW"})),
            ("gemini-3.5-flash", "2048", json!({"thinkingBudget": 2048})),
            ("gemini-2.5-flash", "low", json!({"thinkingBudget": 1024})),
            ("gemini-2.5-pro", "medium", json!({"thinkingBudget": 8192})),
            ("gemini-2.5-pro", "high", json!({"thinkingBudget": 24576})),
            ("gemini-2.5-flash", "none", json!({"thinkingBudget": 0})),
            ("gemini-2.5-flash", "-1", json!({"thinkingBudget": -1})),
            ("unheard-of", "high", json!({"thinkingLevel": "HIGH"})),
        ] {
            assert_eq!(sent(model, level), config, "{model} {level}");
        }
        assert_eq!(thinking("gemini-3.5-flash", &Extras::default(), None), None);
    }

    #[test]
    fn a_schema_for_the_reply_is_written_in_one_form_or_the_other() {
        let mut request = request([Turn::user("hi")]);
        let mut config = |schema: Value| {
            request.output = Some(OutputSchema { name: "a".to_owned(), schema, strict: true });
            sent(&Extras::default(), &request)["generationConfig"].clone()
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
    fn what_the_api_cannot_hold_to_is_refused_by_name() {
        let mut request = request([Turn::user("hi")]);
        let refused = |extras: &Extras, request: &ChatRequest, name: &str| {
            let error = body(&PLATFORM, "gemini-2.5-flash", extras, request).unwrap_err();
            assert!(error.message().contains(&format!("`{name}`")), "{error}");
        };
        let search = |tool| Extras { web_search: Some(tool), ..Extras::default() };
        let fetch = |tool| Extras { web_fetch: Some(tool), ..Extras::default() };
        let (searches, fetches) = (WebSearch::new, WebFetch::new);
        for (extras, name) in [
            (search(searches().with_max_uses(1)), "max_uses of web_search"),
            (search(searches().with_allowed_domains(["a"])), "allowed_domains of web_search"),
            (search(searches().with_blocked_domains(["a"])), "blocked_domains of web_search"),
            (fetch(fetches().with_max_uses(1)), "max_uses of web_fetch"),
            (fetch(fetches().with_allowed_domains(["a"])), "allowed_domains of web_fetch"),
            (fetch(fetches().with_blocked_domains(["a"])), "blocked_domains of web_fetch"),
        ] {
            refused(&extras, &request, name);
        }
        request.params.previous_response_id = Some("r-1".to_owned());
        refused(&Extras::default(), &request, "previous_response_id");
    }
}
