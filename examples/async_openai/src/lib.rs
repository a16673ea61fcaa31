//! A provider that sends its requests through the `async-openai` crate, with the spans, metrics and
//! events of chatlas.
//!
//! `#[provider]` adds the telemetry. The rest of this crate converts between the types of the two
//! libraries: `request` from chatlas to async-openai, `reply` from async-openai to chatlas.

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

/// A model called through `async-openai`, over the Chat Completions API.
#[derive(Debug)]
pub struct AsyncOpenAi {
    client: Client<OpenAIConfig>,
    info: ProviderInfo,
}

impl AsyncOpenAi {
    /// Creates a provider for a model, with a client of that configuration.
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
        let request = request::to_openai(&self.info, &request)?;
        let response = self.client.chat().create(request).await;
        reply::from_openai(response.map_err(|error| to_provider_error(&error))?)
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let mut request = request::to_openai(&self.info, &request)?;
        request.stream_options = Some(request::include_usage());
        let chunks = self.client.chat().create_stream(request).await;
        let chunks = chunks.map_err(|error| to_provider_error(&error))?;
        let mut reply = reply::PartialReply::default();
        let end = stream::once(async { None });
        let events = chunks.map(Some).chain(end).flat_map(move |chunk| {
            stream::iter(match chunk {
                Some(Ok(chunk)) => reply.add_chunk(chunk).into_iter().map(Ok).collect(),
                Some(Err(error)) => vec![Err(to_provider_error(&error))],
                None => vec![reply.finish()],
            })
        });
        Ok(CompletionStream::new(events))
    }
}

/// Converts an error, so that a program can match it like the errors of other providers.
fn to_provider_error(error: &OpenAIError) -> ProviderError {
    let OpenAIError::ApiError(response) = error else {
        let kind = match error {
            OpenAIError::Reqwest(error) if error.is_timeout() => ProviderErrorKind::Timeout,
            OpenAIError::Reqwest(_) => ProviderErrorKind::Connection,
            OpenAIError::JSONDeserialize(..) => ProviderErrorKind::MalformedReply,
            OpenAIError::StreamError(_) => ProviderErrorKind::TruncatedStream,
            _ => ProviderErrorKind::Other,
        };
        // The message of async-openai may quote the URL or the response.
        return ProviderError::new(kind, "the request through async-openai failed");
    };
    let status = response.status_code.as_u16();
    let kind = match status {
        401 | 403 => ProviderErrorKind::Authentication,
        404 => ProviderErrorKind::ModelNotFound,
        429 => ProviderErrorKind::RateLimit,
        400..=499 => ProviderErrorKind::InvalidRequest,
        _ => ProviderErrorKind::Overloaded,
    };
    let error = ProviderError::new(kind, response.api_error.message.clone()).with_status(status);
    match &response.api_error.code {
        Some(code) => error.with_code(code.clone()),
        None => error,
    }
}
