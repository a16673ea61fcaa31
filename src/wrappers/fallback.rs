//! Calls the next provider if one fails.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::begin::{Call, complete, streamed};
use crate::telemetry::names;
use crate::{
    ChatRequest, Completion, CompletionStream, EmbeddingRequest, Embeddings, Model, Provider,
    ProviderError, ProviderErrorKind, ProviderInfo, provider,
};

/// Calls the next provider if one fails.
///
/// Every failed call has a `chat` span with its error. The span of a provider other than the first has
/// the attribute `chatlas.fallback.index`, its position from 0. A streamed reply falls back until its
/// first content has arrived; a stream that breaks later is an error, because its beginning has been
/// shown.
///
/// By default, every error falls back except [`InvalidRequest`](ProviderErrorKind::InvalidRequest) and
/// [`ContentFilter`](ProviderErrorKind::ContentFilter), which concern the request and not the provider.
///
/// Embeddings and token counts are those of the first provider alone, because vectors of different models
/// cannot be compared.
///
/// ```
/// use std::time::Duration;
/// use chatlas::wrappers::Fallback;
/// # use chatlas::testing::Script;
/// # let (first, second) = (Script::new(), Script::new());
///
/// // After a failure, the first provider is skipped for a minute.
/// let provider = Fallback::new(first).or(second).with_cooldown(Duration::from_secs(60));
/// ```
#[doc(alias = "FallbackModel")]
pub struct Fallback {
    candidates: Vec<Candidate>,
    condition: Box<dyn Fn(&ProviderError) -> bool + Send + Sync>,
    cooldown: Duration,
}

struct Candidate {
    provider: Arc<dyn Provider>,
    /// When the cooldown after the last failure ends.
    skipped_until: Mutex<Option<Instant>>,
}

impl Candidate {
    fn new(provider: impl Provider) -> Self {
        Self { provider: Arc::new(provider), skipped_until: Mutex::new(None) }
    }

    fn is_skipped(&self, now: Instant) -> bool {
        let until = *self.skipped_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| now < until)
    }

    fn set_skipped_until(&self, until: Option<Instant>) {
        *self.skipped_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Fallback {
    /// Creates a fallback of one provider, which is called first.
    pub fn new(first: impl Provider) -> Self {
        Self {
            candidates: vec![Candidate::new(first)],
            condition: Box::new(|error| {
                !matches!(
                    error.kind(),
                    ProviderErrorKind::InvalidRequest | ProviderErrorKind::ContentFilter
                )
            }),
            cooldown: Duration::ZERO,
        }
    }

    /// Adds a provider that is called if all before it have failed.
    #[must_use]
    pub fn or(mut self, provider: impl Provider) -> Self {
        self.candidates.push(Candidate::new(provider));
        self
    }

    /// Sets which errors fall back. Every other error is returned at once.
    #[must_use]
    pub fn with_condition(
        mut self,
        condition: impl Fn(&ProviderError) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.condition = Box::new(condition);
        self
    }

    /// Sets how long a provider is skipped after it has failed. Default: not at all. If all providers
    /// are skipped, all are called.
    #[must_use]
    pub fn with_cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// Calls the candidates in order, and returns the first reply.
    async fn first_reply<T>(
        &self,
        request: ChatRequest,
        call: Call<T>,
    ) -> Result<T, ProviderError> {
        let now = Instant::now();
        let all_skipped = self.candidates.iter().all(|candidate| candidate.is_skipped(now));
        let mut failures: Vec<(usize, ProviderError)> = Vec::new();
        for (index, candidate) in self.candidates.iter().enumerate() {
            if candidate.is_skipped(now) && !all_skipped {
                continue;
            }
            let mut request = request.clone();
            if index > 0 {
                let number = i64::try_from(index).unwrap_or(i64::MAX);
                request = request.with_attribute(names::FALLBACK_INDEX, number);
            }
            match call(&*candidate.provider, request).await {
                Ok(reply) => {
                    candidate.set_skipped_until(None);
                    return Ok(reply);
                }
                Err(error) => {
                    let falls_back = (self.condition)(&error);
                    if falls_back {
                        candidate.set_skipped_until(Instant::now().checked_add(self.cooldown));
                    }
                    failures.push((index, error));
                    if !falls_back {
                        break;
                    }
                }
            }
        }
        Err(self.error(failures))
    }

    /// Returns the last error, with the messages of all.
    fn error(&self, failures: Vec<(usize, ProviderError)>) -> ProviderError {
        let messages: Vec<String> = failures
            .iter()
            .map(|(index, error)| {
                format!("{}: {}", self.candidates[*index].provider.info().name, error.message())
            })
            .collect();
        let count = failures.len();
        match failures.into_iter().last() {
            Some((_, error)) if count == 1 => error,
            Some((_, error)) => {
                error.with_message(format!("{count} providers failed: {}", messages.join("; ")))
            }
            // There is always a first candidate, and it is called if all are skipped.
            None => ProviderError::new(ProviderErrorKind::Other, "no provider was called"),
        }
    }

    fn first(&self) -> &dyn Provider {
        &*self.candidates[0].provider
    }
}

#[provider(transparent, crate = crate)]
impl Provider for Fallback {
    fn info(&self) -> &ProviderInfo {
        self.first().info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.first_reply(request, complete).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.first_reply(request, streamed).await
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        self.first().list_models().await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        self.first().count_tokens(request).await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        self.first().embed(request).await
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            self.candidates.iter().map(|candidate| &candidate.provider.info().name).collect();
        f.debug_struct("Fallback").field("providers", &names).finish_non_exhaustive()
    }
}
