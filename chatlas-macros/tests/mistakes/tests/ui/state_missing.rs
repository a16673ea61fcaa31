use chatlas_macros::{tool, tools};

struct Db;

/// Queries the database.
#[tool]
fn query(#[state] db: &Db, key: u8) -> u8 {
    let Db = db;
    key
}

fn main() {
    let _ = tools![query];
}
