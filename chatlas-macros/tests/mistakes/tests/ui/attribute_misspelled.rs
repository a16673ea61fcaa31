use chatlas_macros::tool;

struct Db;

/// Queries the database.
#[tool]
fn query(#[sate] db: &Db, #[defualt(1)] limit: u8) -> bool {
    matches!(db, Db) && limit > 0
}

fn main() {}
