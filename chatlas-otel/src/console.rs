//! Collects the spans of each trace, and draws the trace when its local root span ends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::facts::{Facts, Kind};
use crate::feedback::{self, is_feedback};
use crate::format;
use crate::messages::{self, Message};
use crate::output::Output;
use crate::waterfall::{self, Style};

/// The maximum number of unfinished traces, and of spans in all of them. Beyond it, the oldest
/// trace is drawn without its root.
const MAX_TRACES: usize = 1_000;
const MAX_SPANS: usize = 10_000;

/// A span processor that draws waterfalls.
#[derive(Debug)]
pub(crate) struct Console {
    open: Mutex<OpenTraces>,
    output: Output,
    style: Style,
}

impl Console {
    pub(crate) fn new(output: Output, style: Style) -> Self {
        Self { open: Mutex::default(), output, style }
    }

    fn open(&self) -> MutexGuard<'_, OpenTraces> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, trace: TraceId, open: &OpenTrace) {
        let drawn = waterfall::draw(&trace.to_string(), &open.spans, &open.messages, &self.style);
        // The program may have printed an incomplete line.
        self.output.write(&format!("\n\n{drawn}"));
    }
}

impl SpanProcessor for Console {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        let trace = span.span_context.trace_id();
        if is_feedback(&span) {
            let (trace, summary) = (trace.to_string(), feedback::summary(&span));
            let line = format!("\ntrace {}  feedback {summary}\n", format::truncate(&trace, 8));
            self.output.write(&line);
            return;
        }
        let is_root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        let facts = Facts::from_span(&span, &self.style.prices);
        // Each call repeats the earlier messages, so the last call of a trace contains all of them.
        let has_messages = self.style.messages && facts.kind == Kind::ModelCall;
        let messages = if has_messages { messages::conversation(&span) } else { Vec::new() };
        let mut open = self.open();
        open.add(trace, facts, messages);
        let ready = if is_root { open.take(trace) } else { open.take_excess() };
        // Other threads must not wait for the drawing.
        drop(open);
        if let Some((trace, spans)) = ready {
            self.draw(trace, &spans);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        loop {
            let oldest = self.open().take_oldest();
            let Some((trace, spans)) = oldest else { return Ok(()) };
            self.draw(trace, &spans);
        }
    }
}

/// A trace whose root has not ended, or the spans that ended after their root.
#[derive(Debug, Default)]
struct OpenTrace {
    /// The order in which traces began.
    sequence: u64,
    spans: Vec<Facts>,
    messages: Vec<Message>,
}

/// All unfinished traces.
#[derive(Debug, Default)]
struct OpenTraces {
    traces: HashMap<TraceId, OpenTrace>,
    sequence: u64,
    spans: usize,
}

impl OpenTraces {
    fn add(&mut self, trace: TraceId, span: Facts, messages: Vec<Message>) {
        self.sequence += 1;
        let sequence = self.sequence;
        let open = self
            .traces
            .entry(trace)
            .or_insert_with(|| OpenTrace { sequence, ..OpenTrace::default() });
        open.spans.push(span);
        if !messages.is_empty() {
            open.messages = messages;
        }
        self.spans += 1;
    }

    fn take(&mut self, trace: TraceId) -> Option<(TraceId, OpenTrace)> {
        let open = self.traces.remove(&trace)?;
        self.spans -= open.spans.len();
        Some((trace, open))
    }

    fn take_oldest(&mut self) -> Option<(TraceId, OpenTrace)> {
        let (&oldest, _) = self.traces.iter().min_by_key(|(_, open)| open.sequence)?;
        self.take(oldest)
    }

    fn take_excess(&mut self) -> Option<(TraceId, OpenTrace)> {
        let exceeded = self.traces.len() > MAX_TRACES || self.spans > MAX_SPANS;
        if exceeded { self.take_oldest() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use chatlas_core::telemetry::names;
    use opentelemetry::trace::{
        Span as _, SpanContext, TraceContextExt as _, TraceFlags, TraceState, Tracer as _,
        TracerProvider as _,
    };
    use opentelemetry::{Context, KeyValue};
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

    use crate::feedback::tests::finished;
    use crate::output::tests::SharedWriter;

    use super::*;

    fn recording() -> (SdkTracerProvider, SdkTracer, SharedWriter) {
        let written = SharedWriter::default();
        let style = Style { width: 80, ..Style::default() };
        let console = Console::new(Output::from_writer(written.clone()), style);
        let provider = SdkTracerProvider::builder().with_span_processor(console).build();
        let tracer = provider.tracer("test");
        (provider, tracer, written)
    }

    fn start_child(tracer: &SdkTracer, parent: &Context, name: &'static str) -> Context {
        Context::new().with_span(tracer.start_with_context(name, parent))
    }

    /// Returns the first word of each span's line.
    fn names(text: &str) -> Vec<&str> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("trace "));
        lines
            .filter_map(|line| line.trim_start_matches(['├', '└', '│', '─', ' ']).split(' ').next())
            .collect()
    }

    #[test]
    fn a_trace_is_drawn_when_its_root_ends() {
        let (_provider, tracer, written) = recording();
        let root = start_child(&tracer, &Context::new(), "root");
        let child = start_child(&tracer, &root, "child");
        child.span().end();
        assert_eq!(written.text(), "");
        root.span().end();
        assert_eq!(names(&written.text()), ["root", "child"]);
    }

    #[test]
    fn a_span_with_a_remote_parent_is_a_local_root() {
        let (_provider, tracer, written) = recording();
        let remote = SpanContext::new(
            TraceId::from(7_u128),
            SpanId::from(7_u64),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        tracer.start_with_context("served", &Context::new().with_remote_span_context(remote)).end();
        assert_eq!(names(&written.text()), ["served"]);
    }

    #[test]
    fn a_child_that_ends_after_its_root_is_drawn_at_shutdown() {
        let (provider, tracer, written) = recording();
        let root = start_child(&tracer, &Context::new(), "root");
        let late = start_child(&tracer, &root, "late");
        root.span().end();
        late.span().end();
        assert_eq!(names(&written.text()), ["root"]);
        provider.shutdown().unwrap();
        assert_eq!(names(&written.text()), ["root", "late"]);
    }

    #[test]
    fn feedback_is_a_line_of_its_own() {
        let written = SharedWriter::default();
        let output = Output::from_writer(written.clone());
        let console = Console::new(output, Style { width: 80, ..Style::default() });
        let name = KeyValue::new(names::event::EVALUATION_NAME, "thumbs");
        let label = KeyValue::new(names::event::EVALUATION_LABEL, "up");
        let span = finished(names::event::EVALUATION, vec![name, label]);
        let trace = span.span_context.trace_id().to_string();
        console.on_end(span);
        assert_eq!(written.text(), format!("\ntrace {}  feedback thumbs: up\n", &trace[..8]));
    }

    #[test]
    fn the_number_of_unfinished_traces_is_bounded() {
        let (_provider, tracer, written) = recording();
        let roots: Vec<Context> =
            (0..=MAX_TRACES).map(|_| start_child(&tracer, &Context::new(), "root")).collect();
        for root in &roots[..MAX_TRACES] {
            start_child(&tracer, root, "child").span().end();
        }
        assert_eq!(written.text(), "");
        start_child(&tracer, &roots[MAX_TRACES], "child").span().end();
        let oldest = roots[0].span().span_context().trace_id().to_string();
        assert_eq!(names(&written.text()), ["child"]);
        assert!(written.text().contains(&oldest[..8]));
    }

    #[test]
    fn the_number_of_spans_of_unfinished_traces_is_bounded() {
        let (_provider, tracer, written) = recording();
        let root = start_child(&tracer, &Context::new(), "root");
        for _ in 0..MAX_SPANS {
            tracer.start_with_context("child", &root).end();
        }
        assert_eq!(written.text(), "");
        tracer.start_with_context("child", &root).end();
        assert_eq!(names(&written.text()), ["child"], "similar spans are one line");
        assert!(written.text().contains(&format!("child ×{}", MAX_SPANS + 1)));
    }
}
