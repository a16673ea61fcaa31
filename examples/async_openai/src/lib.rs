//! The `async-openai` crate as a provider: what another library does on the wire, with the spans,
//! metrics and events of chatlas around it.
//!
//! `#[provider]` is all that the telemetry needs. The rest of this file says in the one library's
//! types what the other's mean: `request` there, `reply` back.

mod reply;
mod request;

use async_openai::Client;
use async_openai::config::{Config as _, OpenAIConfig};
use async_openai::error::OpenAIError;
use chatlas::prelude::*;
use chatlas::{
    ChatRequest, Completion, CompletionStream, ProviderError, ProviderErrorKind, ProviderInfo,
};
use futures_util::stream;
use url::Url;

/// A model that is asked by `async-openai`, over the Chat Completions API.
#[derive(Debug)]
pub struct AsyncOpenAi {
    client: Client<OpenAIConfig>,
    info: ProviderInfo,
}

impl AsyncOpenAi {
    /// The model of that name, asked by a client of that configuration.
    pub fn new(model: &str, config: OpenAIConfig) -> Self {
        let mut info = ProviderInfo::new("openai").with_model(model);
        if let Ok(url) = Url::parse(config.api_base())
            && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
        {
            info = info.with_server(host, port);
        }
        Self { client: Client::with_config(config), info }
    }
}

#[provider]
impl Provider for AsyncOpenAi {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let request = request::of(&self.info, &request)?;
        reply::of(self.client.chat().create(request).await.map_err(|error| failed(&error))?)
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let mut request = request::of(&self.info, &request)?;
        request.stream_options = Some(request::with_usage());
        let chunks =
            self.client.chat().create_stream(request).await.map_err(|error| failed(&error))?;
        let mut arriving = reply::Arriving::default();
        let ended = stream::once(async { None });
        let events = chunks.map(Some).chain(ended).flat_map(move |chunk| {
            stream::iter(match chunk {
                Some(chunk) => arriving.chunk(chunk.map_err(|error| failed(&error))),
                None => vec![arriving.end()],
            })
        });
        Ok(CompletionStream::new(events))
    }
}

/// The error in terms that a program can match, whatever the library that failed.
fn failed(error: &OpenAIError) -> ProviderError {
    let OpenAIError::ApiError(told) = error else {
        let kind = match error {
            OpenAIError::Reqwest(error) if error.is_timeout() => ProviderErrorKind::Timeout,
            OpenAIError::Reqwest(_) => ProviderErrorKind::Connection,
            OpenAIError::JSONDeserialize(..) => ProviderErrorKind::MalformedReply,
            OpenAIError::StreamError(_) => ProviderErrorKind::TruncatedStream,
            _ => ProviderErrorKind::Other,
        };
        // The library's own words may quote the address, or the reply.
        return ProviderError::new(kind, "async-openai could not ask the model");
    };
    let status = told.status_code.as_u16();
    let kind = match status {
        401 | 403 => ProviderErrorKind::Authentication,
        404 => ProviderErrorKind::ModelNotFound,
        429 => ProviderErrorKind::RateLimit,
        400..=499 => ProviderErrorKind::InvalidRequest,
        _ => ProviderErrorKind::Overloaded,
    };
    let error = ProviderError::new(kind, told.api_error.message.clone()).with_status(status);
    match &told.api_error.code {
        Some(code) => error.with_code(code.clone()),
        None => error,
    }
}
