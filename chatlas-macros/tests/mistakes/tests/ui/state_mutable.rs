use chatlas_macros::tool;

struct Db;

/// Queries the database.
#[tool]
fn query(#[state] db: &mut Db) -> bool {
    matches!(db, Db)
}

fn main() {}
