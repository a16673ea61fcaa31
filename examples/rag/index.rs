//! An index of passages in SQLite, searched by the similarity of embeddings.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use chatlas::prelude::*;
use chatlas::{Document, EmbeddingRequest, OperationError, Retriever, retriever};
use rusqlite::Connection;
use serde_json::Value;

/// Passages with their vectors.
pub(crate) struct Index {
    database: Arc<Mutex<Connection>>,
    embedder: Arc<dyn Provider>,
}

impl Index {
    /// Embeds the passages and stores them.
    pub(crate) async fn new(
        embedder: Arc<dyn Provider>,
        passages: &[(&str, &str)],
    ) -> Result<Self, Box<dyn Error>> {
        let texts = passages.iter().map(|(_, text)| *text);
        let vectors = embedder.embed(EmbeddingRequest::new(texts)).await?.vectors;
        let database = Connection::open_in_memory()?;
        database
            .execute_batch("CREATE TABLE passage (id TEXT PRIMARY KEY, text TEXT, vector TEXT)")?;
        for ((id, text), vector) in passages.iter().zip(vectors) {
            let vector = Value::from(vector).to_string();
            database.execute("INSERT INTO passage VALUES (?1, ?2, ?3)", (id, text, vector))?;
        }
        Ok(Self { database: Arc::new(Mutex::new(database)), embedder })
    }
}

#[retriever(data_source = "handbook")]
impl Retriever for Index {
    async fn retrieve(&self, query: &str, top_k: usize) -> Result<Vec<Document>, OperationError> {
        let failed = |error: &dyn Error| OperationError::new("index_failed", error.to_string());
        let embedded = self.embedder.embed(EmbeddingRequest::new([query])).await;
        let embedded = embedded.map_err(|error| failed(&error))?;
        let query = embedded.vectors.into_iter().next().unwrap_or_default();
        let database = Arc::clone(&self.database);
        let passages = tokio::task::spawn_blocking(move || read(&database)).await;
        let passages = passages.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let mut found: Vec<(f64, Document)> = passages
            .into_iter()
            .map(|(document, vector)| (similarity(&query, &vector), document))
            .collect();
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        found.truncate(top_k);
        Ok(found.into_iter().map(|(score, document)| document.with_score(score)).collect())
    }
}

/// Reads all passages. SQLite blocks, so this runs on tokio's blocking pool.
fn read(database: &Mutex<Connection>) -> rusqlite::Result<Vec<(Document, Vec<f32>)>> {
    let database = database.lock().unwrap_or_else(PoisonError::into_inner);
    let mut query = database.prepare("SELECT id, text, vector FROM passage")?;
    let rows = query.query_map((), |row| {
        let (id, text, vector): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let vector = serde_json::from_str(&vector).unwrap_or_default();
        Ok((Document::new(text).with_id(id), vector))
    })?;
    rows.collect()
}

/// Returns the cosine of the angle between two vectors, or 0 if one of them is empty.
fn similarity(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length == 0.0 { 0.0 } else { dot(a, b) / length }
}
