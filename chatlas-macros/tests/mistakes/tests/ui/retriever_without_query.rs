use chatlas_core::Document;
use chatlas_macros::retriever;

#[retriever]
async fn search(words: Vec<String>) -> Vec<Document> {
    words.iter().map(Document::from).collect()
}

fn main() {}
