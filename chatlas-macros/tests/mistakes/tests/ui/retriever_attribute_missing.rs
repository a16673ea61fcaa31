use chatlas_core::{Document, OperationError, Retriever};

struct Index;

impl Retriever for Index {
    async fn retrieve(&self, query: &str, top_k: usize) -> Result<Vec<Document>, OperationError> {
        Ok(vec![Document::new(query); top_k])
    }
}

fn main() {}
