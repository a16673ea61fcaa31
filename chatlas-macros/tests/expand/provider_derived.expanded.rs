/// Groq's models.
pub struct Groq {
    inner: OpenAiCompletions,
}
#[allow(dead_code)]
impl Groq {
    ///The model of that name.
    pub fn new(
        model: impl ::chatlas::__private::Into<
            ::chatlas::__private::Arc<::chatlas::__private::str>,
        >,
    ) -> Self {
        static VENDOR: ::chatlas::__private::Vendor = ::chatlas::__private::Vendor {
            name: "groq",
            base_url: "https://api.groq.com/openai/v1",
            api_key_env: ::chatlas::__private::Option::None,
            default_model: ::chatlas::__private::Option::None,
        };
        let __inner: OpenAiCompletions = ::chatlas::__private::Protocol::of_vendor(
            &VENDOR,
        );
        Self {
            inner: ::chatlas::__private::Protocol::with_model(__inner, model),
        }
    }
    /// Uses that key. An empty one is none.
    #[must_use]
    pub fn api_key(
        self,
        key: impl ::chatlas::__private::Into<::chatlas::__private::String>,
    ) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_api_key(self.inner, key),
        }
    }
    /// Uses the server at that address: all before the operation's own path.
    #[must_use]
    pub fn base_url(
        self,
        url: impl ::chatlas::__private::Into<::chatlas::__private::String>,
    ) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_base_url(self.inner, url),
        }
    }
    /// Sets timeouts, retries, headers, the HTTP client.
    #[must_use]
    pub fn http(
        self,
        options: <OpenAiCompletions as ::chatlas::__private::Protocol>::HttpOptions,
    ) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_http(self.inner, options),
        }
    }
    /// Whether each HTTP attempt has a span of its own, below the span of the
    /// operation. Off unless set.
    #[must_use]
    pub fn http_spans(self, on: ::chatlas::__private::bool) -> Self {
        Self {
            inner: ::chatlas::__private::Protocol::with_http_spans(self.inner, on),
        }
    }
    /// Changes any other setting of the protocol.
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
    fn __write_the_attribute_provider_above_this_impl(
        &self,
        _: ::chatlas::__private::Witness,
    ) {}
}
