//! The traits of providers: [`Provider`], and what `#[provider(like = …)]` derives one from.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{
    ChatRequest, Completion, CompletionStream, EmbeddingRequest, Embeddings, Model, ProviderError,
    ProviderInfo, Vendor,
};

/// A client for a model.
///
/// Write `#[provider]` above the impl. The attribute makes the methods async and records a `chat`
/// span for each call; an impl without it does not compile.
///
/// A provider that only forwards calls to another one (a fallback, a cache, a retry) is
/// `#[provider(transparent)]`: the inner provider records the span, so no token is counted twice. If
/// the outer one answers by itself, a `chat` span with the attribute `chatlas.answered_by_wrapper` and
/// without usage is recorded.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Returns the facts about this provider that are recorded on every span.
    fn info(&self) -> &ProviderInfo;

    /// Sends a request and waits for the complete reply.
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError>;

    /// Sends a request and returns the reply as a stream of events.
    ///
    /// The default implementation calls [`chat`](Self::chat) and streams its complete reply.
    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        Ok(CompletionStream::from_completion(self.chat(request).await?))
    }

    /// Lists the models that this provider offers.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](super::ProviderErrorKind::Unsupported) if the vendor has no such list.
    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        Err(ProviderError::unsupported(self.info(), "list its models"))
    }

    /// Counts the input tokens of a request with the vendor's own counter. Does not run the model.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](super::ProviderErrorKind::Unsupported) if the vendor has no such counter.
    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        let _ = request;
        Err(ProviderError::unsupported(self.info(), "count tokens"))
    }

    /// Returns the embeddings of texts: one vector for each input, in the order of the inputs.
    ///
    /// The call has one `embeddings` span, however many requests the vendor's limits require. Texts
    /// and vectors are never recorded.
    ///
    /// ```
    /// use chatlas_core::provider::{EmbeddingRequest, Provider, ProviderError};
    ///
    /// async fn nearest(model: &impl Provider, texts: [&str; 2]) -> Result<f32, ProviderError> {
    ///     let embeddings = model.embed(EmbeddingRequest::new(texts)).await?;
    ///     let [a, b] = &embeddings.vectors[..] else { return Ok(0.0) };
    ///     Ok(a.iter().zip(b).map(|(a, b)| a * b).sum())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](super::ProviderErrorKind::Unsupported) if the vendor has no embeddings. If one
    /// of several requests fails, the call fails.
    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        let _ = request;
        Err(ProviderError::unsupported(self.info(), "embed texts"))
    }

    /// Returns this provider set to another model of the same vendor.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](super::ProviderErrorKind::Unsupported) if the provider has one fixed model.
    fn for_model(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        let _ = model;
        Err(ProviderError::unsupported(self.info(), "change its model"))
    }

    /// Enables a tool that the vendor runs on its own servers, such as
    /// [`WebSearch`](crate::tool::WebSearch). Compiles only if the provider supports that tool.
    #[must_use]
    fn with_tool<T: SupportedBy<Self>>(self, tool: T) -> Self
    where
        Self: Sized,
    {
        tool.add_to(self)
    }

    #[doc(hidden)]
    fn __write_the_attribute_provider_above_this_impl(&self);
}

/// A shared provider is a provider: every call is forwarded.
#[async_trait]
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn info(&self) -> &ProviderInfo {
        (**self).info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        (**self).chat(request).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        (**self).chat_stream(request).await
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        (**self).list_models().await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        (**self).count_tokens(request).await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        (**self).embed(request).await
    }

    fn for_model(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        (**self).for_model(model)
    }

    fn __write_the_attribute_provider_above_this_impl(&self) {}
}

/// The return type of an async method of [`Provider`]: `Result<T, ProviderError>` or an alias of it.
#[diagnostic::on_unimplemented(
    message = "a method of a provider cannot return `{Self}`",
    label = "not the return type of this method in the trait `Provider`",
    note = "`chat` returns `Result<Completion, ProviderError>`, `chat_stream` returns \
            `Result<CompletionStream, ProviderError>`; convert other errors to a `ProviderError`"
)]
pub trait MethodReply<T> {
    /// Returns the value.
    fn into_reply(self) -> Result<T, ProviderError>;
}

impl<T> MethodReply<T> for Result<T, ProviderError> {
    fn into_reply(self) -> Self {
        self
    }
}

/// A provider whose vendor runs the tool `T` on its own servers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not support the tool `{T}`",
    label = "its vendor has no built-in tool of this kind",
    note = "choose a provider that implements `SupportsTool<{T}>`, or write a `#[tool]`"
)]
pub trait SupportsTool<T>: Sized {
    /// Returns the provider with that tool enabled.
    #[must_use]
    fn add_server_tool(self, tool: T) -> Self;
}

/// [`SupportsTool`] as seen from the tool, so that the compiler names the tool in its error.
pub trait SupportedBy<P> {
    /// Returns the provider with this tool enabled.
    #[must_use]
    fn add_to(self, provider: P) -> P;
}

impl<T, P: SupportsTool<T>> SupportedBy<P> for T {
    fn add_to(self, provider: P) -> P {
        provider.add_server_tool(self)
    }
}

/// A protocol that several vendors speak, from which `#[provider(like = …)]` derives a provider.
#[diagnostic::on_unimplemented(
    message = "no provider can be derived from `{Self}`",
    label = "does not implement `Protocol`",
    note = "name a provider that implements `chatlas::provider::Protocol`"
)]
pub trait Protocol: Provider + Clone + fmt::Debug {
    /// The HTTP settings: timeouts, retries, headers.
    type HttpOptions;

    /// How vendors of this protocol differ from the vendor that defined it, which is the default.
    type Quirks: Default;

    /// Creates a provider for a vendor. The API key is read from the vendor's environment variable
    /// if it is set.
    fn of_vendor(vendor: &'static Vendor, quirks: Self::Quirks) -> Self;

    /// Sets the model.
    #[must_use]
    fn with_model(self, model: impl Into<Arc<str>>) -> Self;

    /// Sets the API key. An empty key is no key.
    #[must_use]
    fn with_api_key(self, key: impl Into<String>) -> Self;

    /// Sets the base URL: everything before the path of an operation.
    #[must_use]
    fn with_base_url(self, url: impl Into<String>) -> Self;

    /// Sets the HTTP settings.
    #[must_use]
    fn with_http(self, options: Self::HttpOptions) -> Self;

    /// Sets whether each HTTP attempt has a span below the span of its operation.
    #[must_use]
    fn with_http_spans(self, on: bool) -> Self;

    #[doc(hidden)]
    #[must_use]
    fn __clone(&self) -> Self {
        self.clone()
    }

    #[doc(hidden)]
    fn __as_provider(&self) -> &dyn Provider {
        self
    }

    #[doc(hidden)]
    fn __as_debug(&self) -> &dyn fmt::Debug {
        self
    }
}
