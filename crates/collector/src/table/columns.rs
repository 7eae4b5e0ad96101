//! What each column is, in one table: its name, its type, where its value comes from, and what the
//! documentation says of it.

use std::borrow::Cow;

use wire::EntryKind;
use wire::decode::{NO_EXPIRATION, Update};

use super::registered::registered_domain;

/// A row before it is taken apart into columns.
#[derive(Debug)]
pub struct Row<'a> {
    /// What the server said. Of a domains-only stream it has only names and the time of receipt.
    pub update: &'a Update<'a>,
    /// The certificate, where it is kept.
    pub der: Option<&'a [u8]>,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type, and where its value comes from.
    pub kind: Kind,
    /// What it means.
    pub meaning: &'static str,
}

/// Texts made of those of a row; none is null.
pub type Derived<'r> = Box<dyn Iterator<Item = Option<Cow<'r, str>>> + 'r>;

/// How a value is had from a row; none is null.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text(for<'r> fn(&'r Row<'r>) -> Option<&'r str>),
    /// A list of texts.
    Texts(for<'r> fn(&'r Row<'r>) -> &'r [Cow<'r, str>]),
    /// A list of texts that are derived from others, each of which may be null.
    Derived(for<'r> fn(&'r Row<'r>) -> Derived<'r>),
    /// A whole number.
    Number(fn(&Row<'_>) -> Option<u64>),
    /// A time in milliseconds since the Unix epoch.
    Milliseconds(fn(&Row<'_>) -> Option<u64>),
    /// A time in seconds since the Unix epoch.
    Seconds(fn(&Row<'_>) -> Option<i64>),
    /// Yes or no.
    Flag(fn(&Row<'_>) -> Option<bool>),
    /// Bytes.
    Bytes(for<'r> fn(&'r Row<'r>) -> Option<&'r [u8]>),
}

/// All columns, in the order of a file.
pub const COLUMNS: [Column; 27] = [
    column(
        "offset",
        Kind::Number(|row| row.update.offset),
        "The server's number for the message, which only increases; the collector resumes from it. \
         Null from other servers.",
    ),
    column(
        "seen",
        Kind::Milliseconds(|row| row.update.seen),
        "When the server processed the entry; in domains-only files, when the collector received \
         the message.",
    ),
    column(
        "submitted",
        Kind::Milliseconds(|row| row.update.submitted),
        "When the log promised to include the entry (the timestamp of its SCT).",
    ),
    column(
        "cert_index",
        Kind::Number(|row| row.update.cert_index),
        "The index of the entry in its log, from 0. Together with the log it identifies the row.",
    ),
    column("update_type", Kind::Text(update_type), "`X509LogEntry` or `PrecertLogEntry`."),
    column(
        "domains",
        Kind::Texts(|row| &row.update.leaf.all_domains),
        "The names the certificate is for: common name and dNSNames, in the server's order.",
    ),
    column(
        "registered_domain",
        Kind::Derived(|row| {
            Box::new(row.update.leaf.all_domains.iter().map(|name| registered_domain(name)))
        }),
        "For each of `domains`, in the same order, the domain registered below a public suffix: \
         `example.co.uk` for `*.shop.example.co.uk`. Null if there is none.",
    ),
    column(
        "domains_total",
        Kind::Number(|row| row.update.domains_total),
        "Number of names in the certificate, if the row is `truncated` and the server reports it.",
    ),
    column(
        "subject",
        Kind::Text(|row| row.update.leaf.subject.aggregated.as_deref()),
        "The complete subject: `/C=…/CN=…`.",
    ),
    column(
        "subject_cn",
        Kind::Text(|row| row.update.leaf.subject.common_name.as_deref()),
        "The common name of the subject.",
    ),
    column(
        "issuer",
        Kind::Text(|row| row.update.leaf.issuer.aggregated.as_deref()),
        "The complete issuer, in the same form.",
    ),
    column(
        "issuer_cn",
        Kind::Text(|row| row.update.leaf.issuer.common_name.as_deref()),
        "The common name of the issuer.",
    ),
    column(
        "issuer_o",
        Kind::Text(|row| row.update.leaf.issuer.organization.as_deref()),
        "The organization of the issuer.",
    ),
    column(
        "serial_number",
        Kind::Text(|row| row.update.leaf.serial_number.as_deref()),
        "The serial number in upper-case hexadecimal, two digits per byte.",
    ),
    column(
        "fingerprint",
        Kind::Text(|row| row.update.leaf.sha1.as_deref()),
        "SHA-1 of the certificate, `AB:CD:…`.",
    ),
    column(
        "sha256",
        Kind::Text(|row| row.update.leaf.sha256.as_deref()),
        "SHA-256 of the certificate, `AB:CD:…`. Null from CaliDog's servers.",
    ),
    column(
        "not_before",
        Kind::Seconds(|row| date(row, row.update.leaf.not_before)),
        "Start of validity. Null if the certificate has no readable date.",
    ),
    column(
        "not_after",
        Kind::Seconds(|row| date(row, row.update.leaf.not_after)),
        "End of validity, inclusive; 9999-12-31 23:59:59 for certificates that do not expire.",
    ),
    column(
        "signature_algorithm",
        Kind::Text(|row| row.update.leaf.signature_algorithm.as_deref()),
        "The signature algorithm, such as `sha256, rsa`; the names differ between servers.",
    ),
    column(
        "is_ca",
        Kind::Flag(|row| row.update.leaf.is_ca),
        "True for a certificate authority. Null from CaliDog's servers.",
    ),
    column(
        "source_name",
        Kind::Text(|row| row.update.source.name.as_deref()),
        "The log's description in the log list.",
    ),
    column("source_url", Kind::Text(|row| row.update.source.url.as_deref()), "The log's URL."),
    column(
        "source_operator",
        Kind::Text(|row| row.update.source.operator.as_deref()),
        "The operator of the log. Null from other servers.",
    ),
    column(
        "log_id",
        Kind::Text(|row| row.update.source.log_id.as_deref()),
        "The log's LogID in base64 (RFC 6962 section 3.2). Null from other servers.",
    ),
    column("cert_link", Kind::Text(|row| row.update.cert_link.as_deref()), "The URL of the entry."),
    column(
        "truncated",
        Kind::Flag(|row| Some(row.update.truncated)),
        "True if the server omitted parts of a large message, such as names.",
    ),
    column(
        "as_der",
        Kind::Bytes(|row| row.der),
        "The certificate itself (DER). Only with `--with-der`.",
    ),
];

const fn column(name: &'static str, kind: Kind, meaning: &'static str) -> Column {
    Column { name, kind, meaning }
}

fn update_type<'r>(row: &'r Row<'r>) -> Option<&'r str> {
    row.update.kind.map(|kind| match kind {
        EntryKind::X509LogEntry => "X509LogEntry",
        EntryKind::PrecertLogEntry => "PrecertLogEntry",
    })
}

/// A date of a certificate. Servers send 0 for what they could not read, and say so.
fn date(row: &Row<'_>, second: Option<i64>) -> Option<i64> {
    let is_unreadable = second == Some(0) && row.update.leaf.parse_error.is_some();
    second.filter(|second| is_date(second) && !is_unreadable)
}

/// Whether a second is one that a certificate can name: from the year 1 to 9999. Some programs
/// cannot read files with others in them.
#[must_use]
pub const fn is_date(second: &i64) -> bool {
    const FIRST: i64 = -62_135_596_800;
    FIRST <= *second && *second <= NO_EXPIRATION
}
