//! A session with a stream, across connections: reads messages, and keeps track of the position,
//! gaps and duplicates. It does no IO and has no clock. No message is fatal.

use std::borrow::Cow;
use std::fmt::Display;

use wire::StreamKind;
use wire::decode::{Incoming, Update, decode};
use wire::filter::Filter;

use crate::address::Since;
use crate::dedup::{Novelty, Window, log_identity};
use crate::gaps::Gap;
use crate::local_filter::LocalFilter;
use crate::position::Position;
use crate::progress::{Progress, Resume};
use crate::text::shown;

/// Numbers of messages since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of any type.
    pub messages: u64,
    /// Bytes of the messages.
    pub bytes: u64,
    /// Entries that were received before.
    pub duplicates: u64,
    /// Entries further back in their log than the window reaches, so that they may be duplicates.
    pub beyond_window: u64,
    /// Messages that cannot be read.
    pub malformed: u64,
    /// Entries without log or index, so that duplicates are not detected.
    pub unidentified: u64,
    /// Entries that do not match the filter, from a server that does not filter.
    pub filtered: u64,
    /// Gaps found.
    pub gaps: u64,
}

/// A message that was read.
#[derive(Debug)]
pub struct Message<'m> {
    /// The content.
    pub content: Content<'m>,
    /// The gaps found before this message, and the earlier ones of which more has become known (with
    /// the same [`at`](Gap::at)).
    pub gaps: Vec<Gap>,
    /// The message as it was received.
    pub raw: &'m [u8],
    /// The time of receipt, ms since the Unix epoch.
    pub received: u64,
}

/// The content of a message.
#[derive(Debug, PartialEq)]
pub enum Content<'m> {
    /// An entry of a log that was not received before and matches the filter. Its fields may be
    /// missing, see [`Update`].
    Entry(Box<Update<'m>>),
    /// The names of a certificate, in a domains-only stream. All other fields of the update are
    /// empty, except `offset`, `truncated`, `domains_total`, and `seen`, which is the time of
    /// receipt.
    Domains(Box<Update<'m>>),
    /// A message of an unknown type, or of one that this stream does not contain.
    Unknown {
        /// The type.
        message_type: Cow<'m, str>,
    },
    /// A message that has nothing for the caller: a heartbeat, a gap, a duplicate, an entry that does
    /// not match the filter, or a message that cannot be read. The counters tell them apart.
    Nothing,
}

/// The state of a session.
#[derive(Debug)]
pub struct Session {
    stream: StreamKind,
    window: Window,
    position: Position,
    /// The filter, for servers that do not apply it.
    filter: Option<LocalFilter>,
    counters: Counters,
    newest: Option<u64>,
}

impl Session {
    /// Resumes a session. `window` contains the newest entries received before.
    #[must_use]
    pub fn new(stream: StreamKind, resume: Resume, window: Window) -> Self {
        let position = Position::new(resume);
        let counters = Counters::default();
        Self { stream, window, position, filter: None, counters, newest: None }
    }

    /// Applies this filter to the messages of servers that do not filter.
    #[must_use]
    pub fn filtered_by(mut self, filter: Option<&Filter>) -> Self {
        self.filter = filter.map(LocalFilter::new);
        self
    }

    /// Returns the numbers of messages received so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { gaps: self.position.found(), ..self.counters }
    }

    /// Returns the time at which the server saw the newest entry, ms since the Unix epoch; in a
    /// domains-only stream the time of receipt.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Returns the position to resume from, if there is one.
    #[must_use]
    pub fn since(&self) -> Option<Since> {
        self.position.since()
    }

    /// Reports whether [`take_progress`](Self::take_progress) would return anything new.
    #[must_use]
    pub fn has_progress(&self) -> bool {
        self.position.has_progress()
    }

    /// Takes the progress to save with the messages received so far.
    pub fn take_progress(&mut self) -> Progress {
        self.position.take_progress()
    }

    /// Records a new connection at `now`, ms since the Unix epoch, and whether the server was
    /// requested to resume after the last message. `stream` is the id of the server's stream, where it
    /// has one. Returns the gap that this means, if any.
    pub fn connected(&mut self, is_resumed: bool, stream: Option<&str>, now: u64) -> Vec<Gap> {
        self.position.connected(is_resumed, stream, now, &self.window);
        self.position.take_reports()
    }

    /// Reads a message received at `now`, ms since the Unix epoch.
    pub fn read<'m>(&mut self, message: &'m [u8], now: u64) -> Message<'m> {
        self.counters.messages += 1;
        self.counters.bytes += message.len() as u64;
        let content = match decode(message) {
            Ok(incoming) => self.content(incoming, now),
            Err(error) => {
                self.counters.malformed += 1;
                warn_sometimes(
                    self.counters.malformed,
                    "a message cannot be read",
                    &error,
                    message,
                );
                Content::Nothing
            }
        };
        let gaps = self.position.take_reports();
        Message { content, gaps, raw: message, received: now }
    }

    fn content<'m>(&mut self, incoming: Incoming<'m>, now: u64) -> Content<'m> {
        let has_entries = self.stream != StreamKind::Domains;
        match incoming {
            Incoming::Certificate(update) if has_entries => self.entry(update, now),
            Incoming::Certificate(_) => {
                Content::Unknown { message_type: "certificate_update".into() }
            }
            Incoming::Domains { domains, offset, truncated, domains_total } if !has_entries => {
                let mut update = Update { offset, truncated, domains_total, ..Update::default() };
                (update.seen, update.leaf.all_domains) = (Some(now), domains);
                self.newest = Some(now);
                self.position.offset_is(offset, now, &self.window);
                if self.matches(&update) {
                    Content::Domains(Box::new(update))
                } else {
                    Content::Nothing
                }
            }
            Incoming::Domains { .. } => Content::Unknown { message_type: "dns_entries".into() },
            Incoming::Heartbeat { offset, stream, .. } => {
                self.position.stream_is(stream.as_deref());
                if let Some(offset) = offset {
                    self.position.covered(offset);
                }
                Content::Nothing
            }
            Incoming::Gap { dropped, reason, stream, .. } => {
                let reason = reason.unwrap_or_default();
                self.position.gap_reported(dropped, &reason, now, &self.window);
                self.position.stream_is(stream.as_deref());
                Content::Nothing
            }
            Incoming::Unknown { message_type } => Content::Unknown { message_type },
        }
    }

    fn entry<'m>(&mut self, update: Box<Update<'m>>, now: u64) -> Content<'m> {
        self.newest = update.seen.or(Some(now));
        if self.record(&update, now) == Novelty::Duplicate {
            self.counters.duplicates += 1;
            return Content::Nothing;
        }
        if self.matches(&update) { Content::Entry(update) } else { Content::Nothing }
    }

    /// Reports whether an entry matches the filter, or the server applies it.
    fn matches(&mut self, update: &Update<'_>) -> bool {
        let matches = self.filter.as_mut().is_none_or(|filter| filter.matches(update));
        self.counters.filtered += u64::from(!matches);
        matches
    }

    /// Advances to an entry, and returns its relation to the earlier ones.
    fn record(&mut self, update: &Update<'_>, now: u64) -> Novelty {
        self.position.offset_is(update.offset, now, &self.window);
        let (Some(index), Some(log)) = (update.cert_index, log_identity(&update.source)) else {
            self.counters.unidentified += 1;
            let reason = "an entry has no log or index: duplicates are not detected";
            let detail = "no source or cert_index";
            warn_sometimes(self.counters.unidentified, reason, &detail, b"");
            return Novelty::New;
        };
        self.position.entry_is(&log, index, now);
        let novelty = self.window.record(&log, index);
        if novelty == Novelty::BeyondWindow {
            self.counters.beyond_window += 1;
            let reason = "an entry is too far back in its log to detect duplicates";
            let detail = format_args!("{log} {index}");
            warn_sometimes(self.counters.beyond_window, reason, &detail, b"");
        }
        novelty
    }
}

/// Logs a fault of a message: the first five, then ever more rarely.
pub fn warn_sometimes(count: u64, what: &str, detail: &dyn Display, message: &[u8]) {
    if count <= 5 || count.is_power_of_two() {
        let beginning = message.get(..message.len().min(400)).unwrap_or_default();
        let beginning = shown(&String::from_utf8_lossy(beginning));
        tracing::warn!(count, %detail, beginning, "{what}");
    }
}

#[cfg(test)]
mod tests;
