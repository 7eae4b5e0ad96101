//! The content of a `certificate_update`.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::DecodeError;
use super::members::{Member, Members, members};
use crate::event::EntryKind;
use crate::source::SourceKind;

/// An entry of a log, as a server saw it. What its message does not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update<'a> {
    /// The server's number for the message, which only grows: what a client resumes from. Other
    /// servers have none.
    pub offset: Option<u64>,
    /// True if something is omitted for its size: by the server, which says so, or of a list that
    /// is longer than [`MAX_LIST`](super::MAX_LIST) or [`MAX_CHAIN`](super::MAX_CHAIN).
    pub truncated: bool,
    /// Number of names the certificate has, in a message that is truncated: there may be fewer in it.
    /// Other servers do not send it.
    pub domains_total: Option<u64>,
    /// The type of the entry: a certificate or a precertificate.
    pub kind: Option<EntryKind>,
    /// The index of the entry in its log, from 0.
    pub cert_index: Option<u64>,
    /// The URL at which the entry can be read.
    pub cert_link: Option<Cow<'a, str>>,
    /// The time at which the server processed the entry, ms since the Unix epoch.
    pub seen: Option<u64>,
    /// The time at which the log promised to include the entry (that of its SCT), ms since the Unix epoch.
    pub submitted: Option<u64>,
    /// The log.
    pub source: Log<'a>,
    /// The certificate or precertificate.
    pub leaf: Certificate<'a>,
    /// The certificates above it, issuer first; only of full messages.
    pub chain: Vec<Certificate<'a>>,
    /// The first member of the message whose value has none of the forms known for it, and which
    /// therefore counts as absent: `data.leaf_cert.not_after`.
    pub unread: Option<String>,
}

/// The log an entry is from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log<'a> {
    /// Its description in the log list.
    pub name: Option<Cow<'a, str>>,
    /// The URL at which it is read; some servers write a slash at the end, some leave out the scheme.
    pub url: Option<Cow<'a, str>>,
    /// The operator.
    pub operator: Option<Cow<'a, str>>,
    /// The protocol it speaks.
    pub kind: Option<SourceKind>,
    /// The base64 of its LogID (RFC 6962 section 3.2).
    pub log_id: Option<Cow<'a, str>>,
}

/// A certificate as a server describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certificate<'a> {
    /// The names it is for: the common name and the dNSNames, in the server's order.
    pub all_domains: Vec<Cow<'a, str>>,
    /// The standard base64 of its DER; only in full messages. See [`der`](Self::der).
    pub as_der: Option<Cow<'a, str>>,
    /// Its extensions.
    pub extensions: Extensions<'a>,
    /// True if it is a certificate authority.
    pub is_ca: Option<bool>,
    /// The issuer.
    pub issuer: Name<'a>,
    /// End of validity, Unix seconds, itself included.
    pub not_after: Option<i64>,
    /// Start of validity, Unix seconds; negative before 1970.
    pub not_before: Option<i64>,
    /// The error that kept the server from reading it to its end.
    pub parse_error: Option<Cow<'a, str>>,
    /// Its serial number in upper-case hex, two digits a byte.
    pub serial_number: Option<Cow<'a, str>>,
    /// SHA-1 of its DER, `AB:CD:…`; messages call it `fingerprint` too.
    pub sha1: Option<Cow<'a, str>>,
    /// SHA-256 of its DER, `AB:CD:…`.
    pub sha256: Option<Cow<'a, str>>,
    /// The algorithm it is signed with; the servers' words differ.
    pub signature_algorithm: Option<Cow<'a, str>>,
    /// The subject.
    pub subject: Name<'a>,
}

/// A distinguished name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Name<'a> {
    /// `C`: countryName.
    pub country: Option<Cow<'a, str>>,
    /// `CN`: commonName.
    pub common_name: Option<Cow<'a, str>>,
    /// `L`: localityName.
    pub locality: Option<Cow<'a, str>>,
    /// `O`: organizationName.
    pub organization: Option<Cow<'a, str>>,
    /// `OU`: organizationalUnitName.
    pub organizational_unit: Option<Cow<'a, str>>,
    /// `ST`: stateOrProvinceName.
    pub state: Option<Cow<'a, str>>,
    /// `emailAddress` or `email_address`.
    pub email_address: Option<Cow<'a, str>>,
    /// All of it in one text, `/C=…/CN=…`; its form differs between servers.
    pub aggregated: Option<Cow<'a, str>>,
}

/// The extensions of a certificate as texts, whose forms differ between servers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extensions<'a> {
    /// `authorityInfoAccess`.
    pub authority_info_access: Option<Cow<'a, str>>,
    /// `authorityKeyIdentifier`.
    pub authority_key_identifier: Option<Cow<'a, str>>,
    /// `basicConstraints`.
    pub basic_constraints: Option<Cow<'a, str>>,
    /// `certificatePolicies`.
    pub certificate_policies: Option<Cow<'a, str>>,
    /// `crlDistributionPoints`.
    pub crl_distribution_points: Option<Cow<'a, str>>,
    /// `ctlPoisonByte`: this is a precertificate.
    pub poison: bool,
    /// `ctlSignedCertificateTimestamp`: the embedded SCTs in base64.
    pub sct_list: Option<Cow<'a, str>>,
    /// `extendedKeyUsage`.
    pub extended_key_usage: Option<Cow<'a, str>>,
    /// `extra`: the object identifiers of all others.
    pub extra: Vec<Cow<'a, str>>,
    /// `issuerAltName`.
    pub issuer_alt_name: Option<Cow<'a, str>>,
    /// `keyUsage`.
    pub key_usage: Option<Cow<'a, str>>,
    /// `subjectAltName`.
    pub subject_alt_name: Option<Cow<'a, str>>,
    /// `subjectKeyIdentifier`.
    pub subject_key_identifier: Option<Cow<'a, str>>,
}

impl Certificate<'_> {
    /// Its DER, if the message has it.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Base64`] if [`as_der`](Self::as_der) is not standard base64.
    pub fn der(&self) -> Result<Option<Vec<u8>>, DecodeError> {
        let decode = |text: &str| base64_simd::STANDARD.decode_to_vec(text);
        self.as_der.as_deref().map(decode).transpose().map_err(|_| DecodeError::Base64)
    }
}

/// `data`, and whether it is about a certificate at all.
pub(super) struct Entry<'e, 'a> {
    pub(super) update: &'e mut Update<'a>,
    pub(super) has_leaf: bool,
}

members!(Entry<'_, 'de>, |target, value| {
    "cert_index" => target.update.cert_index = value.whole()?,
    "cert_link" => target.update.cert_link = value.text()?,
    "chain" => drop(value.fill(&mut target.update.chain)?),
    "leaf_cert" => target.has_leaf = value.fill(&mut target.update.leaf)?,
    "seen" => target.update.seen = value.milliseconds()?,
    "source" => {
        let Update { source, submitted, .. } = &mut *target.update;
        value.fill(&mut Origin { source, submitted })?;
    },
    "submission_timestamp" => target.update.submitted = value.milliseconds()?.or(target.update.submitted),
    "update_type" => target.update.kind = value.named(entry_kind)?,
});

/// `source`, in which some servers have the time of the entry.
struct Origin<'o, 'a> {
    source: &'o mut Log<'a>,
    submitted: &'o mut Option<u64>,
}

members!(Origin<'_, 'de>, |target, value| {
    "log_id" => target.source.log_id = value.text()?,
    "name" => target.source.name = value.text()?,
    "operator" => target.source.operator = value.text()?,
    "timestamp" => *target.submitted = target.submitted.or(value.milliseconds()?),
    "type" => target.source.kind = value.named(source_kind)?,
    "url" => target.source.url = value.text()?,
});

members!(Certificate<'de>, |target, value| {
    "all_domains" => target.all_domains = value.list()?,
    "as_der" => target.as_der = value.text()?,
    "extensions" => drop(value.fill(&mut target.extensions)?),
    "fingerprint" | "sha1" => update(&mut target.sha1, value.text()?),
    "is_ca" => target.is_ca = value.flag()?,
    "issuer" => drop(value.fill(&mut target.issuer)?),
    "not_after" => target.not_after = value.date()?,
    "not_before" => target.not_before = value.date()?,
    "parse_error" => target.parse_error = value.text()?,
    "serial_number" => target.serial_number = value.text()?.map(serial_number),
    "sha256" => target.sha256 = value.text()?,
    "signature_algorithm" => target.signature_algorithm = value.text()?,
    "subject" => drop(value.fill(&mut target.subject)?),
});

members!(Name<'de>, |target, value| {
    "C" => target.country = value.text()?,
    "CN" => target.common_name = value.text()?,
    "L" => target.locality = value.text()?,
    "O" => target.organization = value.text()?,
    "OU" => target.organizational_unit = value.text()?,
    "ST" => target.state = value.text()?,
    "aggregated" => target.aggregated = value.text()?,
    "emailAddress" | "email_address" => update(&mut target.email_address, value.text()?),
});

members!(Extensions<'de>, |target, value| {
    "authorityInfoAccess" => target.authority_info_access = value.text()?,
    "authorityKeyIdentifier" => target.authority_key_identifier = value.text()?,
    "basicConstraints" => target.basic_constraints = value.text()?,
    "certificatePolicies" => target.certificate_policies = value.text()?,
    "crlDistributionPoints" => target.crl_distribution_points = value.text()?,
    "ctlPoisonByte" => target.poison = value.flag()?.unwrap_or_default(),
    "ctlSignedCertificateTimestamp" => target.sct_list = value.text()?,
    "extendedKeyUsage" => target.extended_key_usage = value.text()?,
    "extra" => target.extra = value.list()?,
    "issuerAltName" => target.issuer_alt_name = value.text()?,
    "keyUsage" => target.key_usage = value.text()?,
    "subjectAltName" => target.subject_alt_name = value.text()?,
    "subjectKeyIdentifier" => target.subject_key_identifier = value.text()?,
});

/// Sets a field, of two members that mean the same, to the one with a value.
fn update<T>(field: &mut Option<T>, said: Option<T>) {
    if said.is_some() {
        *field = said;
    }
}

/// Reads a kind of entry; CaliDog's server in Python has a name of its own for precertificates.
fn entry_kind(name: &str) -> Option<EntryKind> {
    match name {
        "X509LogEntry" => Some(EntryKind::X509LogEntry),
        "PrecertLogEntry" | "PreCertEntry" => Some(EntryKind::PrecertLogEntry),
        _ => None,
    }
}

fn source_kind(name: &str) -> Option<SourceKind> {
    [SourceKind::Rfc6962, SourceKind::Tiled].into_iter().find(|kind| kind.name() == name)
}

/// Returns a serial number in one form; it may be in lower case, or without its leading zero.
fn serial_number(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let is_lower = text.bytes().any(|digit| digit.is_ascii_lowercase());
    let is_odd = text.len() % 2 == 1;
    if !is_hex || !is_lower && !is_odd {
        return text;
    }
    let zero = if is_odd { "0" } else { "" };
    format!("{zero}{}", text.to_ascii_uppercase()).into()
}
