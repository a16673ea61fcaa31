//! The TLS configuration of the HTTP client. The cryptography provider is passed explicitly, so
//! that no process-wide default has to be installed.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::error::SetupError;
use crate::otlp::TlsFiles;

/// Returns the configuration for these files. Without trusted certificates, the operating system
/// verifies the server.
pub(super) fn client_config(files: &TlsFiles) -> Result<ClientConfig, SetupError> {
    let builder = ClientConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .map_err(SetupError::exporter)?;
    let builder = match &files.trusted {
        None => builder.with_platform_verifier().map_err(SetupError::exporter)?,
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&file.read()?) {
                roots
                    .add(certificate)
                    .map_err(|_| file.invalid("a certificate in the file is invalid"))?;
            }
            if roots.is_empty() {
                return Err(file.invalid("the file contains no PEM certificate"));
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let invalid = || {
                certificate.invalid(
                    "the file and its key file must contain a PEM certificate and its private key",
                )
            };
            let pem = [certificate.read()?, b"\n".to_vec(), key.read()?].concat();
            let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| invalid())?;
            builder.with_client_auth_cert(certificates(&pem), key).map_err(|_| invalid())?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Returns a configuration that trusts no server.
pub(super) fn without_authorities() -> Result<ClientConfig, SetupError> {
    let builder = ClientConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .map_err(SetupError::exporter)?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Returns the certificates of a PEM file, or none if one of them cannot be parsed.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap_or_default()
}

/// Returns the provider that the program has installed, else the one of this build.
fn crypto_provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "rustls")]
    use rustls::crypto::aws_lc_rs::default_provider;
    #[cfg(not(feature = "rustls"))]
    use rustls::crypto::ring::default_provider;

    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(default_provider()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn building_a_configuration_installs_no_default_provider() {
        client_config(&TlsFiles::default()).unwrap();
        assert!(CryptoProvider::get_default().is_none());
    }
}
