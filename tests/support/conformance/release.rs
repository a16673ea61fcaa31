//! The differences between the registry in the shared data and release 0.1.0 of the conventions,
//! which the library follows. Each is named here.

use opentelemetry::trace::SpanKind;

/// Returns the name in the registry of an event. The release has an exception event for each
/// operation, where the registry has one for all.
pub(super) fn event(name: &str) -> &str {
    match name {
        "gen_ai.client.inference.exception" | "gen_ai.execute_tool.exception" => {
            "gen_ai.client.operation.exception"
        }
        name => name,
    }
}

/// Returns the name in the registry of a metric. The release has metrics for retrievals and for
/// embeddings. The registry counts these among other client operations; the tokens of embeddings
/// have the form of those of inference.
pub(super) fn metric(name: &str) -> &str {
    match name {
        "gen_ai.retrieval.duration" | "gen_ai.client.embeddings.duration" => {
            "gen_ai.client.operation.duration"
        }
        "gen_ai.client.embeddings.operation.input_tokens" => {
            "gen_ai.client.inference.operation.input_tokens"
        }
        name => name,
    }
}

/// Returns the kind of a type of span, if the release changed it.
pub(super) fn kind(span_type: &str) -> Option<SpanKind> {
    (span_type == "gen_ai.retrieval.client").then_some(SpanKind::Internal)
}

/// Returns whether the server of a type of span is unknown: an annotated function
/// does not state where its data is.
pub(super) fn has_no_server(span_type: &str) -> bool {
    matches!(span_type, "gen_ai.retrieval.client" | "gen_ai.memory.client")
}

/// Attributes that the release, or the library, adds to those of the registry.
pub(super) const EXTRA_ATTRIBUTES: [(&str, &str); 4] = [
    // Set by the library, as the guide to migration recommends.
    ("gen_ai.invoke_agent.internal", "gen_ai.provider.name"),
    // A workflow is an agent with another operation.
    ("gen_ai.invoke_workflow.internal", "gen_ai.agent.name"),
    ("gen_ai.invoke_workflow.internal", "gen_ai.agent.description"),
    ("gen_ai.client.operation.duration", "gen_ai.data_source.id"),
];
