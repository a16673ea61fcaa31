//! Gathers the spans of each trace, and draws the trace when its root in this program has ended.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::facts::{Facts, Kind};
use super::messages::{self, Said};
use super::output::Output;
use super::waterfall::{self, Style};

/// The most traces, and the most spans in all, that wait for their roots. Beyond it the oldest
/// trace is drawn as far as it is.
const MOST_TRACES: usize = 1_000;
const MOST_SPANS: usize = 10_000;

/// A span processor that draws waterfalls.
#[derive(Debug)]
pub(super) struct Console {
    open: Mutex<OpenTraces>,
    output: Output,
    style: Style,
}

impl Console {
    pub(super) fn new(output: Output, style: Style) -> Self {
        Self { open: Mutex::default(), output, style }
    }

    fn open(&self) -> MutexGuard<'_, OpenTraces> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, trace: TraceId, open: &OpenTrace) {
        let drawn = waterfall::draw(&trace.to_string(), &open.spans, &open.said, &self.style);
        // Whatever the program was printing ends its line first.
        self.output.write(&format!("\n\n{drawn}"));
    }
}

impl SpanProcessor for Console {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        let trace = span.span_context.trace_id();
        let is_root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        let facts = Facts::of(&span, &self.style.prices);
        // Each call repeats what was said before it: the last one of a trace has it all.
        let says = self.style.messages && facts.kind == Kind::ModelCall;
        let said = if says { messages::conversation(&span) } else { Vec::new() };
        let mut open = self.open();
        open.add(trace, facts, said);
        let ready = if is_root { open.take(trace) } else { open.take_beyond_bound() };
        // Drawing takes its time: other threads go on meanwhile.
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

/// A trace whose root has not ended, or spans that ended after their root.
#[derive(Debug, Default)]
struct OpenTrace {
    /// The number of its coming.
    coming: u64,
    spans: Vec<Facts>,
    said: Vec<Said>,
}

/// All of them.
#[derive(Debug, Default)]
struct OpenTraces {
    traces: HashMap<TraceId, OpenTrace>,
    coming: u64,
    spans: usize,
}

impl OpenTraces {
    fn add(&mut self, trace: TraceId, span: Facts, said: Vec<Said>) {
        self.coming += 1;
        let coming = self.coming;
        let open = self
            .traces
            .entry(trace)
            .or_insert_with(|| OpenTrace { coming, ..OpenTrace::default() });
        open.spans.push(span);
        if !said.is_empty() {
            open.said = said;
        }
        self.spans += 1;
    }

    fn take(&mut self, trace: TraceId) -> Option<(TraceId, OpenTrace)> {
        let open = self.traces.remove(&trace)?;
        self.spans -= open.spans.len();
        Some((trace, open))
    }

    fn take_oldest(&mut self) -> Option<(TraceId, OpenTrace)> {
        let (&oldest, _) = self.traces.iter().min_by_key(|(_, open)| open.coming)?;
        self.take(oldest)
    }

    fn take_beyond_bound(&mut self) -> Option<(TraceId, OpenTrace)> {
        let beyond = self.traces.len() > MOST_TRACES || self.spans > MOST_SPANS;
        if beyond { self.take_oldest() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;
    use opentelemetry::trace::{
        Span as _, SpanContext, TraceContextExt as _, TraceFlags, TraceState, Tracer as _,
        TracerProvider as _,
    };
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

    use super::super::output::tests::Shared;
    use super::*;

    fn recording() -> (SdkTracerProvider, SdkTracer, Shared) {
        let written = Shared::default();
        let style = Style { width: 80, ..Style::default() };
        let console = Console::new(Output::to(written.clone()), style);
        let provider = SdkTracerProvider::builder().with_span_processor(console).build();
        let tracer = provider.tracer("test");
        (provider, tracer, written)
    }

    fn below(tracer: &SdkTracer, parent: &Context, name: &'static str) -> Context {
        Context::new().with_span(tracer.start_with_context(name, parent))
    }

    /// The first word of each line that is drawn of a span.
    fn names(text: &str) -> Vec<&str> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("trace "));
        lines
            .filter_map(|line| line.trim_start_matches(['├', '└', '│', '─', ' ']).split(' ').next())
            .collect()
    }

    #[test]
    fn a_trace_is_drawn_when_its_root_ends() {
        let (_provider, tracer, written) = recording();
        let root = below(&tracer, &Context::new(), "root");
        let child = below(&tracer, &root, "child");
        child.span().end();
        assert_eq!(written.text(), "");
        root.span().end();
        assert_eq!(names(&written.text()), ["root", "child"]);
    }

    #[test]
    fn a_span_whose_parent_is_in_another_program_is_a_root() {
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
    fn a_child_that_ends_after_its_root_is_drawn_at_the_end() {
        let (provider, tracer, written) = recording();
        let root = below(&tracer, &Context::new(), "root");
        let late = below(&tracer, &root, "late");
        root.span().end();
        late.span().end();
        assert_eq!(names(&written.text()), ["root"]);
        provider.shutdown().unwrap();
        assert_eq!(names(&written.text()), ["root", "late"]);
    }

    #[test]
    fn traces_that_never_end_are_bounded() {
        let (_provider, tracer, written) = recording();
        let roots: Vec<Context> =
            (0..=MOST_TRACES).map(|_| below(&tracer, &Context::new(), "root")).collect();
        for root in &roots[..MOST_TRACES] {
            below(&tracer, root, "child").span().end();
        }
        assert_eq!(written.text(), "");
        below(&tracer, &roots[MOST_TRACES], "child").span().end();
        let oldest = roots[0].span().span_context().trace_id().to_string();
        assert_eq!(names(&written.text()), ["child"]);
        assert!(written.text().contains(&oldest[..8]));
    }

    #[test]
    fn spans_of_a_trace_that_never_ends_are_bounded() {
        let (_provider, tracer, written) = recording();
        let root = below(&tracer, &Context::new(), "root");
        for _ in 0..MOST_SPANS {
            tracer.start_with_context("child", &root).end();
        }
        assert_eq!(written.text(), "");
        tracer.start_with_context("child", &root).end();
        assert_eq!(names(&written.text()), ["child"], "spans that are alike are one line");
        assert!(written.text().contains(&format!("child ×{}", MOST_SPANS + 1)));
    }
}
