//! Bearer tokens that expire: fetched when one is needed, kept as long as it is valid.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chatlas_core::{ProviderError, ProviderErrorKind};

use super::Secret;

/// A token that expires sooner is not used: it might expire on the way.
const MIN_LIFETIME: Duration = Duration::from_secs(60);

/// A bearer token that may expire, such as those of Microsoft Entra or Google.
#[derive(Clone, Debug)]
#[must_use]
pub struct BearerToken {
    value: Secret,
    expires_at: Option<SystemTime>,
}

impl BearerToken {
    /// Creates a token that does not expire.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: Secret::new(value), expires_at: None }
    }

    /// Sets the time at which the token expires. A new one is fetched a minute before.
    pub fn with_expiry(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Sets how long the token is valid from now. A new one is fetched a minute before it expires.
    pub fn with_lifetime(self, time: Duration) -> Self {
        match SystemTime::now().checked_add(time) {
            Some(end) => self.with_expiry(end),
            // Later than the clock can represent.
            None => self,
        }
    }

    fn is_valid(&self) -> bool {
        self.expires_at.is_none_or(|end| {
            end.duration_since(SystemTime::now()).is_ok_and(|left| left > MIN_LIFETIME)
        })
    }
}

type Fetching = Pin<Box<dyn Future<Output = Result<BearerToken, ProviderError>> + Send>>;

/// The source of tokens, and the token in use.
pub(crate) struct Tokens {
    fetch: Arc<dyn Fn() -> Fetching + Send + Sync>,
    kept: Mutex<Option<BearerToken>>,
    /// Held while a token is fetched, so that concurrent calls fetch it once.
    fetching: tokio::sync::Mutex<()>,
}

impl Tokens {
    pub(crate) fn new<F, Fut, E>(fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<BearerToken, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let fetch = Arc::new(move || -> Fetching {
            let fetching = fetch();
            Box::pin(async move { fetching.await.map_err(|error| without_token(error.into())) })
        });
        Self { fetch, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// Returns a valid token.
    pub(crate) async fn token(&self) -> Result<Secret, ProviderError> {
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let _guard = self.fetching.lock().await;
        // Another call may have fetched one.
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let token = (self.fetch)().await?;
        let value = token.value.clone();
        *self.lock() = Some(token);
        Ok(value)
    }

    /// The token in use, if it is still valid.
    fn kept(&self) -> Option<Secret> {
        self.lock().as_ref().filter(|token| token.is_valid()).map(|token| token.value.clone())
    }

    /// Drops a token that the server rejected.
    pub(crate) fn forget(&self, value: &Secret) {
        let mut kept = self.lock();
        if kept.as_ref().is_some_and(|token| token.value.expose() == value.expose())
            && let Some(token) = kept.as_mut()
        {
            token.expires_at = Some(SystemTime::UNIX_EPOCH);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BearerToken>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[tokens]")
    }
}

fn without_token(error: Box<dyn Error + Send + Sync>) -> ProviderError {
    match error.downcast::<ProviderError>() {
        Ok(error) => *error,
        Err(error) => ProviderError::new(
            ProviderErrorKind::Authentication,
            format!("cannot fetch a token for the model server: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn counted(lifetime: Option<Duration>) -> (Tokens, Arc<AtomicU32>) {
        let fetched = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&fetched);
        let tokens = Tokens::new(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                let token = BearerToken::new(format!("token-{number}"));
                Ok::<_, std::io::Error>(match lifetime {
                    Some(time) => token.with_lifetime(time),
                    None => token,
                })
            }
        });
        (tokens, fetched)
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_and_again_when_it_expires() {
        for (lifetime, expected) in [
            (None, 1),
            (Some(Duration::from_secs(3600)), 1),
            (Some(Duration::MAX), 1),
            (Some(Duration::from_secs(30)), 4),
        ] {
            let (tokens, fetched) = counted(lifetime);
            let (a, b, c) = tokio::join!(tokens.token(), tokens.token(), tokens.token());
            assert!(a.is_ok() && b.is_ok() && c.is_ok());
            let last = tokens.token().await.unwrap();
            assert_eq!(fetched.load(Ordering::SeqCst), expected, "{lifetime:?}");
            assert_eq!(last.expose(), format!("token-{}", expected - 1));
        }
    }

    #[tokio::test]
    async fn a_rejected_token_is_not_used_again() {
        let (tokens, _) = counted(None);
        let first = tokens.token().await.unwrap();
        tokens.forget(&first);
        assert_eq!(tokens.token().await.unwrap().expose(), "token-1");
        tokens.forget(&first);
        assert_eq!(tokens.token().await.unwrap().expose(), "token-1", "another token was rejected");
    }

    #[tokio::test]
    async fn a_failure_to_fetch_a_token_is_reported() {
        let tokens = Tokens::new(|| async { Err::<BearerToken, _>("no credentials found") });
        let error = tokens.token().await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Authentication);
        assert!(error.message().ends_with("no credentials found"), "{error}");
        let own = ProviderError::new(ProviderErrorKind::Timeout, "slow");
        let error = own.clone();
        let tokens = Tokens::new(move || std::future::ready(Err::<BearerToken, _>(error.clone())));
        assert_eq!(tokens.token().await.unwrap_err(), own);
        assert!(!format!("{:?}", BearerToken::new("canary")).contains("canary"));
    }
}
