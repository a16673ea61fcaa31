//! `#[memory]` on impls of `MemoryStore`.

use std::sync::Mutex;

use chatlas::memory;
use chatlas::operations::{MemoryRecord, MemoryStore, OperationError};
use chatlas::testing::Recorder;
use opentelemetry::trace::SpanKind;
use serde_json::json;

struct Remote {
    id: &'static str,
    ids: Mutex<Vec<String>>,
}

#[memory(store = self.id, provider = "acme.memory", fields(app.tier = "hot"))]
impl MemoryStore for Remote {
    async fn create_store(&self) -> Result<(), OperationError> {
        Ok(())
    }

    async fn search(&self, query: &str, top_k: usize) -> Result<Vec<MemoryRecord>, OperationError> {
        Ok((0..top_k).map(|n| MemoryRecord::new(query).with_id(format!("r{n}"))).collect())
    }

    async fn create(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        let ids: Vec<String> = (0..records.len()).map(|n| format!("new{n}")).collect();
        self.ids.lock().unwrap().extend(ids.clone());
        Ok(ids)
    }

    async fn update(&self, _: Vec<MemoryRecord>) -> Result<(), OperationError> {
        Err(OperationError::new("not_found", "there is no such record"))
    }

    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> {
        self.ids.lock().unwrap().retain(|id| !ids.contains(id));
        Ok(())
    }
}

fn store() -> Remote {
    Remote { id: "s-1", ids: Mutex::default() }
}

#[tokio::test]
async fn each_memory_operation_has_a_span_with_the_number_of_records() {
    let trace = Recorder::new();
    let store = store();
    store.create_store().await.unwrap();
    store.create(vec![MemoryRecord::new("a"), MemoryRecord::new("b")]).await.unwrap();
    store.create(vec![MemoryRecord::new("c")]).await.unwrap();
    store.search("a", 3).await.unwrap();
    store.search("a", 1).await.unwrap();
    store.search("a", 0).await.unwrap();
    store.delete(vec!["new0".to_owned()]).await.unwrap();
    trace.assert_sound();
    let count = |span: &chatlas::testing::RecordedSpan| span["gen_ai.memory.record.count"].clone();
    let id = |span: &chatlas::testing::RecordedSpan| span["gen_ai.memory.record.id"].clone();
    let spans = trace.spans();
    let rows: Vec<_> =
        spans.iter().map(|span| (span.name().to_owned(), count(span), id(span))).collect();
    let row = |name: &str, count, id| (name.to_owned(), count, id);
    assert_eq!(
        rows,
        [
            row("create_memory_store", json!(null), json!(null)),
            row("create_memory", json!(2), json!(null)),
            row("create_memory", json!(1), json!("new0")),
            row("search_memory", json!(3), json!(null)),
            row("search_memory", json!(1), json!("r0")),
            row("search_memory", json!(0), json!(null)),
            row("delete_memory", json!(1), json!("new0")),
        ]
    );
    for span in &spans {
        assert_eq!(span.kind(), SpanKind::Client);
        assert_eq!(span["gen_ai.operation.name"], span.name());
        assert_eq!(span["gen_ai.provider.name"], "acme.memory");
        assert_eq!(span["gen_ai.memory.store.id"], "s-1");
        assert_eq!(span["app.tier"], "hot");
        assert!(span.attributes().keys().all(|key| !key.ends_with(".records")));
    }
    let metric = trace.metric("gen_ai.client.operation.duration");
    assert_eq!(metric.count(), 7);
    assert_eq!(metric.filter("gen_ai.operation.name", "search_memory").count(), 3);
}

#[tokio::test]
async fn failed_memory_operation_has_its_error_type() {
    let trace = Recorder::new();
    store().update(vec![MemoryRecord::new("a").with_id("x")]).await.unwrap_err();
    trace.assert_sound();
    let span = trace.span("update_memory");
    assert_eq!(span["error.type"], "not_found");
    assert_eq!(span["gen_ai.memory.record.id"], "x");
    let metric = trace.metric("gen_ai.client.operation.duration");
    assert_eq!(metric.measurements()[0].attributes()["error.type"], "not_found");
}

#[tokio::test]
async fn operation_that_is_not_implemented_is_unsupported() {
    let error = store().upsert(Vec::new()).await.unwrap_err();
    assert_eq!(error.error_type(), "unsupported");
}

#[tokio::test]
async fn store_in_this_process_finds_what_was_stored() {
    let trace = Recorder::new();
    let memory = chatlas::stores::InMemoryStore::new();
    stores_and_finds(&memory).await;
    trace.assert_sound();
    assert!(trace.spans().iter().all(|span| span.kind() == SpanKind::Internal));
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use chatlas::stores::SqliteStore;

    use super::*;

    #[tokio::test]
    async fn store_in_sqlite_finds_what_was_stored() {
        let trace = Recorder::new();
        stores_and_finds(&SqliteStore::open_in_memory().unwrap()).await;
        trace.assert_sound();
    }

    #[tokio::test]
    async fn records_survive_in_the_file_and_are_shared_between_connections() {
        let folder = std::env::temp_dir().join(format!("chatlas-memory-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("memory.sqlite");
        let (first, second) =
            (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
        first.create(vec![MemoryRecord::new("Über Zürich").with_metadata("n", 1)]).await.unwrap();
        let found = second.search("zürich", 1).await.unwrap();
        assert_eq!(
            (found[0].content.as_str(), &found[0].metadata["n"]),
            ("Über Zürich", &json!(1))
        );
        let writes = (0..20).map(|n| {
            let store = if n % 2 == 0 { first.clone() } else { second.clone() };
            async move { store.create(vec![MemoryRecord::new("concurrent")]).await }
        });
        for written in futures_util::future::join_all(writes).await {
            written.unwrap();
        }
        drop((first, second));
        let reopened = SqliteStore::open(&path).unwrap();
        assert_eq!(reopened.search("concurrent", 100).await.unwrap().len(), 20);
        drop(reopened);
        std::fs::write(&path, "This is no database, but a text of some length.".repeat(100))
            .unwrap();
        let error = SqliteStore::open(&path).unwrap_err();
        assert_eq!(error.error_type(), "NotADatabase");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn failed_call_changes_nothing() {
        let memory = SqliteStore::open_in_memory().unwrap();
        memory.create(vec![MemoryRecord::new("first").with_id("a")]).await.unwrap();
        let both = vec![MemoryRecord::new("new"), MemoryRecord::new("again").with_id("a")];
        memory.create(both).await.unwrap_err();
        assert!(memory.search("new", 5).await.unwrap().is_empty());
        memory.delete_store().await.unwrap();
        memory.search("first", 1).await.unwrap_err();
        memory.create_store().await.unwrap();
        assert!(memory.search("first", 1).await.unwrap().is_empty());
    }
}

/// What every store does.
async fn stores_and_finds(memory: &impl MemoryStore) {
    memory.create_store().await.unwrap();
    let ids = memory
        .create(vec![
            MemoryRecord::new("Ada likes window seats").with_metadata("user", "ada"),
            MemoryRecord::new("Bob likes aisle seats").with_id("bob"),
        ])
        .await
        .unwrap();
    assert_eq!(ids[1], "bob");
    let found = memory.search("a WINDOW, please", 5).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id.as_ref(), Some(&ids[0]));
    assert_eq!(found[0].metadata["user"], "ada");
    assert!(found[0].score.unwrap() > 0.0);
    assert_eq!(memory.search("seats", 1).await.unwrap().len(), 1);
    // Characters with a meaning in query languages are text.
    for query in ["\"", "seats OR (", "*", "NEAR(", "", "'; DROP TABLE memory; --"] {
        memory.search(query, 5).await.unwrap();
    }

    let exists = memory.create(vec![MemoryRecord::new("x").with_id("bob")]).await.unwrap_err();
    assert_eq!(exists.error_type(), "already_exists");
    let missing = memory.update(vec![MemoryRecord::new("x").with_id("eve")]).await.unwrap_err();
    assert_eq!(missing.error_type(), "not_found");
    memory.update(vec![MemoryRecord::new("Bob likes trains").with_id("bob")]).await.unwrap();
    assert_eq!(memory.search("trains", 5).await.unwrap()[0].id.as_deref(), Some("bob"));
    assert!(memory.search("aisle", 5).await.unwrap().is_empty());
    let upserted = memory
        .upsert(vec![
            MemoryRecord::new("Bob likes ferries").with_id("bob"),
            MemoryRecord::new("Eve likes ferries").with_id("eve"),
        ])
        .await
        .unwrap();
    assert_eq!(upserted, ["bob", "eve"]);
    assert_eq!(memory.search("ferries", 5).await.unwrap().len(), 2);
    memory.delete(vec!["bob".to_owned(), "nobody".to_owned()]).await.unwrap();
    assert_eq!(memory.search("ferries", 5).await.unwrap().len(), 1);
    memory.delete_store().await.unwrap();
}
