//! The examples of agents, retrieval and MCP: their output, and the waterfalls in `examples/README.md`.

use std::fs;

use crate::support::otlp::Receiver;
use crate::support::programs::{example, run};

/// Returns the names of the spans in a waterfall with the lines of the tree before them.
fn shape(text: &str) -> Vec<String> {
    let is_bar = |c: char| "▏▎▍▌▋▊▉█▐▕◆".contains(c);
    let names = text.lines().filter_map(|line| line.find(is_bar).map(|end| &line[..end]));
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// Returns the block of the README below the heading of that example.
fn documented(name: &str) -> Vec<String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once(&format!("## {name}\n")).expect("a heading");
    let block = section.split("```").nth(1).expect("a block");
    shape(block)
}

/// Runs the example without a network, and compares its waterfall with the README.
fn check(name: &str) -> String {
    let mut command = example(name);
    let (output, out, err) = run(command.env_remove("EMBED_URL").env("COLUMNS", "100"));
    assert!(output.status.success(), "{err}");
    assert_eq!(err, "");
    let shape = shape(&out);
    assert!(shape.len() > 5, "{out}");
    assert_eq!(shape, documented(name), "{out}");
    out
}

#[test]
fn multi_agent_prints_its_answer_and_the_documented_trace() {
    let out = check("multi_agent");
    assert!(out.contains("Air scatters blue light most."), "{out}");
    // Each call is under the agent that made it.
    let calls = ["40 in → 15 out", "30 in → 16 out", "170 in → 8 out", "485 in → 79 out"];
    assert!(calls.iter().all(|call| out.contains(call)), "{out}");
}

#[test]
fn rag_prints_its_answer_and_the_documented_trace() {
    let out = check("rag");
    assert!(out.contains("Each passenger may check two bags"), "{out}");
    assert!(out.contains("groundedness: 1 (grounded)"), "{out}");
}

#[test]
fn mcp_prints_its_answer_and_the_documented_trace() {
    let out = check("mcp");
    assert!(out.contains("19440 JPY"), "{out}");
}

#[test]
fn mcp_servers_continue_the_trace_of_their_client() {
    let receiver = Receiver::start();
    let mut command = example("mcp");
    let (output, _, err) = run(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()));
    assert!(output.status.success(), "{err}");
    let spans = receiver.spans();
    let root = spans.iter().find(|span| span.name == "invoke_workflow plan").unwrap();
    for (client, server) in [
        ("execute_tool trips_search", "tools/call search"),
        ("execute_tool rates_convert", "tools/call convert"),
    ] {
        let client = spans.iter().find(|span| span.name == client).unwrap();
        let server = spans.iter().find(|span| span.name == server).unwrap();
        assert_eq!(server.parent_span_id, client.span_id);
        assert_eq!(server.trace_id, root.trace_id);
    }
    assert!(!spans.iter().any(|span| span.name.contains("reset")), "the tool is filtered");
}
