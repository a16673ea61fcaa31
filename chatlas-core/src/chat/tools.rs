//! The tool calls of one reply.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;

use super::StreamEvent;
use super::chat::ToolMode;
use super::history::History;
use super::queue::ToolEvents;
use super::run::Agent;
use crate::content::{Content, ToolOutcome, ToolRequest, ToolResult};
use crate::telemetry::in_context;
use crate::telemetry::names::error;
use crate::telemetry::tool::{Subject, ToolFacts, ToolSpan};
use crate::tool::{Caller, Progress, Tool, ToolCall, ToolContext, ToolError, ToolOutput, run_tool};
use crate::turn::{AssistantTurn, FinishReason};

impl Agent<'_> {
    /// Runs the tool calls of one reply, and adds their results to the history. Returns whether the
    /// end of the reply cut a call off, which is not run.
    pub(super) async fn run_tools(
        &self,
        requests: &[ToolRequest],
        reply: &AssistantTurn,
        history: &mut History<'_>,
    ) -> bool {
        let cut: Vec<Option<Cut>> =
            requests.iter().map(|request| self.cut_of(request, reply)).collect();
        let calls = requests.iter().zip(&cut).enumerate();
        match self.tool_mode {
            ToolMode::Sequential => {
                for (index, (request, cut)) in calls {
                    let result = self.run_tool(request, *cut).await;
                    self.add_result(history, index, result).await;
                }
            }
            ToolMode::Concurrent => {
                let run = |(index, (request, cut)): (usize, (_, &Option<Cut>))| {
                    let cut = *cut;
                    async move { (index, self.run_tool(request, cut).await) }
                };
                let mut running: FuturesUnordered<_> = calls.map(run).collect();
                while let Some((index, result)) = running.next().await {
                    self.add_result(history, index, result).await;
                }
            }
        }
        cut.iter().any(Option::is_some)
    }

    /// Returns how the reply ended, if that may have cut off the arguments of a call.
    ///
    /// Only the last content can be incomplete, and [arguments that are no object]. Vendors that parse
    /// the arguments themselves send `{}`, or the fields that had arrived; [Anthropic] recommends to
    /// repeat such a request with a higher limit.
    ///
    /// [arguments that are no object]: ToolRequest::arguments
    /// [Anthropic]: https://docs.claude.com/en/api/handling-stop-reasons
    fn cut_of(&self, request: &ToolRequest, reply: &AssistantTurn) -> Option<Cut> {
        let cut = match reply.finish_reason {
            Some(FinishReason::Length) => Cut::Limit,
            Some(FinishReason::ContentFilter) => Cut::Filter,
            _ => return None,
        };
        let tool = self.tool(&request.name);
        let has_all =
            tool.is_some_and(|tool| has_all(&request.arguments, &tool.definition().parameters));
        let is_last =
            matches!(reply.contents.last(), Some(Content::ToolRequest(last)) if last == request);
        let is_complete = if is_last { has_all } else { request.arguments.is_object() };
        (!is_complete).then_some(cut)
    }

    async fn add_result(&self, history: &mut History<'_>, index: usize, result: ToolResult) {
        history.set_result(index, result.clone());
        self.emit(|| StreamEvent::ToolResult(result)).await;
    }

    /// Runs a tool call in its `execute_tool` span. Always returns a result for the model.
    async fn run_tool(&self, request: &ToolRequest, cut: Option<Cut>) -> ToolResult {
        let tool = self.tool(&request.name);
        let facts = || ToolFacts {
            subject: tool
                .map_or(Subject::Unknown(&request.name), |tool| Subject::Tool(tool.definition())),
            call: Some((&request.id, &request.arguments)),
            agent_name: self.name,
            conversation_id: self.conversation_id,
        };
        let span = ToolSpan::start(&self.telemetry, facts);
        let outcome = in_context(span.context(), self.call_with_hooks(tool, request, cut)).await;
        span.finish(outcome.as_ref());
        tool_result(request, outcome)
    }

    async fn call_with_hooks(
        &self,
        tool: Option<&Arc<dyn Tool>>,
        request: &ToolRequest,
        cut: Option<Cut>,
    ) -> Result<ToolOutput, ToolError> {
        let token = self.cancellation.child_token();
        let _cancel_when_done = token.clone().drop_guard();
        let caller = Caller {
            agent_name: self.name.cloned(),
            conversation_id: self.conversation_id.cloned(),
        };
        let progress = self.events.clone().map(|events| {
            Arc::new(ToolEvents { events, tool: request.name.as_str().into() }) as Arc<dyn Progress>
        });
        let id: Arc<str> = request.id.as_str().into();
        let context = ToolContext::for_loop(id.clone(), caller, token, progress);
        let outcome = match (cut, tool) {
            (Some(cut), _) => Err(cut.error()),
            (None, Some(tool)) => self.call_if_approved(&**tool, request, id, &context).await,
            (None, None) => Err(self.unknown_tool(&request.name)),
        };
        self.hooks.after(request, || tool_result(request, outcome.clone()), &context).await?;
        outcome
    }

    async fn call_if_approved(
        &self,
        tool: &dyn Tool,
        request: &ToolRequest,
        id: Arc<str>,
        context: &ToolContext,
    ) -> Result<ToolOutput, ToolError> {
        let definition = tool.definition();
        let arguments = request.arguments.clone();
        let mut call = ToolCall { id, arguments, context: context.clone() };
        // Before the hooks, so that they decide on the arguments that the tool receives.
        call.coerce(&definition.parameters);
        self.hooks.before(request, &call, definition).await?;
        run_tool(tool, call).await
    }

    /// Returns a tool that the request offered.
    fn tool(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        let is_offered = || self.definitions.iter().any(|tool| *tool.name == *name);
        self.tools.get(name).filter(|_| is_offered())
    }

    fn unknown_tool(&self, name: &str) -> ToolError {
        let names: Vec<&str> = self.definitions.iter().map(|tool| tool.name.as_ref()).collect();
        let available = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        ToolError::new(
            error::UNKNOWN_TOOL,
            format!("There is no tool named `{name}`. The tools are: {available}."),
        )
    }
}

/// How a reply ended before a tool call in it was complete.
#[derive(Clone, Copy)]
enum Cut {
    Limit,
    Filter,
}

impl Cut {
    fn error(self) -> ToolError {
        let message = match self {
            Self::Limit => {
                "The reply reached the token limit before the arguments of this call were complete, so \
                 the call was not run. Call the tool again with shorter arguments, or split the work \
                 into several calls."
            }
            Self::Filter => {
                "A content filter ended the reply before the arguments of this call were complete, so \
                 the call was not run."
            }
        };
        ToolError::new(error::ARGUMENTS_TRUNCATED, message)
    }
}

/// Returns whether arguments have all fields that the tool's schema names, and at least one.
fn has_all(arguments: &Value, schema: &Value) -> bool {
    let Some(arguments) = arguments.as_object().filter(|fields| !fields.is_empty()) else {
        return false;
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|names| names.keys().all(|name| arguments.contains_key(name)))
}

/// Returns the result of a call, as it is sent to the model.
fn tool_result(request: &ToolRequest, outcome: Result<ToolOutput, ToolError>) -> ToolResult {
    let outcome = match outcome {
        Ok(output) => output.into(),
        Err(error) => ToolOutcome::Error(error.message().to_owned()),
    };
    ToolResult::new(&*request.id, &*request.name, outcome)
}
