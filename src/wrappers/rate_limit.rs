//! Delays calls so that they stay below a rate.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::begin::{on_done, streamed};
use super::sleep;
use crate::telemetry::names;
use crate::{
    ChatRequest, Completion, CompletionStream, EmbeddingRequest, Embeddings, Model, Provider,
    ProviderError, ProviderErrorKind, ProviderInfo, provider,
};

/// Delays calls so that they stay below the vendor's limits.
///
/// Calls start in the order in which they arrive. After a pause, the calls or tokens of one minute may
/// start at once, as vendors permit. If the vendor still reports
/// [`RateLimit`](ProviderErrorKind::RateLimit) with a wait, all calls wait that long. A call that waited
/// has the attribute `chatlas.rate_limit.wait` on its `chat` span, in seconds; the wait is before the span.
///
/// Several chats share the limits if they share the provider: wrap it once, and clone an
/// [`Arc`] of it.
///
/// ```
/// use std::sync::Arc;
/// use chatlas::Chat;
/// use chatlas::wrappers::RateLimit;
/// # use chatlas::testing::Script;
/// # let provider = Script::new();
///
/// let limited = Arc::new(
///     RateLimit::new(provider).with_requests_per_minute(500).with_tokens_per_minute(200_000),
/// );
/// let (one, two) = (Chat::new(Arc::clone(&limited)), Chat::new(limited));
/// ```
pub struct RateLimit {
    inner: Arc<dyn Provider>,
    limits: Arc<Limits>,
    max_wait: Duration,
}

#[derive(Default)]
struct Limits {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// No call starts before.
    paused_until: Mutex<Option<Instant>>,
}

/// A token bucket that may be overdrawn: a call takes its share at once, and waits until it is refilled.
struct Bucket {
    per_minute: f64,
    state: Mutex<Level>,
}

#[derive(Clone, Copy)]
struct Level {
    /// What is left. Negative if calls wait.
    left: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_minute: u32) -> Self {
        let per_minute = f64::from(per_minute.max(1));
        Self { per_minute, state: Mutex::new(Level { left: per_minute, at: Instant::now() }) }
    }

    /// Takes an amount, and returns how long the call has to wait for it.
    fn take(&self, amount: f64, now: Instant) -> Duration {
        let mut level = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes = now.saturating_duration_since(level.at).as_secs_f64() / 60.0;
        level.left = (level.left + minutes * self.per_minute).min(self.per_minute) - amount;
        level.at = now;
        let missing = (-level.left).max(0.0);
        Duration::try_from_secs_f64(missing / self.per_minute * 60.0).unwrap_or(Duration::MAX)
    }

    /// Gives an amount back, or with a negative amount takes more.
    fn correct(&self, amount: f64) {
        let mut level = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        level.left = (level.left + amount).min(self.per_minute);
    }
}

impl RateLimit {
    /// Creates a wrapper without a limit.
    pub fn new(provider: impl Provider) -> Self {
        Self { inner: Arc::new(provider), limits: Arc::default(), max_wait: Duration::MAX }
    }

    /// Sets the maximum number of calls per minute.
    #[must_use]
    pub fn with_requests_per_minute(self, requests: u32) -> Self {
        self.with_limits(|limits| limits.requests = Some(Bucket::new(requests)))
    }

    /// Sets the maximum number of tokens per minute. A call counts with an estimate first (a token for 4
    /// bytes), and with its usage when it has ended.
    #[must_use]
    pub fn with_tokens_per_minute(self, tokens: u32) -> Self {
        self.with_limits(|limits| limits.tokens = Some(Bucket::new(tokens)))
    }

    /// Sets how long a call waits at most. A call that would wait longer returns a
    /// [`RateLimit`](ProviderErrorKind::RateLimit) error at once, with the code `rate_limit_of_wrapper`.
    /// Default: no maximum.
    #[must_use]
    pub fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    fn with_limits(mut self, set: impl FnOnce(&mut Limits)) -> Self {
        // Not shared yet, because every setter takes the wrapper by value.
        if let Some(limits) = Arc::get_mut(&mut self.limits) {
            set(limits);
        }
        self
    }

    /// Waits for the turn of a call. Returns the request with the wait, and the estimated tokens.
    async fn admit(&self, mut request: ChatRequest) -> Result<(ChatRequest, f64), ProviderError> {
        let now = Instant::now();
        let tokens = estimate(&request);
        let limits = &*self.limits;
        let mut wait = Duration::ZERO;
        for (bucket, amount) in [(&limits.requests, 1.0), (&limits.tokens, tokens)] {
            if let Some(bucket) = bucket {
                wait = wait.max(bucket.take(amount, now));
            }
        }
        if let Some(until) = *limits.paused_until.lock().unwrap_or_else(PoisonError::into_inner) {
            wait = wait.max(until.saturating_duration_since(now));
        }
        if wait.is_zero() {
            return Ok((request, tokens));
        }
        let mut admission = Admission { limits, tokens, started: false };
        if wait > self.max_wait {
            let message = format!(
                "the call would wait {:.1} s for the rate limit, longer than the maximum of {:.1} s",
                wait.as_secs_f64(),
                self.max_wait.as_secs_f64(),
            );
            return Err(ProviderError::new(ProviderErrorKind::RateLimit, message)
                .with_code("rate_limit_of_wrapper")
                .with_retry_after(wait));
        }
        sleep(wait).await?;
        admission.started = true;
        request = request.with_attribute(names::RATE_LIMIT_WAIT, wait.as_secs_f64());
        Ok((request, tokens))
    }
}

impl Limits {
    /// Corrects the estimate, and pauses all calls if the vendor reports a wait.
    fn settle(&self, estimated: f64, result: Result<&Completion, &ProviderError>) {
        match result {
            Ok(reply) => {
                let used = reply.usage.input_tokens.zip(reply.usage.output_tokens);
                if let (Some(bucket), Some((input, output))) = (&self.tokens, used) {
                    bucket.correct(estimated - as_f64(input) - as_f64(output));
                }
            }
            Err(error) if error.kind() == ProviderErrorKind::RateLimit => {
                if let Some(wait) = error.retry_after() {
                    let until = Instant::now().checked_add(wait);
                    let mut paused =
                        self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
                    *paused = (*paused).max(until);
                }
            }
            Err(_) => {}
        }
    }
}

/// The share of a call that waits. If the call does not start, its share is given back.
struct Admission<'a> {
    limits: &'a Limits,
    tokens: f64,
    started: bool,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.started {
            return;
        }
        for (bucket, amount) in [(&self.limits.requests, 1.0), (&self.limits.tokens, self.tokens)] {
            if let Some(bucket) = bucket {
                bucket.correct(amount);
            }
        }
    }
}

/// Estimates the input tokens of a request: one for 4 bytes of text.
fn estimate(request: &ChatRequest) -> f64 {
    let system = request.system_prompt.as_ref().map_or(0, |prompt| prompt.len());
    let turns: usize = request.turns.iter().map(|turn| turn.text().len()).sum();
    as_f64((system + turns) as u64) / 4.0
}

#[allow(clippy::cast_precision_loss, reason = "token counts are small")]
fn as_f64(tokens: u64) -> f64 {
    tokens as f64
}

#[provider(transparent, crate = crate)]
impl Provider for RateLimit {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let (request, estimated) = self.admit(request).await?;
        let result = self.inner.chat(request).await;
        self.limits.settle(estimated, result.as_ref());
        result
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let (request, estimated) = self.admit(request).await?;
        match streamed(&*self.inner, request).await {
            Ok(stream) => {
                let limits = Arc::clone(&self.limits);
                Ok(on_done(stream, move |reply| limits.settle(estimated, Ok(reply))))
            }
            Err(error) => {
                self.limits.settle(estimated, Err(&error));
                Err(error)
            }
        }
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
        let limits = Arc::clone(&self.limits);
        Ok(Arc::new(Self { inner: self.inner.for_model(model)?, limits, max_wait: self.max_wait }))
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_minute = |bucket: &Option<Bucket>| bucket.as_ref().map(|bucket| bucket.per_minute);
        f.debug_struct("RateLimit")
            .field("provider", &self.inner.info().name)
            .field("requests_per_minute", &per_minute(&self.limits.requests))
            .field("tokens_per_minute", &per_minute(&self.limits.tokens))
            .finish_non_exhaustive()
    }
}
