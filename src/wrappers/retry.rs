//! Repeats calls that failed for a reason that may pass.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::begin::{Call, complete, streamed};
use super::{is_transient, sleep};
use crate::provider::Backoff;
use crate::telemetry::names;
use crate::{
    ChatRequest, Completion, CompletionStream, EmbeddingRequest, Embeddings, Model, Provider,
    ProviderError, ProviderInfo, provider,
};

/// Repeats calls that failed for a reason that may pass: rate limits, overload, timeouts, broken
/// connections.
///
/// Every failed call has a `chat` span with its error. The spans of repeated calls have the attribute
/// `chatlas.retry.count`. A streamed reply is repeated until its first content has arrived.
///
/// The providers over HTTP already repeat failed requests twice
/// (`HttpOptions::with_max_retries`), within one `chat` span. Use this wrapper for other
/// providers, for streams that fail after the response has begun, and to wait longer.
///
/// ```
/// use std::time::Duration;
/// use chatlas::provider::Backoff;
/// use chatlas::wrappers::Retry;
/// # use chatlas::testing::Script;
/// # let provider = Script::new();
///
/// let patient = Retry::new(provider)
///     .with_max_retries(5)
///     .with_backoff(Backoff::new().with_max(Duration::from_secs(60)));
/// ```
pub struct Retry {
    inner: Arc<dyn Provider>,
    max_retries: u32,
    backoff: Backoff,
    max_wait: Duration,
    condition: Arc<dyn Fn(&ProviderError) -> bool + Send + Sync>,
}

impl Retry {
    /// Creates a wrapper that repeats a failed call at most twice.
    pub fn new(provider: impl Provider) -> Self {
        Self {
            inner: Arc::new(provider),
            max_retries: 2,
            backoff: Backoff::new(),
            max_wait: Duration::from_secs(60),
            condition: Arc::new(is_transient),
        }
    }

    /// Sets how many times a failed call is repeated. Default: 2.
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// Sets the waits between calls, for errors of which the vendor does not report a wait.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the longest wait that a vendor may request. If it requests more, the error is returned.
    /// Default: a minute.
    #[must_use]
    pub fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Sets which errors are followed by a retry.
    #[must_use]
    pub fn with_condition(
        mut self,
        condition: impl Fn(&ProviderError) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.condition = Arc::new(condition);
        self
    }

    async fn repeat<T>(&self, request: ChatRequest, call: Call<T>) -> Result<T, ProviderError> {
        let mut retries = 0;
        loop {
            let mut request = request.clone();
            if retries > 0 {
                request = request.with_attribute(names::RETRY_COUNT, i64::from(retries));
            }
            let error = match call(&*self.inner, request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if retries == self.max_retries || !(self.condition)(&error) {
                return Err(error);
            }
            retries += 1;
            let wait = error.retry_after().unwrap_or_else(|| self.backoff.wait(retries));
            if wait > self.max_wait || sleep(wait).await.is_err() {
                return Err(error);
            }
        }
    }
}

#[provider(transparent, crate = crate)]
impl Provider for Retry {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.repeat(request, complete).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.repeat(request, streamed).await
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        self.inner.list_models().await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        self.inner.count_tokens(request).await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        self.inner.embed(request).await
    }

    fn for_model(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(Self {
            inner: self.inner.for_model(model)?,
            max_retries: self.max_retries,
            backoff: self.backoff,
            max_wait: self.max_wait,
            condition: Arc::clone(&self.condition),
        }))
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("provider", &self.inner.info().name)
            .field("max_retries", &self.max_retries)
            .finish_non_exhaustive()
    }
}
