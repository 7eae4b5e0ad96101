//! A server certificate for one run, and clients that trust it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::folder;
use xtask::process::complete;

/// The configuration of OpenSSL, which would otherwise make a certificate authority's certificate.
const REQUEST: &str = "\
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = localhost
[extensions]
subjectAltName = IP:127.0.0.1
basicConstraints = critical, CA:FALSE
";

/// Files of a key and its self-signed certificate for 127.0.0.1, PEM.
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Identity {
    /// A new one: P-256, valid for a day.
    pub(crate) fn create() -> anyhow::Result<Self> {
        let folder = folder()?;
        let file = |name| folder.join(name);
        let (request, certificate, key) = (file("tls.cnf"), file("tls.pem"), file("tls.key"));
        std::fs::write(&request, REQUEST)?;
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-noenc", "-days", "1", "-config"]).arg(&request);
        openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
        complete(openssl.stderr(Stdio::null())).context("openssl makes the certificate")?;
        Ok(Self { certificate, key })
    }
}

/// Clients that trust one certificate and nothing else.
pub(crate) fn client(certificate: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    // Named, because another crate in the same build may switch on a second one.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(Arc::new(builder?.with_root_certificates(roots).with_no_client_auth()))
}
