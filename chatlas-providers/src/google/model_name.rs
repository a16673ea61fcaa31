//! Facts that the name of a model contains.

/// Returns the number in the name of a model: 2 for `gemini-2.5-flash`.
pub(super) fn generation(model: &str) -> Option<u32> {
    let rest = model.rsplit('/').next()?.strip_prefix("gemini-")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
