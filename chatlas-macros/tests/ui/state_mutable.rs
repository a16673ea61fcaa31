use chatlas_macros::tool;

struct Db;

/// Asks the database.
#[tool]
fn query(#[state] db: &mut Db) -> bool {
    matches!(db, Db)
}

fn main() {}
