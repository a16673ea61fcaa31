//! The request body of `generateContent`, written straight from the conversation.

use chatlas_core::{
    ModelParams, ProviderError, ProviderErrorKind, Reasoning, ToolChoice, ToolDefinition, WebFetch,
    WebSearch,
};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::contents::Contents;
use super::quirks::Quirks;
use super::{model_name, schema};
use crate::client::Call;
use crate::client::fields::{Fields, refuse, unsupported_reasoning};

/// The settings that only Google has.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) web_search: Option<WebSearch>,
    pub(super) web_fetch: Option<WebFetch>,
    pub(super) code_execution: bool,
    pub(super) thoughts: bool,
}

/// The body of a request for a reply.
pub(super) struct Body<'a> {
    pub(super) quirks: &'a Quirks,
    pub(super) settings: &'a Settings,
    pub(super) call: &'a Call<'a>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WithExtra { body: self, extra: &self.call.request.params.extra }.serialize(serializer)
    }
}

/// A body with these vendor-specific fields.
struct WithExtra<'a> {
    body: &'a Body<'a>,
    extra: &'a Map<String, Value>,
}

impl Serialize for WithExtra<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = self.body.call;
        let Call { request, tools, .. } = *call;
        let mut fields = Fields::new(serializer, Some(self.extra))?;
        fields.set("contents", &Contents(call))?;
        // Google refuses an empty text.
        let prompt = request.system_prompt.as_deref().filter(|text| !text.trim().is_empty());
        if let Some(text) = prompt {
            let parts = [SystemPart { text }];
            fields.merge("systemInstruction", &SystemInstruction { role: "user", parts })?;
        }
        if !tools.is_empty() {
            fields.set("tools", tools)?;
        }
        if let Some(config) = self.body.tool_config() {
            fields.merge("toolConfig", &config)?;
        }
        // A tree, so that an empty object is left out: the settings are few.
        let config = serde_json::to_value(GenerationConfig(self.body)).map_err(S::Error::custom)?;
        if config != json!({}) {
            fields.merge("generationConfig", &config)?;
        }
        fields.end()
    }
}

impl Body<'_> {
    fn tool_config(&self) -> Option<ToolConfig<'_>> {
        let Settings { web_search, web_fetch, code_execution, .. } = self.settings;
        let request = self.call.request;
        if request.tools.is_empty() {
            return None;
        }
        let has_server_tools = web_search.is_some() || web_fetch.is_some() || *code_execution;
        let config = ToolConfig {
            include_server_side_tool_invocations: self.quirks.reports_server_tools
                && has_server_tools,
            function_calling_config: request.params.tool_choice.as_ref().map(CallingConfig::new),
        };
        (config != ToolConfig::default()).then_some(config)
    }
}

#[derive(Serialize)]
struct SystemInstruction<'a> {
    role: &'static str,
    parts: [SystemPart<'a>; 1],
}

#[derive(Serialize)]
struct SystemPart<'a> {
    text: &'a str,
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    /// The API refuses its own tools beside functions without this.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_server_side_tool_invocations: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_calling_config: Option<CallingConfig<'a>>,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

impl<'a> CallingConfig<'a> {
    fn new(choice: &'a ToolChoice) -> Self {
        let (mode, name) = match choice {
            ToolChoice::None => ("NONE", None),
            ToolChoice::Required => ("ANY", None),
            ToolChoice::Tool(name) => ("ANY", Some([&**name])),
            _ => ("AUTO", None),
        };
        Self { mode, allowed_function_names: name }
    }
}

/// The body of a request to count tokens.
pub(super) struct CountBody<'a>(pub(super) Body<'a>);

impl Serialize for CountBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = &self.0;
        let mut extra = body.call.request.params.extra.clone();
        if !body.quirks.counts_whole_requests {
            extra.remove("toolConfig");
            return WithExtra { body, extra: &extra }.serialize(serializer);
        }
        let model = body.call.model;
        let collection = if model.contains('/') { "" } else { "models/" };
        extra.insert("model".to_owned(), format!("{collection}{model}").into());
        let mut fields = Fields::new(serializer, None)?;
        fields.set("generateContentRequest", &WithExtra { body, extra: &extra })?;
        fields.end()
    }
}

/// Refuses the parameters that the API does not have.
pub(super) fn check(
    quirks: &Quirks,
    params: &ModelParams,
    settings: &Settings,
) -> Result<(), ProviderError> {
    let (search, fetch) = (settings.web_search.as_ref(), settings.web_fetch.as_ref());
    if matches!(params.reasoning, Some(Reasoning::XHigh | Reasoning::Max)) {
        return Err(unsupported_reasoning(&format!(
            "{} has no reasoning level above `high`: set `Reasoning::High`, or a budget",
            quirks.title
        )));
    }
    refuse(
        quirks.title,
        &[
            ("previous_response_id", params.previous_response_id.is_some()),
            ("max_uses of web_search", search.is_some_and(|s| s.max_uses.is_some())),
            (
                "allowed_domains of web_search",
                search.is_some_and(|s| !s.allowed_domains.is_empty()),
            ),
            (
                "blocked_domains of web_search",
                !quirks.blocks_domains && search.is_some_and(|s| !s.blocked_domains.is_empty()),
            ),
            ("max_uses of web_fetch", fetch.is_some_and(|f| f.max_uses.is_some())),
            ("allowed_domains of web_fetch", fetch.is_some_and(|f| !f.allowed_domains.is_empty())),
            ("blocked_domains of web_fetch", fetch.is_some_and(|f| !f.blocked_domains.is_empty())),
        ],
    )
}

/// Refuses a tool whose name the API rejects: it has to begin with a letter or `_`.
pub(super) fn check_names(tools: &[ToolDefinition]) -> Result<(), ProviderError> {
    let begins = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match tools.iter().find(|tool| !begins(&tool.name)) {
        None => Ok(()),
        Some(tool) => Err(ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!(
                "Google requires the name of a tool to begin with a letter or `_`: `{}`",
                tool.name
            ),
        )),
    }
}

/// The tools of a request: those that Google runs, then the functions.
pub(super) fn tools<'a>(tools: &'a [ToolDefinition], settings: &'a Settings) -> Vec<Tool<'a>> {
    let search = settings.web_search.as_ref();
    let search = search.map(|tool| Tool::GoogleSearch { exclude_domains: &tool.blocked_domains });
    let fetch = settings.web_fetch.as_ref().map(|_| Tool::UrlContext {});
    let code = settings.code_execution.then_some(Tool::CodeExecution {});
    let functions = || Tool::FunctionDeclarations(tools.iter().map(Function::new).collect());
    let functions = (!tools.is_empty()).then(functions);
    [search, fetch, code, functions].into_iter().flatten().collect()
}

/// An object with one field, which is named after the variant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Tool<'a> {
    GoogleSearch {
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        exclude_domains: &'a [String],
    },
    UrlContext {},
    CodeExecution {},
    FunctionDeclarations(Vec<Function<'a>>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Function<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a Value>,
}

impl<'a> Function<'a> {
    fn new(tool: &'a ToolDefinition) -> Self {
        let schema = &*tool.parameters;
        let parameters = schema::subset(schema, false);
        // Google refuses the empty schema of a function without parameters.
        let is_needed = parameters.is_none() && !schema::is_empty_object(schema);
        Self {
            name: &tool.name,
            description: &tool.description,
            parameters,
            parameters_json_schema: is_needed.then_some(schema),
        }
    }
}

/// `generationConfig`.
struct GenerationConfig<'a>(&'a Body<'a>);

impl Serialize for GenerationConfig<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Body { settings, call: Call { model, request, .. }, .. } = self.0;
        let params = &request.params;
        let mut fields = Fields::new(serializer, None)?;
        fields.set_some("temperature", &params.temperature)?;
        fields.set_some("topP", &params.top_p)?;
        fields.set_some("topK", &params.top_k)?;
        fields.set_some("maxOutputTokens", &params.max_tokens)?;
        let stops = &params.stop_sequences;
        fields.set_some("stopSequences", &(!stops.is_empty()).then_some(stops))?;
        fields.set_some("seed", &params.seed)?;
        fields.set_some("frequencyPenalty", &params.frequency_penalty)?;
        fields.set_some("presencePenalty", &params.presence_penalty)?;
        fields.set_some("candidateCount", &params.choice_count)?;
        let thinking = ThinkingConfig::new(model, settings, params.reasoning);
        fields.set_some("thinkingConfig", &thinking)?;
        if let Some(output) = &request.output {
            fields.set("responseMimeType", "application/json")?;
            match schema::subset(&output.schema, true) {
                Some(subset) => fields.set("responseSchema", &subset)?,
                None => fields.set("responseJsonSchema", &output.schema)?,
            }
        }
        fields.end()
    }
}

/// How much the model thinks, and whether it returns its thoughts.
#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_thoughts: bool,
}

impl ThinkingConfig {
    /// Gemini 2.5 has no levels, so a level becomes the budget of
    /// [Google's table](https://ai.google.dev/gemini-api/docs/openai#thinking).
    fn new(model: &str, settings: &Settings, reasoning: Option<Reasoning>) -> Option<Self> {
        let has_levels = model_name::generation(model) != Some(2);
        let thinking_budget = reasoning.and_then(|reasoning| match reasoning {
            Reasoning::Budget(tokens) => Some(tokens),
            Reasoning::Off => Some(0),
            _ if has_levels => None,
            Reasoning::Minimal | Reasoning::Low => Some(1024),
            Reasoning::Medium => Some(8192),
            _ => Some(24576),
        });
        let level = reasoning.filter(|_| thinking_budget.is_none()).and_then(Reasoning::level);
        let thinking_level = level.map(str::to_ascii_uppercase);
        let config = Self { thinking_budget, thinking_level, include_thoughts: settings.thoughts };
        (config != Self::default()).then_some(config)
    }
}
