#[retriever(data_source = "faq")]
async fn search(query: &str, top_k: usize) -> Result<Vec<Document>, Error> {
    index().search(query, top_k).await
}
