//! The checks of `Recorder::assert_sound`: rules that hold for the telemetry of every program.

use std::collections::{HashMap, HashSet};

use chatlas_core::telemetry::names;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};

use super::RecordedSpan;
use super::routing::Signals;

/// Returns a message for each rule that the telemetry breaks.
pub(super) fn faults(signals: &Signals) -> Vec<String> {
    let mut faults: Vec<String> =
        signals.open.values().map(|name| format!("`{name}` has not ended")).collect();
    let spans: HashMap<_, _> =
        signals.spans.iter().map(|span| ((span.trace_id(), span.id()), span)).collect();
    if spans.len() < signals.spans.len() {
        faults.push("a span ended more than once".to_owned());
    }
    let mut traces_with_root = HashSet::new();
    check_totals(signals, &spans, &mut faults);
    for span in &signals.spans {
        check_span(span, &mut faults);
        let parent_key = (span.trace_id(), span.parent_id());
        match spans.get(&parent_key) {
            // Feedback is given after the call has ended.
            Some(_) if span.name() == names::event::EVALUATION => {}
            Some(parent) => check_nesting(span, parent, &mut faults),
            None if span.parent_id() == SpanId::INVALID => {
                if !traces_with_root.insert(span.trace_id()) {
                    faults.push(format!("`{}` is a second root span of its trace", span.name()));
                }
            }
            None if span.data().parent_span_is_remote => {}
            None if signals.open.contains_key(&parent_key) => {}
            None => faults.push(format!("the parent of `{}` was not recorded", span.name())),
        }
    }
    let measurements = signals.metrics.iter().flat_map(|metric| {
        metric.measurements().iter().map(|one| (metric.name(), one.attributes()))
    });
    let events = signals.events.iter().map(|event| (event.name(), event.attributes()));
    for (name, attributes) in measurements.chain(events) {
        faults.extend(attributes.duplicate_key().map(|key| duplicate(key, name)));
    }
    faults
}

fn duplicate(key: &str, name: &str) -> String {
    format!("`{name}` has the attribute `{key}` more than once")
}

fn check_span(span: &RecordedSpan, faults: &mut Vec<String>) {
    let (name, attributes) = (span.name(), span.attributes());
    if span.data().end_time < span.data().start_time {
        faults.push(format!("`{name}` ended before it started"));
    }
    if span.data().dropped_attributes_count > 0 {
        faults.push(format!("`{name}` lost attributes: it has more than the SDK's limit"));
    }
    if !span.is_from_chatlas() {
        return;
    }
    faults.extend(attributes.duplicate_key().map(|key| duplicate(key, name)));
    if span.data().status == Status::Ok {
        faults.push(format!("`{name}` has the status Ok: only the program may set it"));
    }
    match (span.is_error(), attributes.get(names::ERROR_TYPE).is_some()) {
        (true, false) => {
            faults.push(format!("`{name}` is an error without `error.type`: {attributes}"));
        }
        (false, true) => {
            faults.push(format!("`{name}` has `error.type` but is not an error: {attributes}"));
        }
        _ => {}
    }
    let answered_by_wrapper = attributes.get(names::ANSWERED_BY_WRAPPER).is_some();
    if answered_by_wrapper && TOKENS.iter().any(|key| attributes.get(key).is_some()) {
        faults.push(format!("`{name}` has usage, but no model was called: {attributes}"));
    }
    let kind = match span[names::OPERATION_NAME].as_str() {
        _ if answered_by_wrapper => SpanKind::Internal,
        _ if is_inference(span) => SpanKind::Client,
        Some("create_agent" | "embeddings" | "fetch_response") => SpanKind::Client,
        // A tool call over MCP, outside the span of a tool.
        Some("execute_tool") if span.attributes().get(names::mcp::METHOD_NAME).is_some() => return,
        Some("execute_tool" | "invoke_workflow" | "plan" | "retrieval") => SpanKind::Internal,
        // A hosted agent has the kind client.
        Some("invoke_agent") if span.kind() != SpanKind::Client => SpanKind::Internal,
        _ => return,
    };
    if span.kind() != kind {
        faults.push(format!("`{name}` has the kind {:?} instead of {kind:?}", span.kind()));
    }
}

fn check_nesting(span: &RecordedSpan, parent: &RecordedSpan, faults: &mut Vec<String>) {
    let (inner, outer) = (span.data(), parent.data());
    if inner.start_time < outer.start_time {
        faults.push(format!("`{}` started before its parent `{}`", span.name(), parent.name()));
    }
    if !span.is_from_chatlas() || !parent.is_from_chatlas() {
        return;
    }
    if inner.end_time > outer.end_time {
        faults.push(format!("`{}` ended after its parent `{}`", span.name(), parent.name()));
    }
    if is_inference(span) && is_inference(parent) {
        faults.push(format!(
            "`{}` is a child of `{}`, so its tokens are counted twice: mark a provider that \
             forwards to another one with `#[provider(transparent)]`",
            span.name(),
            parent.name()
        ));
    }
}

/// The attributes that `invoke_agent` has the totals of.
const TOKENS: [&str; 2] = [names::usage::INPUT_TOKENS, names::usage::OUTPUT_TOKENS];

/// Checks that no run has more tokens than its model calls.
fn check_totals(
    signals: &Signals,
    spans: &HashMap<(TraceId, SpanId), &RecordedSpan>,
    faults: &mut Vec<String>,
) {
    let mut totals: HashMap<_, [i64; 2]> = HashMap::new();
    for call in signals.spans.iter().filter(|span| is_inference(span)) {
        let parent = |span: &RecordedSpan| spans.get(&(span.trace_id(), span.parent_id())).copied();
        // A call counts for the nearest agent around it, unless it is inside another call.
        let mut ancestor = parent(call);
        while let Some(span) = ancestor.filter(|span| !is_agent(span) && !is_inference(span)) {
            ancestor = parent(span);
        }
        let Some(run) = ancestor else { continue };
        for (total, key) in totals.entry(run.id()).or_default().iter_mut().zip(TOKENS) {
            *total += call[key].as_i64().unwrap_or(0);
        }
    }
    for run in &signals.spans {
        if !is_agent(run) {
            continue;
        }
        let of_calls = totals.get(&run.id()).copied().unwrap_or_default();
        for (key, of_calls) in TOKENS.into_iter().zip(of_calls) {
            if run[key].as_i64().is_some_and(|total| total > of_calls) {
                let (name, total) = (run.name(), &run[key]);
                faults.push(format!(
                    "`{name}` has `{key}` = {total}, but its model calls have {of_calls} in total"
                ));
            }
        }
    }
}

/// Returns whether the span is that of an agent in this program, whose model calls have spans.
fn is_agent(span: &RecordedSpan) -> bool {
    span[names::OPERATION_NAME] == names::operation::INVOKE_AGENT && span.kind() != SpanKind::Client
}

fn is_inference(span: &RecordedSpan) -> bool {
    let operation = span[names::OPERATION_NAME].as_str();
    matches!(operation, Some("chat" | "generate_content" | "text_completion"))
}
