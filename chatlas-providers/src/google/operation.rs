//! The methods of a model in a URL.

use reqwest::Url;

use crate::client::Operation;

/// Returns the method of the model that performs an operation.
pub(super) fn method(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Chat => Some("generateContent"),
        Operation::Stream => Some("streamGenerateContent"),
        Operation::Count => Some("countTokens"),
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
