//! Where a log's proof begins, what becomes of contradictions, and what is checked besides.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ct::head::TreeHead;
use ct::leaf::EntryType;
use tokio::time::Instant;

use super::{FollowError, Follower};
use crate::FetchError;
use crate::alarm::{Alarm, AlarmKind, unix_seconds};
use crate::breaker::{Breaker, jitter};
use crate::budget::Lease;
use crate::counters::add;
use crate::entry::{Entry, Page, Served};
use crate::evidence::Evidence;
use crate::frontier::Frontier;
use crate::heads::{Contradiction, Point, ServedHead, point};
use crate::locate::{Finding, locate};
use crate::options::{FollowOptions, Verification};
use crate::resume::Resume;
use crate::source::{Rejected, Source, SourceError};

/// Times entries are asked for before they may be left out as unreadable.
const ATTEMPTS: u32 = 6;
/// How long narrowing a mismatch down may take.
const LONGEST_SEARCH: Duration = Duration::from_secs(60);
/// By how much a head may be older than the log's merge delay: clocks differ, and caches keep.
const SLACK: Duration = Duration::from_secs(60);
/// How often an alarm that nobody acknowledges is logged again.
const REMIND_EVERY: Duration = Duration::from_secs(3600);

/// Entries that could not be taken apart.
#[derive(Debug)]
pub(super) struct Unreadable {
    index: u64,
    since: Instant,
    attempts: u32,
}

/// What the follower remembers of verifying.
#[derive(Debug)]
pub(super) struct Verifying {
    /// How long a log that failed to prove a head is not asked for that again.
    failing: Breaker,
    /// Not before then is the log asked for proofs that nothing waits for.
    asks_again: Option<Instant>,
    unreadable: Option<Unreadable>,
    /// Whether an alarm was raised because the log cannot prove its own head.
    disowned: bool,
    /// What alarms have been raised about: kind, and the head's size and root.
    raised: Vec<(AlarmKind, Point)>,
    reminded: Option<Instant>,
}

impl Verifying {
    pub(super) fn new(options: &FollowOptions) -> Self {
        Self {
            failing: Breaker::new(
                options.backoff,
                options.unhealthy_threshold,
                options.unhealthy_wait,
            ),
            asks_again: None,
            unreadable: None,
            disowned: false,
            raised: Vec::new(),
            reminded: None,
        }
    }
}

impl<S: Source> Follower<S> {
    fn enforces(&self) -> bool {
        self.options.verification == Verification::Enforce
    }

    /// Logs that a log has alarms nobody has acknowledged.
    ///
    /// # Errors
    /// When the log has to stop until somebody does.
    pub(super) fn heed_alarms(&mut self) -> Result<(), FollowError> {
        if !self.status.has_alarms() {
            self.verifying.raised.clear();
            self.verifying.disowned = false;
            self.verifying.reminded = None;
            return Ok(());
        }
        let now = Instant::now();
        if self.verifying.reminded.is_none_or(|last| now >= last + REMIND_EVERY) {
            self.verifying.reminded = Some(now);
            for Alarm { kind, text, evidence, .. } in self.status.snapshot().alarms {
                let log = &self.status.log.name;
                tracing::error!(log, %kind, text, evidence, "verification alarm, not acknowledged");
            }
        }
        if self.enforces() { Err(FollowError::Stopped) } else { Ok(()) }
    }

    /// Makes sure that there is a tree to go on from, which a head has been proved to begin with.
    ///
    /// # Errors
    /// With `enforce`, when there is none.
    pub(super) async fn find_frontier(
        &mut self,
        next: u64,
        head: &TreeHead,
    ) -> Result<(), FollowError> {
        if self.options.verification == Verification::Off || next > head.size {
            return Ok(());
        }
        if self.frontier.as_ref().is_some_and(|frontier| frontier.read().size() == next) {
            return Ok(());
        }
        self.frontier = None;
        self.heads.pass_over(next);
        let now = Instant::now();
        let waits = self.verifying.asks_again.is_some_and(|at| now < at);
        if waits && !self.enforces() {
            return Ok(());
        }
        match self.source.frontier(next, head).await {
            Ok(range) => {
                let log = &self.status.log.name;
                tracing::debug!(log, index = next, size = head.size, "proving begins");
                self.heads.remember(point(head));
                let frontier = Frontier::new(range);
                self.status.set_proved(Ok(frontier.from()..next));
                self.frontier = Some(frontier);
                self.verifying.disowned = false;
                self.verifying.failing.success();
                Ok(())
            }
            Err(error) if error.is_no_room() => {
                self.status.note_no_room(&error);
                if self.enforces() { Err(error.into()) } else { Ok(()) }
            }
            Err(error) => {
                add(&self.status.counters.proof_errors, 1);
                self.status.set_proved(Err(error.to_string()));
                let asked = error.fetch().and_then(FetchError::retry_after);
                let wait = self.verifying.failing.failure(asked, jitter());
                self.verifying.asks_again = Some(Instant::now() + wait);
                let log = &self.status.log.name;
                tracing::warn!(log, index = next, %error, "the log is not being proved");
                if matches!(error, SourceError::Proof { .. }) {
                    self.disowned(next, &error).await;
                }
                if self.enforces() { Err(error.into()) } else { Ok(()) }
            }
        }
    }

    /// The log's own hashes do not lead to the head it has signed: an alarm, once until they do.
    async fn disowned(&mut self, next: u64, error: &SourceError) {
        if std::mem::replace(&mut self.verifying.disowned, true) {
            return;
        }
        let head = self.heads.newest_served().map(|head| (**head).clone());
        let evidence = Evidence {
            log: (*self.status.log).clone(),
            kind: AlarmKind::Fork,
            at: unix_seconds(),
            text: format!("the log cannot prove what it has signed: {error}"),
            entries: next..head.as_ref().map_or(next, |head| head.signed.head.size),
            heads: head.into_iter().collect(),
            expected: None,
            proved: None,
            before: None,
            served: Vec::new(),
        };
        self.raise(evidence).await;
    }

    /// Has a contradiction explained as far as the log itself can, and raises the alarm.
    pub(super) async fn contradicted(&mut self, found: Contradiction, served: Vec<Served>) {
        let Contradiction { kind, head, other, expected } = found;
        let claimed = head.signed.head;
        let first_time = self.note_raised(kind, point(&claimed));
        let size = claimed.size;
        let mut finding =
            Finding { kind, text: String::new(), entries: size..size, served: Vec::new() };
        let mut text = match kind {
            AlarmKind::Equivocation => {
                format!(
                    "two roots are signed, or signed and proved, for one tree of {size} entries"
                )
            }
            AlarmKind::FinalHead => format!(
                "the tree of {size} entries is not the one of {} the log was to end with",
                expected.size
            ),
            AlarmKind::Fork => {
                format!("the tree of {size} entries is no beginning of the one signed later")
            }
            AlarmKind::Mismatch | AlarmKind::Gap => {
                format!("the entries below {size} do not have the root that is signed")
            }
        };
        let before = self
            .frontier
            .as_ref()
            .map(|frontier| (frontier.emitted().size(), frontier.emitted().hashes().to_vec()));
        let proved = self.frontier.as_ref().map(Frontier::proved);
        if kind == AlarmKind::Mismatch {
            if let Some(frontier) = self.frontier.as_ref().filter(|_| first_time) {
                let search = locate(&*self.source, &claimed, frontier, expected);
                match tokio::time::timeout(LONGEST_SEARCH, search).await {
                    Ok(located) => finding = located,
                    Err(_) => finding.text = "narrowing it down took too long".to_owned(),
                }
                text = format!("{text}: {}", finding.text);
            }
            self.distrust(finding.entries.start);
        }
        if !first_time {
            return;
        }
        let heads = [Some(&head), other.as_ref(), self.heads.newest_served()];
        let mut heads: Vec<&Arc<ServedHead>> = heads.into_iter().flatten().collect();
        heads.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let evidence = Evidence {
            log: (*self.status.log).clone(),
            kind: finding.kind,
            at: unix_seconds(),
            text,
            entries: finding.entries,
            heads: heads.into_iter().map(|head| (**head).clone()).collect(),
            expected: Some(expected),
            proved,
            before,
            served: served.into_iter().chain(finding.served).collect(),
        };
        self.raise(evidence).await;
    }

    /// After a mismatch nothing that was read is relied on: with `report` proving begins anew, with
    /// `enforce` reading does, once the alarm has been acknowledged.
    fn distrust(&mut self, from: u64) {
        if self.enforces() {
            if let Some(frontier) = &mut self.frontier {
                frontier.rewind();
            }
            return;
        }
        if let Some(frontier) = self.frontier.take() {
            self.status.distrust(frontier.proved().size);
        }
        self.status.set_proved(Err(format!("entries from {from} on contradict a signed head")));
    }

    /// Whether this is news.
    fn note_raised(&mut self, kind: AlarmKind, head: Point) -> bool {
        const REMEMBERED: usize = 64;
        let raised = &mut self.verifying.raised;
        if raised.contains(&(kind, head)) {
            return false;
        }
        if raised.len() == REMEMBERED {
            raised.remove(0);
        }
        raised.push((kind, head));
        true
    }

    /// Keeps the evidence and raises the alarm.
    async fn raise(&mut self, evidence: Evidence) {
        let Evidence { kind, at, text, entries, .. } = &evidence;
        let mut alarm = Alarm {
            kind: *kind,
            at: *at,
            text: text.clone(),
            first: entries.start,
            end: entries.end,
            evidence: None,
        };
        let log = self.status.log.name.clone();
        if let Some(folder) = self.options.evidence_dir.clone() {
            let written = tokio::task::spawn_blocking(move || evidence.write(&folder)).await;
            match written.map_err(std::io::Error::other).flatten() {
                Ok(folder) => alarm.evidence = Some(folder.display().to_string()),
                Err(error) => tracing::error!(log, %error, "evidence could not be kept"),
            }
        }
        let Alarm { kind, text, first, end, evidence, .. } = &alarm;
        let evidence = evidence.as_deref().unwrap_or(
            "none is kept: neither \
             verification_evidence_dir nor ct_log.state_file is set, or it cannot be written",
        );
        tracing::error!(
            log,
            %kind,
            text,
            first,
            end,
            evidence,
            "VERIFICATION ALARM; when it has been looked into: certstream-server logs ack {log:?}"
        );
        self.verifying.reminded = Some(Instant::now());
        self.status.raise(alarm);
    }

    /// Whether entries had to be left out: they are when the log has served bytes that nobody can
    /// take apart often and long enough.
    pub(super) async fn left_out(&mut self, error: &mut FollowError) -> bool {
        let FollowError::Source(error) = error else { return false };
        let Some(next) = self.next else { return false };
        let reason = error.to_string();
        let answer = match error {
            SourceError::Unreadable { index, url, answer, .. } if *index == next => {
                Some((url.clone(), &mut **answer))
            }
            SourceError::Fetch(FetchError::TooLarge { .. }) => None,
            _ => return false,
        };
        let now = Instant::now();
        let known = self.verifying.unreadable.take().filter(|known| known.index == next);
        let mut known = known.unwrap_or(Unreadable { index: next, since: now, attempts: 0 });
        known.attempts += 1;
        let enough =
            known.attempts >= ATTEMPTS && now >= known.since + self.options.unreadable_wait;
        self.verifying.unreadable = Some(known);
        let tree_size = self.heads.newest().map_or(0, |head| head.size);
        let bounds = answer.as_ref().and_then(|(_, answer)| answer.bounds.as_ref());
        let gap = match bounds {
            Some(bounds) => Some(next..bounds.end),
            None => self.source.unreadable(next, tree_size),
        };
        let Some(gap) = gap.filter(|_| enough) else { return false };
        let (served, passed) = match answer {
            Some((url, answer)) => {
                let Rejected { body, bounds, lease } = std::mem::take(answer);
                let bytes = bounds.map_or_else(Bytes::new, |bounds| bounds.bytes);
                (Some(Served { url, body }), Some((bytes, lease)))
            }
            None => (None, None),
        };
        self.leave_out(gap.clone(), reason, served).await;
        let (bytes, lease) = passed.unwrap_or_default();
        self.pass_on(gap, bytes, lease).await;
        true
    }

    /// Passes on that entries were left out, and with `report` the bytes there are of them, as the first
    /// one.
    async fn pass_on(&mut self, gap: Range<u64>, bytes: Bytes, mut lease: Option<Lease>) {
        if let Some(lease) = &mut lease {
            lease.set(bytes.len());
        }
        let entry = Entry {
            index: gap.start,
            timestamp: 0,
            entry_type: EntryType::X509,
            certificate: bytes,
            chain: Vec::new(),
            tbs_id: None,
        };
        let is_passed = !self.enforces() && !entry.certificate.is_empty();
        let entries: Vec<_> = is_passed.then_some(entry).into_iter().collect();
        let count = entries.len() as u64;
        self.status.emitting(Resume { index: gap.end, tree: None });
        let page = Page { log: Arc::clone(&self.status), entries, end: gap.end, held: None };
        // Where nobody takes pages any more, the next round finds out.
        if self.pages.send(page, lease).await.is_ok() {
            add(&self.status.counters.undecodable, count);
            self.status.emitted(gap.end, count);
        }
    }

    async fn leave_out(&mut self, gap: Range<u64>, reason: String, body: Option<Served>) {
        self.next = Some(gap.end);
        self.frontier = None;
        self.verifying.unreadable = None;
        self.status.left_out(gap.clone());
        self.status.set_proved(Err(format!("entries up to {} were left out", gap.end)));
        let heads = self.heads.newest_served().map(|head| (**head).clone());
        let evidence = Evidence {
            log: (*self.status.log).clone(),
            kind: AlarmKind::Gap,
            at: unix_seconds(),
            text: format!(
                "entries {} to {} are left out, they cannot be taken apart: {reason}",
                gap.start,
                gap.end.saturating_sub(1)
            ),
            entries: gap,
            heads: heads.into_iter().collect(),
            expected: None,
            proved: None,
            before: None,
            served: body.into_iter().collect(),
        };
        self.raise(evidence).await;
    }

    /// After a run: has contradictions explained, forgets what could not be proved and was not emitted,
    /// and notes how far the log is proved.
    pub(super) async fn settle(&mut self, found: Vec<Contradiction>, served: Vec<Served>) {
        for found in found {
            self.contradicted(found, served.clone()).await;
        }
        if let Some(frontier) = &mut self.frontier {
            if frontier.read().size() != frontier.emitted().size() {
                frontier.rewind();
            }
            self.status.set_proved(Ok(frontier.from()..frontier.proved().size));
        }
    }

    /// Has the log prove one of the stale heads, now and then.
    pub(super) async fn audit(&mut self, head: &TreeHead) {
        let now = Instant::now();
        let trusted = self.frontier.as_ref().is_some_and(|f| f.proved() == point(head));
        if !trusted || self.verifying.asks_again.is_some_and(|at| now < at) {
            return;
        }
        let Some(stale) = self.heads.next_stale() else { return };
        self.verifying.asks_again = Some(now + self.options.unhealthy_wait);
        let old = stale.signed.head;
        match self.source.frontier(old.size, head).await {
            Ok(range) if range.root() == old.root => {
                add(&self.status.counters.audited_heads, 1);
                self.heads.remember(point(&old));
            }
            Ok(range) => {
                let expected = crate::frontier::tip(&range);
                let kind = AlarmKind::Fork;
                let found = Contradiction { kind, head: stale, other: None, expected };
                self.contradicted(found, Vec::new()).await;
            }
            Err(error) if error.is_no_room() => self.heads.put_back(stale),
            Err(error) => {
                add(&self.status.counters.proof_errors, 1);
                add(&self.status.counters.unaudited_heads, 1);
                let log = &self.status.log.name;
                tracing::warn!(log, size = old.size, %error, "a stale head could not be audited");
            }
        }
    }

    /// Watches that the log keeps signing.
    pub(super) fn watch_age(&self) {
        let listing = self.status.listing();
        let frozen = listing.final_head.is_some() || self.status.is_retired();
        let Some(mmd) = listing.mmd.filter(|_| !frozen) else { return };
        let age = unix_seconds().saturating_sub(self.status.snapshot().head_timestamp / 1000);
        let overdue = age > mmd.saturating_add(SLACK).as_secs();
        if self.status.set_overdue(overdue) {
            let (log, mmd_secs) = (&self.status.log.name, mmd.as_secs());
            if overdue {
                tracing::error!(log, age_secs = age, mmd_secs, "the log's head is too old");
            } else {
                tracing::info!(log, "the log signs again");
            }
        }
    }
}
