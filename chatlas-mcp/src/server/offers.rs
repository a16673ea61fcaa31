//! The resources and prompts of a server, with the functions that read them.

use std::pin::Pin;
use std::sync::Arc;

use chatlas_core::serde_json::{Map, Value};
use chatlas_core::{ToolError, Turn};
use rmcp::model::{
    ErrorData, GetPromptResult, PromptMessage, ProtocolVersion, ReadResourceResult,
    ResourceContents, Role,
};

use super::results::block;
use crate::data::{PromptInfo, ResourceData, ResourceInfo};

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, ToolError>> + Send>>;

type Expand = dyn Fn(Map<String, Value>) -> Pending<Vec<Turn>> + Send + Sync;

/// A resource that the server offers.
#[derive(Clone)]
pub(super) struct Resource {
    pub(super) info: ResourceInfo,
    read: Arc<dyn Fn() -> Pending<ResourceData> + Send + Sync>,
}

impl Resource {
    pub(super) fn new<F, D>(
        info: ResourceInfo,
        read: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<D, ToolError>> + Send + 'static,
        D: Into<ResourceData>,
    {
        let read = move || -> Pending<ResourceData> {
            let reading = read();
            Box::pin(async move { Ok(reading.await?.into()) })
        };
        Self { info, read: Arc::new(read) }
    }

    pub(super) async fn read(&self) -> Result<ReadResourceResult, ErrorData> {
        let uri = self.info.uri.clone();
        let contents = match (self.read)().await.map_err(|error| failed(&error))? {
            ResourceData::Text(text) => ResourceContents::text(text, uri),
            ResourceData::Base64(data) => ResourceContents::blob(data, uri),
        };
        let contents = match &self.info.mime_type {
            Some(mime_type) => contents.with_mime_type(mime_type.clone()),
            None => contents,
        };
        Ok(ReadResourceResult::new(vec![contents]))
    }
}

/// Returns the error of a URI that the server does not offer. Its code depends on the version of the
/// protocol.
pub(super) fn unknown_resource(uri: &str, version: Option<&ProtocolVersion>) -> ErrorData {
    let message = format!("Unknown resource: {uri}");
    if version.is_some_and(|version| *version >= ProtocolVersion::V_2026_07_28) {
        ErrorData::invalid_params(message, None)
    } else {
        ErrorData::resource_not_found(message, None)
    }
}

/// A prompt that the server offers.
#[derive(Clone)]
pub(super) struct Prompt {
    pub(super) info: PromptInfo,
    expand: Arc<Expand>,
}

impl Prompt {
    pub(super) fn new<F>(
        info: PromptInfo,
        expand: impl Fn(Map<String, Value>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<Turn>, ToolError>> + Send + 'static,
    {
        Self { info, expand: Arc::new(move |arguments| Box::pin(expand(arguments))) }
    }

    pub(super) async fn expand(
        &self,
        arguments: Map<String, Value>,
    ) -> Result<GetPromptResult, ErrorData> {
        let mut required = self.info.arguments.iter().filter(|argument| argument.required);
        if let Some(missing) = required.find(|argument| !arguments.contains_key(&argument.name)) {
            let message = format!("Missing argument: {}", missing.name);
            return Err(ErrorData::invalid_params(message, None));
        }
        let turns = (self.expand)(arguments).await.map_err(|error| failed(&error))?;
        let result = GetPromptResult::new(turns.iter().flat_map(messages).collect());
        Ok(match &self.info.description {
            Some(description) => result.with_description(description.clone()),
            None => result,
        })
    }
}

/// Returns a message for each content of a turn, because a message of the protocol has one.
fn messages(turn: &Turn) -> impl Iterator<Item = PromptMessage> {
    let role = match turn {
        Turn::Assistant(_) => Role::Assistant,
        _ => Role::User,
    };
    turn.contents()
        .iter()
        .map(move |content| PromptMessage::new(role.clone(), block(content.clone())))
}

fn failed(error: &ToolError) -> ErrorData {
    ErrorData::internal_error(error.message().to_owned(), None)
}
