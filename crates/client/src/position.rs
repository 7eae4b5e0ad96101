//! The position in the stream, and the gaps before it.
//!
//! A gap is found in one of three ways: the server reports it; the offsets of an unfiltered stream
//! have a hole, which they never have while the server runs; or a log's indexes, which had no holes
//! before, show how many messages are missing.

use std::collections::BTreeMap;

use crate::address::{Since, stream_id};
use crate::dedup::Window;
use crate::gaps::{Gap, MAX_LISTED, OpenGap, Proof};
use crate::log_limit::LogLimit;
use crate::progress::{Progress, Resume};

/// The longest reason of a gap, in characters.
const MAX_REASON: usize = 40;

/// The position in the stream, and the gaps that are not taken yet.
#[derive(Debug)]
pub(crate) struct Position {
    offset: Option<u64>,
    /// The stream that the offset belongs to.
    stream: Option<Box<str>>,
    /// The stream that the offsets of this connection belong to.
    received_stream: Option<Box<str>>,
    /// True once an offset has been received over this connection.
    is_of_connection: bool,
    /// True if the offset has changed since the progress was taken.
    has_advanced: bool,
    server: String,
    is_filtered: bool,
    /// True if there was a connection, in this run or before it.
    was_connected: bool,
    /// True if there was an entry. Before the first one nothing can be missing.
    has_begun: bool,
    from_oldest: bool,
    is_other_server: bool,
    /// True if the next offset need not follow the last one.
    may_jump: bool,
    /// True if the server was requested to resume, and has not sent an entry since.
    is_resuming: bool,
    /// Gaps that the next progress contains.
    unsaved: BTreeMap<u64, Gap>,
    /// Gaps found, or updated, since they were last returned to the caller.
    reports: Vec<Gap>,
    last_at: u64,
    found: u64,
    open: Option<OpenGap>,
    /// The last gap that offsets showed and the server has not explained.
    unexplained: Option<Gap>,
    /// Number of gaps that the next progress does not list.
    unlisted: u64,
    log_limit: LogLimit,
}

impl Position {
    pub(crate) fn new(resume: Resume) -> Self {
        let has_begun = resume.has_entries || resume.offset.is_some();
        let is_other_server = resume.is_other_server;
        let Resume { offset, stream, open, .. } = resume;
        let (offset, stream, open) =
            if is_other_server { (None, None, None) } else { (offset, stream, open) };
        Self {
            offset,
            received_stream: stream.clone(),
            stream,
            is_of_connection: false,
            has_advanced: false,
            server: resume.server,
            is_filtered: resume.is_filtered,
            was_connected: has_begun,
            has_begun,
            from_oldest: resume.from_oldest,
            is_other_server,
            may_jump: true,
            is_resuming: false,
            unsaved: BTreeMap::new(),
            reports: Vec::new(),
            last_at: 0,
            found: 0,
            open,
            unexplained: None,
            unlisted: 0,
            log_limit: LogLimit::default(),
        }
    }

    /// Returns the position to resume from.
    pub(crate) fn since(&self) -> Option<Since> {
        let is_first = self.from_oldest && !self.has_begun;
        let offset = self.offset.or(if is_first { Some(0) } else { None })?;
        Some(Since { offset, stream: self.stream.clone() })
    }

    /// Returns the number of gaps found.
    pub(crate) const fn found(&self) -> u64 {
        self.found
    }

    /// Reports whether there is progress to save.
    pub(crate) fn has_progress(&self) -> bool {
        !self.unsaved.is_empty() || self.has_advanced
    }

    /// Takes the gaps that were found, or of which more has become known, since the last call.
    pub(crate) fn take_reports(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.reports)
    }

    /// Records a new connection to a server with this stream. Unless the server was requested to resume
    /// after the last message, whatever it sent meanwhile is missing.
    pub(crate) fn connected(
        &mut self,
        is_resumed: bool,
        stream: Option<&str>,
        now: u64,
        window: &Window,
    ) {
        self.received_stream = stream.and_then(stream_id);
        self.is_of_connection = false;
        if is_resumed {
            // The next message follows the last one, or the server reports why not.
            self.may_jump = false;
        } else if self.was_connected {
            let reason = if self.is_other_server { "other_server" } else { "reconnected" };
            self.gap_found(None, None, reason, now, window);
        } else {
            self.may_jump = true;
        }
        self.unexplained = None;
        self.is_resuming = is_resumed;
        self.was_connected = true;
        self.is_other_server = false;
    }

    /// Records a gap that the server reports: one that offsets have shown already, or another one. A
    /// server notices that a client was too slow only while it sends the messages after the gap.
    pub(crate) fn gap_reported(
        &mut self,
        dropped: Option<u64>,
        reason: &str,
        now: u64,
        window: &Window,
    ) {
        // After renumbering its messages the server sends again what follows: nothing is lost.
        let dropped = if reason == "renumbered" { dropped.or(Some(0)) } else { dropped };
        let proof = dropped.map(|_| Proof::Server);
        let shown = self.unexplained.take().filter(|gap| gap.missing == dropped);
        let Some(gap) = shown else {
            return self.gap_found(dropped, proof, reason, now, window);
        };
        let gap = Gap { reason: bounded_reason(reason), proof, ..gap };
        if let Some(permit) = self.log_limit.permit(now) {
            let (reason, missing) = (&gap.reason, gap.missing);
            tracing::info!(
                reason,
                missing,
                suppressed = permit.suppressed,
                "the server explains the gap"
            );
        }
        self.report(gap);
    }

    /// Sets the id of the stream that the offsets of this connection belong to.
    pub(crate) fn stream_is(&mut self, id: Option<&str>) {
        let Some(id) = id.and_then(stream_id) else { return };
        self.received_stream = Some(id);
        if self.is_of_connection {
            self.keep_stream();
        }
    }

    /// Advances to an offset up to which the server has searched and has sent all matches.
    pub(crate) fn covered(&mut self, offset: u64) {
        let is_older = self.offset.is_some_and(|last| offset <= last);
        if is_older && !self.may_jump {
            return;
        }
        self.advance(offset);
        self.has_begun = true;
        // The next offset must follow this one, and the server numbers its messages.
        (self.may_jump, self.is_resuming) = (false, false);
    }

    /// Adds a gap, or an update of one, to the reports and to the next progress.
    fn report(&mut self, gap: Gap) {
        self.reports.push(gap.clone());
        self.unsaved.insert(gap.at, gap);
        if self.unsaved.len() > MAX_LISTED {
            self.unsaved.pop_first();
            self.unlisted += 1;
        }
    }

    /// Records a new gap.
    fn gap_found(
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
        let gap = Gap { at, after: self.offset, reason: bounded_reason(reason), missing, proof };
        if let Some(permit) = self.log_limit.permit(now) {
            let Gap { reason, missing, after, .. } = &gap;
            tracing::warn!(reason, missing, after, suppressed = permit.suppressed, "gap");
        }
        if missing.is_none() {
            self.open = Some(OpenGap { gap: gap.clone(), marks: window.marks(), missing: 0 });
        }
        self.report(gap);
    }

    /// Advances to the offset of an entry, if it has one.
    pub(crate) fn offset_is(&mut self, offset: Option<u64>, now: u64, window: &Window) {
        let was_resuming = std::mem::take(&mut self.is_resuming);
        let Some(offset) = offset else {
            if was_resuming {
                // A server that does not number its messages has not resumed either.
                self.gap_found(None, None, "reconnected", now, window);
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
            self.gap_found(Some(offset - expected), Some(Proof::Offsets), "skipped", now, window);
            self.unexplained = self.unsaved.values().next_back().cloned();
        }
        self.may_jump = false;
        self.advance(offset);
    }

    /// Sets the offset, and the stream that it belongs to.
    fn advance(&mut self, offset: u64) {
        self.has_advanced |= self.offset != Some(offset);
        self.offset = Some(offset);
        self.is_of_connection = true;
        self.keep_stream();
    }

    fn keep_stream(&mut self) {
        if self.stream != self.received_stream {
            self.has_advanced = true;
            self.stream.clone_from(&self.received_stream);
        }
    }

    /// Measures the open gap with an entry of a log: the first one after the gap shows how many are
    /// missing from its log.
    pub(crate) fn entry_is(&mut self, log: &str, index: u64, now: u64) {
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
            self.close_gap(now);
        }
    }

    /// Closes the open gap: all logs have shown how many entries are missing.
    fn close_gap(&mut self, now: u64) {
        let Some(OpenGap { gap, missing, .. }) = self.open.take() else { return };
        if let Some(permit) = self.log_limit.permit(now) {
            let (reason, suppressed) = (&gap.reason, permit.suppressed);
            tracing::info!(
                reason,
                missing,
                suppressed,
                "the logs' indexes show the size of the gap"
            );
        }
        let gap = Gap { missing: Some(missing), proof: Some(Proof::Indexes), ..gap };
        self.report(gap);
    }

    /// Takes the progress to save with the messages received so far.
    pub(crate) fn take_progress(&mut self) -> Progress {
        self.has_advanced = false;
        let server = self.offset.map(|_| self.server.clone());
        Progress {
            offset: self.offset,
            server,
            stream: self.stream.clone(),
            gaps: std::mem::take(&mut self.unsaved).into_values().collect(),
            unlisted: std::mem::take(&mut self.unlisted),
            open: self.open.clone(),
        }
    }
}

/// Returns a reason of bounded length; `unknown` for an empty one.
fn bounded_reason(reason: &str) -> String {
    let reason = if reason.is_empty() { "unknown" } else { reason };
    reason.chars().take(MAX_REASON).collect()
}
