//! Facts that the name of a model contains.

/// Returns the collection and the id of a model: a tuned model has its own collection.
pub(super) fn resource(model: &str) -> (&str, &str) {
    model.split_once('/').unwrap_or(("models", model))
}

/// Returns the number in the name of a model: 2 for `gemini-2.5-flash`.
pub(super) fn generation(model: &str) -> Option<u32> {
    let rest = model.rsplit('/').next()?.strip_prefix("gemini-")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
