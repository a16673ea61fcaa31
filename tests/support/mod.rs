//! What the tests of the face share: a provider that follows a script, and a recorder of spans.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatlas::prelude::*;
use chatlas::{
    AssistantTurn, ChatRequest, Completion, CompletionEvent, CompletionStream, Content,
    FinishReason, ProviderError, ProviderInfo, Usage, content::ToolRequest,
};
use futures_util::stream;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry::{Value, global};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

/// One reply of the scripted provider.
#[allow(clippy::large_enum_variant)]
pub enum Step {
    /// A whole reply; streamed, it arrives in one piece for each content.
    Reply(Completion),
    /// These events and no more.
    Events(Vec<Result<CompletionEvent, ProviderError>>),
    /// These events, and then silence for ever.
    Stall(Vec<CompletionEvent>),
    /// The call itself fails.
    Fail(ProviderError),
}

/// A provider that follows a script and remembers what it was asked.
#[derive(Clone)]
pub struct Scripted {
    info: ProviderInfo,
    steps: Arc<Mutex<VecDeque<Step>>>,
    pub asked: Arc<Mutex<Vec<ChatRequest>>>,
}

impl Scripted {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            info: ProviderInfo::new("scripted")
                .with_model("test-model")
                .with_server("model.example", 8443),
            steps: Arc::new(Mutex::new(steps.into_iter().collect())),
            asked: Arc::default(),
        }
    }

    /// The same, with other facts about it.
    pub fn with_info(mut self, info: ProviderInfo) -> Self {
        self.info = info;
        self
    }

    fn next(&self, request: ChatRequest) -> Step {
        self.asked.lock().unwrap().push(request);
        self.steps.lock().unwrap().pop_front().expect("the script has no further step")
    }
}

#[provider]
impl Provider for Scripted {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        match self.next(request) {
            Step::Reply(completion) => Ok(completion),
            Step::Fail(error) => Err(error),
            Step::Events(_) => panic!("a streamed step was asked for whole"),
            Step::Stall(_) => std::future::pending().await,
        }
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        match self.next(request) {
            Step::Reply(completion) => Ok(CompletionStream::whole(completion)),
            Step::Fail(error) => Err(error),
            Step::Events(events) => Ok(CompletionStream::new(stream::iter(events))),
            Step::Stall(events) => {
                let events = stream::iter(events.into_iter().map(Ok));
                Ok(CompletionStream::new(events.chain(stream::pending())))
            }
        }
    }
}

pub fn usage(input: u64, output: u64) -> Usage {
    Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() }
}

pub fn says(text: &str) -> Completion {
    AssistantTurn {
        contents: vec![Content::text(text)],
        usage: usage(20, 5),
        finish_reason: Some(FinishReason::Stop),
        response_id: Some("resp-2".into()),
        model: Some("test-model-2026".into()),
        ..AssistantTurn::default()
    }
}

pub fn asks(calls: &[(&str, &str, serde_json::Value)]) -> Completion {
    let contents = calls
        .iter()
        .map(|(id, name, arguments)| {
            Content::ToolRequest(ToolRequest {
                id: (*id).into(),
                name: (*name).into(),
                arguments: arguments.clone(),
                replay: None,
            })
        })
        .collect();
    AssistantTurn {
        contents,
        usage: usage(10, 3),
        finish_reason: Some(FinishReason::ToolCall),
        response_id: Some("resp-1".into()),
        model: Some("test-model-2026".into()),
        ..AssistantTurn::default()
    }
}

/// The spans of one test. Tests that record run one after the other.
pub struct Recorder {
    exporter: InMemorySpanExporter,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

pub fn sdk() -> (InMemorySpanExporter, SdkTracerProvider) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    (exporter, provider)
}

/// Records spans from here on.
pub fn record() -> Recorder {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (exporter, provider) = sdk();
    global::set_tracer_provider(provider);
    Recorder { exporter, _turn: turn }
}

impl Recorder {
    pub fn spans(&self) -> Vec<SpanData> {
        spans_of(&self.exporter)
    }

    pub fn span(&self, name: &str) -> SpanData {
        let mut found = self.spans().into_iter().filter(|span| span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("no span `{name}` in\n{}", self.tree()));
        assert!(found.next().is_none(), "several spans `{name}` in\n{}", self.tree());
        span
    }

    /// The spans as an indented tree, siblings by start.
    pub fn tree(&self) -> String {
        tree(&self.spans())
    }
}

pub fn spans_of(exporter: &InMemorySpanExporter) -> Vec<SpanData> {
    let mut spans = exporter.get_finished_spans().expect("the exporter answers");
    spans.sort_by_key(|span| span.start_time);
    spans
}

pub fn tree(spans: &[SpanData]) -> String {
    fn below(spans: &[SpanData], parent: SpanId, depth: usize, out: &mut String) {
        for span in spans.iter().filter(|span| span.parent_span_id == parent) {
            out.push_str(&"  ".repeat(depth));
            out.push_str(&span.name);
            out.push('\n');
            below(spans, span.span_context.span_id(), depth + 1, out);
        }
    }
    let ids: Vec<SpanId> = spans.iter().map(|span| span.span_context.span_id()).collect();
    let mut out = String::new();
    for span in spans.iter().filter(|span| !ids.contains(&span.parent_span_id)) {
        out.push_str(&span.name);
        out.push('\n');
        below(spans, span.span_context.span_id(), 1, &mut out);
    }
    out
}

/// The attributes of a span; a key that stands twice is an error.
pub fn attributes(span: &SpanData) -> HashMap<String, String> {
    let mut map = HashMap::new();
    for pair in &span.attributes {
        let value = match &pair.value {
            Value::F64(number) => format!("{number}"),
            other => other.to_string(),
        };
        assert!(
            map.insert(pair.key.to_string(), value).is_none(),
            "`{}` stands twice on `{}`",
            pair.key,
            span.name
        );
    }
    map
}

pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
    attributes(span).remove(key)
}

/// What holds of every span, whatever it is of.
pub fn assert_sound(spans: &[SpanData]) {
    for span in spans {
        let all = attributes(span);
        let failed = matches!(span.status, Status::Error { .. });
        assert!(span.status != Status::Ok, "`{}`: a library leaves OK alone", span.name);
        assert_eq!(failed, all.contains_key("error.type"), "`{}`: {all:?}", span.name);
        assert!(span.end_time >= span.start_time);
        let kind = match all.get("gen_ai.operation.name").map(String::as_str) {
            Some("chat") => Some(SpanKind::Client),
            Some("invoke_agent" | "execute_tool") => Some(SpanKind::Internal),
            _ => None,
        };
        if let Some(kind) = kind {
            assert_eq!(span.span_kind, kind, "`{}`", span.name);
        }
        if let Some(parent) =
            spans.iter().find(|other| other.span_context.span_id() == span.parent_span_id)
        {
            assert!(parent.start_time <= span.start_time);
            assert_eq!(parent.span_context.trace_id(), span.span_context.trace_id());
        }
    }
}

/// Waits so long that a test which gets there has failed.
pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}
