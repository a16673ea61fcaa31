//! Ids of calls to which the API gave none: the results of a chat refer to calls by id.

use std::hash::{BuildHasher as _, RandomState};

/// The beginning of an invented id. The API never receives one.
const PREFIX: &str = "invented_call_";

/// Invents the id of a call. It depends on the reply and on the number of the call, not on how a
/// stream is split into chunks.
pub(super) fn invent(response_id: Option<&str>, call: usize) -> String {
    match response_id {
        Some(id) => format!("{PREFIX}{id}_{call}"),
        None => format!("{PREFIX}{:016x}_{call}", RandomState::new().hash_one(call)),
    }
}

/// Returns the id of a call unless it was invented.
pub(super) fn own(id: &str) -> Option<&str> {
    (!id.is_empty() && !id.starts_with(PREFIX)).then_some(id)
}
