//! The telemetry of one run: looked up once at its start and passed to everything inside it.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use super::attributes::without_empty;
use super::events::EventSink;
use super::installed::Installed;
use super::message_cache::MessageCache;
use super::metrics::Instruments;
use super::scope::SpanScope;
use super::settings::Settings;
use super::shield::shielded;
use super::writer::Writer;
use crate::provider::{ChatRequest, RunExtension};
use crate::turn::Usage;

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
    pub(super) settings: Option<Arc<Settings>>,
    calls: Mutex<ModelCalls>,
}

/// What the model calls of a run report to the run.
#[derive(Default)]
pub(super) struct ModelCalls {
    /// The number of calls. A provider that wraps others may make several calls per round.
    pub(super) begun: u64,
    /// The number of calls that a transparent provider answered by itself.
    by_wrapper: u64,
    /// The spans of the calls that have not ended.
    open: Vec<SpanId>,
    /// The span of the last call, which feedback on the reply refers to.
    last: Option<SpanContext>,
    /// The usage that the spans of the calls report, including that of calls without a complete
    /// reply. The usage in a reply is not: a cache returns it again.
    pub(super) usage: Usage,
}

impl ModelCalls {
    /// Returns the number of calls that have a span.
    pub(super) fn total(&self) -> u64 {
        self.begun + self.by_wrapper
    }

    /// Registers that a call has ended. Adds its usage, unless it is inside another call, which
    /// reports the usage, too.
    pub(super) fn end(&mut self, span: Option<&SpanContext>, is_nested: bool, usage: Usage) {
        self.open.retain(|open| span.is_none_or(|span| span.span_id() != *open));
        if !is_nested {
            self.usage += usage;
        }
    }
}

/// The run that the calls of a transparent provider belong to, in the context of its work.
pub(super) struct ForwardedRun(pub(super) Arc<Live>);

impl Run {
    /// Looks up the global providers for a call outside a chat.
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
        Some(Arc::new(Self {
            tracer,
            instruments,
            sink,
            writer: Writer::new(chat.map(|(settings, cache)| (&**settings, cache))),
            settings: chat.map(|(settings, _)| Arc::clone(settings)),
            calls: Mutex::default(),
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
        mut attributes: Vec<KeyValue>,
    ) -> SpanScope {
        let Some(tracer) = &self.tracer else { return SpanScope::off() };
        without_empty(&mut attributes);
        let mut builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        builder.start_time = time;
        let span = shielded(|| tracer.build_with_context(builder, parent));
        span.map_or(SpanScope::off(), |span| SpanScope::new(parent.with_span(span)))
    }

    /// Returns the name of a span: the operation and its subject.
    pub(super) fn span_name(operation: &'static str, subject: Option<&str>) -> Cow<'static, str> {
        match subject.filter(|subject| !subject.is_empty()) {
            Some(subject) => Cow::Owned([operation, " ", subject].concat()),
            None => Cow::Borrowed(operation),
        }
    }

    /// Returns the current time if durations are recorded.
    pub(super) fn clock(&self) -> Option<Instant> {
        self.instruments.is_some().then(Instant::now)
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

    /// Registers a model call that begins. Returns whether it is inside another call, because a
    /// provider that forwards calls is not transparent.
    pub(super) fn begin_model_call(
        &self,
        parent: &Context,
        span: Option<SpanContext>,
        by_wrapper: bool,
    ) -> bool {
        let mut calls = self.calls();
        let is_nested = calls.open.contains(&parent.span().span_context().span_id());
        calls.open.extend(span.as_ref().map(SpanContext::span_id));
        if by_wrapper {
            calls.by_wrapper += 1;
        } else {
            calls.begun += 1;
        }
        calls.last = span.or(calls.last.take());
        is_nested
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, ModelCalls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Run(on)" } else { "Run(off)" })
    }
}
