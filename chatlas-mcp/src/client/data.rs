//! What servers describe: themselves, their resources and their prompts.

use rmcp::model;

/// What a server reports about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The name of the server, if it reports one.
    pub name: Option<String>,
    /// The version of the server, if it reports one.
    pub version: Option<String>,
    /// The negotiated version of the protocol, such as `2025-11-25`.
    pub protocol_version: String,
    /// How to use the server: for a system prompt, if the server is trusted.
    pub instructions: Option<String>,
}

impl From<&model::ServerPeerInfo> for ServerInfo {
    fn from(info: &model::ServerPeerInfo) -> Self {
        let server = info.server_info.as_ref();
        Self {
            name: server.map(|server| server.name.clone()),
            version: server.map(|server| server.version.clone()),
            protocol_version: info.protocol_version.to_string(),
            instructions: info.instructions.clone(),
        }
    }
}

/// A resource that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceInfo {
    /// The URI.
    pub uri: String,
    /// The name.
    pub name: String,
    /// A title for people.
    pub title: Option<String>,
    /// What the resource contains.
    pub description: Option<String>,
    /// The MIME type of its contents.
    pub mime_type: Option<String>,
    /// The size in bytes.
    pub size: Option<u64>,
}

impl From<model::Resource> for ResourceInfo {
    fn from(resource: model::Resource) -> Self {
        let model::Resource { uri, name, title, description, mime_type, size, .. } = resource;
        Self { uri, name, title, description, mime_type, size }
    }
}

/// The contents of a resource, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceContents {
    /// The URI.
    pub uri: String,
    /// The MIME type.
    pub mime_type: Option<String>,
    /// The data.
    pub data: ResourceData,
}

/// The data of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceData {
    /// Text.
    Text(String),
    /// Bytes, encoded as base64.
    Base64(String),
}

impl ResourceContents {
    pub(super) fn convert(contents: model::ResourceContents) -> Option<Self> {
        match contents {
            model::ResourceContents::TextResourceContents { uri, mime_type, text, .. } => {
                Some(Self { uri, mime_type, data: ResourceData::Text(text) })
            }
            model::ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                Some(Self { uri, mime_type, data: ResourceData::Base64(blob) })
            }
            _ => None,
        }
    }
}

/// A prompt that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptInfo {
    /// The name.
    pub name: String,
    /// A title for people.
    pub title: Option<String>,
    /// What the prompt is for.
    pub description: Option<String>,
    /// The arguments.
    pub arguments: Vec<PromptArgument>,
}

/// An argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptArgument {
    /// The name.
    pub name: String,
    /// What to pass.
    pub description: Option<String>,
    /// Whether the argument must be passed.
    pub required: bool,
}

impl From<model::Prompt> for PromptInfo {
    fn from(prompt: model::Prompt) -> Self {
        let model::Prompt { name, title, description, arguments, .. } = prompt;
        let arguments = arguments.unwrap_or_default().into_iter().map(|argument| PromptArgument {
            name: argument.name,
            description: argument.description,
            required: argument.required.unwrap_or(false),
        });
        Self { name, title, description, arguments: arguments.collect() }
    }
}
