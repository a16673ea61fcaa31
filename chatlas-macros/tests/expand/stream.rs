/// Counts.
#[tool]
fn count(to: u8) -> Result<impl Stream<Item = u8>, TooMany> {
    Ok(stream::iter(0..to))
}
