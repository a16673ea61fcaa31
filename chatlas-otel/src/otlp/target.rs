//! The target of one signal, validated: endpoint, headers, timeout and the files of TLS.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::signal::Protocol;
use crate::error::SetupError;

/// The maximum duration of an export by default.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The timeout that means no limit: a century, which no clock overflows.
pub(crate) const NO_LIMIT: Duration = Duration::new(100 * 365 * 24 * 60 * 60, 0);

/// Returns [`NO_LIMIT`] for a timeout of zero.
pub(crate) fn unlimited_if_zero(timeout: Duration) -> Duration {
    if timeout.is_zero() { NO_LIMIT } else { timeout.min(NO_LIMIT) }
}

/// The receiver of one signal.
#[derive(Clone)]
pub(crate) struct Target {
    /// The URL. It may contain a password, so it must not be part of any message.
    pub(crate) endpoint: Url,
    pub(crate) protocol: Protocol,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    // Without TLS, files are rejected before they would be read.
    #[cfg_attr(not(feature = "_tls"), allow(dead_code))]
    pub(crate) tls: TlsFiles,
    pub(crate) temporality: Temporality,
}

impl Target {
    /// Returns the host and port, for messages.
    pub(crate) fn receiver(&self) -> String {
        let host = self.endpoint.host_str().unwrap_or_default();
        match self.endpoint.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

#[cfg(test)]
impl Target {
    /// Returns everything that a variable can change.
    pub(crate) fn describe(&self) -> String {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name, value.to_str())).collect();
        let files = [&self.tls.trusted, &self.tls.certificate, &self.tls.key];
        let files = files.map(|file| file.as_ref().map(|file| &file.path));
        format!(
            "{} {:?} {headers:?} {:?} {} {files:?} {:?}",
            self.endpoint, self.protocol, self.timeout, self.gzip, self.temporality
        )
    }
}

/// The PEM files of TLS.
#[derive(Clone, Default)]
pub(crate) struct TlsFiles {
    /// The trusted certificate authorities, instead of the system's.
    pub(crate) trusted: Option<NamedFile>,
    pub(crate) certificate: Option<NamedFile>,
    pub(crate) key: Option<NamedFile>,
}

impl TlsFiles {
    /// Returns true if no file is set.
    #[cfg(feature = "_tls")]
    pub(crate) fn is_empty(&self) -> bool {
        self.trusted.is_none() && self.certificate.is_none() && self.key.is_none()
    }

    /// Returns an error if files are set without TLS, or a client certificate without its key.
    pub(super) fn validate(self) -> Result<Self, SetupError> {
        let any = self.trusted.as_ref().or(self.certificate.as_ref()).or(self.key.as_ref());
        if !cfg!(feature = "_tls")
            && let Some(file) = any
        {
            return Err(SetupError::NoTls { setting: file.setting.clone() });
        }
        match (&self.certificate, &self.key) {
            (Some(file), None) | (None, Some(file)) => Err(SetupError::InvalidValue {
                setting: file.setting.clone(),
                expected: "set together with its counterpart: a client certificate requires its \
                           key, and a key requires its certificate",
            }),
            _ => Ok(self),
        }
    }
}

/// A file, and the setting that names it.
#[derive(Clone)]
#[cfg_attr(not(feature = "_tls"), allow(dead_code))]
pub(crate) struct NamedFile {
    setting: String,
    path: PathBuf,
}

impl NamedFile {
    pub(super) fn new(setting: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { setting: setting.into(), path: path.into() }
    }
}

#[cfg(feature = "_tls")]
impl NamedFile {
    /// Reads the file.
    pub(crate) fn read(&self) -> Result<Vec<u8>, SetupError> {
        std::fs::read(&self.path).map_err(|error| SetupError::File {
            setting: self.setting.clone(),
            path: self.path.clone(),
            error,
        })
    }

    /// Returns an error about the content of the file.
    pub(crate) fn invalid(&self, problem: &'static str) -> SetupError {
        SetupError::InvalidFile { setting: self.setting.clone(), path: self.path.clone(), problem }
    }
}

/// Parses an endpoint, and appends the path of a signal if it is a base URL.
pub(super) fn parse_endpoint(
    setting: &str,
    url: &str,
    signal_path: Option<&str>,
) -> Result<Url, SetupError> {
    let invalid = || SetupError::InvalidEndpoint { setting: setting.to_owned() };
    let mut endpoint = Url::parse(url).map_err(|_| invalid())?;
    match endpoint.scheme() {
        "http" => {}
        "https" if cfg!(feature = "_tls") => {}
        "https" => return Err(SetupError::NoTls { setting: setting.to_owned() }),
        _ => return Err(invalid()),
    }
    if let Some(signal) = signal_path
        && let Ok(mut path) = endpoint.path_segments_mut()
    {
        path.pop_if_empty().extend(["v1", signal]);
    }
    Ok(endpoint)
}

/// Builds a header map. Its values are marked as sensitive.
pub(super) fn header_map(
    setting: &str,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<HeaderMap, SetupError> {
    let invalid = || SetupError::InvalidValue {
        setting: setting.to_owned(),
        expected: "valid header names and values without line breaks",
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().map_err(|_| invalid())?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| invalid())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
