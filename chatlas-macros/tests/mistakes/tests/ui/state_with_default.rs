use chatlas_macros::tool;

#[derive(Clone)]
struct Db;

/// Queries the database.
#[tool]
fn query(#[state] #[default(Db)] db: Db) -> bool {
    matches!(db, Db)
}

fn main() {}
