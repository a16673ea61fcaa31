//! What the HTML report shows of retrieval, memory, embeddings, evaluation and MCP.

use opentelemetry::trace::{Link, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue, Value};

use crate::html_report::report;
use crate::report_views::{Call, agent, look};
use crate::support::browser::chromium;

const DOCUMENTS: &str = r#"[{"id": "faq-7", "content": "The gate is B12.", "score": 0.92}]"#;

#[test]
fn operations_have_their_facts_beside_their_bars_and_their_contents_in_the_details() {
    if chromium().is_none() {
        return;
    }
    let page = report("operations", |maker| {
        let call = agent(maker, &Call { model: "gpt-4o", ..Call::default() });
        let mut begin = 0;
        let mut span = |name: &str, facts: &[(&'static str, Value)]| {
            let facts = facts.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
            begin += 10;
            maker.span(&call, name.into(), (begin, begin + 5), facts.collect(), None);
        };
        let operation = |name: &'static str| ("gen_ai.operation.name", Value::from(name));
        span(
            "retrieval",
            &[operation("retrieval"), ("gen_ai.retrieval.documents", DOCUMENTS.into())],
        );
        span(
            "embeddings m",
            &[
                operation("embeddings"),
                ("gen_ai.embeddings.dimension.count", 256.into()),
                ("gen_ai.usage.input_tokens", 6.into()),
            ],
        );
        span(
            "search_memory",
            &[operation("search_memory"), ("gen_ai.memory.record.count", 3.into())],
        );
        span(
            "resources/read",
            &[
                ("mcp.method.name", "resources/read".into()),
                ("mcp.protocol.version", "2025-11-25".into()),
                ("server.address", "mcp.example".into()),
            ],
        );
        let tracer = maker.provider.tracer("test");
        let score = vec![
            KeyValue::new("gen_ai.evaluation.name", "relevance"),
            KeyValue::new("gen_ai.evaluation.score.value", 0.4),
            KeyValue::new("gen_ai.evaluation.score.label", "pass"),
        ];
        let link = Link::new(call.span().span_context().clone(), vec![], 0);
        let judged = tracer.span_builder("evaluation").with_attributes(score);
        judged.with_links(vec![link]).start_with_context(&tracer, &Context::new());
    });
    let seen = look(
        &page,
        "",
        "const rows = [...document.querySelectorAll('#waterfall .row')];
         const find = (name) => rows.find((row) => row.querySelector('.name').textContent === name);
         const shown = {};
         for (const row of rows) shown[row.querySelector('.name').textContent] = row.querySelector('.note')?.textContent ?? '';
         find('retrieval').click();
         shown.details = $('details').textContent;
         return shown;",
    );
    for (name, note) in [
        ("retrieval", "1 document: faq-7 0.92"),
        ("embeddings m", "256 dimensions  6 in"),
        ("search_memory", "3 records"),
        ("resources/read", "MCP mcp.example 2025-11-25"),
    ] {
        assert_eq!(seen[name], note, "{seen:#}");
    }
    let judged = seen["chat gpt-4o"].as_str().unwrap();
    assert!(judged.ends_with("relevance: pass 0.4"), "{seen:#}");
    assert!(seen["details"].as_str().unwrap().contains("The gate is B12."), "{seen:#}");
    std::fs::remove_file(page).unwrap();
}
