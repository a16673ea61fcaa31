//! The telemetry of one run: looked up once at its start and passed to everything inside it.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use super::agent_run::{AgentRun, Calls};
use super::attributes::without_empty;
use super::events::EventSink;
use super::installed::Installed;
use super::message_cache::MessageCache;
use super::metrics::Instruments;
use super::scope::{SpanScope, Start};
use super::settings::Settings;
use super::shield::shielded;
use super::writer::Writer;
use crate::provider::{ChatRequest, RunExtension};

/// The telemetry of one run. Empty if no SDK is installed, so that everything inside the run costs
/// one branch.
#[derive(Clone)]
pub(crate) struct Run(pub(super) Option<Arc<Live>>);

/// The telemetry of a run while an SDK is installed.
pub(super) struct Live {
    tracer: Option<BoxedTracer>,
    pub(super) instruments: Option<Arc<Instruments>>,
    pub(super) sink: Option<EventSink>,
    pub(super) writer: Writer,
    /// The settings of the chat around the call, if there is one.
    pub(super) settings: Option<Arc<Settings>>,
    /// Whether this is the run of a chat, whose loop counts its calls.
    pub(super) is_chat: bool,
    /// The agent that the calls count for: the chat, or the nearest agent. Without one, the
    /// counts are dropped.
    pub(super) agent: AgentRun,
}

/// The run that the calls of a transparent provider belong to, in the context of its work.
pub(super) struct ForwardedRun(pub(super) Arc<Live>);

impl Run {
    /// Looks up the global providers for a call outside a chat's loop. The call counts for the
    /// nearest agent around it, whose settings it has.
    pub(crate) fn for_single_call() -> Self {
        Self(Live::find(None))
    }

    /// Looks up the global providers for a run of a chat with these settings.
    pub(crate) fn for_chat(settings: &Arc<Settings>, cache: &MessageCache) -> Self {
        Self(Live::find(Some((settings, cache))))
    }

    /// Returns the run that the request belongs to. A request without one belongs to the run of the
    /// transparent provider that makes it, or to a new run.
    #[inline]
    pub(crate) fn for_request(request: &ChatRequest) -> Self {
        match &request.run {
            Some(RunExtension(run)) => Self(run.clone().and_then(|run| run.downcast().ok())),
            None => match Context::map_current(|context| {
                context.get::<ForwardedRun>().map(|run| Arc::clone(&run.0))
            }) {
                Some(live) => Self(Some(live)),
                None => Self::for_single_call(),
            },
        }
    }

    /// Returns the run in the form in which a request carries it.
    pub(crate) fn extension(&self) -> RunExtension {
        RunExtension(self.0.clone().map(|live| live as _))
    }

    /// Returns the span of the last model call of the run.
    pub(crate) fn last_call(&self) -> Option<SpanContext> {
        self.0.as_ref()?.calls().last.clone()
    }
}

impl Live {
    fn find(chat: Option<(&Arc<Settings>, &MessageCache)>) -> Option<Arc<Self>> {
        let Installed { tracer, instruments, sink } = Installed::find()?;
        let agent = match chat {
            Some((settings, _)) => {
                AgentRun { settings: Some(Arc::clone(settings)), ..AgentRun::default() }
            }
            None => AgentRun::current().unwrap_or_default(),
        };
        let cache = chat.map(|(_, cache)| cache.share()).unwrap_or_default();
        Some(Arc::new(Self {
            tracer,
            instruments,
            sink,
            writer: Writer::new(agent.settings.as_deref(), cache),
            settings: agent.settings.clone(),
            is_chat: chat.is_some(),
            agent,
        }))
    }

    /// Starts a span under `parent` if a tracer provider is installed. Samplers see `attributes`
    /// and no attribute that is set later.
    pub(super) fn start(
        &self,
        parent: &Context,
        kind: SpanKind,
        name: Cow<'static, str>,
        attributes: Vec<KeyValue>,
    ) -> SpanScope {
        self.start_at(None, parent, kind, name, attributes)
    }

    /// Starts a span at a time in the past, or now.
    pub(super) fn start_at(
        &self,
        time: Option<SystemTime>,
        parent: &Context,
        kind: SpanKind,
        name: Cow<'static, str>,
        attributes: Vec<KeyValue>,
    ) -> SpanScope {
        self.start_linked(Start::at(time), parent, kind, name, attributes, Vec::new())
    }

    /// Starts a span that began at `start`, with links to other spans.
    pub(super) fn start_linked(
        &self,
        start: Start,
        parent: &Context,
        kind: SpanKind,
        name: Cow<'static, str>,
        mut attributes: Vec<KeyValue>,
        links: Vec<Link>,
    ) -> SpanScope {
        let Some(tracer) = &self.tracer else { return SpanScope::new(None, start) };
        without_empty(&mut attributes);
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_attributes(attributes)
            .with_links(links)
            .with_start_time(start.time);
        let span = shielded(|| tracer.build_with_context(builder, parent));
        SpanScope::new(span.map(|span| parent.with_span(span)), start)
    }

    /// Returns the name of a span: the operation and its subject.
    pub(super) fn span_name(operation: &'static str, subject: Option<&str>) -> Cow<'static, str> {
        match subject.filter(|subject| !subject.is_empty()) {
            Some(subject) => Cow::Owned([operation, " ", subject].concat()),
            None => Cow::Borrowed(operation),
        }
    }

    /// Adds the attributes that the program set for the span of that operation.
    pub(super) fn push_settings(
        &self,
        list: &mut Vec<KeyValue>,
        parent: &Context,
        operation: &str,
    ) {
        if let Some(settings) = &self.settings {
            settings.push_attributes(list, parent, operation);
        }
    }

    /// Returns whether the span records content.
    pub(super) fn records_content(&self, scope: &SpanScope) -> bool {
        self.writer.capture.on_spans() && scope.is_recording()
    }

    /// Registers a model call that begins. Returns whether it is inside another call, because a
    /// provider that forwards calls is not transparent.
    pub(super) fn begin_model_call(
        &self,
        parent: &Context,
        span: Option<SpanContext>,
        by_wrapper: bool,
    ) -> bool {
        let mut calls = self.calls();
        let is_nested = calls.begin(parent.span().span_context(), span.as_ref(), by_wrapper);
        if self.is_chat && span.is_some() {
            calls.last = span;
        }
        is_nested
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.agent.calls.lock()
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Run(on)" } else { "Run(off)" })
    }
}
