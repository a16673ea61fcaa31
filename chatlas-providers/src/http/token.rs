//! Tokens that run out: asked for when one is needed, kept as long as it holds.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chatlas_core::{ProviderError, ProviderErrorKind};

use super::Secret;

/// A token with less time left than this is not used any more: it would run out on the way.
const LEAST_TIME_LEFT: Duration = Duration::from_mins(1);

/// A token that says who a program is, for a time: of Microsoft Entra or of Google, for example.
#[derive(Clone, Debug)]
#[must_use]
pub struct BearerToken {
    value: Secret,
    expires_at: Option<SystemTime>,
}

impl BearerToken {
    /// A token that does not run out.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: Secret::new(value), expires_at: None }
    }

    /// Sets when it runs out. A new one is asked for a minute before.
    pub fn with_expiry(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Sets how long it still holds. A new one is asked for a minute before.
    pub fn with_lifetime(self, time: Duration) -> Self {
        match SystemTime::now().checked_add(time) {
            Some(end) => self.with_expiry(end),
            // So late that no clock can say it.
            None => self,
        }
    }

    fn holds(&self) -> bool {
        self.expires_at.is_none_or(|end| {
            end.duration_since(SystemTime::now()).is_ok_and(|left| left > LEAST_TIME_LEFT)
        })
    }
}

type Asking = Pin<Box<dyn Future<Output = Result<BearerToken, ProviderError>> + Send>>;

/// Where tokens come from, and the one that is in use.
pub(crate) struct Tokens {
    ask: Arc<dyn Fn() -> Asking + Send + Sync>,
    kept: Mutex<Option<BearerToken>>,
    /// Held by who asks, so that calls at the same time ask once.
    turn: tokio::sync::Mutex<()>,
}

impl Tokens {
    pub(crate) fn new<F, Fut, E>(ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<BearerToken, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let ask = Arc::new(move || -> Asking {
            let asking = ask();
            Box::pin(async move { asking.await.map_err(|error| without_token(error.into())) })
        });
        Self { ask, kept: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// A token that holds.
    pub(crate) async fn token(&self) -> Result<Secret, ProviderError> {
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let _turn = self.turn.lock().await;
        // Who was faster may have got one.
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let token = (self.ask)().await?;
        let value = token.value.clone();
        *self.lock() = Some(token);
        Ok(value)
    }

    /// The one in use, if it still holds.
    fn kept(&self) -> Option<Secret> {
        self.lock().as_ref().filter(|token| token.holds()).map(|token| token.value.clone())
    }

    /// The last one, to be hidden.
    pub(super) fn last(&self) -> Option<Secret> {
        self.lock().as_ref().map(|token| token.value.clone())
    }

    /// Takes no account of that token any more: the server refused it.
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
            format!("no token could be had for the model server: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn counted(lifetime: Option<Duration>) -> (Tokens, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
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
        (tokens, asked)
    }

    #[tokio::test]
    async fn a_token_is_asked_for_once_and_again_when_it_runs_out() {
        for (lifetime, expected) in [
            (None, 1),
            (Some(Duration::from_hours(1)), 1),
            (Some(Duration::MAX), 1),
            (Some(Duration::from_secs(30)), 4),
        ] {
            let (tokens, asked) = counted(lifetime);
            let (a, b, c) = tokio::join!(tokens.token(), tokens.token(), tokens.token());
            assert!(a.is_ok() && b.is_ok() && c.is_ok());
            let last = tokens.token().await.unwrap();
            assert_eq!(asked.load(Ordering::SeqCst), expected, "{lifetime:?}");
            assert_eq!(last.expose(), format!("token-{}", expected - 1));
        }
    }

    #[tokio::test]
    async fn a_token_that_was_refused_is_not_used_again() {
        let (tokens, _) = counted(None);
        let first = tokens.token().await.unwrap();
        tokens.forget(&first);
        assert_eq!(tokens.last().unwrap().expose(), "token-0", "it is still hidden");
        assert_eq!(tokens.token().await.unwrap().expose(), "token-1");
        tokens.forget(&first);
        assert_eq!(tokens.token().await.unwrap().expose(), "token-1", "another one was refused");
    }

    #[tokio::test]
    async fn a_failure_to_get_one_is_told() {
        let tokens = Tokens::new(|| async { Err::<BearerToken, _>("no credentials found") });
        let error = tokens.token().await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Authentication);
        assert!(error.message().ends_with("no credentials found"), "{error}");
        let own = ProviderError::new(ProviderErrorKind::Timeout, "slow");
        let told = own.clone();
        let tokens = Tokens::new(move || std::future::ready(Err::<BearerToken, _>(told.clone())));
        assert_eq!(tokens.token().await.unwrap_err(), own);
        assert!(!format!("{:?}", BearerToken::new("canary")).contains("canary"));
    }
}
