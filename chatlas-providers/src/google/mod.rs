//! Google's models, over
//! [`generateContent`](https://ai.google.dev/api/generate-content): the Gemini API, and Vertex AI.

mod contents;
#[doc(hidden)]
pub mod diff;
mod old_contents;
mod old_media;
mod old_request;
mod error;
mod gemini;
mod media;
mod models;
mod reply;
mod request;
mod schema;
mod sources;
mod usage;
#[cfg(feature = "vertex")]
mod vertex;

use chatlas_core::{Completion, CompletionStream, ProviderError};
use futures_util::TryStreamExt as _;
use reqwest::Response;

use crate::http::{Secrets, content_type, events, json, malformed};
pub use gemini::Gemini;
use reply::Decoder;
#[cfg(feature = "vertex")]
pub use vertex::Vertex;

/// What an invented id of a call begins with. The API never sees one.
const INVENTED_ID: &str = "invented_call_";

/// In what the two products differ.
#[derive(Debug)]
struct Platform {
    /// `gen_ai.provider.name`.
    provider: &'static str,
    /// What people call it.
    title: &'static str,
    /// Whether it tells of the tools that it runs itself, when asked to.
    tells_server_tools: bool,
    reports_server_tools: bool,
    /// Whether its web search can leave out domains.
    blocks_domains: bool,
    /// Whether it counts the tokens of a request in the form in which that is sent.
    counts_whole_requests: bool,
}

/// A reply that came as one piece.
async fn whole(
    platform: &Platform,
    response: Response,
    secrets: &Secrets,
) -> Result<Completion, ProviderError> {
    let reply = json(response).await;
    let completion = reply.and_then(|reply| Decoder::new(platform.provider).whole(&reply));
    completion.map_err(|error| secrets.hide(error))
}

/// A reply as it arrives.
async fn streamed(
    platform: &Platform,
    response: Response,
    secrets: Secrets,
) -> Result<CompletionStream, ProviderError> {
    let kind = content_type(&response);
    if kind.starts_with("text/event-stream") {
        let arriving = events(response, Decoder::new(platform.provider));
        Ok(CompletionStream::new(arriving.map_err(move |error| secrets.hide(error))))
    } else if kind.starts_with("application/json") {
        // A server that does not stream answers whole.
        Ok(CompletionStream::from_completion(whole(platform, response, &secrets).await?))
    } else {
        Err(malformed(&format!("an event stream was asked for, `{kind}` came")))
    }
}

/// The answer to how many tokens a request would cost.
async fn counted(response: Response, secrets: &Secrets) -> Result<u64, ProviderError> {
    let counted = json(response).await.map_err(|error| secrets.hide(error))?;
    counted["totalTokens"].as_u64().ok_or_else(|| malformed("it has no `totalTokens`"))
}
