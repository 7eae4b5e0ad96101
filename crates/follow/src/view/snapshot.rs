//! The status of all logs at one moment, as bytes: a process with followers sends it to those without.
//!
//! The bytes are a version, and JSON compressed with zstd. They are untrusted input: sizes and counts
//! are bounded, and long texts are shortened.

mod document;

use std::fmt::Display;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use ctclient::HostSnapshot;

use self::document::Document;
use super::{HeldBytes, IssuersView, LogView, LogsView};
use crate::alarm::MOST_ALARMS;
use crate::catalogue::ListStatus;
use crate::fleet::Reason;

/// The version written. It grows when earlier versions of this program could not read the new form; a
/// field that they can ignore, and one that may be absent, does not change it.
const VERSION: u8 = 1;
/// The most bytes of the JSON.
const MOST_BYTES: usize = 4 << 20;
/// The most logs.
const MOST_LOGS: usize = 4096;
/// The most hosts.
const MOST_HOSTS: usize = MOST_LOGS;
/// The most log lists, and the most that one log names.
const MOST_LISTS: usize = 64;
/// The largest plausible count: the sum over all logs and hosts fits into a `u64`.
const LARGEST_COUNT: u64 = 1 << 51;
/// The most bytes of an error, a reason, or the text of an alarm. A longer one is shortened.
const LONGEST_TEXT: usize = 2048;
/// The level of zstd.
const LEVEL: i32 = 3;

/// The reason why the status of the logs cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no content.
    #[error("the status of the logs is empty")]
    Empty,
    /// It has the form of another version of this program.
    #[error(
        "the status of the logs has version {0}, and this program reads version {VERSION}: run the \
         same version of the program on all nodes"
    )]
    Version(u8),
    /// It is not compressed as it should be.
    #[error("the status of the logs cannot be decompressed: {0}")]
    Compression(io::Error),
    /// It has too many bytes.
    #[error("the status of the logs has {0} bytes; at most {MOST_BYTES} are permitted")]
    TooLarge(u64),
    /// A part of it has too many elements.
    #[error("the status of the logs has {count} {what}; at most {most} are permitted")]
    TooMany {
        /// The elements.
        what: &'static str,
        /// Their number.
        count: usize,
        /// The most permitted.
        most: usize,
    },
    /// A count is not plausible.
    #[error("the status of {whose} has a count of {count}, which is not plausible")]
    Count {
        /// A log, a host, or the issuers.
        whose: String,
        /// The count.
        count: u64,
    },
    /// It is not of the expected form, or a log has no usable URL or id.
    #[error("the status of the logs cannot be read: {0}")]
    Content(String),
}

impl SnapshotError {
    /// Makes an error of one that may quote the content.
    fn content(error: impl Display) -> Self {
        let mut text = error.to_string();
        shorten(&mut text);
        Self::Content(text)
    }
}

/// The status of all logs as it was at one moment. Keys of logs, and what only a follower needs of a
/// log, are not part of its bytes.
#[derive(Debug, Clone)]
pub struct LogsSnapshot {
    taken_at: u64,
    logs: Vec<LogView>,
    hosts: Vec<HostSnapshot>,
    lists: Vec<ListStatus>,
    reason: Option<Reason>,
    held: HeldBytes,
    issuers: IssuersView,
}

impl LogsSnapshot {
    /// Reads the status of all logs now.
    #[must_use]
    pub fn take(view: &dyn LogsView) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let snapshot = Self {
            taken_at: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            logs: view.logs(),
            hosts: view.hosts(),
            lists: view.lists(),
            reason: view.reason(),
            held: view.held_bytes(),
            issuers: view.issuers(),
        };
        snapshot.with_short_texts()
    }

    /// Returns the time at which it was taken, milliseconds since 1970, by the clock of that machine.
    #[must_use]
    pub const fn taken_at(&self) -> u64 {
        self.taken_at
    }

    /// Writes it as bytes.
    ///
    /// # Errors
    /// If it has more logs, hosts, lists or bytes than are permitted.
    pub fn encode(&self) -> Result<Vec<u8>, SnapshotError> {
        self.check()?;
        let document = Document::from(self.clone());
        let json = serde_json::to_vec(&document).map_err(SnapshotError::content)?;
        if json.len() > MOST_BYTES {
            return Err(SnapshotError::TooLarge(json.len() as u64));
        }
        let mut bytes = vec![VERSION];
        let content = zstd::bulk::compress(&json, LEVEL).map_err(SnapshotError::Compression)?;
        bytes.extend_from_slice(&content);
        Ok(bytes)
    }

    /// Reads the bytes that [`encode`](Self::encode) has written.
    ///
    /// # Errors
    /// If they have another version, are damaged, or have more of something than is permitted.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (version, content) = bytes.split_first().ok_or(SnapshotError::Empty)?;
        if *version != VERSION {
            return Err(SnapshotError::Version(*version));
        }
        let json = decompress(content)?;
        let document: Document = serde_json::from_slice(&json).map_err(SnapshotError::content)?;
        let snapshot = Self::try_from(document).map_err(SnapshotError::content)?;
        snapshot.check()?;
        Ok(snapshot.with_short_texts())
    }

    /// Checks numbers of elements, and counts.
    fn check(&self) -> Result<(), SnapshotError> {
        at_most("logs", self.logs.len(), MOST_LOGS)?;
        at_most("hosts", self.hosts.len(), MOST_HOSTS)?;
        at_most("log lists", self.lists.len(), MOST_LISTS)?;
        for log in &self.logs {
            at_most("alarms of one log", log.at.alarms.len(), MOST_ALARMS)?;
            at_most("log lists of one log", log.listing.lists.len(), MOST_LISTS)?;
            plausible(&log.log.name, &[log.counts.largest()])?;
        }
        for host in self.hosts.iter().chain(self.logs.iter().filter_map(|log| log.host.as_ref())) {
            plausible(&host.host, &[host.requests, host.limited, host.in_flight as u64])?;
        }
        let IssuersView { known, counts } = self.issuers;
        plausible("the issuers", &[known as u64, counts.fetched, counts.failed])
    }

    fn with_short_texts(mut self) -> Self {
        for log in &mut self.logs {
            let own = [&mut log.at.last_error, &mut log.at.unproved];
            own.into_iter().flatten().for_each(shorten);
            for alarm in &mut log.at.alarms {
                shorten(&mut alarm.text);
                alarm.evidence.iter_mut().for_each(shorten);
            }
        }
        self.lists.iter_mut().filter_map(|list| list.error.as_mut()).for_each(shorten);
        self.reason.iter_mut().for_each(|reason| shorten(&mut reason.0));
        self
    }
}

/// Decompresses the JSON, which names its length, so that a short content claims no memory for a long
/// one.
fn decompress(content: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let error = |reason| SnapshotError::Compression(io::Error::other(reason));
    let length = zstd::zstd_safe::get_frame_content_size(content);
    let length = length.ok().flatten().ok_or_else(|| error("it does not name its length"))?;
    let fits = usize::try_from(length).ok().filter(|length| *length <= MOST_BYTES);
    let fits = fits.ok_or(SnapshotError::TooLarge(length))?;
    zstd::bulk::decompress(content, fits).map_err(SnapshotError::Compression)
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), SnapshotError> {
    if count > most { Err(SnapshotError::TooMany { what, count, most }) } else { Ok(()) }
}

fn plausible(whose: &str, counts: &[u64]) -> Result<(), SnapshotError> {
    match counts.iter().find(|count| **count > LARGEST_COUNT) {
        Some(&count) => {
            let mut whose = whose.to_owned();
            shorten(&mut whose);
            Err(SnapshotError::Count { whose, count })
        }
        None => Ok(()),
    }
}

/// Shortens a text that is too long; one that was shortened stays as it is.
fn shorten(text: &mut String) {
    const MARK: char = '…';
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT - MARK.len_utf8()));
        text.push(MARK);
    }
}

impl LogsView for LogsSnapshot {
    fn logs(&self) -> Vec<LogView> {
        self.logs.clone()
    }

    fn count(&self) -> usize {
        self.logs.len()
    }

    fn hosts(&self) -> Vec<HostSnapshot> {
        self.hosts.clone()
    }

    fn lists(&self) -> Vec<ListStatus> {
        self.lists.clone()
    }

    fn reason(&self) -> Option<Reason> {
        self.reason.clone()
    }

    fn held_bytes(&self) -> HeldBytes {
        self.held
    }

    fn issuers(&self) -> IssuersView {
        self.issuers
    }
}

#[cfg(test)]
mod tests;
