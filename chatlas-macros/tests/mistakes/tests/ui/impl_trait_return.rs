use chatlas_macros::tool;

/// Get the way.
#[tool]
async fn find_route() -> impl serde::Serialize {
    "left"
}

fn main() {}
