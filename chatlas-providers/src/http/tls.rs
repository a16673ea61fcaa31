//! The TLS of the shared HTTP client.
//!
//! With the feature `rustls`, reqwest brings aws-lc. With `rustls-ring` alone, the client is given a
//! configuration that uses ring: no process-wide default is installed.

use chatlas_core::ProviderError;
use reqwest::ClientBuilder;

/// Whether this build has TLS.
pub(crate) const HAS_TLS: bool = cfg!(feature = "_tls");

/// Sets up the TLS of a client.
#[cfg(not(all(feature = "rustls-ring", not(feature = "rustls"))))]
// The other one can fail.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn configure(builder: ClientBuilder) -> Result<ClientBuilder, ProviderError> {
    Ok(builder)
}

/// Sets up a client that trusts no server.
#[cfg(feature = "rustls")]
#[allow(clippy::unnecessary_wraps)] // the other one can fail
pub(super) fn without_authorities(builder: ClientBuilder) -> Result<ClientBuilder, ProviderError> {
    Ok(builder.tls_certs_only([]))
}

/// Sets up the TLS of a client: the provider that the program has installed, else ring. The
/// operating system verifies the server, as reqwest has it by default.
#[cfg(all(feature = "rustls-ring", not(feature = "rustls")))]
pub(super) fn configure(builder: ClientBuilder) -> Result<ClientBuilder, ProviderError> {
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let config = config()?.with_platform_verifier().map_err(|error| failed(&error))?;
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(builder.tls_backend_preconfigured(config))
}

/// Sets up a client that trusts no server.
#[cfg(all(feature = "rustls-ring", not(feature = "rustls")))]
pub(super) fn without_authorities(builder: ClientBuilder) -> Result<ClientBuilder, ProviderError> {
    let config = config()?.with_root_certificates(rustls::RootCertStore::empty());
    Ok(builder.tls_backend_preconfigured(config.with_no_client_auth()))
}

#[cfg(all(feature = "rustls-ring", not(feature = "rustls")))]
fn config()
-> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>, ProviderError> {
    use rustls::crypto::{CryptoProvider, ring};

    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| std::sync::Arc::new(ring::default_provider()));
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))
}

#[cfg(all(feature = "rustls-ring", not(feature = "rustls")))]
fn failed(error: &rustls::Error) -> ProviderError {
    let message = format!("the TLS of the HTTP client could not be set up: {error}");
    ProviderError::new(chatlas_core::ProviderErrorKind::Other, message)
}

#[cfg(all(test, feature = "_tls"))]
mod tests {
    #[test]
    fn a_client_installs_no_process_wide_crypto_provider() {
        super::configure(reqwest::Client::builder()).unwrap().build().unwrap();
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
