//! Writes a request of the Messages API.

use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError, WebFetch, WebSearch};
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::blocks::{self, Message};
use super::schema;
use super::settings::{CacheControl, Settings, Thinking};
use crate::client::Call;
use crate::client::fields::{self, Fields, fragment, refuse};

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

/// How the services that run Claude differ.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    /// The provider whose items are sent back.
    pub(crate) provider: &'static str,
    /// The name of the API in errors.
    pub(crate) api: &'static str,
    /// Whether the model supports `output_config.format`.
    pub(crate) has_output_format: bool,
}

/// The body of a request.
pub(crate) struct Body<'a> {
    settings: &'a Settings,
    request: &'a ChatRequest,
    messages: Vec<Message<'a>>,
    tools: Tools<'a>,
    /// The schema that the output has to follow.
    format: Option<Value>,
    /// The fields that differ between the services.
    more: Vec<(&'static str, Value)>,
    only: Option<&'static [&'static str]>,
}

impl<'a> Body<'a> {
    /// Creates the body of a request to that service. `more` are the fields of the service alone.
    ///
    /// # Errors
    ///
    /// An invalid request, if it sets a parameter that the API does not have.
    pub(crate) fn new(
        service: Service,
        settings: &'a Settings,
        call: &'a Call<'_>,
        more: Vec<(&'static str, Value)>,
    ) -> Result<Self, ProviderError> {
        let request = call.request;
        let params = &request.params;
        refuse(
            service.api,
            &[
                ("seed", params.seed.is_some()),
                ("frequency_penalty", params.frequency_penalty.is_some()),
                ("presence_penalty", params.presence_penalty.is_some()),
                ("choice_count", params.choice_count.is_some_and(|count| count != 1)),
                ("previous_response_id", params.previous_response_id.is_some()),
            ],
        )?;
        // A schema that the API cannot enforce is the input of a tool, as for older models.
        let output = request.output.as_deref();
        let format = output
            .filter(|_| service.has_output_format)
            .and_then(|output| schema::enforced(&output.schema));
        let by_tool = output.filter(|_| format.is_none());
        let turns = request.turns.iter().map(|turn| &**turn);
        let cache = settings.caching.mark();
        Ok(Self {
            settings,
            request,
            messages: blocks::messages(service.provider, settings.cites_documents, cache, turns),
            tools: Tools {
                own: call.tools,
                search: settings.web_search.as_ref(),
                fetch: settings.web_fetch.as_ref(),
                output: by_tool.map(|output| schema::wrapped(&output.schema)),
            },
            format,
            more,
            only: None,
        })
    }

    /// Returns the same request as one for a count of its tokens.
    pub(super) fn counted(self) -> Self {
        Self { only: Some(COUNTED), ..self }
    }

    /// Returns the body as JSON.
    pub(crate) fn write(&self, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        fields::write(body, self)
    }

    fn max_tokens(&self) -> u32 {
        self.request.params.max_tokens.unwrap_or(match self.settings.thinking {
            // The limit includes the budget for thinking.
            Some(Thinking::Enabled { budget_tokens }) if budget_tokens >= DEFAULT_MAX_TOKENS => {
                budget_tokens.saturating_add(DEFAULT_MAX_TOKENS)
            }
            _ => DEFAULT_MAX_TOKENS,
        })
    }

    fn system(&self) -> Option<[System<'_>; 1]> {
        // The API rejects an empty text.
        let text = self.request.system_prompt.as_deref().filter(|text| !text.trim().is_empty())?;
        Some([System { kind: "text", text, cache_control: self.settings.caching.mark() }])
    }

    fn output_config(&self) -> Option<OutputConfig<'_>> {
        let config = OutputConfig {
            format: self.format.as_ref().map(|schema| Format { kind: "json_schema", schema }),
            effort: self.request.params.reasoning_level.as_deref(),
        };
        (config.format.is_some() || config.effort.is_some()).then_some(config)
    }

    /// How a model is made to return its output by the tool.
    fn tool_choice(&self) -> Option<Value> {
        self.tools.output.as_ref()?;
        Some(if self.settings.thinking.is_some() {
            // The API rejects a forced call if the model thinks.
            json!({"type": "auto"})
        } else if self.tools.len() > 1 {
            json!({"type": "any"})
        } else {
            json!({"type": "tool", "name": OUTPUT_TOOL})
        })
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let params = &self.request.params;
        let mut fields = Fields::new(serializer, Some(&params.extra))?.only(self.only);
        for (name, value) in &self.more {
            fields.set(name, value)?;
        }
        fields.set("max_tokens", &self.max_tokens())?;
        fields.set_some("system", &self.system())?;
        fields.set("messages", &self.messages)?;
        fields.set_some("temperature", &params.temperature)?;
        fields.set_some("top_p", &params.top_p)?;
        fields.set_some("top_k", &params.top_k)?;
        if !params.stop_sequences.is_empty() {
            fields.set("stop_sequences", &params.stop_sequences)?;
        }
        fields.set_some("thinking", &self.settings.thinking)?;
        fields.set_some("tool_choice", &self.tool_choice())?;
        if self.tools.len() > 0 {
            fields.set("tools", &self.tools)?;
        }
        fields.set_some("output_config", &self.output_config())?;
        fields.end()
    }
}

#[derive(Serialize)]
struct System<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a Value,
}

/// The tools of a request: the program's, the vendor's, and the one for structured output.
struct Tools<'a> {
    own: &'a [Box<RawValue>],
    search: Option<&'a WebSearch>,
    fetch: Option<&'a WebFetch>,
    /// The schema of the input of the tool for structured output.
    output: Option<Value>,
}

impl Tools<'_> {
    fn len(&self) -> usize {
        let others = [self.search.is_some(), self.fetch.is_some(), self.output.is_some()];
        self.own.len() + others.into_iter().filter(|is_set| *is_set).count()
    }
}

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for tool in self.own {
            list.serialize_element(tool)?;
        }
        if let Some(tool) = self.search {
            list.serialize_element(&ServerTool {
                kind: WEB_SEARCH,
                name: "web_search",
                max_uses: tool.max_uses,
                allowed_domains: &tool.allowed_domains,
                blocked_domains: &tool.blocked_domains,
            })?;
        }
        if let Some(tool) = self.fetch {
            list.serialize_element(&ServerTool {
                kind: WEB_FETCH,
                name: "web_fetch",
                max_uses: tool.max_uses,
                allowed_domains: &tool.allowed_domains,
                blocked_domains: &tool.blocked_domains,
            })?;
        }
        if let Some(schema) = &self.output {
            list.serialize_element(&Tool {
                name: OUTPUT_TOOL,
                description: "Extract structured data",
                strict: None,
                input_schema: schema,
            })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    input_schema: &'a Value,
}

/// A tool that the vendor runs.
#[derive(Serialize)]
struct ServerTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    allowed_domains: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    blocked_domains: &'a [String],
}

/// Writes the definitions of the program's tools.
pub(crate) fn tools(tools: &[ToolDefinition]) -> Result<Vec<Box<RawValue>>, ProviderError> {
    let write = |tool: &ToolDefinition| {
        let is_strict = tool.strict == Some(true);
        let enforced = if is_strict { schema::enforced(&tool.parameters) } else { None };
        let tool = Tool {
            name: &tool.name,
            description: &tool.description,
            strict: is_strict.then_some(true),
            input_schema: enforced.as_ref().unwrap_or(&tool.parameters),
        };
        fragment(&tool)
    };
    tools.iter().map(write).collect()
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
