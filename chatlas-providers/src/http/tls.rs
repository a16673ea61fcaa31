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

/// Sets up the TLS of a client: the provider that the program has installed, else ring. The
/// operating system verifies the server, as reqwest has it by default.
#[cfg(all(feature = "rustls-ring", not(feature = "rustls")))]
pub(super) fn configure(builder: ClientBuilder) -> Result<ClientBuilder, ProviderError> {
    use std::sync::Arc;

    use chatlas_core::ProviderErrorKind;
    use rustls::ClientConfig;
    use rustls::crypto::{CryptoProvider, ring};
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let provider =
        CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(|error| {
            let message = format!("the TLS of the HTTP client could not be set up: {error}");
            ProviderError::new(ProviderErrorKind::Other, message)
        })?;
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(builder.tls_backend_preconfigured(config))
}

#[cfg(all(test, feature = "_tls"))]
mod tests {
    #[test]
    fn a_client_installs_no_process_wide_crypto_provider() {
        super::configure(reqwest::Client::builder()).unwrap().build().unwrap();
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
