//! Gathers the spans of each trace, and draws the trace when its root has ended.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::waterfall::{self, Bar, Style};

/// The most spans that are kept while their roots run: beyond it the traces are drawn as they are.
const MOST_SPANS: usize = 10_000;

/// A span processor that draws waterfalls on standard output.
#[derive(Debug)]
pub(super) struct Console {
    traces: Mutex<HashMap<TraceId, Vec<Bar>>>,
    style: Style,
}

impl Console {
    pub(super) fn on_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let style = Style {
            colour: wanted && std::io::stdout().is_terminal(),
            width: columns.unwrap_or(100),
        };
        Self { traces: Mutex::default(), style }
    }

    fn draw(&self, trace: TraceId, bars: &[Bar]) {
        // Whatever the program was printing ends its line first.
        let text = format!("\n\n{}", waterfall::draw(&trace.to_string(), bars, self.style));
        // In one piece, so that two traces do not mix. A reader that went away is no failure.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    fn traces(&self) -> std::sync::MutexGuard<'_, HashMap<TraceId, Vec<Bar>>> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw_all(&self) {
        let all = std::mem::take(&mut *self.traces());
        for (trace, bars) in all {
            self.draw(trace, &bars);
        }
    }
}

impl SpanProcessor for Console {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        let trace = span.span_context.trace_id();
        let is_root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        let mut traces = self.traces();
        traces.entry(trace).or_default().push(Bar::of(&span));
        if is_root {
            let bars = traces.remove(&trace).unwrap_or_default();
            drop(traces);
            self.draw(trace, &bars);
        } else if traces.values().map(Vec::len).sum::<usize>() >= MOST_SPANS {
            drop(traces);
            self.draw_all();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.draw_all();
        Ok(())
    }
}
