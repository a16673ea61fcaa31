//! Replies as they come: a whole body of JSON, or server-sent events one by one.

use std::collections::VecDeque;

use chatlas_core::{CompletionEvent, ProviderError, ProviderErrorKind};
use futures_util::{Stream, StreamExt as _};
use reqwest::Response;
use serde_json::Value;
use sse_stream::SseByteStream;

use super::{body, broken_off, see_off};

/// What a vendor's events mean.
pub(crate) trait Decode: Send + 'static {
    /// The parts of the reply that are in the data of an event.
    fn event(&mut self, data: &str) -> Result<Vec<CompletionEvent>, ProviderError>;

    /// Whether the reply is whole: nothing after that is looked at.
    fn is_over(&self) -> bool;

    /// What the end of the body means, where the reply was not whole by then.
    fn end(&mut self) -> Result<Vec<CompletionEvent>, ProviderError> {
        Err(ProviderError::new(
            ProviderErrorKind::TruncatedStream,
            "the reply broke off before its end",
        ))
    }
}

/// The media type of a response, in lower case.
pub(crate) fn content_type(response: &Response) -> String {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
}

/// The whole body, as JSON.
pub(crate) async fn json(response: Response) -> Result<Value, ProviderError> {
    let kind = content_type(&response);
    let body = response.bytes().await.map_err(|error| broken_off(&error))?;
    serde_json::from_slice(&body).map_err(|error| {
        // serde's message tells the place, never the text.
        malformed(&format!("it is no JSON ({error}; content type `{kind}`)"))
    })
}

/// The events of a reply, as they arrive.
pub(crate) fn events<D: Decode>(
    response: Response,
    decoder: D,
) -> impl Stream<Item = Result<CompletionEvent, ProviderError>> + Send {
    let incoming = SseByteStream::new(body(response));
    let state = (Box::pin(incoming), decoder, VecDeque::new());
    futures_util::stream::try_unfold(state, |(mut incoming, mut decoder, mut ready)| async move {
        loop {
            if let Some(event) = ready.pop_front() {
                return Ok(Some((event, (incoming, decoder, ready))));
            }
            if decoder.is_over() {
                return Ok(None);
            }
            match incoming.next().await {
                Some(Ok(event)) => {
                    if let Some(data) = event.data {
                        ready.extend(decoder.event(&data)?);
                        if decoder.is_over() {
                            // Now: who has the last event need not ask again.
                            see_off(&mut incoming).await;
                        }
                    }
                }
                Some(Err(sse_stream::Error::Body(error))) => {
                    return Err(match error.downcast::<reqwest::Error>() {
                        Ok(error) => broken_off(&error),
                        Err(error) => malformed(&error.to_string()),
                    });
                }
                Some(Err(error)) => return Err(malformed(&error.to_string())),
                None => {
                    ready.extend(decoder.end()?);
                    if ready.is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
    })
}

/// A reply that is not what the protocol says.
pub(crate) fn malformed(why: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::MalformedReply,
        format!("the server's reply is not what the protocol says: {why}"),
    )
}
