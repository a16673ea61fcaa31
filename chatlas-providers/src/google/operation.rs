//! The methods of a model in a URL.

use reqwest::Url;

use super::embeddings::Method;
use crate::client::Operation;

/// Returns the method of the model that performs an operation.
pub(super) fn method(operation: Operation, embed: Method) -> Option<&'static str> {
    match operation {
        Operation::Chat => Some("generateContent"),
        Operation::Stream => Some("streamGenerateContent"),
        Operation::Count => Some("countTokens"),
        Operation::Embed => Some(embed.name()),
        Operation::Models => None,
    }
}

/// Requests server-sent events. Without that parameter, a stream is a list of JSON objects.
pub(super) fn as_event_stream(mut url: Url, operation: Operation) -> Url {
    if operation == Operation::Stream {
        url.query_pairs_mut().append_pair("alt", "sse");
    }
    url
}
