use chatlas_macros::toolbox;

struct Db;
struct Store;

#[toolbox]
impl Store {
    /// Queries the database.
    #[tool]
    fn query(&self, #[state] db: &Db) -> bool {
        matches!(db, Db)
    }
}

fn main() {}
