use chatlas_core::{MemoryRecord, MemoryStore, OperationError};
use chatlas_macros::memory;

struct Notes;

#[memory(stor = "notes")]
impl MemoryStore for Notes {
    fn search(&self, query: &str, top_k: usize) -> Result<Vec<MemoryRecord>, OperationError> {
        Ok(vec![MemoryRecord::new(query); top_k])
    }

    async fn create(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        let _ = records;
        Ok(Vec::new())
    }

    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> {
        let _ = ids;
        Ok(())
    }
}

fn main() {}
