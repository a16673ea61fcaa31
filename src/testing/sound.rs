//! What is true of all telemetry, whatever it is of.

use std::collections::{HashMap, HashSet};

use chatlas_core::telemetry::names;
use opentelemetry::trace::{SpanId, SpanKind, Status};

use super::RecordedSpan;
use super::install::Kept;

/// All that does not hold, in words.
pub(super) fn faults(kept: &Kept) -> Vec<String> {
    let mut faults: Vec<String> =
        kept.open.values().map(|name| format!("`{name}` has not ended")).collect();
    let spans: HashMap<_, _> =
        kept.spans.iter().map(|span| ((span.trace_id(), span.id()), span)).collect();
    if spans.len() < kept.spans.len() {
        faults.push("a span ended more than once".to_owned());
    }
    let mut roots = HashSet::new();
    for span in &kept.spans {
        alone(span, &mut faults);
        let parent = spans.get(&(span.trace_id(), span.parent_id()));
        match parent {
            Some(parent) => beside(span, parent, &mut faults),
            None if span.parent_id() == SpanId::INVALID => {
                if !roots.insert(span.trace_id()) {
                    faults.push(format!("`{}` is a second root of its trace", span.name()));
                }
            }
            None if span.data().parent_span_is_remote => {}
            None if kept.open.contains_key(&(span.trace_id(), span.parent_id())) => {}
            None => faults.push(format!("the parent of `{}` is not there", span.name())),
        }
    }
    let measured = kept.metrics.iter().flat_map(|metric| {
        metric.measurements().iter().map(|one| (metric.name(), one.attributes()))
    });
    let told = kept.events.iter().map(|event| (event.name(), event.attributes()));
    for (name, attributes) in measured.chain(told) {
        let double = attributes.double();
        faults.extend(double.map(|key| format!("`{key}` stands twice on `{name}`")));
    }
    faults
}

fn alone(span: &RecordedSpan, faults: &mut Vec<String>) {
    let (name, all) = (span.name(), span.attributes());
    if span.data().end_time < span.data().start_time {
        faults.push(format!("`{name}` ended before it started"));
    }
    if span.data().dropped_attributes_count > 0 {
        faults.push(format!("`{name}` has lost attributes: they are too many"));
    }
    if !span.is_ours() {
        return;
    }
    faults.extend(all.double().map(|key| format!("`{key}` stands twice on `{name}`")));
    if span.data().status == Status::Ok {
        faults.push(format!("`{name}` is Ok: a library leaves that to the program"));
    }
    match (span.failed(), all.get(names::ERROR_TYPE).is_some()) {
        (true, false) => faults.push(format!("`{name}` failed, and has no `error.type`: {all}")),
        (false, true) => faults.push(format!("`{name}` has an `error.type`, and no error: {all}")),
        _ => {}
    }
    let kind = match span[names::OPERATION_NAME].as_str() {
        _ if is_inference(span) => SpanKind::Client,
        Some("invoke_agent" | "execute_tool") => SpanKind::Internal,
        _ => return,
    };
    if span.kind() != kind {
        faults.push(format!("`{name}` is {:?} and should be {kind:?}", span.kind()));
    }
}

fn beside(span: &RecordedSpan, parent: &RecordedSpan, faults: &mut Vec<String>) {
    let (inner, outer) = (span.data(), parent.data());
    if inner.start_time < outer.start_time {
        faults.push(format!("`{}` started before its parent `{}`", span.name(), parent.name()));
    }
    if !span.is_ours() || !parent.is_ours() {
        return;
    }
    if inner.end_time > outer.end_time {
        faults.push(format!("`{}` ended after its parent `{}`", span.name(), parent.name()));
    }
    if is_inference(span) && is_inference(parent) {
        faults.push(format!(
            "`{}` stands in `{}`, so that its tokens are counted twice: a provider that hands on to \
             others is `#[provider(transparent)]`",
            span.name(),
            parent.name()
        ));
    }
}

fn is_inference(span: &RecordedSpan) -> bool {
    let operation = span[names::OPERATION_NAME].as_str();
    matches!(operation, Some("chat" | "generate_content" | "text_completion"))
}
