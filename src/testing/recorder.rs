//! The recorder of a test: its spans, metrics and events.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chatlas_core::telemetry::names;
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::routing::{self, ContextRecording, Recording};
use super::{Metric, RecordedEvent, RecordedSpan, checks, spans};

/// Records the telemetry of one test, from its creation until it is dropped. Keep it in a variable for
/// the duration of the test.
///
/// The [module documentation](super) explains which telemetry belongs to a recorder when tests run
/// concurrently. A recorder cannot be sent to another thread.
pub struct Recorder {
    recording: Arc<Recording>,
    /// Dropped first, so that no telemetry is routed to this recorder afterwards.
    _context: ContextGuard,
    _lock: ProcessLock,
}

/// Either several recorders exist, or one for the entire process.
static PROCESS: RwLock<()> = RwLock::new(());

enum ProcessLock {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Exclusive { _guard: RwLockWriteGuard<'static, ()> },
}

impl Recorder {
    /// Creates a recorder of the current test. Other tests may record at the same time.
    ///
    /// A test may have one recorder at a time: drop it before you create the next one.
    #[allow(clippy::new_without_default)] // creating one has side effects
    pub fn new() -> Self {
        let guard = PROCESS.read().unwrap_or_else(PoisonError::into_inner);
        Self::start(ProcessLock::Shared { _guard: guard })
    }

    /// Creates a recorder of the entire process. Blocks until all other recorders are dropped; other
    /// tests wait for this one.
    ///
    /// Use it also for a test that sets the global OpenTelemetry providers, so that the test does not
    /// affect others. Create a recorder in every test of such a process: the telemetry of a test
    /// without one is recorded here.
    pub fn for_process() -> Self {
        let guard = PROCESS.write().unwrap_or_else(PoisonError::into_inner);
        Self::start(ProcessLock::Exclusive { _guard: guard })
    }

    fn start(lock: ProcessLock) -> Self {
        let recording = Arc::new(Recording::default());
        routing::register(&recording, matches!(lock, ProcessLock::Exclusive { .. }));
        let context = Context::current_with_value(ContextRecording(Arc::clone(&recording)));
        Self { recording, _context: context.attach(), _lock: lock }
    }

    /// Returns the spans that have ended, in the order in which they started.
    pub fn spans(&self) -> Vec<RecordedSpan> {
        let mut spans = self.recording.signals().spans.clone();
        spans.sort_by_key(|span| span.data().start_time);
        spans
    }

    /// Returns the only span of that name.
    ///
    /// # Panics
    ///
    /// Panics if there is no such span, or more than one.
    #[track_caller]
    pub fn span(&self, name: &str) -> RecordedSpan {
        self.only(name, self.spans().into_iter().filter(|span| span.name() == name))
    }

    /// Returns the spans with that `gen_ai.operation.name`: `invoke_agent`, `chat`, `execute_tool`, …
    pub fn spans_with_operation(&self, operation: &str) -> Vec<RecordedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| span[names::OPERATION_NAME] == operation);
        spans
    }

    /// Returns the direct children of a span.
    pub fn children(&self, span: &RecordedSpan) -> Vec<RecordedSpan> {
        let mut spans = self.spans();
        spans.retain(|child| child.parent_id() == span.id());
        spans
    }

    /// Returns the parent of a span, if it was recorded.
    pub fn parent(&self, span: &RecordedSpan) -> Option<RecordedSpan> {
        self.spans().into_iter().find(|parent| parent.id() == span.parent_id())
    }

    /// Returns the names of the spans that have ended as an indented tree, one line for each span, in
    /// the order in which they started.
    ///
    /// ```text
    /// invoke_agent
    ///   chat test-model
    ///   execute_tool get_weather
    ///   chat test-model
    /// ```
    pub fn tree(&self) -> String {
        spans::tree(&self.spans(), &|_, _| {})
    }

    /// Returns the tree with those attributes, where set, and with `ERROR` on failed spans.
    ///
    /// ```text
    /// invoke_agent
    ///   chat test-model gen_ai.usage.input_tokens=10
    ///   execute_tool get_weather ERROR error.type="unknown_tool"
    /// ```
    pub fn tree_with<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> String {
        let keys: Vec<&str> = keys.into_iter().collect();
        spans::tree(&self.spans(), &|span, line| {
            if span.is_error() {
                line.push_str(" ERROR");
            }
            for key in &keys {
                if let Some(value) = span.attributes().get(key) {
                    let _ = write!(line, " {key}={value}");
                }
            }
        })
    }

    /// Returns the metrics, in the order of their first measurements.
    pub fn metrics(&self) -> Vec<Metric> {
        self.recording.signals().metrics.clone()
    }

    /// Returns the metric of that name.
    ///
    /// # Panics
    ///
    /// Panics if nothing was measured under that name.
    #[track_caller]
    pub fn metric(&self, name: &str) -> Metric {
        let metrics = self.metrics();
        let names: Vec<&str> = metrics.iter().map(Metric::name).collect();
        let found = metrics.iter().find(|metric| metric.name() == name);
        found.unwrap_or_else(|| panic!("no metric `{name}` among {names:?}")).clone()
    }

    /// Returns the events, in the order in which they were emitted.
    pub fn events(&self) -> Vec<RecordedEvent> {
        self.recording.signals().events.clone()
    }

    /// Returns the only event of that name.
    ///
    /// # Panics
    ///
    /// Panics if there is no such event, or more than one.
    #[track_caller]
    pub fn event(&self, name: &str) -> RecordedEvent {
        self.only(name, self.events().into_iter().filter(|event| event.name() == name))
    }

    /// Waits until every span that has started has ended, for example in another task.
    pub async fn wait_until_idle(&self) {
        loop {
            let ended = self.recording.span_ended.notified();
            if self.recording.signals().open.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Asserts rules that hold for the telemetry of every program:
    ///
    /// - Every span has ended exactly once.
    /// - No event, measurement or span of chatlas has an attribute twice.
    /// - The parent of every span is recorded or remote, and started before its children. Each trace
    ///   has at most one root span.
    /// - A span of chatlas has the span kind of its operation and ends before its parent, if that is
    ///   a span of chatlas too. It has `error.type` if and only if its status is an error. Its status
    ///   is never `Ok`, which only the program may set.
    /// - No `chat` span is a child of another one, because its tokens would be counted twice.
    ///
    /// # Panics
    ///
    /// Panics if a rule is broken. The message lists all broken rules and the tree of spans.
    #[track_caller]
    pub fn assert_sound(&self) {
        let faults = checks::faults(&self.recording.signals());
        assert!(faults.is_empty(), "{}\nin\n{}", faults.join("\n"), self.tree());
    }

    /// Returns the tracer provider that all recorders share. Pass it to the layer of
    /// `tracing-opentelemetry` that the tests of a program install once.
    pub fn tracer_provider() -> SdkTracerProvider {
        routing::tracer_provider()
    }

    #[track_caller]
    fn only<T>(&self, name: &str, mut found: impl Iterator<Item = T>) -> T {
        let Some(only) = found.next() else { panic!("no `{name}` in\n{self:?}") };
        let more = found.count();
        assert!(more == 0, "`{name}` occurs {} times in\n{self:?}", more + 1);
        only
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        routing::unregister(&self.recording);
    }
}

impl fmt::Debug for Recorder {
    /// Writes the tree, the open spans, and the names of the events.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tree())?;
        for name in self.recording.signals().open.values() {
            writeln!(f, "({name} has not ended)")?;
        }
        for event in self.events() {
            writeln!(f, "(event {})", event.name())?;
        }
        match routing::unassigned_spans() {
            0 => Ok(()),
            count => writeln!(
                f,
                "({count} spans of the process started outside the context of any recorder: \
                 see the documentation of `chatlas::testing`)"
            ),
        }
    }
}
