//! The values of one row, whatever they come from.

use std::borrow::Cow;
use std::fmt;

use cert::{Certificate, Dialect, Name, Part, text};
use record::{LogIdentity, Record};
use wire::EntryKind;
use wire::decode::Update;

/// The values of a row. A value that the source does not have is none.
pub trait Row {
    /// The offset of the message.
    fn offset(&self) -> Option<u64>;
    /// The time at which the server processed the entry, ms since the Unix epoch.
    fn seen(&self) -> Option<u64>;
    /// The time at which the log promised to include the entry, ms since the Unix epoch.
    fn submitted(&self) -> Option<u64>;
    /// The index of the entry in its log, from 0.
    fn index(&self) -> Option<u64>;
    /// `X509LogEntry` or `PrecertLogEntry`.
    fn update_type(&self) -> Option<&str>;
    /// The names of the certificate: common name and dNSNames.
    fn domains(&self) -> &[Cow<'_, str>];
    /// The number of names of the certificate, if `domains` may be incomplete.
    fn domains_total(&self) -> Option<u64>;
    /// The subject as one text, `/C=…/CN=…`.
    fn subject(&self) -> Option<Cow<'_, str>>;
    /// The common name of the subject.
    fn subject_common_name(&self) -> Option<Cow<'_, str>>;
    /// The issuer as one text, `/C=…/CN=…`.
    fn issuer(&self) -> Option<Cow<'_, str>>;
    /// The common name of the issuer.
    fn issuer_common_name(&self) -> Option<Cow<'_, str>>;
    /// The organization of the issuer.
    fn issuer_organization(&self) -> Option<Cow<'_, str>>;
    /// The serial number in upper-case hexadecimal, two digits per byte.
    fn serial_number(&self) -> Option<Cow<'_, str>>;
    /// The SHA-1 of the certificate, `AB:CD:…`.
    fn sha1(&self) -> Option<Cow<'_, str>>;
    /// The SHA-256 of the certificate, `AB:CD:…`.
    fn sha256(&self) -> Option<Cow<'_, str>>;
    /// The start of validity in Unix seconds; none if it is unreadable.
    fn not_before(&self) -> Option<i64>;
    /// The end of validity in Unix seconds, inclusive; none if it is unreadable.
    fn not_after(&self) -> Option<i64>;
    /// The signature algorithm.
    fn signature_algorithm(&self) -> Option<Cow<'_, str>>;
    /// True if the certificate is a certificate authority.
    fn is_ca(&self) -> Option<bool>;
    /// The description of the log in the log list.
    fn log_name(&self) -> Option<&str>;
    /// The URL of the log.
    fn log_url(&self) -> Option<&str>;
    /// The operator of the log.
    fn log_operator(&self) -> Option<&str>;
    /// The LogID in base64.
    fn log_id(&self) -> Option<Cow<'_, str>>;
    /// The URL of the entry.
    fn link(&self) -> Option<Cow<'_, str>>;
    /// True if parts of the entry were left out for their size.
    fn is_truncated(&self) -> bool;
    /// The DER of the certificate, if it is kept.
    fn der(&self) -> Option<&[u8]>;
    /// The hash of the entry in the log's Merkle tree, if it is known.
    fn leaf_hash(&self) -> Option<&[u8]> {
        None
    }
    /// The `MerkleTreeLeaf` as served, if it is kept.
    fn leaf(&self) -> Option<&[u8]> {
        None
    }
}

/// A row from a message of a server, of any of the conventions that [`wire::decode()`] reads.
#[derive(Debug)]
pub struct MessageRow<'a> {
    /// The message. A message of a domains-only stream has names, and the time of receipt as `seen`.
    pub update: &'a Update<'a>,
    /// The DER, if it is kept: decoded from [`as_der`](wire::decode::Certificate::as_der).
    pub der: Option<&'a [u8]>,
}

/// Returns a text of a message, borrowed.
fn borrowed<'r>(text: &'r Option<Cow<'_, str>>) -> Option<Cow<'r, str>> {
    text.as_deref().map(Cow::Borrowed)
}

impl MessageRow<'_> {
    /// Returns a date of the certificate. Servers send 0 for an unreadable date, with a parse error.
    fn date(&self, second: Option<i64>) -> Option<i64> {
        let is_unreadable = second == Some(0) && self.update.leaf.parse_error.is_some();
        if is_unreadable { None } else { second }
    }
}

impl Row for MessageRow<'_> {
    fn offset(&self) -> Option<u64> {
        self.update.offset
    }
    fn seen(&self) -> Option<u64> {
        self.update.seen
    }
    fn submitted(&self) -> Option<u64> {
        self.update.submitted
    }
    fn index(&self) -> Option<u64> {
        self.update.cert_index
    }
    fn update_type(&self) -> Option<&str> {
        self.update.kind.map(EntryKind::update_type)
    }
    fn domains(&self) -> &[Cow<'_, str>] {
        &self.update.leaf.all_domains
    }
    fn domains_total(&self) -> Option<u64> {
        self.update.domains_total
    }
    fn subject(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.subject.aggregated)
    }
    fn subject_common_name(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.subject.common_name)
    }
    fn issuer(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.issuer.aggregated)
    }
    fn issuer_common_name(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.issuer.common_name)
    }
    fn issuer_organization(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.issuer.organization)
    }
    fn serial_number(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.serial_number)
    }
    fn sha1(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.sha1)
    }
    fn sha256(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.sha256)
    }
    fn not_before(&self) -> Option<i64> {
        self.date(self.update.leaf.not_before)
    }
    fn not_after(&self) -> Option<i64> {
        self.date(self.update.leaf.not_after)
    }
    fn signature_algorithm(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.leaf.signature_algorithm)
    }
    fn is_ca(&self) -> Option<bool> {
        self.update.leaf.is_ca
    }
    fn log_name(&self) -> Option<&str> {
        self.update.source.name.as_deref()
    }
    fn log_url(&self) -> Option<&str> {
        self.update.source.url.as_deref()
    }
    fn log_operator(&self) -> Option<&str> {
        self.update.source.operator.as_deref()
    }
    fn log_id(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.source.log_id)
    }
    fn link(&self) -> Option<Cow<'_, str>> {
        borrowed(&self.update.cert_link)
    }
    fn is_truncated(&self) -> bool {
        self.update.truncated
    }
    fn der(&self) -> Option<&[u8]> {
        self.der
    }
}

/// The conventions of the texts: those of the default profile of messages.
const DIALECT: Dialect = Dialect::Calidog;

/// A row from a record, as it was committed: the same values as in the message that a server renders
/// from it with the default profile, but complete however large it is.
#[derive(Debug)]
pub struct RecordRow<'a> {
    offset: u64,
    record: &'a Record,
    certificate: &'a Certificate<'a>,
    log: &'a LogIdentity,
    domains: Vec<Cow<'a, str>>,
    leaf_hash: Option<&'a [u8; 32]>,
    leaf: Option<&'a [u8]>,
}

impl<'a> RecordRow<'a> {
    /// Returns the row of a record with this offset. `certificate` is the record's, and `log` the
    /// identity of its log.
    #[must_use]
    pub fn new(
        offset: u64,
        record: &'a Record,
        certificate: &'a Certificate<'a>,
        log: &'a LogIdentity,
    ) -> Self {
        let domains = certificate.all_domains(DIALECT).collect();
        let (leaf_hash, leaf) = (None, None);
        Self { offset, record, certificate, log, domains, leaf_hash, leaf }
    }

    /// Adds the entry's leaf, which may be empty if only its hash is known.
    #[must_use]
    pub fn with_leaf(self, leaf_hash: &'a [u8; 32], leaf: &'a [u8]) -> Self {
        let leaf = (!leaf.is_empty()).then_some(leaf);
        Self { leaf_hash: Some(leaf_hash), leaf, ..self }
    }

    /// Returns a date of the certificate; none if it is unreadable.
    const fn date(&self, second: i64) -> Option<i64> {
        let is_unreadable = second == 0 && self.certificate.parse_error.is_some();
        if is_unreadable { None } else { Some(second) }
    }
}

/// Returns a text that is written piece by piece; none if it is empty.
fn written<'r>(write: impl FnOnce(&mut String) -> fmt::Result) -> Option<Cow<'r, str>> {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _infallible = write(&mut text);
    (!text.is_empty()).then_some(Cow::Owned(text))
}

fn part<'r>(name: &Name<'_>, part: Part) -> Option<Cow<'r, str>> {
    name.get(part)?;
    written(|out| name.write_part(part, DIALECT, out))
}

/// Returns a text; none if it is empty, which means that it is unknown.
fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

impl Row for RecordRow<'_> {
    fn offset(&self) -> Option<u64> {
        Some(self.offset)
    }
    fn seen(&self) -> Option<u64> {
        Some(self.record.seen)
    }
    fn submitted(&self) -> Option<u64> {
        Some(self.record.submitted)
    }
    fn index(&self) -> Option<u64> {
        Some(self.record.index)
    }
    fn update_type(&self) -> Option<&str> {
        Some(EntryKind::from(self.record.kind).update_type())
    }
    fn domains(&self) -> &[Cow<'_, str>] {
        &self.domains
    }
    fn domains_total(&self) -> Option<u64> {
        None
    }
    fn subject(&self) -> Option<Cow<'_, str>> {
        written(|out| self.certificate.subject.write_aggregated(DIALECT, out))
    }
    fn subject_common_name(&self) -> Option<Cow<'_, str>> {
        part(&self.certificate.subject, Part::CommonName)
    }
    fn issuer(&self) -> Option<Cow<'_, str>> {
        written(|out| self.certificate.issuer.write_aggregated(DIALECT, out))
    }
    fn issuer_common_name(&self) -> Option<Cow<'_, str>> {
        part(&self.certificate.issuer, Part::CommonName)
    }
    fn issuer_organization(&self) -> Option<Cow<'_, str>> {
        part(&self.certificate.issuer, Part::Organization)
    }
    fn serial_number(&self) -> Option<Cow<'_, str>> {
        let mut serial = self.certificate.serial;
        // Without the zeros that only mark it as positive.
        while let [0, rest @ ..] = serial
            && !rest.is_empty()
        {
            serial = rest;
        }
        written(|out| text::write_hex(serial, text::UPPER, out))
    }
    fn sha1(&self) -> Option<Cow<'_, str>> {
        written(|out| text::write_colon_hex(&self.certificate.sha1, text::UPPER, out))
    }
    fn sha256(&self) -> Option<Cow<'_, str>> {
        written(|out| text::write_colon_hex(&self.certificate.sha256, text::UPPER, out))
    }
    fn not_before(&self) -> Option<i64> {
        self.date(self.certificate.not_before)
    }
    fn not_after(&self) -> Option<i64> {
        self.date(self.certificate.not_after)
    }
    fn signature_algorithm(&self) -> Option<Cow<'_, str>> {
        written(|out| self.certificate.signature_algorithm.write(DIALECT, out))
    }
    fn is_ca(&self) -> Option<bool> {
        Some(self.certificate.is_ca)
    }
    fn log_name(&self) -> Option<&str> {
        known(&self.log.name)
    }
    fn log_url(&self) -> Option<&str> {
        known(&self.log.url)
    }
    fn log_operator(&self) -> Option<&str> {
        known(&self.log.operator)
    }
    fn log_id(&self) -> Option<Cow<'_, str>> {
        self.log.id.map(|id| id.to_string().into())
    }
    fn link(&self) -> Option<Cow<'_, str>> {
        let link = self.log.protocol.entry_url(&self.log.url, self.record.index);
        Some(link.into())
    }
    fn is_truncated(&self) -> bool {
        false
    }
    fn der(&self) -> Option<&[u8]> {
        (!self.certificate.der.is_empty()).then_some(self.certificate.der)
    }
    fn leaf_hash(&self) -> Option<&[u8]> {
        self.leaf_hash.map(|hash| &hash[..])
    }
    fn leaf(&self) -> Option<&[u8]> {
        self.leaf
    }
}

#[cfg(test)]
mod tests;
