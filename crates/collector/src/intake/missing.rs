//! Noticing that messages are missing, and how many.
//!
//! The server may say it; an unfiltered stream's offsets have no holes while the server runs; and
//! where a log's indexes came without holes before, they show what is missing behind.

use std::collections::BTreeMap;

use crate::address::{Since, stream_id};
use crate::dedup::Window;
use crate::gaps::{Gap, MAX_LISTED, OpenGap, Proof};
use crate::hush::Hush;
use crate::note::Note;

/// Where a file ends in the stream.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The last offset; none for a new file, or one of a server that numbers nothing.
    pub offset: Option<u64>,
    /// The id of the stream that the offset belongs to.
    pub stream: Option<Box<str>>,
    /// Whether the file has rows.
    pub has_rows: bool,
    /// Whether the offset is another server's.
    pub is_other_server: bool,
    /// The server that is asked now.
    pub server: String,
    /// Whether the server leaves messages out on purpose: what no filter passes, or certificates
    /// without names.
    pub is_filtered: bool,
    /// The gap whose size was not known yet at the end of the file.
    pub open: Option<OpenGap>,
    /// Whether a new file begins with the oldest message that the server has.
    pub from_oldest: bool,
}

/// The place in the stream, and what is missing before it.
#[derive(Debug)]
pub(super) struct Missing {
    offset: Option<u64>,
    stream: Option<Box<str>>,
    /// Whether the offset has grown since it was taken to be written.
    has_advanced: bool,
    server: String,
    is_filtered: bool,
    /// Whether there was a connection, in this run or before it.
    was_connected: bool,
    /// Whether there was an entry. Before the first one nothing can be missing.
    has_begun: bool,
    from_oldest: bool,
    is_other_server: bool,
    /// Whether the next offset need not follow the last one.
    may_jump: bool,
    /// Whether the server was asked to go on, and has not sent an entry since.
    was_asked: bool,
    /// Gaps that are not written yet, or not as they are known now.
    news: BTreeMap<u64, Gap>,
    last_at: u64,
    found: u64,
    open: Option<OpenGap>,
    /// The last gap that offsets showed and the server has not explained.
    unexplained: Option<Gap>,
    /// Gaps that are too many to be listed with what is written next.
    unlisted: u64,
    lines: Hush,
}

impl Missing {
    pub(super) fn new(resume: Resume) -> Self {
        let has_begun = resume.has_rows || resume.offset.is_some();
        let is_other_server = resume.is_other_server;
        let Resume { offset, stream, open, .. } = resume;
        Self {
            offset: offset.filter(|_| !is_other_server),
            stream: stream.filter(|_| !is_other_server),
            has_advanced: false,
            server: resume.server,
            is_filtered: resume.is_filtered,
            was_connected: has_begun,
            has_begun,
            from_oldest: resume.from_oldest,
            is_other_server,
            may_jump: true,
            was_asked: false,
            news: BTreeMap::new(),
            last_at: 0,
            found: 0,
            open: open.filter(|_| !is_other_server),
            unexplained: None,
            unlisted: 0,
            lines: Hush::default(),
        }
    }

    /// What a server is asked to go on after.
    pub(super) fn since(&self) -> Option<Since> {
        let is_first = self.from_oldest && !self.has_begun;
        let offset = self.offset.or(if is_first { Some(0) } else { None })?;
        Some(Since { offset, stream: self.stream.clone() })
    }

    pub(super) const fn found(&self) -> u64 {
        self.found
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty() || self.has_advanced
    }

    /// Where the server was not asked to go on after the last message, whatever it sent meanwhile is
    /// missing.
    pub(super) fn connected(&mut self, is_resumed: bool, now: u64, window: &Window) {
        if is_resumed {
            // What comes next follows, or the server says why not.
            self.may_jump = false;
        } else if self.was_connected {
            let reason = if self.is_other_server { "other_server" } else { "reconnected" };
            self.told(None, None, reason, now, window);
        } else {
            self.may_jump = true;
        }
        self.unexplained = None;
        self.was_asked = is_resumed;
        self.was_connected = true;
        self.is_other_server = false;
    }

    /// The server tells of a gap: of one that offsets have shown already, or another one. It notices
    /// only while it sends what comes behind that a client was too slow.
    pub(super) fn told_by_server(
        &mut self,
        dropped: Option<u64>,
        reason: &str,
        now: u64,
        window: &Window,
    ) {
        // The server has numbered its messages anew, and sends again what follows: nothing is lost.
        let dropped = if reason == "renumbered" { dropped.or(Some(0)) } else { dropped };
        let proof = dropped.map(|_| Proof::Server);
        let shown = self.unexplained.take().filter(|gap| gap.missing == dropped);
        let Some(gap) = shown else { return self.told(dropped, proof, reason, now, window) };
        let gap = Gap { reason: named(reason), proof, ..gap };
        if let Some(line) = self.lines.line(now) {
            let Gap { reason, missing, .. } = &gap;
            tracing::info!(
                reason,
                missing,
                suppressed = line.suppressed,
                "the server explains the gap"
            );
        }
        self.note(gap);
    }

    /// The server says of which stream the offsets are from now on.
    pub(super) fn stream_is(&mut self, id: Option<&str>) {
        if let Some(id) = id.and_then(stream_id) {
            self.stream = Some(id);
        }
    }

    /// The server has searched everything up to this offset, and has sent what it found.
    pub(super) fn covered(&mut self, offset: u64) {
        let is_older = self.offset.is_some_and(|last| offset <= last);
        if is_older && !self.may_jump {
            return;
        }
        self.has_advanced |= self.offset != Some(offset);
        self.offset = Some(offset);
        self.has_begun = true;
        // What follows need not be looked at again, and the server numbers its messages.
        (self.may_jump, self.was_asked) = (false, false);
    }

    /// Notes a gap, or what has become known of it, to be written.
    fn note(&mut self, gap: Gap) {
        self.news.insert(gap.at, gap);
        if self.news.len() > MAX_LISTED {
            self.news.pop_first();
            self.unlisted += 1;
        }
    }

    /// A gap that is known of without looking at the messages.
    pub(super) fn told(
        &mut self,
        missing: Option<u64>,
        proof: Option<Proof>,
        reason: &str,
        now: u64,
        window: &Window,
    ) {
        self.may_jump = true;
        if !self.has_begun {
            return;
        }
        let at = now.max(self.last_at.saturating_add(1));
        self.last_at = at;
        self.found += 1;
        let gap = Gap { at, after: self.offset, reason: named(reason), missing, proof };
        if let Some(line) = self.lines.line(now) {
            let Gap { reason, missing, after, .. } = &gap;
            tracing::warn!(reason, missing, after, suppressed = line.suppressed, "gap");
        }
        if missing.is_none() {
            self.open = Some(OpenGap { gap: gap.clone(), marks: window.marks(), missing: 0 });
        }
        self.note(gap);
    }

    /// An entry has this offset, if any.
    pub(super) fn offset_is(&mut self, offset: Option<u64>, now: u64, window: &Window) {
        let was_asked = std::mem::take(&mut self.was_asked);
        let Some(offset) = offset else {
            if was_asked {
                // It numbers nothing, so it has not gone on either.
                self.told(None, None, "reconnected", now, window);
            }
            self.has_begun = true;
            return;
        };
        self.has_begun = true;
        let expected = self.offset.map(|last| last.saturating_add(1));
        if let Some(expected) = expected
            && offset > expected
            && !self.may_jump
            && !self.is_filtered
        {
            self.told(Some(offset - expected), Some(Proof::Offsets), "skipped", now, window);
            self.unexplained = self.news.values().next_back().cloned();
        }
        self.may_jump = false;
        self.has_advanced |= self.offset != Some(offset);
        self.offset = Some(offset);
    }

    /// An entry of this log has come. The first one after a gap shows what is missing of its log.
    pub(super) fn entry_is(&mut self, log: &str, index: u64, now: u64) {
        let Some(open) = &mut self.open else { return };
        let Some(place) = open.marks.iter().position(|mark| *mark.log == *log) else { return };
        let mark = open.marks.swap_remove(place);
        let hole = index.saturating_sub(mark.highest.saturating_add(1));
        if hole > 0 && (!mark.is_steady || self.is_filtered) {
            // Entries that the server leaves out on purpose make holes too.
            self.open = None;
            return;
        }
        open.missing = open.missing.saturating_add(hole);
        if open.marks.is_empty() {
            self.close(now);
        }
    }

    /// All logs have shown what is missing.
    fn close(&mut self, now: u64) {
        let Some(OpenGap { gap, missing, .. }) = self.open.take() else { return };
        if let Some(line) = self.lines.line(now) {
            let (reason, suppressed) = (&gap.reason, line.suppressed);
            tracing::info!(
                reason,
                missing,
                suppressed,
                "the logs' indexes show the size of the gap"
            );
        }
        let gap = Gap { missing: Some(missing), proof: Some(Proof::Indexes), ..gap };
        self.note(gap);
    }

    /// What is to be written with the rows that came up to now.
    pub(super) fn take(&mut self) -> Note {
        self.has_advanced = false;
        let server = self.offset.map(|_| self.server.clone());
        Note {
            offset: self.offset,
            server,
            stream: self.stream.clone(),
            gaps: std::mem::take(&mut self.news).into_values().collect(),
            unlisted: std::mem::take(&mut self.unlisted),
            open: self.open.clone(),
        }
    }
}

/// A reason as it is written down.
fn named(reason: &str) -> String {
    let reason = if reason.is_empty() { "unknown" } else { reason };
    reason.chars().take(40).collect()
}
