//! Writes a request of the Converse API.

use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ProviderError, ProviderErrorKind, Reasoning, ToolChoice};
use serde::Serialize;
use serde::ser::Serializer;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::blocks::{self, Message};
use crate::anthropic::request::{
    self, DEFAULT_MAX_TOKENS, OUTPUT_TOOL, PAST, Tools, object_of, past_schema,
};
use crate::anthropic::schema;
use crate::anthropic::settings::{Settings, Thinking};
use crate::bedrock::Guardrail;
use crate::client::Call;
use crate::client::fields::{Fields, fragments, unsupported_reasoning};

/// The fields of a request for a count of tokens.
const COUNTED: &[&str] = &["additionalModelRequestFields", "messages", "system", "toolConfig"];

/// The body of a request. The model and the kind of reply are part of the URL.
pub(in crate::bedrock) struct Body<'a> {
    messages: Vec<Message<'a>>,
    tools: Option<ToolConfig<'a>>,
    /// The other fields.
    fields: [(&'static str, Option<Value>); 4],
    extra: &'a Map<String, Value>,
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
        settings: &'a Settings,
        guardrail: Option<&'a Guardrail>,
        call: &'a Call<'_>,
    ) -> Result<Self, ProviderError> {
        let request = call.request;
        let params = &request.params;
        let cache = blocks::cache_point(settings.caching);
        // The API rejects an empty text.
        let system = request.system_prompt.as_deref().filter(|text| !text.trim().is_empty());
        let system = system.map(|text| {
            let text = Some(json!({"text": text}));
            text.into_iter().chain(cache.clone()).collect()
        });
        // The limit includes the budget for thinking.
        let thinking = if call.model.contains("anthropic.") {
            request::thinking(settings, call)?
        } else {
            settings.thinking
        };
        let for_thinking = match thinking {
            Some(Thinking::Enabled { budget_tokens }) => {
                Some(budget_tokens.saturating_add(DEFAULT_MAX_TOKENS))
            }
            _ => None,
        };
        let stops = &params.stop_sequences;
        let inference = object_of([
            ("maxTokens", params.max_tokens.or(for_thinking).map(Value::from)),
            ("temperature", params.temperature.map(Value::from)),
            ("topP", params.top_p.map(Value::from)),
            ("stopSequences", (!stops.is_empty()).then(|| json!(stops))),
        ]);
        let additional = additional(call, settings, thinking)?;
        Ok(Self {
            messages: blocks::messages(call, settings.cites_documents, cache.clone())?,
            tools: ToolConfig::new(thinking, call, cache)?,
            fields: [
                ("system", system),
                ("inferenceConfig", inference),
                ("additionalModelRequestFields", additional),
                ("guardrailConfig", guardrail.map(|guardrail| json!(guardrail))),
            ],
            extra: &params.extra,
            only: None,
        })
    }

    /// Returns the same request as one for a count of its tokens.
    pub(in crate::bedrock) fn counted(mut self) -> impl Serialize {
        #[derive(Serialize)]
        struct Counted<T> {
            input: Input<T>,
        }
        #[derive(Serialize)]
        struct Input<T> {
            converse: T,
        }
        self.only = Some(COUNTED);
        Counted { input: Input { converse: self } }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, Some(self.extra))?.only(self.only);
        for (name, value) in &self.fields {
            fields.set_some(name, value)?;
        }
        fields.set("messages", &self.messages)?;
        fields.set_some("toolConfig", &self.tools)?;
        fields.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    tools: Tools<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
}

impl<'a> ToolConfig<'a> {
    fn new(
        thinking: Option<Thinking>,
        call: &Call<'a>,
        cache: Option<Value>,
    ) -> Result<Option<Self>, ProviderError> {
        let (own, output) = (call.tools, call.request.output.as_deref());
        if own.is_empty() && output.is_none() {
            let past = request::past_tools(call);
            let others: Vec<Value> =
                past.map(|name| tool(name, PAST, &past_schema(), false)).collect();
            let tools = Tools { own, others };
            return Ok((!tools.others.is_empty()).then_some(Self { tools, tool_choice: None }));
        }
        let choice = match request::own_choice(thinking, call, output.is_some())? {
            None => None,
            Some(ToolChoice::None) => {
                return Err(ProviderError::new(
                    ProviderErrorKind::Unsupported,
                    "Converse cannot forbid tool calls: send the request without tools",
                ));
            }
            Some(ToolChoice::Tool(name)) => Some(json!({"tool": {"name": name}})),
            Some(ToolChoice::Required) => Some(json!({"any": {}})),
            Some(_) => Some(json!({"auto": {}})),
        };
        // The tool of the output has to stay possible.
        let forbids_tools = call.request.params.tool_choice == Some(ToolChoice::None);
        let by_output = output.map(|_| {
            if request::is_on(thinking) {
                // The API rejects a forced call if the model thinks.
                json!({"auto": {}})
            } else if own.is_empty() || forbids_tools {
                json!({"tool": {"name": OUTPUT_TOOL}})
            } else {
                json!({"any": {}})
            }
        });
        let output = output.map(|output| {
            tool(OUTPUT_TOOL, "Extract structured data", &schema::wrapped(&output.schema), false)
        });
        let others = output.into_iter().chain(cache).collect();
        Ok(Some(Self { tools: Tools { own, others }, tool_choice: choice.or(by_output) }))
    }
}

fn tool(name: &str, description: &str, schema: &Value, is_strict: bool) -> Value {
    let spec = object_of([
        ("name", Some(name.into())),
        ("description", Some(description.into())),
        ("inputSchema", Some(json!({"json": schema}))),
        ("strict", is_strict.then(|| true.into())),
    ]);
    json!({"toolSpec": spec})
}

/// Writes the definitions of the program's tools.
pub(in crate::bedrock) fn tools(
    tools: &[ToolDefinition],
) -> Result<Vec<Box<RawValue>>, ProviderError> {
    fragments(tools.iter().map(|definition| {
        let (schema, is_strict) = schema::of_tool(definition);
        tool(&definition.name, &definition.description, &schema, is_strict)
    }))
}

/// Returns the fields that Converse does not have, in the form of each family of models.
fn additional(
    call: &Call<'_>,
    settings: &Settings,
    thinking: Option<Thinking>,
) -> Result<Option<Value>, ProviderError> {
    let (model, params) = (call.model, &call.request.params);
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
    if let Some((name, _)) = request::unsupported(params).iter().find(|(_, is_set)| *is_set) {
        return unsupported(name);
    }
    if let Some(top_k) = params.top_k {
        if is("amazon.nova") {
            fields.insert("inferenceConfig".to_owned(), json!({"topK": top_k}));
        } else {
            fields.insert("top_k".to_owned(), top_k.into());
        }
    }
    if let Some(reasoning) = params.reasoning {
        let level = reasoning.level();
        if is("anthropic.") {
            if let Some(effort) = request::effort(call) {
                fields.insert("output_config".to_owned(), json!({"effort": effort}));
            }
        } else if is("amazon.nova") && level.is_some() {
            let config = match reasoning {
                Reasoning::Off => json!({"type": "disabled"}),
                _ => json!({"type": "enabled", "maxReasoningEffort": level}),
            };
            fields.insert("reasoningConfig".to_owned(), config);
        } else if is("openai.") && level.is_some() {
            fields.insert("reasoning_effort".to_owned(), json!(level));
        } else {
            return Err(unsupported_reasoning(&format!(
                "Converse has no {} for the model `{model}`: leave it unset, or set the model's own \
                 parameter in `additionalModelRequestFields`",
                if level.is_some() { "reasoning level" } else { "budget for reasoning" }
            )));
        }
    }
    if let Some(thinking) = request::sent_thinking(thinking, call) {
        fields.insert("thinking".to_owned(), json!(thinking));
    }
    if !settings.betas.is_empty() {
        fields.insert("anthropic_beta".to_owned(), json!(settings.betas));
    }
    Ok((!fields.is_empty()).then(|| fields.into()))
}
