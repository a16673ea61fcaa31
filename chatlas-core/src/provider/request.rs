//! The request that a provider receives.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use opentelemetry::{Key, KeyValue, Value as AttributeValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{OutputSchema, Reasoning, ToolChoice};
use crate::tool::ToolDefinition;
use crate::turn::Turn;

/// A request to a model: the conversation, the tools, the parameters. Cheap to clone.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ChatRequest {
    /// The system prompt.
    pub system_prompt: Option<Arc<str>>,
    /// The conversation, oldest turn first. The last turn is the user's.
    pub turns: Vec<Arc<Turn>>,
    /// The tools that the model may call. A [`Chat`](crate::Chat) sends the same allocation in
    /// every round as long as its tools do not change, so a provider may cache what it derives.
    pub tools: Arc<[ToolDefinition]>,
    /// The parameters of the model.
    pub params: Arc<ModelParams>,
    /// The JSON schema that the reply has to follow, with its name.
    pub output: Option<Arc<OutputSchema>>,
    /// The id of the conversation, if the program set one.
    pub conversation_id: Option<Arc<str>>,
    /// Whether the turns are a compacted view of the conversation: earlier turns were removed, or
    /// replaced by a summary. Recorded as `gen_ai.conversation.compacted`.
    pub compacted: bool,
    /// Attributes for the `chat` span of this request. A wrapper sets them on what it forwards, for
    /// example which attempt this is. They replace no attribute of the conventions.
    pub attributes: Vec<KeyValue>,
    /// The telemetry of the run that this request belongs to.
    pub(crate) run: Option<RunExtension>,
}

impl ChatRequest {
    /// Creates a request with these turns and nothing else.
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self { turns: turns.into_iter().map(Arc::new).collect(), ..Self::default() }
    }

    /// Sets an attribute of the `chat` span. Replaces an attribute of the same key.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<Key>, value: impl Into<AttributeValue>) -> Self {
        let attribute = KeyValue::new(key, value);
        self.attributes.retain(|existing| existing.key != attribute.key);
        self.attributes.push(attribute);
        self
    }

    /// Returns the parameters of the model, to change them.
    pub fn params_mut(&mut self) -> &mut ModelParams {
        Arc::make_mut(&mut self.params)
    }
}

/// The telemetry of a run, carried by its requests without being looked at. Empty if no SDK is
/// installed.
#[derive(Clone, Default)]
pub(crate) struct RunExtension(pub(crate) Option<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for RunExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "RunExtension(on)" } else { "RunExtension(off)" })
    }
}

/// The parameters of a model. A parameter that is `None` is not sent, so the vendor's default
/// applies.
///
/// A [`Chat`](crate::Chat) has a setter for each. To share them between chats:
///
/// ```
/// # use chatlas_core::{Chat, ModelParams, Provider};
/// # fn example(provider: impl Provider) {
/// let mut params = ModelParams::default();
/// params.temperature = Some(0.2);
/// params.max_tokens = Some(500);
/// let chat = Chat::new(provider).with_params(params);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelParams {
    /// The sampling temperature.
    pub temperature: Option<f64>,
    /// The probability mass that tokens are sampled from (nucleus sampling).
    pub top_p: Option<f64>,
    /// The number of most likely tokens that are sampled from.
    pub top_k: Option<u32>,
    /// The maximum number of output tokens of one reply.
    pub max_tokens: Option<u32>,
    /// The texts at which the model stops.
    pub stop_sequences: Vec<String>,
    /// The seed for reproducible sampling.
    pub seed: Option<i64>,
    /// The penalty on tokens by how often they have appeared.
    pub frequency_penalty: Option<f64>,
    /// The penalty on tokens that have appeared at all.
    pub presence_penalty: Option<f64>,
    /// How much the model reasons before it answers.
    pub reasoning: Option<Reasoning>,
    /// The number of alternative replies. Vendors return one by default.
    pub choice_count: Option<u32>,
    /// Whether the model may, must, or must not call tools.
    pub tool_choice: Option<ToolChoice>,
    /// The id of the response that this request continues, if the vendor stores responses.
    pub previous_response_id: Option<String>,
    /// Vendor-specific fields of the request body, sent unchanged. They override the fields that
    /// the library writes.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}
