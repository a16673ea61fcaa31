//! Writes a request of the Messages API.

use std::collections::BTreeSet;

use chatlas_core::content::{Content, Refusal, Text, Thinking as Thought};
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{
    ChatRequest, ModelParams, OutputSchema, ProviderError, ProviderErrorKind, Reasoning,
    ToolChoice, Turn, WebFetch, WebSearch,
};
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::blocks::{self, Message};
use super::schema;
use super::settings::{Settings, Thinking};
use crate::client::fields::{Fields, fragments, refuse, unsupported_reasoning};
use crate::client::{Call, CallIds, Rules, json, malformed};

/// The limit on output tokens if the program sets none: the API requires one.
pub(crate) const DEFAULT_MAX_TOKENS: u32 = 4096;
/// The tool by which a model returns structured output if it does not support
/// `output_config.format`.
pub(crate) const OUTPUT_TOOL: &str = "_structured_tool_call";
/// The beta that a request with ids of files requires.
const FILES_BETA: &str = "files-api-2025-04-14";
/// The beta that the web fetch tool requires.
const FETCH_BETA: &str = "web-fetch-2025-09-10";
/// The fields of a request for a count of tokens.
const COUNTED: &[&str] = &[
    "context_management",
    "mcp_servers",
    "messages",
    "model",
    "output_config",
    "system",
    "thinking",
    "tool_choice",
    "tools",
];
/// The vendor's type of the web search tool.
pub(super) const WEB_SEARCH: &str = "web_search_20250305";
/// The vendor's type of the web fetch tool.
pub(super) const WEB_FETCH: &str = "web_fetch_20250910";

/// What the APIs of Claude require of a history.
pub(crate) const RULES: Rules = Rules {
    call_ids: CallIds::Plain,
    names_begin_with_letter: false,
    starts_with_user: true,
    has_stored_calls: false,
};

/// Returns whether a content of the model is a message by itself.
pub(crate) fn is_message(call: &Call<'_>, content: &Content) -> bool {
    match content {
        Content::Text(Text { text, .. }) | Content::Refusal(Refusal { text, .. }) => {
            !text.trim().is_empty()
        }
        Content::ServerTool(tool) => {
            call.is_own(&tool.replay) && blocks::items(tool).next().is_some()
        }
        content => matches!(content, Content::ToolRequest(_)),
    }
}

/// How the services that run Claude differ.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    /// The name of the API in errors.
    pub(crate) api: &'static str,
    /// Whether the model supports `output_config.format`.
    pub(crate) has_output_format: bool,
}

/// The body of a request.
pub(crate) struct Body<'a> {
    messages: Vec<Message<'a>>,
    tools: Tools<'a>,
    /// The other fields.
    fields: Vec<(&'static str, Option<Value>)>,
    extra: &'a Map<String, Value>,
    only: Option<&'static [&'static str]>,
}

impl<'a> Body<'a> {
    /// Creates the body of a request to that service. `fields` are those of the service alone.
    ///
    /// # Errors
    ///
    /// An invalid request, if it sets a parameter that the API does not have.
    pub(crate) fn new(
        service: Service,
        settings: &'a Settings,
        call: &'a Call<'_>,
        mut fields: Vec<(&'static str, Option<Value>)>,
    ) -> Result<Self, ProviderError> {
        let request = call.request;
        let params = &request.params;
        refuse(service.api, &unsupported(params))?;
        let cache = settings.caching.mark();
        // A schema that the API cannot enforce is the input of a tool, as for older models.
        let output = request.output.as_deref();
        let format = output
            .filter(|_| service.has_output_format)
            .and_then(|output| schema::enforced(&output.schema));
        let by_tool = output.filter(|_| format.is_none());
        let mut others: Vec<Value> =
            server_tools(settings).chain(by_tool.map(output_tool)).collect();
        let thinking = thinking(settings, call)?;
        let own = own_choice(thinking, call, by_tool.is_some())?;
        let mut choice = own.map(|own| match own {
            ToolChoice::Auto => json!({"type": "auto"}),
            ToolChoice::None => json!({"type": "none"}),
            ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
            _ => json!({"type": "any"}),
        });
        if choice.is_none() {
            let forbids_tools = params.tool_choice == Some(ToolChoice::None);
            let offered = if forbids_tools { 1 } else { call.tools.len() + others.len() };
            choice = by_tool.map(|_| tool_choice(thinking, offered));
        }
        if call.tools.is_empty() && others.is_empty() {
            others = past_tools(call).map(|name| tool(name, PAST, past_schema(), false)).collect();
            choice = (!others.is_empty()).then(|| json!({"type": "none"}));
        }
        let tools = Tools { own: call.tools, others };
        // The limit includes the budget for thinking.
        let max_tokens = params.max_tokens.unwrap_or(match thinking {
            Some(Thinking::Enabled { budget_tokens }) if budget_tokens >= DEFAULT_MAX_TOKENS => {
                budget_tokens.saturating_add(DEFAULT_MAX_TOKENS)
            }
            _ => DEFAULT_MAX_TOKENS,
        });
        // The API rejects an empty text.
        let system = request.system_prompt.as_deref().filter(|text| !text.trim().is_empty());
        let stops = &params.stop_sequences;
        let effort = effort(call).map(Value::from);
        let format = format.map(|schema| json!({"type": "json_schema", "schema": schema}));
        let config = [("format", format), ("effort", effort)];
        fields.extend([
            ("max_tokens", Some(max_tokens.into())),
            (
                "system",
                system.map(|text| {
                    json!([object_of([
                        ("type", Some("text".into())),
                        ("text", Some(text.into())),
                        ("cache_control", cache.clone()),
                    ])])
                }),
            ),
            ("temperature", params.temperature.map(Value::from)),
            ("top_p", params.top_p.map(Value::from)),
            ("top_k", params.top_k.map(Value::from)),
            ("stop_sequences", (!stops.is_empty()).then(|| json!(stops))),
            ("thinking", sent_thinking(thinking, call).map(|thinking| json!(thinking))),
            ("tool_choice", choice),
            ("output_config", object_of(config)),
        ]);
        let messages = blocks::messages(call, settings.cites_documents, cache);
        Ok(Self { messages, tools, fields, extra: &params.extra, only: None })
    }

    /// Returns the same request as one for a count of its tokens.
    pub(super) fn counted(self) -> Self {
        Self { only: Some(COUNTED), ..self }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, Some(self.extra))?.only(self.only);
        for (name, value) in &self.fields {
            fields.set_some(name, value)?;
        }
        fields.set("messages", &self.messages)?;
        if self.tools.len() > 0 {
            fields.set("tools", &self.tools)?;
        }
        fields.end()
    }
}

/// The description of a tool that the conversation has used and the request does not offer.
pub(crate) const PAST: &str = "This tool is not available any more.";

/// Returns the names of the tools that the history calls. A request with calls in its history has to
/// define tools, even if it offers none.
pub(crate) fn past_tools<'a>(call: &Call<'a>) -> impl Iterator<Item = &'a str> {
    let calls = call.turns.iter().filter_map(|turn| match &**turn {
        Turn::Assistant(turn) => Some(turn.tool_requests()),
        _ => None,
    });
    let names: BTreeSet<&str> = calls.flatten().map(|call| &*call.name).collect();
    names.into_iter()
}

/// Returns the schema of a tool that is not available any more.
pub(crate) fn past_schema() -> Value {
    json!({"type": "object", "properties": {}})
}

/// Returns the parameters that the APIs of Claude do not have, and whether they are set.
pub(crate) fn unsupported(params: &ModelParams) -> [(&'static str, bool); 5] {
    [
        ("seed", params.seed.is_some()),
        ("frequency_penalty", params.frequency_penalty.is_some()),
        ("presence_penalty", params.presence_penalty.is_some()),
        ("choice_count", params.choice_count.is_some_and(|count| count != 1)),
        ("previous_response_id", params.previous_response_id.is_some()),
    ]
}

/// Returns an object of the fields that are set, if there are any.
pub(crate) fn object_of<const N: usize>(fields: [(&str, Option<Value>); N]) -> Option<Value> {
    let set = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let object: Map<String, Value> = set.collect();
    (!object.is_empty()).then(|| object.into())
}

/// The budgets of the levels for models that think with a budget only.
const BUDGETS: [(Reasoning, u32); 3] =
    [(Reasoning::Low, 1024), (Reasoning::Medium, 8192), (Reasoning::High, 24576)];

/// Returns how the model is to think: as the request requires, else as the provider is set.
///
/// # Errors
///
/// An unsupported request, if the model has no such level.
pub(crate) fn thinking(
    settings: &Settings,
    call: &Call<'_>,
) -> Result<Option<Thinking>, ProviderError> {
    let Some(reasoning) = call.request.params.reasoning else { return Ok(settings.thinking) };
    let thinking = match reasoning {
        Reasoning::Off => Thinking::Disabled,
        Reasoning::Budget(budget_tokens) => Thinking::Enabled { budget_tokens },
        Reasoning::Minimal => {
            return Err(unsupported_reasoning(
                "Claude has no reasoning level `minimal`: set `Reasoning::Low` or `Reasoning::Off`",
            ));
        }
        _ if is_adaptive(call.model) => Thinking::Adaptive,
        level => {
            let budget = BUDGETS.iter().find(|(with_budget, _)| *with_budget == level);
            let Some((_, budget_tokens)) = budget else {
                return Err(unsupported_reasoning(&format!(
                    "`{}` has no such reasoning level: set `Reasoning::High`, or a budget",
                    call.model
                )));
            };
            Thinking::Enabled { budget_tokens: *budget_tokens }
        }
    };
    Ok(Some(thinking))
}

/// Returns the effort of a model that decides how much it thinks.
pub(crate) fn effort(call: &Call<'_>) -> Option<&'static str> {
    let reasoning = call.request.params.reasoning?;
    let is_level = !matches!(reasoning, Reasoning::Off | Reasoning::Budget(_));
    reasoning.level().filter(|_| is_level && is_adaptive(call.model))
}

/// Returns whether a model decides how much it thinks: all since Claude 4.6 do. The names of other
/// servers are supposed to be those of current models.
fn is_adaptive(model: &str) -> bool {
    let Some((_, name)) = model.split_once("claude-") else { return true };
    if name.starts_with('3') {
        return false;
    }
    let families = ["opus-4", "sonnet-4", "haiku-4"];
    let four = families.iter().find_map(|start| name.strip_prefix(start));
    four.is_none_or(|rest| {
        let minor = rest.strip_prefix('-').and_then(|rest| rest.split(['-', '@', ':']).next());
        // `claude-opus-4-20250514` has a date there.
        let minor =
            minor.filter(|minor| minor.len() < 8).and_then(|minor| minor.parse::<u32>().ok());
        minor.is_some_and(|minor| minor >= 6)
    })
}

/// Returns how the model thinks in this request. With a budget, the API rejects a request whose last calls do not begin
/// with thinking: another model made them, so that this request goes without.
pub(crate) fn sent_thinking(thinking: Option<Thinking>, call: &Call<'_>) -> Option<Thinking> {
    let last = call.turns.iter().rev().find_map(|turn| match &**turn {
        Turn::Assistant(turn) => Some(turn),
        _ => None,
    });
    let is_thought = |content: &Content| match content {
        Content::Thinking(Thought { replay: Some(replay), .. }) => call.is_own(replay),
        _ => false,
    };
    let has_thought = last.is_none_or(|turn| {
        turn.tool_requests().next().is_none() || turn.contents.first().is_some_and(is_thought)
    });
    let is_possible =
        |thinking: &Thinking| has_thought || !matches!(thinking, Thinking::Enabled { .. });
    thinking.filter(is_possible)
}

/// Returns the program's choice of its tools, if the request offers any.
///
/// # Errors
///
/// An unsupported request, if it forces a call and the model thinks: the API rejects both together.
pub(crate) fn own_choice<'a>(
    thinking: Option<Thinking>,
    call: &Call<'a>,
    has_output_tool: bool,
) -> Result<Option<&'a ToolChoice>, ProviderError> {
    let choice = call.request.params.tool_choice.as_ref();
    let choice = choice.filter(|_| !call.tools.is_empty());
    if choice.is_some_and(ToolChoice::is_forced) && is_on(thinking) {
        return Err(ProviderError::new(
            ProviderErrorKind::Unsupported,
            "Claude cannot be forced to call a tool while it thinks: set the tool choice to `Auto`, \
             or turn thinking off",
        ));
    }
    // The tool of the output has to stay possible.
    Ok(choice.filter(|choice| {
        !(has_output_tool && matches!(choice, ToolChoice::Auto | ToolChoice::None))
    }))
}

/// Returns how a model is made to return its output by the tool.
fn tool_choice(thinking: Option<Thinking>, tools: usize) -> Value {
    if is_on(thinking) {
        // The API rejects a forced call if the model thinks.
        json!({"type": "auto"})
    } else if tools > 1 {
        json!({"type": "any"})
    } else {
        json!({"type": "tool", "name": OUTPUT_TOOL})
    }
}

/// Returns whether the model may think.
pub(crate) fn is_on(thinking: Option<Thinking>) -> bool {
    thinking.is_some_and(|thinking| thinking != Thinking::Disabled)
}

/// The tools of a request: the definitions of the program's tools, and others.
pub(crate) struct Tools<'a> {
    pub(crate) own: &'a [Box<RawValue>],
    pub(crate) others: Vec<Value>,
}

impl Tools<'_> {
    fn len(&self) -> usize {
        self.own.len() + self.others.len()
    }
}

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for tool in self.own {
            list.serialize_element(tool)?;
        }
        for tool in &self.others {
            list.serialize_element(tool)?;
        }
        list.end()
    }
}

/// Returns the enabled tools that the vendor runs.
fn server_tools(settings: &Settings) -> impl Iterator<Item = Value> {
    let limited = |kind, name, max_uses: Option<u32>, allowed: &[String], blocked: &[String]| {
        json!(object_of([
            ("type", Some(Value::from(kind))),
            ("name", Some(Value::from(name))),
            ("max_uses", max_uses.map(Value::from)),
            ("allowed_domains", (!allowed.is_empty()).then(|| json!(allowed))),
            ("blocked_domains", (!blocked.is_empty()).then(|| json!(blocked))),
        ]))
    };
    let search = settings.web_search.as_ref().map(
        |WebSearch { max_uses, allowed_domains, blocked_domains, .. }| {
            limited(WEB_SEARCH, "web_search", *max_uses, allowed_domains, blocked_domains)
        },
    );
    let fetch = settings.web_fetch.as_ref().map(
        |WebFetch { max_uses, allowed_domains, blocked_domains, .. }| {
            limited(WEB_FETCH, "web_fetch", *max_uses, allowed_domains, blocked_domains)
        },
    );
    search.into_iter().chain(fetch)
}

/// Returns the tool by which a model returns structured output.
fn output_tool(output: &OutputSchema) -> Value {
    tool(OUTPUT_TOOL, "Extract structured data", schema::wrapped(&output.schema), false)
}

fn tool(name: &str, description: &str, schema: Value, is_strict: bool) -> Value {
    json!(object_of([
        ("name", Some(name.into())),
        ("description", Some(description.into())),
        ("input_schema", Some(schema)),
        ("strict", is_strict.then(|| true.into())),
    ]))
}

/// Writes the definitions of the program's tools.
pub(crate) fn tools(tools: &[ToolDefinition]) -> Result<Vec<Box<RawValue>>, ProviderError> {
    fragments(tools.iter().map(|definition| {
        let (schema, is_strict) = schema::of_tool(definition);
        tool(&definition.name, &definition.description, schema, is_strict)
    }))
}

/// Returns the betas of a request: those that are set, and those that the request requires.
pub(super) fn betas(settings: &Settings, request: Option<&ChatRequest>) -> Vec<String> {
    let mut betas = settings.betas.clone();
    let Some(request) = request else { return betas };
    let has_file = request.turns.iter().any(|turn| blocks::has_file(turn.contents()));
    for (is_required, beta) in [(has_file, FILES_BETA), (settings.web_fetch.is_some(), FETCH_BETA)]
    {
        if is_required && !betas.iter().any(|existing| existing == beta) {
            betas.push(beta.to_owned());
        }
    }
    betas
}

/// Reads the count of tokens in that field.
pub(crate) fn count(body: &[u8], key: &str) -> Result<u64, ProviderError> {
    let counted: Value = json::read(body, &mut String::new())?;
    let tokens = counted.get(key).and_then(Value::as_u64);
    tokens.ok_or_else(|| malformed(&format!("it has no `{key}`")))
}

/// Returns whether a model supports `output_config.format`: all since Claude 4.5 do.
pub(super) fn has_output_format(model: &str) -> bool {
    let Some((_, name)) = model.split_once("claude-") else { return true };
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
