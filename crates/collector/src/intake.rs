//! Messages in, rows out: what a server sends is read, counted, freed of doubles and put into the
//! table. Nothing that comes is fatal.

mod local;
mod missing;

use std::borrow::Cow;
use std::fmt::Display;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use wire::decode::{Incoming, Log, Update, decode};
use wire::filter::Filter;

use crate::address::Since;
use crate::dedup::{Novelty, Window};
use crate::note::Note;
use crate::stream::shown;
use crate::table::Table;
use crate::table::columns::{Row, is_date};
use crate::table::schema::Rows;
use local::Local;
use missing::Missing;
pub use missing::Resume;

/// What came, in numbers since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of any kind.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows made of them.
    pub rows: u64,
    /// Entries that had come before.
    pub doubles: u64,
    /// Entries further back in their log than is remembered, so that they may be doubles.
    pub beyond_window: u64,
    /// Messages that are not what they should be.
    pub malformed: u64,
    /// Messages of unknown types, or of types that this file has no rows for.
    pub unknown: u64,
    /// Values that could not be read, or mean no time that can be written.
    pub unread: u64,
    /// Entries of which it is not said where they are from, so that doubles are not noticed.
    pub unidentified: u64,
    /// Entries that the filter does not pass, from a server that does not filter.
    pub filtered: u64,
    /// Messages of which something was left out for its size.
    pub truncated: u64,
    /// Gaps found.
    pub gaps: u64,
}

/// The rows since the last time they were taken, and what is remembered of those before.
#[derive(Debug)]
pub struct Intake {
    rows: Rows,
    table: Table,
    window: Window,
    missing: Missing,
    /// What a server without filters leaves to be done here.
    local: Option<Local>,
    counters: Counters,
    /// When the newest entry was seen by the server, ms since the Unix epoch.
    newest: Option<u64>,
}

impl Intake {
    /// Goes on where a file ends: `window` has seen its newest entries.
    #[must_use]
    pub fn new(rows: Rows, schema: &SchemaRef, window: Window, resume: Resume) -> Self {
        Self {
            rows,
            table: Table::new(schema),
            window,
            missing: Missing::new(resume),
            local: None,
            counters: Counters::default(),
            newest: None,
        }
    }

    /// Applies this filter to the messages of servers that do not filter.
    #[must_use]
    pub fn filtered_by(mut self, filter: Option<&Filter>) -> Self {
        self.local = filter.map(Local::new);
        self
    }

    /// What came so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { gaps: self.missing.found(), ..self.counters }
    }

    /// When the newest entry was seen by the server, ms since the Unix epoch.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The offset to go on after.
    #[must_use]
    pub fn since(&self) -> Option<Since> {
        self.missing.since()
    }

    /// How many rows wait to be taken.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.table.rows()
    }

    /// Whether there are so many rows, or of such a size, that they should be taken.
    #[must_use]
    pub const fn is_full(&self, rows: usize) -> bool {
        self.table.is_full(rows)
    }

    /// Whether there is something to be written, be it without rows.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.table.rows() > 0 || self.missing.has_news()
    }

    /// A connection stands; whether the server was asked to go on after what came before.
    pub fn connected(&mut self, is_resumed: bool, now: u64) {
        self.missing.connected(is_resumed, now, &self.window);
    }

    /// Takes a message that came at `now`, ms since the Unix epoch.
    pub fn message(&mut self, message: &[u8], now: u64) {
        self.counters.messages += 1;
        self.counters.bytes += message.len() as u64;
        match decode(message) {
            Ok(Incoming::Certificate(update)) => self.certificate(&update, message.len(), now),
            Ok(Incoming::Domains { domains, offset, truncated, domains_total }) => {
                let mut update = Update { offset, truncated, domains_total, ..Update::default() };
                (update.seen, update.leaf.all_domains) = (Some(now), domains);
                self.domains(&update, message.len(), now);
            }
            Ok(Incoming::Heartbeat { offset, stream, .. }) => {
                self.missing.stream_is(stream.as_deref());
                if let Some(offset) = offset {
                    self.missing.covered(offset);
                }
            }
            Ok(Incoming::Gap { dropped, reason, stream, .. }) => {
                let reason = reason.unwrap_or_default();
                self.missing.told_by_server(dropped, &reason, now, &self.window);
                self.missing.stream_is(stream.as_deref());
            }
            Ok(Incoming::Unknown { message_type }) => self.unknown(&message_type, message),
            Err(error) => {
                self.counters.malformed += 1;
                sample(self.counters.malformed, "a message cannot be read", &error, message);
            }
        }
    }

    fn certificate(&mut self, update: &Update<'_>, bytes: usize, now: u64) {
        if self.rows == Rows::Domains {
            return self.unknown("certificate_update", &[]);
        }
        self.newest = update.seen.or(Some(now));
        let novelty = self.identify(update, now);
        if novelty == Novelty::Double {
            self.counters.doubles += 1;
            return;
        }
        if !self.passes(update) {
            return;
        }
        self.judge(update);
        let der = match self.rows {
            Rows::Certificates { with_der: true } => update.leaf.der().unwrap_or_else(|error| {
                self.counters.unread += 1;
                sample(self.counters.unread, "a value cannot be read", &error, b"");
                None
            }),
            _ => None,
        };
        self.push(&Row { update, der: der.as_deref() }, bytes);
    }

    /// Whether an entry passes the filter, if that is for us to say.
    fn passes(&mut self, update: &Update<'_>) -> bool {
        let passes = self.local.as_mut().is_none_or(|local| local.passes(update));
        self.counters.filtered += u64::from(!passes);
        passes
    }

    /// Whether the entry has come before.
    fn identify(&mut self, update: &Update<'_>, now: u64) -> Novelty {
        self.missing.offset_is(update.offset, now, &self.window);
        let (Some(index), Some(log)) = (update.cert_index, identity(&update.source)) else {
            self.counters.unidentified += 1;
            let why = "an entry does not say its log and index: doubles are not noticed";
            sample(self.counters.unidentified, why, &"no source or cert_index", b"");
            return Novelty::New;
        };
        self.missing.entry_is(&log, index, now);
        let novelty = self.window.see(&log, index);
        if novelty == Novelty::BeyondWindow {
            self.counters.beyond_window += 1;
            let why = "an entry is too far back in its log to tell whether it is a double";
            sample(self.counters.beyond_window, why, &format_args!("{log} {index}"), b"");
        }
        novelty
    }

    /// Counts what is not as it should be in an entry that is kept.
    fn judge(&mut self, update: &Update<'_>) {
        if update.truncated {
            self.counters.truncated += 1;
            sample(self.counters.truncated, "a message is cut short", &"too large", b"");
        }
        let is_odd = |second: Option<i64>| second.is_some_and(|second| !is_date(&second));
        let odd_date = is_odd(update.leaf.not_before) || is_odd(update.leaf.not_after);
        let odd_date = odd_date.then_some("not_before or not_after");
        if let Some(path) = update.unread.as_deref().or(odd_date) {
            self.counters.unread += 1;
            sample(self.counters.unread, "a value cannot be read and is null", &path, b"");
        }
    }

    fn domains(&mut self, update: &Update<'_>, bytes: usize, now: u64) {
        if self.rows != Rows::Domains {
            return self.unknown("dns_entries", &[]);
        }
        self.newest = Some(now);
        self.missing.offset_is(update.offset, now, &self.window);
        if self.passes(update) {
            self.judge(update);
            self.push(&Row { update, der: None }, bytes);
        }
    }

    fn push(&mut self, row: &Row<'_>, bytes: usize) {
        self.table.push(row, bytes);
        self.counters.rows += 1;
    }

    fn unknown(&mut self, message_type: &str, message: &[u8]) {
        self.counters.unknown += 1;
        let what = "a message is of a type that has no rows here (see --stream)";
        sample(self.counters.unknown, what, &shown(message_type), message);
    }

    /// Takes out the rows with what is to be known with them.
    ///
    /// # Errors
    ///
    /// See [`Table::take`].
    pub fn take(&mut self) -> Result<(RecordBatch, Note), ArrowError> {
        Ok((self.table.take()?, self.missing.take()))
    }
}

/// The longest text that a log is known by, in bytes: what is remembered of logs has a bound.
const MAX_IDENTITY: usize = 512;

/// What a log is known by: its LogID, or where it is read. Servers differ in scheme and slashes of
/// the URL.
#[must_use]
pub fn identity<'a>(log: &'a Log<'_>) -> Option<Cow<'a, str>> {
    identity_of(log.log_id.as_deref(), log.url.as_deref())
}

/// The same from the columns of a file.
#[must_use]
pub fn identity_of<'a>(log_id: Option<&'a str>, url: Option<&'a str>) -> Option<Cow<'a, str>> {
    let text = match (log_id, url) {
        (Some(log_id), _) => log_id,
        (None, Some(url)) => {
            let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
            bare.trim_end_matches('/')
        }
        (None, None) => return None,
    };
    (text.len() <= MAX_IDENTITY).then_some(Cow::Borrowed(text))
}

/// Says what is wrong, for the first few and then ever more rarely.
fn sample(count: u64, what: &str, detail: &dyn Display, message: &[u8]) {
    if count <= 5 || count.is_power_of_two() {
        let beginning = message.get(..message.len().min(400)).unwrap_or_default();
        let beginning = shown(&String::from_utf8_lossy(beginning));
        tracing::warn!(count, %detail, beginning, "{what}");
    }
}

#[cfg(test)]
mod tests;
