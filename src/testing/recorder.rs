//! The recorder of a test: its spans, metrics and events.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chatlas_core::telemetry::names;
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::install::{self, Inbox, Mark};
use super::{Metric, RecordedEvent, RecordedSpan, sound, spans};

/// Records the telemetry of one test, from when it is made until it is dropped: keep it in a
/// variable for the whole test.
///
/// Whose is what, where tests run at the same time, is said at [the module](super). It cannot be
/// sent to another thread.
pub struct Recorder {
    inbox: Arc<Inbox>,
    /// Dropped first: afterwards nothing new is of this recorder.
    _mark: ContextGuard,
    _turn: Turn,
}

/// Recorders exist beside each other, or one alone.
static TURN: RwLock<()> = RwLock::new(());

enum Turn {
    Shared { _held: RwLockReadGuard<'static, ()> },
    Alone { _held: RwLockWriteGuard<'static, ()> },
}

impl Recorder {
    /// Records what happens in this test, beside other tests and their recorders.
    ///
    /// One at a time in a test: drop it before the next.
    #[allow(clippy::new_without_default)] // to make one has an effect
    pub fn new() -> Self {
        let held = TURN.read().unwrap_or_else(PoisonError::into_inner);
        Self::begin(Turn::Shared { _held: held })
    }

    /// Records all that happens in the process, whoever does it. It waits until no other recorder
    /// is left, and others wait for its end.
    ///
    /// A test that sets the global providers itself belongs under it, too: it disturbs nobody.
    /// Give every test of such a process a recorder: what one without does meanwhile is recorded
    /// here.
    pub fn exclusive() -> Self {
        let held = TURN.write().unwrap_or_else(PoisonError::into_inner);
        Self::begin(Turn::Alone { _held: held })
    }

    fn begin(turn: Turn) -> Self {
        let inbox = Arc::new(Inbox::default());
        install::begin(&inbox, matches!(turn, Turn::Alone { .. }));
        let mark = Context::current_with_value(Mark(Arc::clone(&inbox)));
        Self { inbox, _mark: mark.attach(), _turn: turn }
    }

    /// The spans that have ended, in the order they started.
    pub fn spans(&self) -> Vec<RecordedSpan> {
        let mut spans = self.inbox.kept().spans.clone();
        spans.sort_by_key(|span| span.data().start_time);
        spans
    }

    /// The one span of that name.
    ///
    /// # Panics
    ///
    /// Where there is none, or several.
    #[track_caller]
    pub fn span(&self, name: &str) -> RecordedSpan {
        self.one(name, self.spans().into_iter().filter(|span| span.name() == name))
    }

    /// The spans of that `gen_ai.operation.name`: `invoke_agent`, `chat`, `execute_tool`, …
    pub fn spans_of(&self, operation: &str) -> Vec<RecordedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| span[names::OPERATION_NAME] == operation);
        spans
    }

    /// The spans directly below that one.
    pub fn children(&self, span: &RecordedSpan) -> Vec<RecordedSpan> {
        let mut spans = self.spans();
        spans.retain(|child| child.parent_id() == span.id());
        spans
    }

    /// The span above that one, where it was recorded.
    pub fn parent(&self, span: &RecordedSpan) -> Option<RecordedSpan> {
        self.spans().into_iter().find(|parent| parent.id() == span.parent_id())
    }

    /// The names of the spans that have ended, as an indented tree: siblings in the order they
    /// started, a line for each.
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

    /// The tree with those attributes on each line, where they are there, and `ERROR` where a span
    /// failed.
    ///
    /// ```text
    /// invoke_agent
    ///   chat test-model gen_ai.usage.input_tokens=10
    ///   execute_tool get_weather ERROR error.type="unknown_tool"
    /// ```
    pub fn tree_with<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> String {
        let keys: Vec<&str> = keys.into_iter().collect();
        spans::tree(&self.spans(), &|span, line| {
            if span.failed() {
                line.push_str(" ERROR");
            }
            for key in &keys {
                if let Some(value) = span.attributes().get(key) {
                    let _ = write!(line, " {key}={value}");
                }
            }
        })
    }

    /// The metrics, in the order they were first measured.
    pub fn metrics(&self) -> Vec<Metric> {
        self.inbox.kept().metrics.clone()
    }

    /// The metric of that name.
    ///
    /// # Panics
    ///
    /// Where nothing was measured under it.
    #[track_caller]
    pub fn metric(&self, name: &str) -> Metric {
        let metrics = self.metrics();
        let names: Vec<&str> = metrics.iter().map(Metric::name).collect();
        let found = metrics.iter().find(|metric| metric.name() == name);
        found.unwrap_or_else(|| panic!("no metric `{name}`; there are {names:?}")).clone()
    }

    /// The events, in the order they were written.
    pub fn events(&self) -> Vec<RecordedEvent> {
        self.inbox.kept().events.clone()
    }

    /// The one event of that name.
    ///
    /// # Panics
    ///
    /// Where there is none, or several.
    #[track_caller]
    pub fn event(&self, name: &str) -> RecordedEvent {
        self.one(name, self.events().into_iter().filter(|event| event.name() == name))
    }

    /// Waits until every span that has started has ended: for a consumer on another task, say.
    pub async fn settled(&self) {
        loop {
            let ended = self.inbox.ended.notified();
            if self.inbox.kept().open.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Holds the telemetry to what is true of all of it:
    ///
    /// - every span has ended, once, with every key once on it, and on every event and measurement;
    /// - every parent is there (or remote), in the same trace, and started before its children;
    ///   each trace has one root at most;
    /// - spans of chatlas have the kind of their operation, lie within their parents of chatlas, and
    ///   have `error.type` exactly where their status is an error. None is `Ok`: that is for the
    ///   program to say. No `chat` span stands in another, for its tokens would be counted twice.
    ///
    /// # Panics
    ///
    /// Where anything of that does not hold: with all that does not, and the tree.
    #[track_caller]
    pub fn assert_sound(&self) {
        let faults = sound::faults(&self.inbox.kept());
        assert!(faults.is_empty(), "{}\nin\n{}", faults.join("\n"), self.tree());
    }

    /// The tracer provider that all recorders share: for the layer of `tracing-opentelemetry` that
    /// the tests of a program install once.
    pub fn tracer_provider() -> SdkTracerProvider {
        install::tracer_provider()
    }

    #[track_caller]
    fn one<T>(&self, name: &str, mut found: impl Iterator<Item = T>) -> T {
        let Some(one) = found.next() else { panic!("no `{name}` in\n{self:?}") };
        let more = found.count();
        assert!(more == 0, "`{name}` {} times in\n{self:?}", more + 1);
        one
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        install::end(&self.inbox);
    }
}

impl fmt::Debug for Recorder {
    /// The tree, the open spans, and the names of the events.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tree())?;
        for name in self.inbox.kept().open.values() {
            writeln!(f, "({name} has not ended)")?;
        }
        for event in self.events() {
            writeln!(f, "(event {})", event.name())?;
        }
        match install::strays() {
            0 => Ok(()),
            strays => writeln!(
                f,
                "({strays} spans of the process started outside the context of any recorder: \
                 see `chatlas::testing`)"
            ),
        }
    }
}
