#[tool(nam = "add")]
fn add<T>(a: T) -> T {
    a
}
