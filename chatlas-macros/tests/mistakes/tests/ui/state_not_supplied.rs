use chatlas_macros::{tool, tools};

struct Db;
struct App;

/// Queries the database.
#[tool]
async fn query(#[state] db: &Db, key: u8) -> u8 {
    let Db = db;
    key
}

/// Needs nothing.
#[tool]
fn idle() {}

fn main() {
    let _ = tools![with App => idle, query];
}
