//! Pinned certificates: the user trusts exactly these.
//!
//! `openssl req -x509` marks its certificates as authorities, which a server must not present as its
//! own certificate (RFC 5280 section 4.2.1.9), and with `-subj` alone writes the name only into the
//! common name, which is no longer compared (RFC 9525 section 2). If exactly that certificate is in
//! `--ca-file`, the user trusts it, so only name and dates remain to be checked.

use std::net::IpAddr;
use std::sync::Arc;

use cert::{Certificate, ExtensionKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Verifies like browsers, and also accepts pinned certificates that are marked as authorities.
#[derive(Debug)]
pub(super) struct PinnedVerifier {
    standard: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
    name: Name,
}

/// The handling of the server's name if its certificate is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The certificate must contain it.
    Checked,
    /// The certificate may be for any name.
    Any,
}

impl PinnedVerifier {
    pub(super) const fn new(
        standard: Arc<WebPkiServerVerifier>,
        pinned: Vec<CertificateDer<'static>>,
        name: Name,
    ) -> Self {
        Self { standard, pinned, name }
    }
}

/// Reports whether a certificate is refused only because it is marked as an authority.
pub(super) fn is_authority(error: &Error) -> bool {
    // The library has no variant for this error.
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other))
        if other.to_string().contains("CaUsedAsEndEntity"))
}

/// Reports whether a certificate is refused because its alternative names do not match.
const fn is_other_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

/// Reports whether the common name matches the server's name. It is compared only if the certificate
/// has no alternative names.
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

/// Checks dates and, if there is one, the name of a pinned certificate.
fn check(
    der: &CertificateDer<'_>,
    name: Option<&ServerName<'_>>,
    now: UnixTime,
) -> Result<(), Error> {
    let certificate = Certificate::read(der);
    if let Some(name) = name.filter(|name| !has_common_name(&certificate, name)) {
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

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let standard = &self.standard;
        let verified =
            standard.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let is_pinned = || self.pinned.iter().any(|pinned| pinned == end_entity);
        match verified {
            Err(error) if (is_authority(&error) || is_other_name(&error)) && is_pinned() => {
                let name = (self.name == Name::Checked).then_some(server_name);
                check(end_entity, name, now).map(|()| ServerCertVerified::assertion())
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
        self.standard.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.standard.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.standard.supported_verify_schemes()
    }
}
