//! An event: a record with what its message needs beside it.

use std::sync::Arc;

use cert::Certificate;
use ct::leaf::EntryType;
use record::Record;

use crate::issuer::Issuer;
use crate::source::Source;

/// One entry of one log, as it is published. The record has the index, both times and the kind; the
/// rest is what rendering needs ready: the log by name, the certificate parsed, the chain rendered.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The server's own number for the event, which only grows; below 2^53, so that every JSON
    /// reader keeps it whole.
    pub offset: u64,
    /// The record of the entry.
    pub record: &'a Record,
    /// The log.
    pub source: &'a Source,
    /// The record's certificate, parsed; of a precertificate entry the precertificate as submitted,
    /// with its poison.
    pub certificate: &'a Certificate<'a>,
    /// The certificates above it, issuer first.
    pub chain: &'a [Arc<Issuer>],
}

/// The type of a log entry (`LogEntryType`, RFC 6962 section 3.1), as `update_type` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A certificate.
    X509LogEntry,
    /// A precertificate.
    PrecertLogEntry,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::X509LogEntry, Self::PrecertLogEntry];

    /// Returns the name in requests, as a value of `entry`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X509LogEntry => "final",
            Self::PrecertLogEntry => "precert",
        }
    }

    /// Returns the value of `update_type`.
    #[must_use]
    pub const fn update_type(self) -> &'static str {
        match self {
            Self::X509LogEntry => "X509LogEntry",
            Self::PrecertLogEntry => "PrecertLogEntry",
        }
    }
}

impl From<EntryType> for EntryKind {
    fn from(entry_type: EntryType) -> Self {
        match entry_type {
            EntryType::X509 => Self::X509LogEntry,
            EntryType::Precert => Self::PrecertLogEntry,
        }
    }
}

/// The part of an event that a stream shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Everything, the DER of the certificate and its chain included.
    Full,
    /// Everything but the DER and the chain.
    Lite,
    /// Only the names the certificate is for.
    Domains,
}

impl StreamKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Full, Self::Lite, Self::Domains];
}
