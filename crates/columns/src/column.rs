//! The table of columns: the name of each, its type, the source of its value, and its description in
//! the documentation.

use std::borrow::Cow;

use cert::registered_domain;
use wire::decode::NO_EXPIRATION;

use crate::row::Row;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name.
    pub name: &'static str,
    /// The type, and the source of the value.
    pub kind: Kind,
    /// The description.
    pub meaning: &'static str,
}

/// A list of texts that are derived from others, each of which may be null.
pub type Derived<'r> = Box<dyn Iterator<Item = Option<Cow<'r, str>>> + 'r>;

/// The type of a column, with the function that returns its value from a row; none is null.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text(for<'r> fn(&'r dyn Row) -> Option<Cow<'r, str>>),
    /// A list of texts.
    Texts(for<'r> fn(&'r dyn Row) -> &'r [Cow<'r, str>]),
    /// A list of texts that are derived from others, each of which may be null.
    Derived(for<'r> fn(&'r dyn Row) -> Derived<'r>),
    /// A whole number.
    Number(fn(&dyn Row) -> Option<u64>),
    /// A time in milliseconds since the Unix epoch.
    Milliseconds(fn(&dyn Row) -> Option<u64>),
    /// A time in seconds since the Unix epoch.
    Seconds(fn(&dyn Row) -> Option<i64>),
    /// True or false.
    Flag(fn(&dyn Row) -> Option<bool>),
    /// Bytes.
    Bytes(for<'r> fn(&'r dyn Row) -> Option<&'r [u8]>),
}

/// All columns, in the order of a file.
pub const COLUMNS: &[Column] = &[
    column(
        "offset",
        Kind::Number(|row| row.offset()),
        "The server's number for the message, which only increases; the collector resumes from it. \
         Null from other servers.",
    ),
    column(
        "seen",
        Kind::Milliseconds(|row| row.seen()),
        "When the server processed the entry; in domains-only files, when the collector received \
         the message.",
    ),
    column(
        "submitted",
        Kind::Milliseconds(|row| row.submitted()),
        "When the log promised to include the entry (the timestamp of its SCT).",
    ),
    column(
        "cert_index",
        Kind::Number(|row| row.index()),
        "The index of the entry in its log, from 0. Together with the log it identifies the row.",
    ),
    column(
        "update_type",
        Kind::Text(|row| row.update_type().map(Cow::Borrowed)),
        "`X509LogEntry` or `PrecertLogEntry`.",
    ),
    column(
        "domains",
        Kind::Texts(|row| row.domains()),
        "The names the certificate is for: common name and dNSNames, in the server's order.",
    ),
    column(
        "registered_domain",
        Kind::Derived(|row| Box::new(row.domains().iter().map(|name| registered_domain(name)))),
        "For each of `domains`, in the same order, the domain registered below a public suffix: \
         `example.co.uk` for `*.shop.example.co.uk`. Null if there is none.",
    ),
    column(
        "domains_total",
        Kind::Number(|row| row.domains_total()),
        "Number of names in the certificate, if the row is `truncated` and the server reports it.",
    ),
    column("subject", Kind::Text(|row| row.subject()), "The complete subject: `/C=…/CN=…`."),
    column(
        "subject_cn",
        Kind::Text(|row| row.subject_common_name()),
        "The common name of the subject.",
    ),
    column("issuer", Kind::Text(|row| row.issuer()), "The complete issuer, in the same form."),
    column(
        "issuer_cn",
        Kind::Text(|row| row.issuer_common_name()),
        "The common name of the issuer.",
    ),
    column(
        "issuer_o",
        Kind::Text(|row| row.issuer_organization()),
        "The organization of the issuer.",
    ),
    column(
        "serial_number",
        Kind::Text(|row| row.serial_number()),
        "The serial number in upper-case hexadecimal, two digits per byte.",
    ),
    column("fingerprint", Kind::Text(|row| row.sha1()), "SHA-1 of the certificate, `AB:CD:…`."),
    column(
        "sha256",
        Kind::Text(|row| row.sha256()),
        "SHA-256 of the certificate, `AB:CD:…`. Null from CaliDog's servers.",
    ),
    column(
        "not_before",
        Kind::Seconds(|row| date(row.not_before())),
        "Start of validity. Null if the certificate has no readable date.",
    ),
    column(
        "not_after",
        Kind::Seconds(|row| date(row.not_after())),
        "End of validity, inclusive; 9999-12-31 23:59:59 for certificates that do not expire.",
    ),
    column(
        "signature_algorithm",
        Kind::Text(|row| row.signature_algorithm()),
        "The signature algorithm, such as `sha256, rsa`; the names differ between servers.",
    ),
    column(
        "is_ca",
        Kind::Flag(|row| row.is_ca()),
        "True for a certificate authority. Null from CaliDog's servers.",
    ),
    column(
        "source_name",
        Kind::Text(|row| row.log_name().map(Cow::Borrowed)),
        "The log's description in the log list.",
    ),
    column("source_url", Kind::Text(|row| row.log_url().map(Cow::Borrowed)), "The log's URL."),
    column(
        "source_operator",
        Kind::Text(|row| row.log_operator().map(Cow::Borrowed)),
        "The operator of the log. Null from other servers.",
    ),
    column(
        "log_id",
        Kind::Text(|row| row.log_id()),
        "The log's LogID in base64 (RFC 6962 section 3.2). Null from other servers.",
    ),
    column("cert_link", Kind::Text(|row| row.link()), "The URL of the entry."),
    column(
        "truncated",
        Kind::Flag(|row| Some(row.is_truncated())),
        "True if the server omitted parts of a large message, such as names.",
    ),
    column(
        "as_der",
        Kind::Bytes(|row| row.der()),
        "The certificate itself (DER). Only with `--with-der`.",
    ),
    column(
        REVERSED_NAME,
        Kind::Text(|row| row.domains().first().map(|name| reversed(name).into())),
        "The first of `domains` in lower case with its labels reversed, such as `com.example.www`, so \
         that a domain and all names below it are one range. Only in archives.",
    ),
    column(
        "leaf_hash",
        Kind::Bytes(|row| row.leaf_hash()),
        "The hash of the entry in the log's Merkle tree (RFC 6962 section 2.1). Only in archives.",
    ),
    column(
        "leaf",
        Kind::Bytes(|row| row.leaf()),
        "The `MerkleTreeLeaf` as the log served it, which `leaf_hash` covers. Only in archives with \
         `--with-der`.",
    ),
    column(
        ROW_DIGEST,
        Kind::Number(|_| None),
        "The beginning of a SHA-256 of all other values of the row, by which `verify` finds a row that \
         was changed. Only in archives.",
    ),
];

/// The column whose values follow from those of all others.
pub const ROW_DIGEST: &str = "row_digest";

/// The column that orders rows by name.
pub const REVERSED_NAME: &str = "reversed_name";

/// Returns a name in lower case with its labels in reverse order.
fn reversed(name: &str) -> String {
    let mut reversed = String::with_capacity(name.len());
    for label in name.rsplit('.') {
        if !reversed.is_empty() {
            reversed.push('.');
        }
        reversed.push_str(label);
    }
    reversed.make_ascii_lowercase();
    reversed
}

const fn column(name: &'static str, kind: Kind, meaning: &'static str) -> Column {
    Column { name, kind, meaning }
}

/// Returns a second if it is a date.
fn date(second: Option<i64>) -> Option<i64> {
    second.filter(|second| is_date(*second))
}

/// Reports whether a second is one that a certificate can name: from the year 1 to 9999. Some
/// programs cannot read files with others in them.
#[must_use]
pub const fn is_date(second: i64) -> bool {
    const FIRST: i64 = -62_135_596_800;
    FIRST <= second && second <= NO_EXPIRATION
}
