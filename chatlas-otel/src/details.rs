//! One line about a span that is no model call: the documents of a retrieval, the records of a memory,
//! the dimensions of embeddings, the MCP server, the host of an agent.

use chatlas_core::telemetry::names::{self, embeddings, mcp, memory, operation, retrieval};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use crate::attributes::{find, number, text};
use crate::format::{count, printable, truncate};
use crate::tokens::Tokens;

/// The maximum number of documents that are named, and the bytes of the name of each.
const MAX_NAMED: usize = 3;
const MAX_NAME: usize = 32;

/// Returns the line, or `None` if the span has no such facts.
pub(crate) fn details(span: &SpanData, operation: Option<&str>) -> Option<String> {
    let parts = match operation {
        Some(operation::CHAT) => return None,
        Some(operation::RETRIEVAL) => vec![documents(span)],
        Some(operation::EMBEDDINGS) => {
            let dimensions = number(span, embeddings::DIMENSION_COUNT);
            vec![
                dimensions.map(|dimensions| count(dimensions, "dimension")),
                Tokens::from_span(span).label(),
            ]
        }
        Some(operation::INVOKE_AGENT | operation::CREATE_AGENT)
            if span.span_kind == SpanKind::Client =>
        {
            let host = text(span, names::PROVIDER_NAME);
            vec![
                host.map(|host| format!("hosted by {}", printable(&host))),
                Tokens::from_span(span).label(),
            ]
        }
        Some(name) if name.contains("memory") => {
            vec![number(span, memory::RECORD_COUNT).map(|records| count(records, "record"))]
        }
        _ => vec![connection(span)],
    };
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("  "))
}

/// Returns the number of documents and the first of them, which are recorded with capture on, or else
/// the requested number.
fn documents(span: &SpanData) -> Option<String> {
    let captured = text(span, retrieval::DOCUMENTS)
        .and_then(|json| serde_json::from_str::<Vec<serde_json::Value>>(&json).ok());
    let Some(documents) = captured else {
        return number(span, retrieval::TOP_K).map(|top_k| format!("top {top_k}"));
    };
    let named: Vec<String> = documents.iter().take(MAX_NAMED).filter_map(name).collect();
    let total = count(documents.len() as u64, "document");
    Some(if named.is_empty() { total } else { format!("{total}: {}", named.join(", ")) })
}

/// Returns the id and the score of a document.
fn name(document: &serde_json::Value) -> Option<String> {
    let id = printable(truncate(document["id"].as_str()?, MAX_NAME));
    Some(match document["score"].as_f64() {
        Some(score) => format!("{id} {score:.2}"),
        None => id,
    })
}

/// Returns the connection of an MCP request: its server, its session and the version of the protocol.
fn connection(span: &SpanData) -> Option<String> {
    find(span, mcp::METHOD_NAME)?;
    let transport = || text(span, mcp::TRANSPORT);
    let server = match (text(span, names::SERVER_ADDRESS), number(span, names::SERVER_PORT)) {
        (Some(address), Some(port)) => Some(format!("{address}:{port}")),
        (Some(address), None) => Some(address),
        (None, _) => transport(),
    };
    let session = text(span, mcp::SESSION_ID).map(|id| format!("session {}", truncate(&id, 8)));
    let parts = [Some("MCP".to_owned()), server, text(span, mcp::PROTOCOL_VERSION), session];
    Some(printable(&parts.into_iter().flatten().collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use opentelemetry::{KeyValue, Value};

    use super::*;
    use crate::feedback::tests::finished;

    fn of(operation: &'static str, kind: SpanKind, facts: &[(&'static str, Value)]) -> String {
        let attributes = facts.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
        let mut span = finished("x", attributes.collect());
        span.span_kind = kind;
        let operation = Some(operation).filter(|name| !name.is_empty());
        details(&span, operation).unwrap_or_default()
    }

    #[test]
    fn retrieval_names_its_best_documents_or_the_requested_number() {
        let documents = r#"[{"id": "a", "score": 0.912}, {"id": "b\u001b"}, {"content": "c"}]"#;
        let facts = [(retrieval::TOP_K, 5.into()), (retrieval::DOCUMENTS, documents.into())];
        let kind = SpanKind::Internal;
        assert_eq!(of("retrieval", kind.clone(), &facts), "3 documents: a 0.91, b\u{fffd}");
        assert_eq!(of("retrieval", kind.clone(), &facts[..1]), "top 5");
        let cut = [(retrieval::TOP_K, 5.into()), (retrieval::DOCUMENTS, "[{\"id".into())];
        assert_eq!(of("retrieval", kind, &cut), "top 5");
    }

    #[test]
    fn memory_embeddings_and_hosted_agents_have_their_counts() {
        let internal = SpanKind::Internal;
        let facts = [(memory::RECORD_COUNT, 1.into())];
        assert_eq!(of(operation::SEARCH_MEMORY, internal.clone(), &facts), "1 record");
        let tokens = (names::usage::INPUT_TOKENS, 6.into());
        let facts = [(embeddings::DIMENSION_COUNT, 256.into()), tokens.clone()];
        assert_eq!(of(operation::EMBEDDINGS, SpanKind::Client, &facts), "256 dimensions  6 in");
        let facts = [(names::PROVIDER_NAME, "openai".into()), tokens];
        let hosted = of(operation::INVOKE_AGENT, SpanKind::Client, &facts);
        assert_eq!(hosted, "hosted by openai  6 in");
        assert_eq!(of(operation::INVOKE_AGENT, internal, &facts), "");
    }

    #[test]
    fn mcp_request_has_its_server_version_and_session() {
        let mut facts = vec![
            (mcp::METHOD_NAME, "tools/call".into()),
            (mcp::TRANSPORT, "pipe".into()),
            (mcp::PROTOCOL_VERSION, "2025-11-25".into()),
        ];
        let tool = operation::EXECUTE_TOOL;
        assert_eq!(of(tool, SpanKind::Internal, &facts), "MCP pipe 2025-11-25");
        facts.push((names::SERVER_ADDRESS, "mcp.example".into()));
        facts.push((names::SERVER_PORT, 8080.into()));
        facts.push((mcp::SESSION_ID, "0123456789".into()));
        let expected = "MCP mcp.example:8080 2025-11-25 session 01234567";
        assert_eq!(of("", SpanKind::Client, &facts), expected);
        assert_eq!(of(tool, SpanKind::Internal, &[]), "");
    }
}
