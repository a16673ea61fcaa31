//! `#[retriever]` on functions and on impls of `Retriever`.

use chatlas::operations::{Document, OperationError, Retriever};
use chatlas::prelude::*;
use chatlas::retriever;
use chatlas::testing::{Recorder, Script};
use opentelemetry::trace::SpanKind;
use serde_json::json;

#[retriever(data_source = "faq", fields(app.index = "v2"))]
async fn search(query: &str, top_k: usize) -> Result<Vec<Document>, std::io::Error> {
    if query.is_empty() {
        return Err(std::io::Error::other("empty"));
    }
    let found = |n| Document::new(format!("{query} {n}")).with_score(0.5);
    Ok((0..top_k).map(found).collect())
}

#[tokio::test]
async fn retrieval_has_the_form_of_the_released_conventions() {
    let trace = Recorder::new();
    assert_eq!(search("gate", 2).await.unwrap().len(), 2);
    trace.assert_sound();
    let span = trace.span("retrieval");
    assert_eq!(span.kind(), SpanKind::Internal);
    for (key, value) in [
        ("gen_ai.operation.name", json!("retrieval")),
        ("gen_ai.data_source.id", json!("faq")),
        ("gen_ai.retrieval.top_k", json!(2)),
        ("app.index", json!("v2")),
    ] {
        assert_eq!(span[key], value, "{key}");
    }
    assert!(span.attributes().keys().all(|key| !key.contains("query") && !key.contains("doc")));
    let metric = trace.metric("gen_ai.retrieval.duration");
    assert_eq!((metric.unit(), metric.count()), ("s", 1));
    assert_eq!(metric.measurements()[0].attributes()["gen_ai.data_source.id"], "faq");
    assert_eq!(metric.measurements()[0].attributes()["gen_ai.operation.name"], "retrieval");
}

#[tokio::test]
async fn failed_retrieval_has_the_type_of_the_error() {
    let trace = Recorder::new();
    search("", 1).await.unwrap_err();
    trace.assert_sound();
    assert_eq!(trace.span("retrieval")["error.type"], "std::io::error::Error");
    let metric = trace.metric("gen_ai.retrieval.duration");
    assert_eq!(metric.measurements()[0].attributes()["error.type"], "std::io::error::Error");
}

/// Searches the handbook.
#[retriever(name = "search_handbook", data_source = "handbook", top_k = 3, tool)]
async fn handbook(
    /// What to look for.
    query: String,
) -> Vec<Document> {
    vec![Document::new(query).with_id("h-1")]
}

#[tokio::test]
async fn retriever_can_be_a_tool() {
    let trace = Recorder::new();
    let model = Script::new().calls("search_handbook", json!({"query": "visa"})).says("Read it.");
    let mut chat = Chat::new(model.clone()).with_tools(tools![handbook]);
    chat.chat("Do I need a visa?").await.unwrap();
    trace.assert_sound();
    assert_eq!(
        trace.tree(),
        "\
invoke_agent
  chat test-model
  execute_tool search_handbook
    retrieval
  chat test-model
"
    );
    let tool = &model.requests()[0].tools[0];
    assert_eq!(tool.description, "Searches the handbook.");
    assert_eq!(tool.parameters["properties"]["query"]["description"], "What to look for.");
    // A direct call is a retrieval alone.
    handbook("gate".to_owned()).await;
    assert_eq!(trace.spans_with_operation("execute_tool").len(), 1);
    assert_eq!(trace.spans_with_operation("retrieval").len(), 2);
}

struct Hit(&'static str);

impl From<&Hit> for Document {
    fn from(hit: &Hit) -> Self {
        Self::new(hit.0).with_id("hit")
    }
}

#[retriever]
fn synchronous(#[input] words: &[&str], _filter: &str) -> Vec<Hit> {
    words.iter().map(|_| Hit("found")).collect()
}

#[test]
fn own_types_convert_to_documents() {
    let trace = Recorder::new();
    assert_eq!(synchronous(&["a", "b"], "c").len(), 2);
    assert!(trace.span("retrieval").attributes().get("gen_ai.data_source.id").is_none());
}

struct Index {
    name: String,
}

#[retriever(data_source = self.name)]
impl Retriever for Index {
    async fn retrieve(&self, query: &str, top_k: usize) -> Result<Vec<Document>, OperationError> {
        if query == "offline" {
            return Err(OperationError::new("index_offline", "the index is offline"));
        }
        Ok(vec![Document::new(self.name.clone()); top_k])
    }
}

#[tokio::test]
async fn retriever_trait_records_each_call_and_is_a_tool() {
    let trace = Recorder::new();
    let index = Index { name: "trips".to_owned() };
    assert_eq!(index.retrieve("Tokyo", 2).await.unwrap().len(), 2);
    index.retrieve("offline", 2).await.unwrap_err();
    let spans = trace.spans_with_operation("retrieval");
    assert_eq!(spans[0]["gen_ai.data_source.id"], "trips");
    assert_eq!(spans[0]["gen_ai.retrieval.top_k"], 2);
    assert_eq!(spans[1]["error.type"], "index_offline");

    let tool = index.into_tool("find_trips", "Finds trips.", 4).unwrap();
    let model = Script::new().calls("find_trips", json!({"query": "Oslo"})).says("Four.");
    let mut chat = Chat::new(model).with_tools(tools![dyn tool].unwrap());
    chat.chat("go").await.unwrap();
    trace.assert_sound();
    let last = &trace.spans_with_operation("retrieval")[2];
    assert_eq!(trace.parent(last).unwrap().name(), "execute_tool find_trips");
}
