//! Facts about providers, vendors and models.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::{Key, KeyValue, Value};
use serde::{Deserialize, Serialize};

/// The facts about a provider that are recorded on every span.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// `gen_ai.provider.name`: the well-known value of the conventions if there is one (`openai`,
    /// `anthropic`, `aws.bedrock`, …), otherwise a lower-case name.
    pub name: Cow<'static, str>,
    /// The model that is requested, if it is fixed.
    pub model: Option<Arc<str>>,
    /// The host that requests are sent to.
    pub server_address: Option<Arc<str>>,
    /// The port that requests are sent to.
    pub server_port: Option<u16>,
    /// Attributes of the vendor's own conventions for the `chat` span, such as `openai.api.type`.
    pub attributes: Vec<KeyValue>,
    /// The enabled tools that the vendor runs on its own servers. With capture on, they are
    /// recorded in `gen_ai.tool.definitions`.
    pub server_tools: Vec<ServerToolDefinition>,
}

impl ProviderInfo {
    /// Creates the facts of a provider with that `gen_ai.provider.name`.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            model: None,
            server_address: None,
            server_port: None,
            attributes: Vec::new(),
            server_tools: Vec::new(),
        }
    }

    /// Sets the model that is requested.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the host and port that requests are sent to.
    #[must_use]
    pub fn with_server(mut self, address: impl Into<Arc<str>>, port: u16) -> Self {
        self.server_address = Some(address.into());
        self.server_port = Some(port);
        self
    }

    /// Sets an attribute of the vendor's own conventions. Replaces an attribute of the same key.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        let attribute = KeyValue::new(key, value);
        self.attributes.retain(|existing| existing.key != attribute.key);
        self.attributes.push(attribute);
        self
    }

    /// Adds a tool that the vendor runs. Replaces a tool of the same name.
    #[must_use]
    pub fn with_server_tool(
        mut self,
        kind: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.add_server_tool(kind, name);
        self
    }

    /// Adds a tool that the vendor runs. Replaces a tool of the same name.
    pub fn add_server_tool(
        &mut self,
        kind: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) {
        let tool = ServerToolDefinition::new(kind, name);
        self.server_tools.retain(|existing| existing.name != tool.name);
        self.server_tools.push(tool);
    }
}

/// A tool that a vendor runs on its own servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServerToolDefinition {
    /// The vendor's type of the tool, such as `web_search_20250305`.
    pub kind: Cow<'static, str>,
    /// The name of the tool, such as `web_search`.
    pub name: Cow<'static, str>,
}

impl ServerToolDefinition {
    /// Creates a definition from the vendor's type of the tool and the tool's name.
    pub fn new(kind: impl Into<Cow<'static, str>>, name: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

/// A vendor that speaks a supported protocol.
///
/// ```
/// use chatlas_core::provider::Vendor;
///
/// static ACME: Vendor = Vendor::new("acme", "https://api.acme.example/v1")
///     .with_api_key_env("ACME_API_KEY")
///     .with_default_model("acme-1");
/// assert_eq!(ACME.default_model, Some("acme-1"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vendor {
    /// `gen_ai.provider.name`.
    pub name: &'static str,
    /// The base URL of the API: everything before the path of an operation.
    pub base_url: &'static str,
    /// The environment variable that holds the API key; `None` if no key is needed.
    pub api_key_env: Option<&'static str>,
    /// The model that is requested if none is set.
    pub default_model: Option<&'static str>,
}

impl Vendor {
    /// Creates a vendor that needs no API key and has no default model.
    pub const fn new(name: &'static str, base_url: &'static str) -> Self {
        Self { name, base_url, api_key_env: None, default_model: None }
    }

    /// Sets the environment variable that holds the API key.
    #[must_use]
    pub const fn with_api_key_env(mut self, variable: &'static str) -> Self {
        self.api_key_env = Some(variable);
        self
    }

    /// Sets the model that is requested if none is set.
    #[must_use]
    pub const fn with_default_model(mut self, model: &'static str) -> Self {
        self.default_model = Some(model);
        self
    }
}

/// A model in a vendor's list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Model {
    /// The name that requests use.
    pub id: String,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The owner of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The release time, in seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// The maximum number of input tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// The maximum number of output tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
}

impl Model {
    /// Creates a model of which only the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}
