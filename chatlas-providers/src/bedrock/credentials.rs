//! The region and the credentials of AWS: from settings, environment variables and the shared files.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};
use chatlas_core::{ProviderError, ProviderErrorKind};
use futures_util::FutureExt as _;

/// How long before their end credentials are replaced.
const EARLY: Duration = Duration::from_secs(120);

/// The account that requests are sent for.
#[derive(Clone)]
pub(super) struct Account {
    region: Option<String>,
    profile: Option<String>,
    provider: Option<SharedCredentialsProvider>,
    cache: Arc<Cache>,
}

/// The last credentials, if they have an end.
#[derive(Default)]
pub(super) struct Cache(Mutex<Option<Credentials>>);

impl Account {
    /// Returns the account of the environment variables and the shared files.
    pub(super) fn from_env() -> Self {
        let region = region(&Env::real(), &Fs::real(), None);
        Self { region, profile: None, provider: None, cache: Arc::default() }
    }

    /// Returns the region: the one that is set, otherwise the one in the ARN of the model.
    pub(super) fn region<'a>(&'a self, model: &'a str) -> Option<&'a str> {
        self.region.as_deref().or_else(|| region_of(model))
    }

    pub(super) fn set_region(&mut self, region: String) {
        self.region = Some(region);
    }

    /// Uses the keys of a profile, and its region unless an environment variable sets one.
    pub(super) fn set_profile(&mut self, name: String) {
        self.region = region(&Env::real(), &Fs::real(), Some(&name)).or_else(|| self.region.take());
        self.profile = Some(name);
        self.provider = None;
        self.cache = Arc::default();
    }

    pub(super) fn set_provider(&mut self, provider: impl ProvideCredentials + 'static) {
        self.provider = Some(SharedCredentialsProvider::new(provider));
        self.cache = Arc::default();
    }

    /// Returns the cache of credentials, which the account and its clones share.
    pub(super) fn cache(&self) -> Arc<Cache> {
        Arc::clone(&self.cache)
    }

    /// Loads the credentials.
    pub(super) async fn credentials(
        &self,
        region: Option<&str>,
    ) -> Result<Credentials, ProviderError> {
        if let Some(cached) = self.cache.get().clone() {
            return Ok(cached);
        }
        let provider = if let Some(provider) = &self.provider {
            provider.clone()
        } else {
            let profile = self.profile.as_deref();
            match credentials(&Env::real(), &Fs::real(), profile) {
                Ok(found) => return Ok(found),
                #[cfg(feature = "bedrock-aws-config")]
                Err(_) => super::chain::provider(region, profile).await,
                #[cfg(not(feature = "bedrock-aws-config"))]
                Err(error) => {
                    let _ = region;
                    return Err(error);
                }
            }
        };
        let fresh = provider.provide_credentials().await.map_err(|error| {
            // The message of the error may quote what was read.
            let why = match error {
                CredentialsError::ProviderTimedOut(_) => "it timed out",
                // Without a custom provider, it is the complete chain that failed.
                _ if self.provider.is_none() => {
                    return without_credentials(self.profile.as_deref());
                }
                CredentialsError::CredentialsNotLoaded(_) => "it has none",
                _ => "it failed",
            };
            ProviderError::new(
                ProviderErrorKind::Authentication,
                format!("the credentials provider returned no AWS credentials: {why}"),
            )
        })?;
        if fresh.expiry().is_some() {
            *self.cache.get() = Some(fresh.clone());
        }
        Ok(fresh)
    }
}

impl Cache {
    /// Returns the cached credentials. Removes them if they end soon.
    fn get(&self) -> MutexGuard<'_, Option<Credentials>> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = SystemTime::now() + EARLY;
        if cached.as_ref().and_then(Credentials::expiry).is_some_and(|end| end <= soon) {
            *cached = None;
        }
        cached
    }

    /// Removes the cached credentials.
    pub(super) fn clear(&self) {
        *self.get() = None;
    }
}

impl fmt::Debug for Account {
    /// Prints nothing of the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("region", &self.region)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Returns the error of a request without a region.
pub(super) fn without_region() -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::InvalidRequest,
        "missing AWS region for Bedrock: set the environment variable AWS_REGION, set \
         `region` in the AWS profile, or call `.with_region(...)`",
    )
}

fn variable(env: &Env, name: &str) -> Option<String> {
    env.get(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Returns the region of the environment variables, otherwise that of the profile.
fn region(env: &Env, fs: &Fs, profile: Option<&str>) -> Option<String> {
    variable(env, "AWS_REGION")
        .or_else(|| variable(env, "AWS_DEFAULT_REGION"))
        .or_else(|| property(env, fs, profile, "region"))
}

/// Returns the region in an ARN: `arn:aws:bedrock:us-east-1:…`.
fn region_of(model: &str) -> Option<&str> {
    let mut parts = model.split(':');
    let is_arn = parts.next() == Some("arn");
    parts.nth(2).filter(|region| is_arn && !region.is_empty())
}

/// Returns the credentials of the environment variables, otherwise those of the default profile. A
/// profile that is named has precedence over the variables.
fn credentials(env: &Env, fs: &Fs, profile: Option<&str>) -> Result<Credentials, ProviderError> {
    if profile.is_none()
        && let Some(id) = variable(env, "AWS_ACCESS_KEY_ID")
        && let Some(secret) = variable(env, "AWS_SECRET_ACCESS_KEY")
    {
        let token = variable(env, "AWS_SESSION_TOKEN");
        return Ok(Credentials::new(id, secret, token, None, "environment"));
    }
    let of_profile = |name: &str| property(env, fs, profile, name);
    match (of_profile("aws_access_key_id"), of_profile("aws_secret_access_key")) {
        (Some(id), Some(secret)) => {
            let token = of_profile("aws_session_token");
            Ok(Credentials::new(id, secret, token, None, "profile"))
        }
        _ => Err(without_credentials(profile)),
    }
}

fn without_credentials(profile: Option<&str>) -> ProviderError {
    let message = match profile {
        Some(name) => format!(
            "the AWS profile `{name}` has no keys: set `aws_access_key_id` and \
             `aws_secret_access_key` there, or call `.with_credentials_provider(...)`"
        ),
        None => "missing AWS credentials for Bedrock: set the environment variables \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK, set keys \
             in the AWS profile, or call `.with_credentials_provider(...)`"
            .to_owned(),
    };
    ProviderError::new(ProviderErrorKind::Authentication, message)
}

/// Returns a property of a profile in the shared files. The default profile is `AWS_PROFILE` or
/// `default`. A file that cannot be read counts as missing.
fn property(env: &Env, fs: &Fs, profile: Option<&str>, name: &str) -> Option<String> {
    let files = EnvConfigFiles::default();
    // The files are read synchronously, so the future is ready at once.
    let source = source::load(env, fs, &files).now_or_never()?.ok()?;
    let sections = EnvConfigSections::parse(source).ok()?;
    let profile = match profile {
        Some(name) => sections.get_profile(name)?,
        None => sections.get_profile(sections.selected_profile())?,
    };
    let value = profile.get(name)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[default]\nregion = eu-west-1\n\n[profile work]\nregion = us-west-2\n";
    const KEYS: &str = "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = sfile\n\
        [work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = swork\n\
        aws_session_token = twork\n[bare]\nx = y\n";

    fn files() -> Fs {
        Fs::from_slice(&[("/home/me/.aws/config", CONFIG), ("/home/me/.aws/credentials", KEYS)])
    }

    fn env(more: &[(&str, &str)]) -> Env {
        Env::from_slice(&[&[("HOME", "/home/me")], more].concat())
    }

    #[test]
    fn the_region_is_from_variables_then_from_the_profile() {
        let found = |vars: &[(&str, &str)], profile| region(&env(vars), &files(), profile);
        let both = [("AWS_REGION", "a-1"), ("AWS_DEFAULT_REGION", "b-1")];
        assert_eq!(found(&both, None).as_deref(), Some("a-1"));
        assert_eq!(found(&both[1..], None).as_deref(), Some("b-1"));
        assert_eq!(found(&[("AWS_REGION", " ")], None).as_deref(), Some("eu-west-1"));
        assert_eq!(found(&[("AWS_PROFILE", "work")], None).as_deref(), Some("us-west-2"));
        assert_eq!(found(&[], Some("work")).as_deref(), Some("us-west-2"));
        assert_eq!(found(&[("AWS_PROFILE", "none")], None), None);
        assert_eq!(region(&env(&[]), &Fs::from_slice(&[]), None), None);
    }

    #[test]
    fn an_arn_has_a_region() {
        for (model, region) in [
            ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.a.b-v1:0", Some("eu-west-1")),
            ("arn:aws:bedrock::1:x", None),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", None),
            ("a:b:c:d:e", None),
            ("", None),
        ] {
            assert_eq!(region_of(model), region, "{model}");
        }
    }

    #[test]
    fn credentials_are_from_variables_then_from_the_profile() {
        let found = |vars: &[(&str, &str)], profile| credentials(&env(vars), &files(), profile);
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AKIDENV"),
            ("AWS_SECRET_ACCESS_KEY", "senv"),
            ("AWS_SESSION_TOKEN", "tenv"),
        ];
        let of = |found: Result<Credentials, ProviderError>| {
            let found = found.unwrap();
            let token = found.session_token().map(str::to_owned);
            (found.access_key_id().to_owned(), found.secret_access_key().to_owned(), token)
        };
        let triple = |id: &str, secret: &str, token: Option<&str>| {
            (id.to_owned(), secret.to_owned(), token.map(str::to_owned))
        };
        assert_eq!(of(found(&keys, None)), triple("AKIDENV", "senv", Some("tenv")));
        assert_eq!(of(found(&keys[..1], None)), triple("AKIDFILE", "sfile", None));
        assert_eq!(of(found(&keys, Some("work"))), triple("AKIDWORK", "swork", Some("twork")));
        let error = found(&[("AWS_PROFILE", "bare")], None).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Authentication);
        assert!(error.message().contains("AWS_ACCESS_KEY_ID"), "{error}");
        assert!(error.message().contains("AWS_BEARER_TOKEN_BEDROCK"), "{error}");
        let error = found(&keys, Some("bare")).unwrap_err();
        assert!(error.message().contains("the AWS profile `bare` has no keys"), "{error}");
    }

    #[test]
    fn debug_prints_no_credentials() {
        let token = Some("canary-token".to_owned());
        let mut account = Account::from_env();
        account.set_provider(Credentials::new("AKID", "canary-secret", token, None, "test"));
        let debug = format!("{account:?}");
        assert!(!debug.contains("canary") && !debug.contains("AKID"), "{debug}");
    }
}
