//! A request of the Model Context Protocol: its `mcp.client` or `mcp.server` span and its metrics,
//! the metric of a session, and the trace context in `_meta`. Called by `chatlas-mcp`.
//!
//! A tool call by the loop has one span: the attributes of the request are set on its `execute_tool`
//! span, as the [conventions](https://github.com/open-telemetry/semantic-conventions-genai) recommend
//! where the call is traced already.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue, global};
use serde_json::Value;

use super::attributes::{push, span_attributes, without_empty};
use super::capture::ContentKind;
use super::failure::low_cardinality;
use super::function::End;
use super::metrics::{Instruments, McpInstruments};
use super::names::{self, mcp as key, operation, tool};
use super::run::{Live, Run};
use super::scope::{SpanScope, Start};
use super::shield::shielded;
use super::tool::Subject;
use crate::tool::{ToolContext, ToolDefinition, ToolError, ToolOutput};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// The side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McpSide {
    /// This program makes the requests.
    Client,
    /// This program answers them.
    Server,
}

/// What all requests of a connection have in common.
#[derive(Clone, Debug)]
pub struct McpConnection {
    /// The side of this program.
    pub side: McpSide,
    /// The negotiated version of the protocol.
    pub protocol_version: Option<String>,
    /// Whether the transport is HTTP. Otherwise it is a pair of pipes.
    pub is_http: bool,
    /// The host and port of the server, for a client over HTTP.
    pub server: Option<(String, Option<u16>)>,
}

impl McpConnection {
    fn attributes(&self) -> Vec<KeyValue> {
        let mut list = Vec::with_capacity(8);
        push(&mut list, key::PROTOCOL_VERSION, self.protocol_version.clone());
        list.push(KeyValue::new(key::TRANSPORT, if self.is_http { "tcp" } else { "pipe" }));
        push(&mut list, key::NETWORK_PROTOCOL, self.is_http.then_some("http"));
        if let Some((address, port)) = &self.server {
            list.push(KeyValue::new(names::SERVER_ADDRESS, address.clone()));
            push(&mut list, names::SERVER_PORT, port.map(i64::from));
        }
        without_empty(&mut list);
        list
    }

    fn instruments<'a>(&self, all: &'a Instruments) -> &'a McpInstruments {
        match self.side {
            McpSide::Client => &all.mcp_client,
            McpSide::Server => &all.mcp_server,
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy)]
pub enum McpSubject<'a> {
    /// Nothing in particular, such as a list.
    Nothing,
    /// A tool of a server.
    RemoteTool {
        /// Its name on the server.
        name: &'a str,
        /// The name that the model uses.
        model_name: &'a str,
    },
    /// A tool of this program.
    Tool(&'a ToolDefinition),
    /// The name of a tool that this program does not have.
    UnknownTool(&'a str),
    /// A prompt, by its name.
    Prompt(&'a str),
    /// The name of a prompt that this program does not have.
    UnknownPrompt(&'a str),
    /// A resource, by its URI.
    Resource(&'a str),
}

impl McpSubject<'_> {
    fn is_tool(&self) -> bool {
        matches!(self, Self::RemoteTool { .. } | Self::Tool(_) | Self::UnknownTool(_))
    }

    /// Returns the attribute of spans, and the one of metrics.
    fn attributes(&self) -> Option<(KeyValue, KeyValue)> {
        let both = |key, name: &str| {
            let attribute = KeyValue::new(key, name.to_owned());
            (attribute.clone(), attribute)
        };
        let own = |subject: Subject<'_>| {
            (
                KeyValue::new(tool::NAME, subject.name()),
                KeyValue::new(tool::NAME, subject.metric_name()),
            )
        };
        match *self {
            Self::Nothing | Self::Resource(_) => None,
            Self::RemoteTool { name, .. } => Some(both(tool::NAME, name)),
            Self::Tool(definition) => Some(own(Subject::Tool(definition))),
            Self::UnknownTool(name) => Some(own(Subject::Unknown(name))),
            Self::Prompt(name) => Some(both(key::PROMPT_NAME, name)),
            // The client chose the name, so metrics would have any number of values.
            Self::UnknownPrompt(name) => Some((
                KeyValue::new(key::PROMPT_NAME, name.to_owned()),
                KeyValue::new(key::PROMPT_NAME, names::error::OTHER),
            )),
        }
    }
}

/// A request that begins.
pub struct McpRequest<'a> {
    /// The connection.
    pub connection: &'a McpConnection,
    /// The method, such as `tools/call`.
    pub method: &'static str,
    /// What the request is about.
    pub subject: McpSubject<'a>,
    /// The JSON-RPC id, if it is assigned already.
    pub id: Option<String>,
    /// The id of the session, if there is one.
    pub session: Option<String>,
    /// The arguments of a tool or a prompt.
    pub arguments: Option<&'a Value>,
}

/// The start of a request whose method is found out later.
#[derive(Clone, Copy)]
pub struct McpStart(Start);

impl McpStart {
    /// Returns the current time.
    pub fn now() -> Self {
        Self(Start::at(None))
    }
}

/// A running request. Empty if no SDK is installed, and after its end.
pub struct McpSpan(Option<Box<Call>>);

struct Call {
    live: std::sync::Arc<Live>,
    connection: McpConnection,
    /// The span of the request, without one if its attributes are on the span of the tool call.
    scope: SpanScope,
    tool_span: Option<Context>,
    is_tool: bool,
    hides_output: bool,
    metric_attributes: Vec<KeyValue>,
}

impl McpSpan {
    /// Starts the span of a request to a server. A tool call by the loop has a span already, in
    /// `tool_call`.
    pub fn start_client(request: &McpRequest<'_>, tool_call: Option<&ToolContext>) -> Self {
        let Some(live) = Run::for_single_call().0 else { return Self(None) };
        let claimed = tool_call.filter(|context| context.claim_tool_span());
        if let Some(context) = claimed {
            let mut list = request.attributes();
            if let McpSubject::RemoteTool { name, model_name } = request.subject
                && name != model_name
            {
                list.push(KeyValue::new(key::SERVER_TOOL_NAME, name.to_owned()));
            }
            shielded(|| context.context().span().set_attributes(list));
            let scope = SpanScope::new(None, Start::at(None));
            return Self::new(live, request, scope, Some(context.context().clone()));
        }
        if request.subject.is_tool() {
            live.calls().tools += 1;
        }
        let current = Context::current();
        let parent = match tool_call {
            // A task that the program spawned has no context.
            Some(call) if !current.has_active_span() => call.context().clone(),
            _ => current,
        };
        Self::start(live, request, Start::at(None), &parent, Vec::new())
    }

    /// Records a finished handshake, which the SDK of the protocol makes.
    pub fn record_handshake(
        start: McpStart,
        request: &McpRequest<'_>,
        outcome: Result<(), &ToolError>,
    ) {
        if let Some(live) = Run::for_single_call().0 {
            let parent = Context::current();
            Self::start(live, request, start.0, &parent, Vec::new())
                .finish(outcome.map(|()| None), None);
        }
    }

    /// Starts the span of a request by a client. `get` returns a string of its `_meta`; `ambient` is
    /// the context of the HTTP request.
    pub fn start_server(
        request: &McpRequest<'_>,
        get: &dyn Fn(&str) -> Option<String>,
        ambient: &Context,
    ) -> Self {
        let Some(live) = Run::for_single_call().0 else { return Self(None) };
        let remote = shielded(|| extract(get, ambient)).flatten();
        let around = ambient.span().span_context().clone();
        let links = match &remote {
            Some(_) if around.is_valid() => vec![Link::with_context(around)],
            _ => Vec::new(),
        };
        let parent = remote.unwrap_or_else(|| ambient.clone());
        Self::start(live, request, Start::at(None), &parent, links)
    }

    fn start(
        live: std::sync::Arc<Live>,
        request: &McpRequest<'_>,
        start: Start,
        parent: &Context,
        links: Vec<Link>,
    ) -> Self {
        let mut list = span_attributes();
        list.extend(request.attributes());
        let subject = request.subject.attributes().map(|(span, _)| span);
        let is_tool = request.subject.is_tool();
        push(&mut list, names::OPERATION_NAME, is_tool.then_some(operation::EXECUTE_TOOL));
        let name = subject.as_ref().map(|attribute| attribute.value.as_str().into_owned());
        list.extend(subject);
        live.push_settings(&mut list, parent, request.method);
        let kind = match request.connection.side {
            McpSide::Client => SpanKind::Client,
            McpSide::Server => SpanKind::Server,
        };
        let name = Live::span_name(request.method, name.as_deref());
        let scope = live.start_linked(start, parent, kind, name, list, links);
        if let Some(arguments) = request.arguments
            && live.records_content(&scope)
        {
            request.record_arguments(&live, &scope, arguments);
        }
        Self::new(live, request, scope, None)
    }

    fn new(
        live: std::sync::Arc<Live>,
        request: &McpRequest<'_>,
        scope: SpanScope,
        tool_span: Option<Context>,
    ) -> Self {
        let is_tool = request.subject.is_tool();
        let mut list = Vec::new();
        if live.instruments.is_some() {
            list.push(KeyValue::new(key::METHOD_NAME, request.method));
            list.extend(request.connection.attributes());
            list.extend(request.subject.attributes().map(|(_, metric)| metric));
            push(&mut list, names::OPERATION_NAME, is_tool.then_some(operation::EXECUTE_TOOL));
            without_empty(&mut list);
        }
        let connection = request.connection.clone();
        let hides_output = request.tool().is_some_and(|tool| tool.hidden.output);
        let call = Call {
            live,
            connection,
            scope,
            tool_span,
            is_tool,
            hides_output,
            metric_attributes: list,
        };
        Self(Some(Box::new(call)))
    }

    /// Returns the context in which the request is made or answered.
    pub fn context(&self) -> Option<&Context> {
        let call = self.0.as_ref()?;
        call.tool_span.as_ref().or_else(|| call.scope.context())
    }

    /// Calls `set` with the keys and values that carry the trace to the server in `_meta`.
    pub fn inject(&self, set: &mut dyn FnMut(&'static str, String)) {
        if let Some(context) = self.context() {
            shielded(|| inject(context, set));
        }
    }

    /// Sets the JSON-RPC id of the request and the id of its session.
    pub fn set_ids(&self, request: String, session: Option<String>) {
        if let Some(call) = &self.0 {
            let mut list = vec![KeyValue::new(key::REQUEST_ID, request)];
            push(&mut list, key::SESSION_ID, session);
            call.set(list);
        }
    }

    /// Ends the span. `status_code` is the code of a JSON-RPC error.
    pub fn finish(
        mut self,
        outcome: Result<Option<&ToolOutput>, &ToolError>,
        status_code: Option<i32>,
    ) {
        if let Some(call) = self.0.take() {
            if let Some(code) = status_code {
                call.set(vec![KeyValue::new(key::STATUS_CODE, code.to_string())]);
            }
            call.end(match outcome {
                Ok(output) => End::Completed(output),
                Err(error) => End::Failed(error),
            });
        }
    }
}

impl Drop for McpSpan {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.end(End::Cancelled);
        }
    }
}

impl Call {
    fn set(&self, list: Vec<KeyValue>) {
        match &self.tool_span {
            Some(context) => drop(shielded(|| context.span().set_attributes(list))),
            None => self.scope.set(list),
        }
    }

    fn end(mut self, end: End<'_>) {
        let error_type = match (&self.tool_span, end) {
            // The span of the tool call records the outcome.
            (Some(_), End::Failed(error)) => Some(low_cardinality(error.error_type().clone())),
            (Some(_), _) => None,
            (None, end) => self.live.record_end(&self.scope, end, None),
        };
        if let End::Completed(Some(output)) = end
            && !self.hides_output
            && self.live.records_content(&self.scope)
        {
            self.scope.set_content(tool::CALL_RESULT, self.live.writer.tool_result(output));
        }
        let duration = self.scope.end();
        let Some(instruments) = &self.live.instruments else { return };
        let error = error_type.as_deref();
        shielded(|| {
            let own = self.connection.instruments(instruments);
            own.record_operation(duration, &self.metric_attributes, error);
            // A client's call of a tool of this program has no other span.
            if self.is_tool && self.connection.side == McpSide::Server {
                let name = self.metric_attributes.iter().find(|it| it.key.as_str() == tool::NAME);
                let mut list: Vec<KeyValue> = name.into_iter().cloned().collect();
                list.push(KeyValue::new(tool::TYPE, tool::FUNCTION));
                instruments.record_tool(duration, &list, error);
            }
        });
    }
}

impl McpRequest<'_> {
    /// Returns the attributes of the span that the protocol defines.
    fn attributes(&self) -> Vec<KeyValue> {
        let mut list = vec![KeyValue::new(key::METHOD_NAME, self.method)];
        list.extend(self.connection.attributes());
        push(&mut list, key::REQUEST_ID, self.id.clone());
        push(&mut list, key::SESSION_ID, self.session.clone());
        if let McpSubject::Resource(uri) = self.subject {
            list.push(KeyValue::new(key::RESOURCE_URI, uri.to_owned()));
        }
        without_empty(&mut list);
        list
    }

    /// Returns the definition of the called tool of this program.
    fn tool(&self) -> Option<&ToolDefinition> {
        match self.subject {
            McpSubject::Tool(tool) => Some(tool),
            _ => None,
        }
    }

    fn record_arguments(&self, live: &Live, scope: &SpanScope, arguments: &Value) {
        if self.subject.is_tool() {
            scope.set_content(
                tool::CALL_ARGUMENTS,
                live.writer.tool_arguments(self.tool(), arguments),
            );
        }
        let variables =
            arguments.as_object().filter(|_| matches!(self.subject, McpSubject::Prompt(_)));
        for (name, value) in variables.into_iter().flatten() {
            let text = live.writer.to_text(ContentKind::ToolArguments, value.clone());
            let key = [key::PROMPT_VARIABLE_PREFIX, name.as_str()].concat();
            scope.set(vec![KeyValue::new(key, text)]);
        }
    }
}

/// Records the duration of a finished session.
pub fn record_mcp_session(connection: &McpConnection, duration: Duration, error: Option<&str>) {
    if let Some(live) = Run::for_single_call().0
        && let Some(instruments) = &live.instruments
    {
        let attributes = connection.attributes();
        let own = connection.instruments(instruments);
        shielded(|| own.record_session(duration, &attributes, error));
    }
}

/// Sets the trace context in the W3C format, which the protocol prescribes whatever propagators the
/// program has. Baggage is encoded by the program's propagators, if one of them handles it.
fn inject(context: &Context, set: &mut dyn FnMut(&'static str, String)) {
    let span = context.span();
    let ids = span.span_context();
    if ids.is_valid() {
        let flags = ids.trace_flags() & TraceFlags::SAMPLED;
        let value = format!("00-{}-{}-{flags:02x}", ids.trace_id(), ids.span_id());
        set(TRACEPARENT, value);
        let state = ids.trace_state().header();
        if !state.is_empty() {
            set(TRACESTATE, state);
        }
    }
    let mut carrier = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(context, &mut carrier));
    if let Some(baggage) = carrier.remove(BAGGAGE).filter(|value| !value.is_empty()) {
        set(BAGGAGE, baggage);
    }
}

/// Returns the context that a client has sent.
fn extract(get: &dyn Fn(&str) -> Option<String>, ambient: &Context) -> Option<Context> {
    let remote = parse_traceparent(&get(TRACEPARENT)?, get(TRACESTATE).as_deref())?;
    let context = ambient.with_remote_span_context(remote);
    let Some(baggage) = get(BAGGAGE) else { return Some(context) };
    let carrier = HashMap::from([(BAGGAGE.to_owned(), baggage)]);
    Some(global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&context, &carrier)
    }))
}

/// Parses a [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header).
fn parse_traceparent(text: &str, state: Option<&str>) -> Option<SpanContext> {
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.trim().split('-');
    let version = parts.next().filter(|part| is_hex(part, 2) && *part != "ff")?;
    let trace = parts.next().filter(|part| is_hex(part, 32))?;
    let span = parts.next().filter(|part| is_hex(part, 16))?;
    let flags = parts.next().filter(|part| is_hex(part, 2))?;
    if version == "00" && parts.next().is_some() {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = state.and_then(|state| state.parse().ok()).unwrap_or(TraceState::NONE);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, state)).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    #[test]
    fn traceparent_is_parsed_strictly() {
        let context = parse_traceparent(VALID, Some("a=1")).unwrap();
        assert!(context.is_remote() && context.is_sampled());
        assert_eq!(context.trace_state().header(), "a=1");
        for invalid in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "00-0AF7651916CD43DD8448EB211C80319C-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319ö-00f067aa0ba902b7-01",
        ] {
            assert!(parse_traceparent(invalid, None).is_none(), "{invalid}");
        }
        // A later version may have more fields.
        assert!(parse_traceparent(&VALID.replacen("00", "01", 1), None).is_some());
    }

    #[test]
    fn injected_traceparent_round_trips() {
        let sent = parse_traceparent(VALID, Some("a=1")).unwrap();
        let mut meta = HashMap::new();
        let context = Context::new().with_remote_span_context(sent);
        inject(&context, &mut |key, value| drop(meta.insert(key, value)));
        assert_eq!(meta[TRACEPARENT], VALID);
        let received = extract(&|key| meta.get(key).cloned(), &Context::new()).unwrap();
        assert_eq!(received.span().span_context(), context.span().span_context());
    }
}
