//! What AWS wants of every request: a region, and a signature by somebody's credentials.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_types::os_shim_internal::{Env, Fs};
use chatlas_core::{ProviderError, ProviderErrorKind};
use futures_util::FutureExt as _;
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};

/// The service that signatures are for.
const SERVICE: &str = "bedrock";
/// Credentials are asked for anew so long before they end.
const IN_TIME: Duration = Duration::from_mins(2);

/// Where to, and in whose name.
pub(super) struct Aws {
    pub(super) region: Option<String>,
    profile: Option<String>,
    provider: Option<SharedCredentialsProvider>,
    /// The last ones, where they tell how long they hold.
    kept: Mutex<Option<Credentials>>,
}

impl Aws {
    /// As the environment has it; where it names no region, the profile or the model may.
    pub(super) fn from_env(model: &str) -> Self {
        let region = region(&Env::real(), &Fs::real(), None);
        let region = region.or_else(|| region_of(model).map(str::to_owned));
        Self { region, profile: None, provider: None, kept: Mutex::new(None) }
    }

    /// Asks for credentials anew the next time.
    pub(super) fn forget(&self) {
        *self.kept() = None;
    }

    /// Takes keys from that profile, and the region unless the environment has one.
    pub(super) fn set_profile(&mut self, name: String) {
        self.region = region(&Env::real(), &Fs::real(), Some(&name)).or_else(|| self.region.take());
        self.profile = Some(name);
        self.provider = None;
    }

    pub(super) fn set_provider(&mut self, provider: impl ProvideCredentials + 'static) {
        self.provider = Some(SharedCredentialsProvider::new(provider));
        self.kept = Mutex::new(None);
    }

    /// The credentials to sign with.
    pub(super) async fn credentials(&self) -> Result<Credentials, ProviderError> {
        if let Some(kept) = self.kept().clone() {
            return Ok(kept);
        }
        let provider = if let Some(provider) = &self.provider {
            provider.clone()
        } else {
            let profile = self.profile.as_deref();
            match credentials(&Env::real(), &Fs::real(), profile) {
                Ok(found) => return Ok(found),
                #[cfg(feature = "bedrock-aws-config")]
                Err(_) => super::chain::provider(self.region.as_deref(), profile).await?,
                #[cfg(not(feature = "bedrock-aws-config"))]
                Err(error) => return Err(error),
            }
        };
        let fresh = provider.provide_credentials().await.map_err(|error| {
            // The error's own words may quote what was read.
            let what = match error {
                CredentialsError::ProviderTimedOut(_) => "it took too long",
                // Nobody set one: it is the whole chain.
                _ if self.provider.is_none() => {
                    return without_credentials(self.profile.as_deref());
                }
                CredentialsError::CredentialsNotLoaded(_) => "it has none",
                _ => "it failed",
            };
            ProviderError::new(
                ProviderErrorKind::Authentication,
                format!("no AWS credentials came from their provider: {what}"),
            )
        })?;
        if fresh.expiry().is_some() {
            *self.kept() = Some(fresh.clone());
        }
        Ok(fresh)
    }

    /// The credentials of before, as long as they hold.
    fn kept(&self) -> MutexGuard<'_, Option<Credentials>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = SystemTime::now() + IN_TIME;
        if kept.as_ref().and_then(Credentials::expiry).is_some_and(|end| end <= soon) {
            *kept = None;
        }
        kept
    }
}

impl fmt::Debug for Aws {
    /// Of credentials, nothing is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.region)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// The error of a region that nobody told.
pub(super) fn without_region() -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::InvalidRequest,
        "there is no AWS region for Bedrock: set the environment variable AWS_REGION, set \
         `region` in the AWS profile, or call `.region(...)`",
    )
}

fn told(env: &Env, name: &str) -> Option<String> {
    env.get(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The region: of the environment, then of the profile.
fn region(env: &Env, fs: &Fs, profile: Option<&str>) -> Option<String> {
    told(env, "AWS_REGION")
        .or_else(|| told(env, "AWS_DEFAULT_REGION"))
        .or_else(|| property(env, fs, profile, "region"))
}

/// The region in an ARN: `arn:aws:bedrock:us-east-1:…`.
fn region_of(model: &str) -> Option<&str> {
    let mut parts = model.split(':');
    let is_arn = parts.next() == Some("arn");
    parts.nth(2).filter(|region| is_arn && !region.is_empty())
}

/// The credentials: of the environment, then of the profile; of the profile alone, where one is
/// named.
fn credentials(env: &Env, fs: &Fs, profile: Option<&str>) -> Result<Credentials, ProviderError> {
    if profile.is_none()
        && let Some(id) = told(env, "AWS_ACCESS_KEY_ID")
        && let Some(secret) = told(env, "AWS_SECRET_ACCESS_KEY")
    {
        let token = told(env, "AWS_SESSION_TOKEN");
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
            "the AWS profile `{name}` has no keys: put `aws_access_key_id` and \
             `aws_secret_access_key` there, or call `.credentials_provider(...)`"
        ),
        None => "there are no AWS credentials for Bedrock: set the environment variables \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK, put keys \
             into the AWS profile, or call `.credentials_provider(...)`"
            .to_owned(),
    };
    ProviderError::new(ProviderErrorKind::Authentication, message)
}

/// A property of a profile in the shared files; `AWS_PROFILE` or `default` where none is named. A
/// file that cannot be read is as good as none.
fn property(env: &Env, fs: &Fs, profile: Option<&str>, name: &str) -> Option<String> {
    let files = EnvConfigFiles::default();
    // It reads the files at once, and waits for nothing.
    let source = source::load(env, fs, &files).now_or_never()?.ok()?;
    let sections = EnvConfigSections::parse(source).ok()?;
    let profile = match profile {
        Some(name) => sections.get_profile(name)?,
        None => sections.get_profile(sections.selected_profile())?,
    };
    let value = profile.get(name)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Signs a request as it is: method, address, body and the headers that AWS looks at.
pub(super) fn signed(
    request: &mut Request,
    region: &str,
    credentials: &Credentials,
    now: SystemTime,
) -> Result<(), ProviderError> {
    let failed = |what: &str| {
        let message = format!("the request to Bedrock could not be signed: {what}");
        ProviderError::new(ProviderErrorKind::Authentication, message)
    };
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error.to_string()))?
        .into();
    let headers = request.headers().iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let seen = name == "content-type" || name.starts_with("x-amz");
        Some((name, value.to_str().ok().filter(|_| seen)?))
    });
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.url().as_str(),
        headers,
        SignableBody::Bytes(body),
    )
    .and_then(|signable| sign(signable, &params))
    .map_err(|error| failed(&error.to_string()))?;
    let (instructions, _) = signable.into_parts();
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name).map_err(|_| failed("a header has a bad name"))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| failed("the credentials hold signs that no HTTP header can carry"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(())
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
    fn the_region_is_looked_for_in_order() {
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
    fn an_arn_names_its_region() {
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
    fn credentials_are_looked_for_in_order() {
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
    fn a_request_is_signed_and_the_credentials_are_not_printed() {
        let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/a.b%2Fc:0/invoke";
        let mut request = Request::new(reqwest::Method::POST, url.parse().unwrap());
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        request.headers_mut().insert("x-team", HeaderValue::from_static("a"));
        *request.body_mut() = Some(b"{}".to_vec().into());
        let token = Some("canary-token".to_owned());
        let keys = Credentials::new("AKID", "canary-secret", token, None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        signed(&mut request, "us-east-1", &keys, now).unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-amz-date"), "20231114T221320Z");
        assert_eq!(header("x-amz-security-token"), "canary-token");
        assert!(header("authorization").starts_with(
            "AWS4-HMAC-SHA256 Credential=AKID/20231114/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
        ));
        let mut aws = Aws::from_env("");
        aws.set_provider(keys);
        let shown = format!("{request:?} {aws:?}");
        assert!(!shown.contains("canary") && !shown.contains("AKID\""), "{shown}");
    }
}
