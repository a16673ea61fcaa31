//! Resources and prompts, as the client receives them and the server offers them.

use rmcp::model;

/// What a server reports about itself.
#[cfg(feature = "client")]
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

#[cfg(feature = "client")]
impl ServerInfo {
    pub(crate) fn from_model(info: &model::ServerPeerInfo) -> Self {
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

impl ResourceInfo {
    /// Creates a resource without a title, a description and a MIME type.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        let (uri, name) = (uri.into(), name.into());
        Self { uri, name, title: None, description: None, mime_type: None, size: None }
    }

    /// Sets the title for people.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what the resource contains.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the MIME type of the contents, such as `text/markdown`.
    #[must_use]
    pub fn with_mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    #[cfg(feature = "client")]
    pub(crate) fn from_model(resource: model::Resource) -> Self {
        let model::Resource { uri, name, title, description, mime_type, size, .. } = resource;
        Self { uri, name, title, description, mime_type, size }
    }

    #[cfg(feature = "server")]
    pub(crate) fn to_model(&self) -> model::Resource {
        let mut resource = model::Resource::new(self.uri.clone(), self.name.clone());
        resource.title.clone_from(&self.title);
        resource.description.clone_from(&self.description);
        resource.mime_type.clone_from(&self.mime_type);
        resource.size = self.size;
        resource
    }
}

/// The contents of a resource, or of a part of it.
#[cfg(feature = "client")]
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

impl From<String> for ResourceData {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ResourceData {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(feature = "client")]
impl ResourceContents {
    pub(crate) fn convert(contents: model::ResourceContents) -> Option<Self> {
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

impl PromptInfo {
    /// Creates a prompt without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), title: None, description: None, arguments: Vec::new() }
    }

    /// Sets the title for people.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what the prompt is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn with_argument(mut self, argument: PromptArgument) -> Self {
        self.arguments.push(argument);
        self
    }

    #[cfg(feature = "client")]
    pub(crate) fn from_model(prompt: model::Prompt) -> Self {
        let model::Prompt { name, title, description, arguments, .. } = prompt;
        let arguments = arguments.unwrap_or_default().into_iter().map(|argument| PromptArgument {
            name: argument.name,
            description: argument.description,
            required: argument.required.unwrap_or(false),
        });
        Self { name, title, description, arguments: arguments.collect() }
    }

    #[cfg(feature = "server")]
    pub(crate) fn to_model(&self) -> model::Prompt {
        let arguments = self.arguments.iter().map(|argument| {
            let mut model = model::PromptArgument::new(argument.name.clone());
            model.description.clone_from(&argument.description);
            model.with_required(argument.required)
        });
        let arguments = Some(arguments.collect()).filter(|list: &Vec<_>| !list.is_empty());
        let mut prompt = model::Prompt::new(self.name.clone(), self.description.clone(), arguments);
        prompt.title.clone_from(&self.title);
        prompt
    }
}

impl PromptArgument {
    /// Creates an optional argument.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, required: false }
    }

    /// Sets what to pass.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets whether the argument must be passed. Default: `false`.
    #[must_use]
    pub fn with_required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }
}
