use chatlas_macros::tool;

struct Db;

/// Queries the database.
#[tool]
fn query(#[state] db: Db) -> bool {
    matches!(db, Db)
}

fn main() {}
