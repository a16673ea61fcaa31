//! A [`Chat`] as a tool of another chat.

use std::sync::Arc;

use futures_util::lock::Mutex;
use serde_json::{Value, json};

use super::chat::Chat;
use super::{ChatError, Reply};
use crate::telemetry::names::error::INVALID_ARGUMENTS;
use crate::tool::{BoxFuture, InvalidTool, Tool, ToolCall, ToolDefinition, ToolError, ToolOutput};

/// An agent that another agent can call: a [`Chat`] as a tool, created by [`Chat::into_tool`].
///
/// Its only argument is `prompt`. Each call is recorded as an `execute_tool` span with an
/// `invoke_agent` span inside it, which has the token counts and the conversation id of the inner
/// chat.
pub struct ChatTool {
    definition: ToolDefinition,
    conversation: Conversation,
}

enum Conversation {
    /// Each call starts from this state.
    PerCall(Chat),
    /// All calls continue one conversation, one after another.
    Shared(Mutex<Chat>),
}

impl Chat {
    /// Returns this chat as a tool: another chat can call it as an agent. Its name is also the name
    /// of the agent, if the chat has none.
    ///
    /// Each call is a conversation that starts with the present turns of this chat; see
    /// [`ChatTool::with_shared_conversation`].
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider, ToolSet};
    /// # fn example(small: impl Provider, large: impl Provider) -> Result<(), Box<dyn std::error::Error>> {
    /// let researcher = Chat::new(small)
    ///     .with_system_prompt("Answer with facts only.")
    ///     .into_tool("research", "Researches a question.")?;
    /// let mut tools = ToolSet::new();
    /// tools.add(researcher)?;
    /// let supervisor = Chat::new(large).with_tools(tools);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// In `tools![]` it is a `dyn` entry: `tools![get_weather, dyn researcher]?`.
    ///
    /// # Errors
    ///
    /// [`InvalidTool::Name`] if the name is not 1 to 64 ASCII letters, digits, `_` or `-`.
    pub fn into_tool(
        mut self,
        name: impl Into<Arc<str>>,
        description: impl Into<String>,
    ) -> Result<ChatTool, InvalidTool> {
        let name: Arc<str> = name.into();
        let schema = json!({
            "type": "object",
            "properties": {
                "prompt": {"type": "string", "description": "The task, with all that is needed for it."}
            },
            "required": ["prompt"],
            "additionalProperties": false,
        });
        let definition = ToolDefinition::new(name.to_string(), description.into(), schema);
        definition.check()?;
        self.name.get_or_insert(name);
        Ok(ChatTool { definition, conversation: Conversation::PerCall(self) })
    }
}

impl ChatTool {
    /// Makes all calls one conversation, so that the agent remembers earlier calls. Calls that are
    /// requested at the same time run one after another.
    #[must_use]
    pub fn with_shared_conversation(mut self) -> Self {
        if let Conversation::PerCall(chat) = self.conversation {
            self.conversation = Conversation::Shared(Mutex::new(chat));
        }
        self
    }
}

impl Tool for ChatTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let prompt = prompt(&call.arguments)?;
            let reply = match &self.conversation {
                Conversation::PerCall(chat) => chat.detached().chat(prompt).await,
                Conversation::Shared(chat) => chat.lock().await.chat(prompt).await,
            };
            Ok(reply?.into())
        })
    }
}

impl std::fmt::Debug for ChatTool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTool").field("definition", &self.definition).finish_non_exhaustive()
    }
}

/// Returns the prompt of a call. Some models send the arguments as a string.
fn prompt(arguments: &Value) -> Result<String, ToolError> {
    let parsed;
    let arguments = match arguments {
        Value::String(text) => {
            parsed = serde_json::from_str(text).unwrap_or(Value::Null);
            &parsed
        }
        other => other,
    };
    let prompt = arguments.get("prompt").and_then(Value::as_str);
    prompt
        .map(str::to_owned)
        .ok_or_else(|| ToolError::new(INVALID_ARGUMENTS, "missing argument: `prompt`, a string"))
}

/// The text of the answer.
impl From<Reply> for ToolOutput {
    fn from(reply: Reply) -> Self {
        reply.text().into()
    }
}

impl From<ChatError> for ToolError {
    fn from(error: ChatError) -> Self {
        Self::new(error.error_type(), error.to_string())
    }
}
