//! A request in the words of the Messages API.

use chatlas_core::{
    ChatRequest, ModelParams, OutputSchema, ProviderError, ProviderErrorKind, ToolDefinition,
    WebFetch, WebSearch,
};
use serde_json::{Map, Value, json};

use super::{blocks, schema};

/// The most tokens of a reply, where the program sets no bound: the API demands one.
pub(crate) const DEFAULT_MAX_TOKENS: u32 = 4096;
/// The tool by which a model answers that knows no `output_config.format`.
pub(crate) const OUTPUT_TOOL: &str = "_structured_tool_call";
/// What a request must say to use files by their id.
const FILES_BETA: &str = "files-api-2025-04-14";
/// What a request must say to use the web fetch tool.
const FETCH_BETA: &str = "web-fetch-2025-09-10";
/// The fields of a request that a count of tokens takes.
const COUNTED: [&str; 8] = [
    "context_management",
    "mcp_servers",
    "messages",
    "model",
    "output_config",
    "system",
    "thinking",
    "tool_choice",
];

/// How long Anthropic keeps what it has read of a conversation, so that the next request need not
/// pay for it again: [prompt caching](https://docs.claude.com/en/docs/build-with-claude/prompt-caching).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caching {
    /// Not at all.
    Off,
    /// Five minutes from the last use. Writing costs a quarter more than reading anew.
    #[default]
    FiveMinutes,
    /// An hour from the last use. Writing costs twice as much as reading anew.
    OneHour,
}

/// Whether and how much a model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thinks {
    /// As much as it sees fit.
    Adaptive,
    /// So many tokens at most.
    Budget(u32),
}

/// Anthropic's word for its search of the web.
pub(super) const WEB_SEARCH: &str = "web_search_20250305";
/// Anthropic's word for its reading of web pages.
pub(super) const WEB_FETCH: &str = "web_fetch_20250910";

/// What is set on the provider, and holds for all its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) caching: Caching,
    pub(crate) thinks: Option<Thinks>,
    pub(crate) cites_documents: bool,
    pub(crate) web_search: Option<WebSearch>,
    pub(crate) web_fetch: Option<WebFetch>,
    pub(crate) betas: Vec<String>,
}

/// Who is asked: what differs between the places where Claude runs.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Whose opaque items may be sent back there.
    pub(crate) provider: &'static str,
    /// The name of the API, for errors.
    pub(crate) name: &'static str,
    /// Whether the model takes `output_config.format`.
    pub(crate) output_format: bool,
}

/// The fields of a request, but for those of the place: the model, `stream`.
pub(crate) fn body(
    place: Place,
    options: &Options,
    request: &ChatRequest,
) -> Result<Map<String, Value>, ProviderError> {
    let params = &request.params;
    refuse_unknown(place.name, params)?;
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    let default = match options.thinks {
        // The budget is a part of the bound.
        Some(Thinks::Budget(tokens)) if tokens >= DEFAULT_MAX_TOKENS => {
            tokens.saturating_add(DEFAULT_MAX_TOKENS)
        }
        _ => DEFAULT_MAX_TOKENS,
    };
    set("max_tokens", Some(params.max_tokens.unwrap_or(default).into()));
    set("messages", Some(messages(place, options, request).into()));
    set("system", system(options, request));
    set("temperature", params.temperature.map(Value::from));
    set("top_p", params.top_p.map(Value::from));
    set("top_k", params.top_k.map(Value::from));
    let stops = &params.stop_sequences;
    set("stop_sequences", (!stops.is_empty()).then(|| stops.clone().into()));
    set(
        "thinking",
        options.thinks.map(|thinks| match thinks {
            Thinks::Adaptive => json!({"type": "adaptive"}),
            Thinks::Budget(tokens) => json!({"type": "enabled", "budget_tokens": tokens}),
        }),
    );
    // A schema that cannot be enforced is asked for as older models are.
    let wanted = request.output.as_deref().filter(|_| place.output_format);
    let format = wanted.and_then(|output| schema::enforced(&output.schema));
    let by_tool = request.output.as_deref().filter(|_| format.is_none());
    let tools = tools(&request.tools, options, by_tool);
    set("tool_choice", by_tool.map(|_| tool_choice(options, tools.len())));
    set("tools", (!tools.is_empty()).then(|| tools.into()));
    set("output_config", output_config(format, params));
    body.extend(params.extra.clone());
    Ok(body)
}

/// The same request, as a question of how many tokens it has.
pub(super) fn counted(mut body: Map<String, Value>) -> Map<String, Value> {
    body.retain(|key, _| key == "tools" || COUNTED.contains(&key.as_str()));
    body
}

/// What the request has to say in the header `anthropic-beta`.
pub(crate) fn betas(options: &Options, request: &ChatRequest) -> Vec<String> {
    let mut betas = options.betas.clone();
    let mut add = |wanted: bool, beta: &str| {
        if wanted && !betas.iter().any(|known| known == beta) {
            betas.push(beta.to_owned());
        }
    };
    add(request.turns.iter().any(|turn| blocks::names_a_file(turn.contents())), FILES_BETA);
    add(options.web_fetch.is_some(), FETCH_BETA);
    betas
}

/// A body as it is sent.
pub(crate) fn bytes(body: &Map<String, Value>) -> Result<Vec<u8>, ProviderError> {
    serde_json::to_vec(body).map_err(|error| {
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("the request cannot be written as JSON: {error}"),
        )
    })
}

/// A parameter that would be dropped in silence is an error instead.
fn refuse_unknown(place: &str, params: &ModelParams) -> Result<(), ProviderError> {
    let set = [
        ("seed", params.seed.is_some()),
        ("frequency_penalty", params.frequency_penalty.is_some()),
        ("presence_penalty", params.presence_penalty.is_some()),
        ("choice_count", params.choice_count.is_some_and(|count| count != 1)),
        ("previous_response_id", params.previous_response_id.is_some()),
    ];
    match set.iter().find(|(_, set)| *set) {
        None => Ok(()),
        Some((name, _)) => Err(ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("{place} has no parameter `{name}`: leave it unset"),
        )),
    }
}

/// The mark up to which the conversation is kept.
fn cache_control(options: &Options) -> Option<Value> {
    match options.caching {
        Caching::Off => None,
        Caching::FiveMinutes => Some(json!({"type": "ephemeral", "ttl": "5m"})),
        Caching::OneHour => Some(json!({"type": "ephemeral", "ttl": "1h"})),
    }
}

fn system(options: &Options, request: &ChatRequest) -> Option<Value> {
    // Anthropic refuses an empty text.
    let prompt = request.system_prompt.as_deref().filter(|prompt| !prompt.trim().is_empty())?;
    let mut block = json!({"type": "text", "text": prompt});
    if let Some(mark) = cache_control(options) {
        block["cache_control"] = mark;
    }
    Some(json!([block]))
}

fn messages(place: Place, options: &Options, request: &ChatRequest) -> Vec<Value> {
    let mut messages: Vec<Value> = request
        .turns
        .iter()
        .filter_map(|turn| blocks::message(place.provider, options.cites_documents, turn))
        .collect();
    blocks::close(&mut messages);
    if let Some(mark) = cache_control(options)
        && let Some(block) = messages.last_mut().and_then(|message| {
            let blocks = message["content"].as_array_mut()?;
            blocks.iter_mut().rev().find(|block| blocks::may_be_marked(block))
        })
    {
        block["cache_control"] = mark;
    }
    messages
}

fn output_config(schema: Option<Value>, params: &ModelParams) -> Option<Value> {
    let mut config = Map::new();
    if let Some(schema) = schema {
        config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    }
    if let Some(level) = &params.reasoning_level {
        config.insert("effort".to_owned(), level.as_str().into());
    }
    (!config.is_empty()).then(|| config.into())
}

fn tools(tools: &[ToolDefinition], options: &Options, output: Option<&OutputSchema>) -> Vec<Value> {
    let own = tools.iter().map(|tool| {
        let mut value = json!({
            "name": tool.name,
            "description": tool.description,
            "input_schema": *tool.parameters,
        });
        if tool.strict == Some(true) {
            value["strict"] = true.into();
            if let Some(schema) = schema::enforced(&tool.parameters) {
                value["input_schema"] = schema;
            }
        }
        value
    });
    let run_there = [
        options.web_search.as_ref().map(|search| {
            let kind = json!({"type": WEB_SEARCH, "name": "web_search"});
            bounded(kind, search.max_uses, &search.allowed_domains, &search.blocked_domains)
        }),
        options.web_fetch.as_ref().map(|fetch| {
            let kind = json!({"type": WEB_FETCH, "name": "web_fetch"});
            bounded(kind, fetch.max_uses, &fetch.allowed_domains, &fetch.blocked_domains)
        }),
    ];
    let output = output.map(|output| {
        json!({
            "name": OUTPUT_TOOL,
            "description": "Extract structured data",
            "input_schema": schema::wrapped(&output.schema),
        })
    });
    own.chain(run_there.into_iter().flatten()).chain(output).collect()
}

fn bounded(mut tool: Value, uses: Option<u32>, allowed: &[String], blocked: &[String]) -> Value {
    if let Some(uses) = uses {
        tool["max_uses"] = uses.into();
    }
    if !allowed.is_empty() {
        tool["allowed_domains"] = allowed.into();
    }
    if !blocked.is_empty() {
        tool["blocked_domains"] = blocked.into();
    }
    tool
}

/// How a model is made to answer by the tool for the output.
fn tool_choice(options: &Options, tools: usize) -> Value {
    if options.thinks.is_some() {
        // A model that thinks cannot be forced.
        json!({"type": "auto"})
    } else if tools > 1 {
        json!({"type": "any"})
    } else {
        json!({"type": "tool", "name": OUTPUT_TOOL})
    }
}

/// Whether a model takes `output_config.format`: all since Claude 4.5 do.
pub(super) fn takes_output_format(model: &str) -> bool {
    let Some(at) = model.find("claude-") else { return true };
    let name = &model[at + "claude-".len()..];
    if name.starts_with(['1', '2', '3']) || name.starts_with("instant") {
        return false;
    }
    let four = ["opus-4", "sonnet-4"].iter().find_map(|start| name.strip_prefix(start));
    four.is_none_or(|rest| {
        let minor = rest.strip_prefix('-').map(|rest| rest.split(['-', '@', ':']).next());
        // `claude-opus-4`, `claude-opus-4-1`, `claude-opus-4-20250514`.
        !(rest.is_empty()
            || rest.starts_with('@')
            || minor.flatten().is_some_and(|minor| {
                matches!(minor, "0" | "1") || minor.len() >= 8 || minor.starts_with("latest")
            }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::{Content, Turn, UserTurn};

    const PLACE: Place =
        Place { provider: "anthropic", name: "Anthropic's Messages API", output_format: true };

    fn written(options: &Options, request: &ChatRequest) -> Value {
        body(PLACE, options, request).unwrap().into()
    }

    fn hi() -> ChatRequest {
        ChatRequest::new([Turn::user("hi")])
    }

    #[test]
    fn the_models_that_hold_to_a_schema_are_known_by_their_names() {
        for model in [
            "claude-haiku-4-5-20251001",
            "claude-opus-4-5",
            "claude-sonnet-4-6",
            "claude-sonnet-5",
            "claude-opus-4-10",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "another",
        ] {
            assert!(takes_output_format(model), "{model}");
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
            assert!(!takes_output_format(model), "{model}");
        }
    }

    #[test]
    fn a_parameter_that_the_api_lacks_is_refused_by_name() {
        let mut request = hi();
        request.params.seed = Some(1);
        let error = body(PLACE, &Options::default(), &request).unwrap_err();
        assert_eq!(
            error.message(),
            "Anthropic's Messages API has no parameter `seed`: leave it unset"
        );
    }

    #[test]
    fn the_cache_is_marked_at_the_prompt_and_at_the_end() {
        let mut request = hi();
        request.system_prompt = Some("be brief".into());
        for (caching, mark) in [
            (Caching::FiveMinutes, json!({"type": "ephemeral", "ttl": "5m"})),
            (Caching::OneHour, json!({"type": "ephemeral", "ttl": "1h"})),
            (Caching::Off, Value::Null),
        ] {
            let sent = written(&Options { caching, ..Options::default() }, &request);
            assert_eq!(sent["system"][0]["cache_control"], mark);
            assert_eq!(sent["messages"][0]["content"][0]["cache_control"], mark);
        }
    }

    #[test]
    fn a_budget_for_thinking_leaves_room_for_the_answer() {
        for (budget, bound) in [(1024, 4096), (4000, 4096), (4096, 8192), (32_000, 36_096)] {
            let thinks = Some(Thinks::Budget(budget));
            let sent = written(&Options { thinks, ..Options::default() }, &hi());
            assert_eq!(sent["thinking"], json!({"type": "enabled", "budget_tokens": budget}));
            assert_eq!(sent["max_tokens"], bound);
        }
        let mut request = hi();
        request.params.max_tokens = Some(7);
        let sent =
            written(&Options { thinks: Some(Thinks::Adaptive), ..Options::default() }, &request);
        assert_eq!(sent["thinking"], json!({"type": "adaptive"}));
        assert_eq!(sent["max_tokens"], 7);
    }

    #[test]
    fn an_older_model_answers_by_a_tool() {
        let mut request = hi();
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        request.output =
            Some(OutputSchema { name: "answer".into(), schema: schema.clone(), strict: true });
        let place = Place { output_format: false, ..PLACE };
        let sent = Value::from(body(place, &Options::default(), &request).unwrap());
        assert_eq!(sent["tools"][0]["input_schema"]["properties"]["data"], schema);
        assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": OUTPUT_TOOL}));
        assert!(sent.get("output_config").is_none());
        request.tools = vec![ToolDefinition::new("look", "Looks.", json!({"type": "object"}))];
        let sent = Value::from(body(place, &Options::default(), &request).unwrap());
        assert_eq!(sent["tool_choice"], json!({"type": "any"}));
        let thinking = Options { thinks: Some(Thinks::Adaptive), ..Options::default() };
        let sent = Value::from(body(place, &thinking, &request).unwrap());
        assert_eq!(sent["tool_choice"], json!({"type": "auto"}));
    }

    #[test]
    fn a_schema_is_sent_as_the_api_enforces_it_and_by_a_tool_where_it_cannot() {
        let sent = |schema: Value| {
            let mut request = hi();
            request.output = Some(OutputSchema { name: "a".into(), schema, strict: true });
            written(&Options::default(), &request)
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
    fn a_call_of_the_vendors_is_kept_as_long_as_the_turn_may_go_on_with_it() {
        use chatlas_core::AssistantTurn;
        use chatlas_core::content::{Replay, ServerTool, ToolRequest};

        let tool = |items: Value| {
            let replay = Replay { provider: PLACE.provider.to_owned(), item: items };
            Content::ServerTool(ServerTool { id: None, name: "x".into(), replay })
        };
        let call = json!({"type": "server_tool_use", "id": "s1", "name": "x", "input": {}});
        let result = json!({"type": "x_tool_result", "tool_use_id": "s1", "content": []});
        let asks = |item: Option<Value>| {
            let replay = item.map(|item| Replay { provider: PLACE.provider.to_owned(), item });
            let (id, name) = ("t1".to_owned(), "look".to_owned());
            Content::ToolRequest(ToolRequest { id, name, arguments: json!({}), replay })
        };
        let caller = json!({"type": "code_execution_20250825", "tool_id": "s1"});
        let by_code = asks(Some(json!({"type": "tool_use", "caller": caller})));
        let model = |contents: Vec<Content>| {
            Turn::Assistant(AssistantTurn { contents, ..AssistantTurn::default() })
        };
        let kinds = |turns: Vec<Turn>| {
            let sent = written(&Options::default(), &ChatRequest::new(turns));
            let messages = sent["messages"].as_array().unwrap().iter();
            let blocks =
                messages.flat_map(|message| message["content"].as_array().unwrap().clone());
            blocks.map(|block| block["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let open = model(vec![tool(json!([call]))]);
        assert_eq!(kinds(vec![Turn::user("a"), open.clone()]), ["text", "server_tool_use"]);
        assert_eq!(kinds(vec![Turn::user("a"), open.clone(), Turn::user("b")]), ["text", "text"]);
        let waits = model(vec![tool(json!([call])), by_code.clone()]);
        assert_eq!(
            kinds(vec![Turn::user("a"), waits, Turn::user("b")]),
            ["text", "server_tool_use", "tool_use", "text"]
        );
        let answered = model(vec![tool(json!([result]))]);
        assert_eq!(
            kinds(vec![open, Turn::user("b"), answered, Turn::user("c")]),
            ["server_tool_use", "text", "x_tool_result", "text"]
        );
        let sent = written(&Options::default(), &ChatRequest::new([model(vec![by_code])]));
        let sent = &sent["messages"][0]["content"][0];
        assert_eq!((&sent["caller"], &sent["id"]), (&caller, &json!("t1")));
    }

    #[test]
    fn a_last_message_of_the_models_ends_in_no_blank() {
        let sent = written(
            &Options::default(),
            &ChatRequest::new([Turn::user("a"), Turn::assistant("So: \n")]),
        );
        assert_eq!(sent["messages"][1]["content"][0]["text"], "So:");
    }

    #[test]
    fn fields_of_the_programs_own_win() {
        let mut request = hi();
        request.params.reasoning_level = Some("low".into());
        let own = json!({"max_tokens": 1, "metadata": {"user_id": "u"}});
        request.params.extra = own.as_object().unwrap().clone();
        let sent = written(&Options::default(), &request);
        assert_eq!(sent["max_tokens"], 1);
        assert_eq!(sent["metadata"]["user_id"], "u");
        assert_eq!(sent["output_config"], json!({"effort": "low"}));
        let counted = Value::from(counted(body(PLACE, &Options::default(), &request).unwrap()));
        let keys: Vec<_> = counted.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["messages", "output_config"]);
    }

    #[test]
    fn what_needs_a_beta_says_so() {
        let source = chatlas_core::content::MediaSource::File { id: "f".into(), mime_type: None };
        let media = chatlas_core::content::Media { source, name: None };
        let contents = vec![Content::text("what is it?"), Content::Document(media)];
        let request = ChatRequest::new([Turn::User(UserTurn { contents })]);
        let options = Options {
            web_fetch: Some(WebFetch::new()),
            betas: vec!["mine".into(), FETCH_BETA.into()],
            ..Options::default()
        };
        assert_eq!(betas(&options, &request), ["mine", FETCH_BETA, FILES_BETA]);
        assert!(betas(&Options::default(), &hi()).is_empty());
    }

    #[test]
    fn tools_of_the_vendors_are_bounded_as_asked() {
        let options = Options {
            web_search: Some(WebSearch::new().with_max_uses(2).with_allowed_domains(["a.example"])),
            web_fetch: Some(WebFetch::new().with_blocked_domains(["b.example"])),
            ..Options::default()
        };
        let mut request = hi();
        request.tools = vec![
            ToolDefinition::new("look", "Looks.", json!({"type": "object"})).with_strict(true),
        ];
        assert_eq!(
            written(&options, &request)["tools"],
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
}
