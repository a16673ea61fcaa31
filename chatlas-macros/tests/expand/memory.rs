#[memory(store = "notes", in_process)]
impl MemoryStore for Notes {
    async fn search(&self, query: &str, _: usize) -> Result<Vec<MemoryRecord>, OperationError> {
        Ok(self.find(query))
    }

    async fn create(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        Ok(self.insert(records))
    }

    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> {
        Ok(self.remove(&ids))
    }
}
