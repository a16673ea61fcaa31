//! Signs requests to AWS.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};

use super::credentials::Cache;
use crate::client;

/// The service that signatures are for.
const SERVICE: &str = "bedrock";

/// Signs the attempts of a request.
pub(super) struct Signer {
    pub(super) region: String,
    pub(super) credentials: Credentials,
    /// The cache that the credentials may be in.
    pub(super) cache: Arc<Cache>,
}

impl client::Signer for Signer {
    fn sign(&self, request: &mut Request) -> Result<(), ProviderError> {
        sign_request(request, &self.region, &self.credentials, SystemTime::now())
    }

    fn secrets(&self) -> Vec<&str> {
        let keys = [self.credentials.access_key_id(), self.credentials.secret_access_key()];
        keys.into_iter().chain(self.credentials.session_token()).collect()
    }

    fn rejected(&self, error: &ProviderError) {
        if error.code() == Some("ExpiredTokenException") {
            self.cache.clear();
        }
    }
}

/// Signs the method, the URL, the body and the headers that AWS checks.
fn sign_request(
    request: &mut Request,
    region: &str,
    credentials: &Credentials,
    now: SystemTime,
) -> Result<(), ProviderError> {
    let failed = |why: &str| {
        let message = format!("the request to Bedrock could not be signed: {why}");
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
        let is_checked = name == "content-type" || name.starts_with("x-amz");
        Some((name, value.to_str().ok().filter(|_| is_checked)?))
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
        let name =
            HeaderName::try_from(name).map_err(|_| failed("a header has an invalid name"))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| failed("the credentials have characters that HTTP does not allow"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_signed_request_prints_no_credentials() {
        let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/a.b%2Fc:0/invoke";
        let mut request = Request::new(reqwest::Method::POST, url.parse().unwrap());
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        request.headers_mut().insert("x-team", HeaderValue::from_static("a"));
        *request.body_mut() = Some(b"{}".to_vec().into());
        let token = Some("canary-token".to_owned());
        let keys = Credentials::new("AKID", "canary-secret", token, None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        sign_request(&mut request, "us-east-1", &keys, now).unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-amz-date"), "20231114T221320Z");
        assert_eq!(header("x-amz-security-token"), "canary-token");
        assert!(header("authorization").starts_with(
            "AWS4-HMAC-SHA256 Credential=AKID/20231114/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
        ));
        let printed = format!("{request:?}");
        assert!(!printed.contains("canary") && !printed.contains("AKID\""), "{printed}");
    }
}
