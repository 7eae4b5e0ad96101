//! Certificates that a user trusts as they are.
//!
//! `openssl req -x509` marks what it makes as a certificate authority, which no server may present
//! as its own certificate (RFC 5280 section 4.2.1.9), and with `-subj` alone writes the name only
//! into the common name, which is not compared any more (RFC 9525 section 2). Where exactly that
//! certificate is in `--ca-file`, the user has said whom to trust, so name and dates are all that is
//! left to check.

use std::net::IpAddr;
use std::sync::Arc;

use cert::{Certificate, ExtensionKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Verifies as browsers do, and accepts pinned certificates that call themselves authorities.
#[derive(Debug)]
pub(super) struct Pinning {
    usual: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl Pinning {
    pub(super) const fn new(
        usual: Arc<WebPkiServerVerifier>,
        pinned: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self { usual, pinned }
    }
}

/// Whether a certificate is refused for nothing but calling itself an authority.
pub(super) fn is_authority(error: &Error) -> bool {
    // The library has no name of its own for this one.
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other))
        if other.to_string().contains("CaUsedAsEndEntity"))
}

/// Reports whether a certificate is refused for having another name, or none that counts.
const fn is_other_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

/// Reports whether the common name is the server's. Only that of a certificate without alternative
/// names counts.
fn has_common_name(certificate: &Certificate<'_>, name: &ServerName<'_>) -> bool {
    if certificate.extension(ExtensionKind::SubjectAltName).is_some() {
        return false;
    }
    let Some(common) = certificate.subject.get(cert::Part::CommonName) else { return false };
    let common = common.to_text();
    match name {
        ServerName::DnsName(name) => common.eq_ignore_ascii_case(name.as_ref()),
        ServerName::IpAddress(address) => {
            common.parse::<IpAddr>().is_ok_and(|common| common == IpAddr::from(*address))
        }
        _ => false,
    }
}

/// Checks what is left to check of a pinned certificate.
fn check(der: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = Certificate::read(der);
    if !has_common_name(&certificate, name) {
        verify_server_name(&ParsedCertificate::try_from(der)?, name)?;
    }
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if certificate.parse_error.is_some() {
        return Err(CertificateError::BadEncoding.into());
    }
    if now < certificate.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > certificate.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

impl ServerCertVerifier for Pinning {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = &self.usual;
        let verified =
            usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let is_pinned = || self.pinned.iter().any(|pinned| pinned == end_entity);
        match verified {
            Err(error) if (is_authority(&error) || is_other_name(&error)) && is_pinned() => {
                check(end_entity, server_name, now).map(|()| ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
