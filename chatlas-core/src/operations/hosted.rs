//! [`HostedAgent`]: an agent that runs at a vendor.

use std::sync::Arc;

use async_trait::async_trait;

use crate::provider::{ChatRequest, Completion, ProviderError, ProviderInfo};

/// A client for an agent that a vendor hosts, such as an agent of AWS Bedrock or of Azure AI Foundry.
///
/// Write `#[hosted_agent]` above the impl: it records a `create_agent` or an `invoke_agent` span for
/// each call. The agent's own model and tool calls happen at the vendor and have no spans.
#[async_trait]
pub trait HostedAgent: Send + Sync + 'static {
    /// Returns the facts about the vendor and the model.
    fn provider(&self) -> &ProviderInfo;

    /// Returns the facts about the agent.
    fn agent(&self) -> &AgentInfo;

    /// Creates an agent at the vendor.
    ///
    /// # Errors
    ///
    /// By default, [`Unsupported`](crate::ProviderErrorKind::Unsupported).
    async fn create(&self, agent: NewAgent) -> Result<AgentInfo, ProviderError> {
        let _ = agent;
        Err(ProviderError::unsupported(self.provider(), "create agents"))
    }

    /// Sends a request to the agent and waits for its complete reply.
    ///
    /// # Errors
    ///
    /// Any failure of the vendor.
    async fn invoke(&self, request: ChatRequest) -> Result<Completion, ProviderError>;

    #[doc(hidden)]
    fn __write_the_attribute_hosted_agent_above_this_impl(&self);
}

/// The facts about a hosted agent that are recorded on its spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentInfo {
    /// The vendor's id of the agent.
    pub id: Option<Arc<str>>,
    /// The name.
    pub name: Option<Arc<str>>,
    /// The description.
    pub description: Option<Arc<str>>,
    /// The version.
    pub version: Option<Arc<str>>,
}

impl AgentInfo {
    /// Creates the facts about an agent with that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Sets the vendor's id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<Arc<str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<Arc<str>>) -> Self {
        self.version = Some(version.into());
        self
    }
}

/// An agent to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewAgent {
    /// The name, the description and the version.
    pub info: AgentInfo,
    /// The model, if it is not the one of [`HostedAgent::provider`].
    pub model: Option<Arc<str>>,
    /// The system prompt.
    pub instructions: Option<Arc<str>>,
}

impl NewAgent {
    /// Creates the description of an agent with that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { info: AgentInfo::new(name), ..Self::default() }
    }

    /// Sets the model.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the system prompt.
    #[must_use]
    pub fn with_instructions(mut self, instructions: impl Into<Arc<str>>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }
}
