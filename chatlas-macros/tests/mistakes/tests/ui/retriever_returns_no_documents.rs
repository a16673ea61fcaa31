use chatlas_macros::retriever;

struct Row;

#[retriever]
async fn search(query: &str) -> Result<Vec<Row>, String> {
    let _ = query;
    Ok(vec![Row])
}

#[retriever]
fn count(query: &str) -> usize {
    query.len()
}

fn main() {}
