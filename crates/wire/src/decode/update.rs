//! What a `certificate_update` says.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::DecodeError;
use super::members::{Member, Members};
use crate::event::EntryKind;
use crate::source::SourceKind;

/// An entry of a log, as a server saw it. What its message does not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update<'a> {
    /// The server's number for the message, which only grows: what a client resumes from. Servers
    /// of other makes have none.
    pub offset: Option<u64>,
    /// Whether something is left out for its size: by the server, which says so, or of a list that
    /// is longer than [`MAX_LIST`](super::MAX_LIST) or [`MAX_CHAIN`](super::MAX_CHAIN).
    pub truncated: bool,
    /// How many names the certificate has, in a message that is truncated: there may be fewer in
    /// it. Other servers do not say.
    pub domains_total: Option<u64>,
    /// Whether the entry is a certificate or a precertificate.
    pub kind: Option<EntryKind>,
    /// The index of the entry in its log, from 0.
    pub cert_index: Option<u64>,
    /// Where the entry can be read.
    pub cert_link: Option<Cow<'a, str>>,
    /// When the server processed the entry, ms since the Unix epoch.
    pub seen: Option<u64>,
    /// When the log promised to include the entry (the time of its SCT), ms since the Unix epoch.
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
    /// Where it is read; some servers write a slash at the end, some leave out the scheme.
    pub url: Option<Cow<'a, str>>,
    /// Who runs it.
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
    /// Whether it is a certificate authority.
    pub is_ca: Option<bool>,
    /// Who issued it.
    pub issuer: Name<'a>,
    /// End of validity, Unix seconds, itself included.
    pub not_after: Option<i64>,
    /// Start of validity, Unix seconds; negative before 1970.
    pub not_before: Option<i64>,
    /// What kept the server from reading it to its end.
    pub parse_error: Option<Cow<'a, str>>,
    /// Its serial number in upper-case hex, two digits a byte.
    pub serial_number: Option<Cow<'a, str>>,
    /// SHA-1 of its DER, `AB:CD:…`; messages call it `fingerprint` too.
    pub sha1: Option<Cow<'a, str>>,
    /// SHA-256 of its DER, `AB:CD:…`.
    pub sha256: Option<Cow<'a, str>>,
    /// What it is signed with; the servers' words differ.
    pub signature_algorithm: Option<Cow<'a, str>>,
    /// Who it is issued to.
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
    /// When [`as_der`](Self::as_der) is not standard base64.
    pub fn der(&self) -> Result<Option<Vec<u8>>, DecodeError> {
        let decode = |text: &str| base64_simd::STANDARD.decode_to_vec(text);
        self.as_der.as_deref().map(decode).transpose().map_err(|_| DecodeError::Base64)
    }
}

/// `data`, with what tells whether it is about a certificate at all.
pub(super) struct Entry<'e, 'a> {
    pub(super) update: &'e mut Update<'a>,
    pub(super) has_leaf: bool,
}

impl<'de> Members<'de> for Entry<'_, 'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: Member<'_, A>,
    ) -> Result<(), A::Error> {
        let Self { update, has_leaf } = self;
        match key {
            "cert_index" => update.cert_index = value.whole()?,
            "cert_link" => update.cert_link = value.text()?,
            "chain" => drop(value.fill(&mut update.chain)?),
            "leaf_cert" => *has_leaf = value.fill(&mut update.leaf)?,
            "seen" => update.seen = value.milliseconds()?,
            "source" => {
                let Update { source, submitted, .. } = &mut **update;
                value.fill(&mut Origin { source, submitted })?;
            }
            "submission_timestamp" => update.submitted = value.milliseconds()?.or(update.submitted),
            "update_type" => update.kind = value.named(entry_kind)?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// `source`, in which some servers tell the time of the entry.
struct Origin<'o, 'a> {
    source: &'o mut Log<'a>,
    submitted: &'o mut Option<u64>,
}

impl<'de> Members<'de> for Origin<'_, 'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: Member<'_, A>,
    ) -> Result<(), A::Error> {
        let Self { source, submitted } = self;
        match key {
            "log_id" => source.log_id = value.text()?,
            "name" => source.name = value.text()?,
            "operator" => source.operator = value.text()?,
            "timestamp" => **submitted = submitted.or(value.milliseconds()?),
            "type" => source.kind = value.named(source_kind)?,
            "url" => source.url = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Certificate<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: Member<'_, A>,
    ) -> Result<(), A::Error> {
        match key {
            "all_domains" => self.all_domains = value.list()?,
            "as_der" => self.as_der = value.text()?,
            "extensions" => drop(value.fill(&mut self.extensions)?),
            "fingerprint" | "sha1" => update(&mut self.sha1, value.text()?),
            "is_ca" => self.is_ca = value.flag()?,
            "issuer" => drop(value.fill(&mut self.issuer)?),
            "not_after" => self.not_after = value.date()?,
            "not_before" => self.not_before = value.date()?,
            "parse_error" => self.parse_error = value.text()?,
            "serial_number" => self.serial_number = value.text()?.map(serial_number),
            "sha256" => self.sha256 = value.text()?,
            "signature_algorithm" => self.signature_algorithm = value.text()?,
            "subject" => drop(value.fill(&mut self.subject)?),
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Name<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: Member<'_, A>,
    ) -> Result<(), A::Error> {
        match key {
            "C" => self.country = value.text()?,
            "CN" => self.common_name = value.text()?,
            "L" => self.locality = value.text()?,
            "O" => self.organization = value.text()?,
            "OU" => self.organizational_unit = value.text()?,
            "ST" => self.state = value.text()?,
            "aggregated" => self.aggregated = value.text()?,
            "emailAddress" | "email_address" => update(&mut self.email_address, value.text()?),
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Extensions<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: Member<'_, A>,
    ) -> Result<(), A::Error> {
        match key {
            "authorityInfoAccess" => self.authority_info_access = value.text()?,
            "authorityKeyIdentifier" => self.authority_key_identifier = value.text()?,
            "basicConstraints" => self.basic_constraints = value.text()?,
            "certificatePolicies" => self.certificate_policies = value.text()?,
            "crlDistributionPoints" => self.crl_distribution_points = value.text()?,
            "ctlPoisonByte" => self.poison = value.flag()?.unwrap_or_default(),
            "ctlSignedCertificateTimestamp" => self.sct_list = value.text()?,
            "extendedKeyUsage" => self.extended_key_usage = value.text()?,
            "extra" => self.extra = value.list()?,
            "issuerAltName" => self.issuer_alt_name = value.text()?,
            "keyUsage" => self.key_usage = value.text()?,
            "subjectAltName" => self.subject_alt_name = value.text()?,
            "subjectKeyIdentifier" => self.subject_key_identifier = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// Of two members that say the same, the one that says something.
fn update<T>(field: &mut Option<T>, said: Option<T>) {
    if said.is_some() {
        *field = said;
    }
}

/// CaliDog's server in Python has a name of its own for precertificates.
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

/// One form for what may be in lower case, or without its leading zero.
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
