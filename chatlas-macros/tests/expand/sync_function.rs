/// Joins words.
#[tool(name = "join-words", title = "Join", read_only, timeout = "2m", strict = false)]
fn join(separator: &str, #[cfg(feature = "many")] words: &[String]) -> String {
    words.join(separator)
}
