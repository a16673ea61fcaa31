//! Writes a request of the Converse API.

use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError, ProviderErrorKind};
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::blocks::{self, CachePoint, Message};
use crate::anthropic::request::{DEFAULT_MAX_TOKENS, OUTPUT_TOOL};
use crate::anthropic::schema;
use crate::anthropic::settings::{Settings, Thinking};
use crate::bedrock::Guardrail;
use crate::client::Call;
use crate::client::fields::{self, Fields, fragment};

/// The fields of a request for a count of tokens.
const COUNTED: &[&str] = &["additionalModelRequestFields", "messages", "system", "toolConfig"];

/// The body of a request. The model and the kind of reply are part of the URL.
pub(in crate::bedrock) struct Body<'a> {
    settings: &'a Settings,
    request: &'a ChatRequest,
    guardrail: Option<&'a Guardrail>,
    messages: Vec<Message<'a>>,
    tools: Tools<'a>,
    additional: Map<String, Value>,
    only: Option<&'static [&'static str]>,
}

impl<'a> Body<'a> {
    /// Creates the body of a request.
    ///
    /// # Errors
    ///
    /// An invalid request, if it sets a parameter or has a medium that the API or the model does not
    /// support.
    pub(in crate::bedrock) fn new(
        provider: &str,
        settings: &'a Settings,
        guardrail: Option<&'a Guardrail>,
        call: &'a Call<'_>,
    ) -> Result<Self, ProviderError> {
        let request = call.request;
        let cache = CachePoint::of(settings.caching);
        let turns = request.turns.iter().map(|turn| &**turn);
        let output = request.output.as_deref();
        Ok(Self {
            settings,
            request,
            guardrail,
            messages: blocks::messages(provider, settings.cites_documents, cache, turns)?,
            tools: Tools {
                own: call.tools,
                output: output.map(|output| schema::wrapped(&output.schema)),
                cache,
            },
            additional: additional(call.model, settings, request)?,
            only: None,
        })
    }

    /// Returns the body as JSON.
    pub(in crate::bedrock) fn write(&self, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        fields::write(body, self)
    }

    /// Returns the body of a request for a count of tokens as JSON.
    pub(in crate::bedrock) fn write_counted(
        mut self,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        #[derive(Serialize)]
        struct Counted<'a> {
            input: Input<'a>,
        }
        #[derive(Serialize)]
        struct Input<'a> {
            converse: &'a Body<'a>,
        }
        self.only = Some(COUNTED);
        let counted = Counted { input: Input { converse: &self } };
        fields::write(body, &counted)
    }

    fn system(&self) -> Option<Vec<Part<'_>>> {
        // The API rejects an empty text.
        let text = self.request.system_prompt.as_deref().filter(|text| !text.trim().is_empty())?;
        let cache = self.tools.cache.map(Part::CachePoint);
        Some([Some(Part::Text(text)), cache].into_iter().flatten().collect())
    }

    fn inference_config(&self) -> Option<InferenceConfig<'_>> {
        let params = &self.request.params;
        // The limit includes the budget for thinking.
        let for_thinking = match self.settings.thinking {
            Some(Thinking::Enabled { budget_tokens }) => {
                Some(budget_tokens.saturating_add(DEFAULT_MAX_TOKENS))
            }
            _ => None,
        };
        let config = InferenceConfig {
            max_tokens: params.max_tokens.or(for_thinking),
            temperature: params.temperature,
            top_p: params.top_p,
            stop_sequences: &params.stop_sequences,
        };
        (config != InferenceConfig::default()).then_some(config)
    }

    fn tool_config(&self) -> Option<ToolConfig<'_>> {
        let has_output = self.tools.output.is_some();
        let choice = if self.settings.thinking.is_some() {
            // The API rejects a forced call if the model thinks.
            json!({"auto": {}})
        } else if !self.tools.own.is_empty() {
            json!({"any": {}})
        } else {
            json!({"tool": {"name": OUTPUT_TOOL}})
        };
        let is_set = has_output || !self.tools.own.is_empty();
        is_set
            .then_some(ToolConfig { tools: &self.tools, tool_choice: has_output.then_some(choice) })
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let extra = &self.request.params.extra;
        let mut fields = Fields::new(serializer, Some(extra))?.only(self.only);
        fields.set_some("system", &self.system())?;
        fields.set("messages", &self.messages)?;
        fields.set_some("inferenceConfig", &self.inference_config())?;
        fields.set_some("toolConfig", &self.tool_config())?;
        if !self.additional.is_empty() {
            fields.set("additionalModelRequestFields", &self.additional)?;
        }
        fields.set_some("guardrailConfig", &self.guardrail)?;
        fields.end()
    }
}

/// A part of the system prompt.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Part<'a> {
    Text(&'a str),
    #[serde(untagged)]
    CachePoint(CachePoint),
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    tools: &'a Tools<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
}

/// The tools of a request: the program's, and the one for structured output.
struct Tools<'a> {
    own: &'a [Box<RawValue>],
    /// The schema of the input of the tool for structured output.
    output: Option<Value>,
    cache: Option<CachePoint>,
}

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for tool in self.own {
            list.serialize_element(tool)?;
        }
        if let Some(schema) = &self.output {
            list.serialize_element(&Tool::new(
                OUTPUT_TOOL,
                "Extract structured data",
                None,
                schema,
            ))?;
        }
        if let Some(cache) = self.cache {
            list.serialize_element(&cache)?;
        }
        list.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tool<'a> {
    tool_spec: ToolSpec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolSpec<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    input_schema: InputSchema<'a>,
}

#[derive(Serialize)]
struct InputSchema<'a> {
    json: &'a Value,
}

impl<'a> Tool<'a> {
    fn new(name: &'a str, description: &'a str, strict: Option<bool>, json: &'a Value) -> Self {
        let input_schema = InputSchema { json };
        Self { tool_spec: ToolSpec { name, description, strict, input_schema } }
    }
}

/// Writes the definitions of the program's tools.
pub(in crate::bedrock) fn tools(
    tools: &[ToolDefinition],
) -> Result<Vec<Box<RawValue>>, ProviderError> {
    let write = |tool: &ToolDefinition| {
        let is_strict = tool.strict == Some(true);
        let enforced = if is_strict { schema::enforced(&tool.parameters) } else { None };
        let schema = enforced.as_ref().unwrap_or(&tool.parameters);
        let tool = Tool::new(&tool.name, &tool.description, is_strict.then_some(true), schema);
        fragment(&tool)
    };
    tools.iter().map(write).collect()
}

/// Returns the fields that Converse does not have, in the form of each family of models.
fn additional(
    model: &str,
    settings: &Settings,
    request: &ChatRequest,
) -> Result<Map<String, Value>, ProviderError> {
    let params = &request.params;
    let is = |family: &str| model.contains(family);
    let mut fields = Map::new();
    let unsupported = |name: &str| {
        Err(ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!(
                "Converse has no parameter `{name}` for the model `{model}`: leave it unset, or \
                 set the model's own parameter in `additionalModelRequestFields`"
            ),
        ))
    };
    for (name, is_set) in [
        ("seed", params.seed.is_some()),
        ("frequency_penalty", params.frequency_penalty.is_some()),
        ("presence_penalty", params.presence_penalty.is_some()),
        ("choice_count", params.choice_count.is_some_and(|count| count != 1)),
        ("previous_response_id", params.previous_response_id.is_some()),
    ] {
        if is_set {
            return unsupported(name);
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
            return unsupported("reasoning_level");
        }
    }
    if let Some(thinking) = settings.thinking {
        fields.insert("thinking".to_owned(), json!(thinking));
    }
    if !settings.betas.is_empty() {
        fields.insert("anthropic_beta".to_owned(), json!(settings.betas));
    }
    Ok(fields)
}
