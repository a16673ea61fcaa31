/// Groq's models.
pub struct Groq {
    inner: OpenAiCompletions,
}
#[allow(dead_code)]
impl Groq {
    /// The vendor: its name, base URL, API key variable and default model.
    pub const VENDOR: ::chatlas::__private::Vendor = ::chatlas::__private::Vendor::new(
        "groq",
        "https://api.groq.com/openai/v1",
    );
    ///Creates a provider for a model.
    pub fn new(
        model: impl ::chatlas::__private::Into<
            ::chatlas::__private::Arc<::chatlas::__private::str>,
        >,
    ) -> Self {
        let __inner: OpenAiCompletions = ::chatlas::__private::Protocol::of_vendor(
            &Self::VENDOR,
            Self::__quirks(),
        );
        Self {
            inner: ::chatlas::__private::Protocol::with_model(__inner, model),
        }
    }
    fn __quirks() -> <OpenAiCompletions as ::chatlas::__private::Protocol>::Quirks {
        ::chatlas::__private::Default::default()
    }
}
#[allow(dead_code)]
impl Groq {
    /// Sets the model.
    #[must_use]
    pub fn with_model(
        self,
        model: impl ::chatlas::__private::Into<
            ::chatlas::__private::Arc<::chatlas::__private::str>,
        >,
    ) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_model(self.inner, model),
        }
    }
    /// Sets the API key. An empty key is no key.
    #[must_use]
    pub fn with_api_key(
        self,
        key: impl ::chatlas::__private::Into<::chatlas::__private::String>,
    ) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_api_key(self.inner, key),
        }
    }
    /// Sets the base URL: everything before the path of an operation.
    #[must_use]
    pub fn with_base_url(
        self,
        url: impl ::chatlas::__private::Into<::chatlas::__private::String>,
    ) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_base_url(self.inner, url),
        }
    }
    /// Sets the HTTP settings: timeouts, retries, headers.
    #[must_use]
    pub fn with_http(
        self,
        options: <OpenAiCompletions as ::chatlas::__private::Protocol>::HttpOptions,
    ) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_http(self.inner, options),
        }
    }
    /// Sets whether each HTTP attempt has a span below the span of its operation.
    /// Default: off.
    #[must_use]
    pub fn with_http_spans(self, on: ::chatlas::__private::bool) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_http_spans(self.inner, on),
        }
    }
    /// Applies any other setting of the protocol.
    #[must_use]
    pub fn with(
        self,
        settings: impl ::chatlas::__private::FnOnce(
            OpenAiCompletions,
        ) -> OpenAiCompletions,
    ) -> Self {
        Self {
            inner: settings(self.inner),
        }
    }
}
impl ::chatlas::__private::Clone for Groq {
    fn clone(&self) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::__clone(&self.inner),
        }
    }
}
impl ::chatlas::__private::fmt::Debug for Groq {
    fn fmt(
        &self,
        f: &mut ::chatlas::__private::fmt::Formatter<'_>,
    ) -> ::chatlas::__private::fmt::Result {
        ::chatlas::__private::fmt::Debug::fmt(
            ::chatlas::__private::Protocol::__as_debug(&self.inner),
            f,
        )
    }
}
#[::chatlas::__private::async_trait]
impl ::chatlas::__private::Provider for Groq {
    fn info(&self) -> &::chatlas::__private::ProviderInfo {
        ::chatlas::__private::Protocol::__as_provider(&self.inner).info()
    }
    async fn chat(
        &self,
        request: ::chatlas::__private::ChatRequest,
    ) -> ::chatlas::__private::Result<
        ::chatlas::__private::Completion,
        ::chatlas::__private::ProviderError,
    > {
        ::chatlas::__private::Protocol::__as_provider(&self.inner).chat(request).await
    }
    async fn chat_stream(
        &self,
        request: ::chatlas::__private::ChatRequest,
    ) -> ::chatlas::__private::Result<
        ::chatlas::__private::CompletionStream,
        ::chatlas::__private::ProviderError,
    > {
        ::chatlas::__private::Protocol::__as_provider(&self.inner)
            .chat_stream(request)
            .await
    }
    async fn list_models(
        &self,
    ) -> ::chatlas::__private::Result<
        ::chatlas::__private::Vec<::chatlas::__private::Model>,
        ::chatlas::__private::ProviderError,
    > {
        ::chatlas::__private::Protocol::__as_provider(&self.inner).list_models().await
    }
    async fn count_tokens(
        &self,
        request: ::chatlas::__private::ChatRequest,
    ) -> ::chatlas::__private::Result<
        ::chatlas::__private::u64,
        ::chatlas::__private::ProviderError,
    > {
        ::chatlas::__private::Protocol::__as_provider(&self.inner)
            .count_tokens(request)
            .await
    }
    async fn embed(
        &self,
        request: ::chatlas::__private::EmbeddingRequest,
    ) -> ::chatlas::__private::Result<
        ::chatlas::__private::Embeddings,
        ::chatlas::__private::ProviderError,
    > {
        ::chatlas::__private::Protocol::__as_provider(&self.inner).embed(request).await
    }
    fn for_model(
        &self,
        model: &::chatlas::__private::str,
    ) -> ::chatlas::__private::Result<
        ::chatlas::__private::Arc<dyn ::chatlas::__private::Provider>,
        ::chatlas::__private::ProviderError,
    > {
        let __inner = ::chatlas::__private::Protocol::__clone(&self.inner);
        ::chatlas::__private::Result::Ok(
            ::chatlas::__private::Arc::new(Self {
                inner: ::chatlas::__private::Protocol::with_model(__inner, model),
            }),
        )
    }
    fn __write_the_attribute_provider_above_this_impl(&self) {}
}
