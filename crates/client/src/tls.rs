//! TLS as a client: the trusted certificates, and explanations of failures.

mod pinned;

use std::path::Path;
use std::sync::Arc;

use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use pinned::{Name, PinnedVerifier};

/// A failure to set up TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of certificates cannot be used.
    #[error("--ca-file {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        reason: String,
    },
    /// The library refuses the configuration.
    #[error("tls cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    /// The library refuses the trusted certificates.
    #[error("tls cannot be set up: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// Returns a configuration that trusts the certificates of the system (or, if it has none, of
/// browsers), and those of a PEM file.
///
/// # Errors
///
/// If the file cannot be read, or contains no certificate.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    config(ca_file, Name::Checked)
}

/// Returns a configuration for a server on this machine whose certificates are in this PEM file. The
/// server is reached by its address, which its certificate need not contain.
///
/// # Errors
///
/// If the file cannot be read, or contains no certificate.
pub fn client_config_for_own(certificates: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    config(Some(certificates), Name::Any)
}

fn config(ca_file: Option<&Path>, name: Name) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        let built_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
        roots.add_parsable_certificates(built_in);
    }
    let mut pinned = Vec::new();
    if let Some(path) = ca_file {
        let wrong = |reason: String| TlsError::File { path: path.display().to_string(), reason };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            let expected = "it contains no certificate (expected -----BEGIN CERTIFICATE-----)";
            return Err(wrong(expected.to_owned()));
        }
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
        }
        pinned = certificates;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let standard =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = Arc::new(PinnedVerifier::new(standard.build()?, pinned, name));
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Explains a failure, with advice for the user of the program.
#[must_use]
pub fn explain(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    let advice = match error {
        error if pinned::is_authority(error) => {
            "the server's certificate is marked as an authority, as by `openssl req -x509`; if \
             it is your server's, trust exactly this certificate with --ca-file, or make one \
             with -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:NAME, \
             where NAME is the host in --url"
        }
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => {
                "the server's certificate was not issued by a trusted authority; name its \
                 authority with --ca-file"
            }
            Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; is the clock of this machine right?"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate is for another name than the one in --url"
            }
            _ => "the server's certificate is not accepted",
        },
        rustls::Error::InvalidMessage(_) => "is this port for TLS? if not, use ws:// in --url",
        _ => "the TLS handshake failed",
    };
    format!("{advice} ({error})")
}
