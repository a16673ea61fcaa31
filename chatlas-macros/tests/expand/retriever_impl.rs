#[retriever(data_source = self.name)]
impl Retriever for Index {
    async fn retrieve(&self, query: &str, top_k: usize) -> Result<Vec<Document>, OperationError> {
        self.search(query, top_k).await
    }
}
