//! A request in the words of the Converse API.

use std::collections::HashSet;

use chatlas_core::{ChatRequest, ProviderError, ProviderErrorKind, Turn};
use serde_json::{Map, Value, json};

use super::blocks;
use crate::anthropic::request::{DEFAULT_MAX_TOKENS, OUTPUT_TOOL, Options, Thinks};
use crate::anthropic::{Caching, schema};
use crate::bedrock::Guardrail;

/// The fields of a request that a count of tokens takes.
const COUNTED: [&str; 4] = ["additionalModelRequestFields", "messages", "system", "toolConfig"];

/// The body of a request; which model and whether it streams is in the address.
pub(in crate::bedrock) fn body(
    model: &str,
    options: &Options,
    guardrail: Option<&Guardrail>,
    request: &ChatRequest,
) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    set("messages", Some(messages(options, request)?.into()));
    set("system", system(options, request));
    set("inferenceConfig", inference(options, request));
    set("toolConfig", tools(options, request));
    set("additionalModelRequestFields", additional(model, options, request)?);
    set(
        "guardrailConfig",
        guardrail.map(|guardrail| {
            json!({
                "guardrailIdentifier": guardrail.id,
                "guardrailVersion": guardrail.version,
            })
        }),
    );
    body.extend(request.params.extra.clone());
    Ok(body)
}

/// The same request, as a question of how many tokens it has.
pub(in crate::bedrock) fn counted(mut body: Map<String, Value>) -> Value {
    body.retain(|key, _| COUNTED.contains(&key.as_str()));
    json!({"input": {"converse": body}})
}

fn cache_point(options: &Options) -> Option<Value> {
    match options.caching {
        Caching::Off => None,
        // Five minutes are what every model keeps, and are not said.
        Caching::FiveMinutes => Some(json!({"cachePoint": {"type": "default"}})),
        Caching::OneHour => Some(json!({"cachePoint": {"type": "default", "ttl": "1h"}})),
    }
}

fn system(options: &Options, request: &ChatRequest) -> Option<Value> {
    // Bedrock refuses an empty text.
    let prompt = request.system_prompt.as_deref().filter(|prompt| !prompt.trim().is_empty())?;
    Some([Some(json!({"text": prompt})), cache_point(options)].into_iter().flatten().collect())
}

/// The turns, where who speaks on is the same message: the API wants them to alternate.
fn messages(options: &Options, request: &ChatRequest) -> Result<Vec<Value>, ProviderError> {
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for turn in &request.turns {
        let role = match &**turn {
            Turn::User(_) => "user",
            Turn::Assistant(_) => "assistant",
            _ => continue,
        };
        let blocks = blocks::of(turn, options.cites_documents)?;
        match messages.last_mut() {
            Some((last, said)) if *last == role => said.extend(blocks),
            _ if blocks.is_empty() => {}
            _ => messages.push((role, blocks)),
        }
    }
    let mut names = HashSet::new();
    messages.iter_mut().flat_map(|(_, said)| said).for_each(|block| rename(block, &mut names));
    if let Some((_, said)) = messages.last_mut() {
        said.extend(cache_point(options));
    }
    Ok(messages
        .into_iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect())
}

/// Gives a document of that block a name of its own, where another one has it: the API refuses two
/// of a name.
fn rename(block: &mut Value, names: &mut HashSet<String>) {
    let within = block.pointer_mut("/toolResult/content").and_then(Value::as_array_mut);
    within.into_iter().flatten().for_each(|block| rename(block, names));
    let Some(Value::String(name)) = block.pointer_mut("/document/name") else { return };
    let first = name.clone();
    let mut number = 1;
    while !names.insert(name.to_lowercase()) {
        number += 1;
        *name = format!("{first} ({number})");
    }
}

fn inference(options: &Options, request: &ChatRequest) -> Option<Value> {
    let params = &request.params;
    let mut config = Map::new();
    // The budget is a part of the bound.
    let for_thoughts = match options.thinks {
        Some(Thinks::Budget(tokens)) => Some(tokens.saturating_add(DEFAULT_MAX_TOKENS)),
        _ => None,
    };
    let stops = Some(&params.stop_sequences).filter(|stops| !stops.is_empty());
    for (key, value) in [
        ("maxTokens", params.max_tokens.or(for_thoughts).map(Value::from)),
        ("temperature", params.temperature.map(Value::from)),
        ("topP", params.top_p.map(Value::from)),
        ("stopSequences", stops.map(|stops| stops.clone().into())),
    ] {
        if let Some(value) = value {
            config.insert(key.to_owned(), value);
        }
    }
    (!config.is_empty()).then(|| config.into())
}

fn tools(options: &Options, request: &ChatRequest) -> Option<Value> {
    let mut tools: Vec<Value> = request
        .tools
        .iter()
        .map(|tool| {
            let mut spec = json!({
                "name": tool.name,
                "description": tool.description,
                "inputSchema": {"json": *tool.parameters},
            });
            if tool.strict == Some(true) {
                spec["strict"] = true.into();
                if let Some(enforced) = schema::enforced(&tool.parameters) {
                    spec["inputSchema"] = json!({"json": enforced});
                }
            }
            json!({"toolSpec": spec})
        })
        .collect();
    let own = tools.len();
    if let Some(output) = &request.output {
        tools.push(json!({"toolSpec": {
            "name": OUTPUT_TOOL,
            "description": "Extract structured data",
            "inputSchema": {"json": schema::wrapped(&output.schema)},
        }}));
    }
    if tools.is_empty() {
        return None;
    }
    tools.extend(cache_point(options));
    let mut config = json!({"tools": tools});
    if request.output.is_some() {
        config["toolChoice"] = if options.thinks.is_some() {
            // A model that thinks cannot be forced.
            json!({"auto": {}})
        } else if own > 0 {
            json!({"any": {}})
        } else {
            json!({"tool": {"name": OUTPUT_TOOL}})
        };
    }
    Some(config)
}

/// What Converse has no word for, in the words of each family of models.
fn additional(
    model: &str,
    options: &Options,
    request: &ChatRequest,
) -> Result<Option<Value>, ProviderError> {
    let params = &request.params;
    let is = |family: &str| model.contains(family);
    let mut fields = Map::new();
    let unknown = |name: &str| {
        Err(ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!(
                "Converse has no parameter `{name}` for the model `{model}`: leave it unset, or \
                 give it as the model has it in `additionalModelRequestFields`"
            ),
        ))
    };
    for (name, set) in [
        ("seed", params.seed.is_some()),
        ("frequency_penalty", params.frequency_penalty.is_some()),
        ("presence_penalty", params.presence_penalty.is_some()),
        ("choice_count", params.choice_count.is_some_and(|count| count != 1)),
        ("previous_response_id", params.previous_response_id.is_some()),
    ] {
        if set {
            return unknown(name);
        }
    }
    if let Some(top_k) = params.top_k {
        if is("amazon.nova") {
            fields.insert("inferenceConfig".to_owned(), json!({"topK": top_k}));
        } else {
            fields.insert("top_k".to_owned(), top_k.into());
        }
    }
    if let Some(level) = params.reasoning_level.as_deref() {
        if is("anthropic.") {
            fields.insert("output_config".to_owned(), json!({"effort": level}));
        } else if is("amazon.nova") {
            let config = json!({"type": "enabled", "maxReasoningEffort": level});
            fields.insert("reasoningConfig".to_owned(), config);
        } else if is("openai.") {
            fields.insert("reasoning_effort".to_owned(), level.into());
        } else {
            return unknown("reasoning_level");
        }
    }
    if let Some(thinks) = options.thinks {
        let thinking = match thinks {
            Thinks::Adaptive => json!({"type": "adaptive"}),
            Thinks::Budget(tokens) => json!({"type": "enabled", "budget_tokens": tokens}),
        };
        fields.insert("thinking".to_owned(), thinking);
    }
    if !options.betas.is_empty() {
        fields.insert("anthropic_beta".to_owned(), options.betas.clone().into());
    }
    Ok((!fields.is_empty()).then(|| fields.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::{AssistantTurn, OutputSchema, ToolDefinition};

    const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn off() -> Options {
        Options { caching: Caching::Off, ..Options::default() }
    }

    fn hi() -> ChatRequest {
        ChatRequest::new([Turn::user("hi")])
    }

    fn written(model: &str, options: &Options, request: &ChatRequest) -> Value {
        body(model, options, None, request).unwrap().into()
    }

    #[test]
    fn nothing_is_sent_that_was_not_asked_for() {
        assert_eq!(
            written("amazon.nova-lite-v1:0", &off(), &hi()),
            json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
        );
    }

    #[test]
    fn who_speaks_on_is_one_message() {
        let request = ChatRequest::new([
            Turn::user("one"),
            Turn::user("two"),
            Turn::Assistant(AssistantTurn::default()),
            Turn::user("three"),
        ]);
        let said = [json!({"text": "one"}), json!({"text": "two"}), json!({"text": "three"})];
        assert_eq!(
            written(CLAUDE, &off(), &request)["messages"],
            json!([{"role": "user", "content": said}])
        );
    }

    #[test]
    fn no_two_documents_have_one_name() {
        use chatlas_core::content::{Content, ToolOutcome, ToolResult};

        let pdf = |name: &str| Content::document_base64(name, "application/pdf", "AAAA");
        let outcome = ToolOutcome::Contents(vec![pdf("")]);
        let result = ToolResult { id: "t".into(), name: "look".into(), outcome };
        let turn = |contents| Turn::User(chatlas_core::UserTurn { contents });
        let request = ChatRequest::new([
            turn(vec![pdf("a.pdf"), pdf("")]),
            Turn::assistant("Yes."),
            turn(vec![Content::ToolResult(result), pdf("A_pdf"), pdf("")]),
        ]);
        let sent = written(CLAUDE, &off(), &request)["messages"].take();
        let name = |block: &Value| block["document"]["name"].clone();
        let last = &sent[2]["content"];
        assert_eq!(name(&sent[0]["content"][0]), "a pdf");
        assert_eq!(name(&sent[0]["content"][1]), "document");
        assert_eq!(name(&last[0]["toolResult"]["content"][0]), "document (2)");
        assert_eq!(name(&last[1]), "A pdf (2)");
        assert_eq!(name(&last[2]), "document (3)");
    }

    #[test]
    fn parameters_are_sent_in_the_words_of_the_model() {
        let mut request = hi();
        request.params.temperature = Some(0.5);
        request.params.top_p = Some(0.9);
        request.params.max_tokens = Some(64);
        request.params.stop_sequences = vec!["END".into()];
        request.params.top_k = Some(7);
        request.params.reasoning_level = Some("low".into());
        let sent = written(CLAUDE, &off(), &request);
        assert_eq!(
            sent["inferenceConfig"],
            json!({"temperature": 0.5, "topP": 0.9, "maxTokens": 64, "stopSequences": ["END"]})
        );
        let more =
            |model: &str| written(model, &off(), &request)["additionalModelRequestFields"].take();
        assert_eq!(more(CLAUDE), json!({"top_k": 7, "output_config": {"effort": "low"}}));
        assert_eq!(
            more("amazon.nova-2-lite-v1:0"),
            json!({"inferenceConfig": {"topK": 7},
                "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}})
        );
        assert_eq!(more("openai.gpt-oss-120b-1:0"), json!({"top_k": 7, "reasoning_effort": "low"}));
        let error = body("meta.llama3-70b-instruct-v1:0", &off(), None, &request).unwrap_err();
        assert!(error.message().contains("`reasoning_level`"), "{error}");
        request.params.seed = Some(1);
        let error = body(CLAUDE, &off(), None, &request).unwrap_err();
        assert!(error.message().contains("`seed`"), "{error}");
    }

    #[test]
    fn the_cache_is_marked_at_each_part() {
        let mut request = hi();
        request.system_prompt = Some("be brief".into());
        request.tools = vec![ToolDefinition::new("look", "Looks.", json!({"type": "object"}))];
        for (caching, mark) in [
            (Caching::FiveMinutes, json!({"cachePoint": {"type": "default"}})),
            (Caching::OneHour, json!({"cachePoint": {"type": "default", "ttl": "1h"}})),
        ] {
            let sent = written(CLAUDE, &Options { caching, ..Options::default() }, &request);
            assert_eq!(sent["system"], json!([{"text": "be brief"}, mark]));
            assert_eq!(sent["toolConfig"]["tools"][1], mark);
            assert_eq!(sent["messages"][0]["content"][1], mark);
        }
    }

    #[test]
    fn thoughts_guards_and_output_are_asked_for() {
        let mut request = hi();
        let schema = json!({"type": "object"});
        request.output =
            Some(OutputSchema { name: "answer".into(), schema: schema.clone(), strict: true });
        let sent = written(CLAUDE, &off(), &request);
        let spec = &sent["toolConfig"]["tools"][0]["toolSpec"];
        assert_eq!(spec["inputSchema"]["json"]["properties"]["data"], schema);
        assert_eq!(sent["toolConfig"]["toolChoice"], json!({"tool": {"name": OUTPUT_TOOL}}));
        let thinking =
            Options { thinks: Some(Thinks::Budget(2000)), betas: vec!["one".into()], ..off() };
        let guardrail = Guardrail { id: "gr-1".into(), version: "DRAFT".into() };
        let sent = Value::from(body(CLAUDE, &thinking, Some(&guardrail), &request).unwrap());
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
        request.params.extra =
            json!({"additionalModelRequestFields": {"mine": 1}}).as_object().unwrap().clone();
        let sent = written(CLAUDE, &thinking, &request);
        assert_eq!(sent["additionalModelRequestFields"], json!({"mine": 1}));
        let counted = counted(body(CLAUDE, &off(), Some(&guardrail), &request).unwrap());
        let keys: Vec<_> = counted["input"]["converse"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["additionalModelRequestFields", "messages", "toolConfig"]);
    }
}
