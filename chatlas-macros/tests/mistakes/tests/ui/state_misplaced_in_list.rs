use chatlas_macros::{tool, tools};

struct Db;

/// Queries.
#[tool]
fn query(#[state] _db: &Db) -> usize {
    0
}

fn main() {
    let _ = tools![query with Db];
    let _ = tools![with = Db, query];
}
