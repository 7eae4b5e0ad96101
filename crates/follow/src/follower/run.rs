//! One run from the position towards a head: take pages, prove them, emit them.
//!
//! At the tail a run is short: its pages are downloaded all at once, and proved before they are
//! emitted. A longer run is catching up: with `report` its pages are emitted at once and proved at the
//! end of the run, with `enforce` they wait until they are proved, up to a bound in bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use ct::head::TreeHead;
use ct::merkle::CompactRange;
use ctclient::{AlarmKind, Contradiction, Fetched, Frontier, Heads, Lease, Point, Served, Source};
use record::Record;

use super::error::FollowError;
use super::parts::Part;
use crate::options::Verification;
use crate::page::Page;
use crate::queue::Pages;
use crate::status::LogStatus;
use crate::status::counters::add;

/// The most bytes of entries and responses that wait to be proved, one page excepted. Beyond that they
/// are proved and emitted, for the run may need room for its next page.
const HELD_BYTES: usize = 4 << 20;

/// A run, and the parts of its follower that it changes.
pub(super) struct Run<'a, S> {
    pub(super) source: &'a S,
    pub(super) status: &'a Arc<LogStatus>,
    pub(super) pages: &'a Pages,
    pub(super) verification: Verification,
    pub(super) head: TreeHead,
    /// The end of the run.
    pub(super) end: u64,
    /// True if the run is longer than the window of downloads.
    pub(super) catching_up: bool,
    pub(super) next: &'a mut Option<u64>,
    pub(super) frontier: &'a mut Option<Frontier>,
    pub(super) heads: &'a mut Heads,
    pub(super) held: Held,
    /// Contradictions of heads.
    pub(super) found: Vec<Contradiction>,
}

/// Pages that wait to be proved.
#[derive(Debug, Default)]
pub(super) struct Held {
    pages: VecDeque<HeldPage>,
    bytes: usize,
    /// The responses that they came in.
    pub(super) served: Vec<Served>,
}

#[derive(Debug)]
struct HeldPage {
    /// The index of the first entry.
    first: u64,
    entries: Vec<Record>,
    /// The index after the last entry.
    end: u64,
    /// The tree up to there.
    tree: Option<CompactRange>,
    lease: Option<Lease>,
}

impl Held {
    fn push(&mut self, page: HeldPage) {
        self.bytes += page.lease.as_ref().map_or(0, Lease::held);
        self.pages.push_back(page);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    /// Reports whether more waits than should.
    fn is_much(&self) -> bool {
        let beyond = |page: &HeldPage| page.lease.as_ref().is_some_and(Lease::is_beyond);
        self.bytes > HELD_BYTES || self.pages.iter().any(beyond)
    }
}

impl<S: Source> Run<'_, S> {
    /// Takes the next page. After a contradiction the run has to end.
    pub(super) async fn take(&mut self, fetched: Fetched) -> Result<(), FollowError> {
        let Fetched { entries, leaf_hashes, served, lease, cut, error, .. } = fetched;
        let mut last = error.is_some() || cut;
        self.held.served.extend(served);
        for Part { entries, leaf_hashes, lease } in (Part { entries, leaf_hashes, lease }).cut() {
            let Some(first) = entries.first().map(|entry| entry.index) else { continue };
            let end = first + entries.len() as u64;
            last |= end >= self.end;
            if let Some(frontier) = self.frontier {
                self.found.extend(frontier.push(&leaf_hashes, self.heads));
            }
            let tree = self.frontier.as_ref().map(|frontier| frontier.read().clone());
            self.held.push(HeldPage { first, entries, end, tree, lease });
        }
        let enforce = self.verification == Verification::Enforce;
        last |= !enforce && !self.catching_up && self.held.is_much();
        let proved = if self.found.is_empty() && (last || enforce && self.held.is_much()) {
            // A log that has just failed gets no request for a proof that can wait.
            if enforce || error.is_none() { self.prove().await } else { Ok(()) }
        } else {
            Ok(())
        };
        self.emit(last).await?;
        match error {
            Some(error) => Err(error.into()),
            None => proved,
        }
    }

    /// Proves the entries read, unless a head has proved them.
    async fn prove(&mut self) -> Result<(), FollowError> {
        let Some(frontier) = self.frontier.as_mut() else { return Ok(()) };
        if frontier.proved().size == frontier.read().size() {
            return Ok(());
        }
        match self.source.extends(frontier.read(), &self.head).await {
            Ok(true) => self.heads.remember(frontier.prove()),
            Ok(false) => {
                let expected = Point::of_range(frontier.read());
                let head = self.heads.newest_served().cloned();
                self.found.extend(head.map(|head| Contradiction {
                    kind: AlarmKind::Mismatch,
                    head,
                    other: None,
                    expected,
                }));
            }
            Err(error) => {
                add(&self.status.counters.proof_errors, (!error.is_no_room()).into());
                if self.verification == Verification::Enforce {
                    return Err(error.into());
                }
                tracing::debug!(log = self.status.log.name, %error, "to be proved later");
            }
        }
        Ok(())
    }

    /// Emits pages: with `enforce` those that are proved, otherwise all of them, at once or, at the tail,
    /// after they have been compared with the head.
    async fn emit(&mut self, last: bool) -> Result<(), FollowError> {
        let proved = self.frontier.as_ref().map_or(0, |frontier| frontier.proved().size);
        let may = |end: u64| match self.verification {
            Verification::Enforce => end <= proved,
            Verification::Report | Verification::Off => last || self.catching_up,
        };
        if let Some(frontier) = self.frontier.as_ref() {
            self.status.set_proved(Ok(frontier.from()..proved));
        }
        let ready = self.held.pages.iter().take_while(|page| may(page.end)).count();
        let ready: Vec<HeldPage> = self.held.pages.drain(..ready).collect();
        for page in ready {
            self.send(page).await?;
        }
        if self.held.pages.is_empty() && self.found.is_empty() {
            self.held.clear();
        }
        Ok(())
    }

    async fn send(&mut self, page: HeldPage) -> Result<(), FollowError> {
        let HeldPage { first, entries, end, tree, lease } = page;
        let count = entries.len() as u64;
        let timestamp = entries.last().map_or(0, |entry| entry.submitted);
        if let (Some(frontier), Some(tree)) = (self.frontier.as_mut(), tree) {
            frontier.emit(tree);
        }
        let tree = self.frontier.as_ref().map(Frontier::save);
        self.status.emitting(end);
        let log = Arc::clone(self.status);
        let page = Page { tree, ..Page::of_entries(log, first, entries, end) };
        self.pages.send(page, lease).await?;
        *self.next = Some(end);
        self.status.emitted(end, count, timestamp);
        Ok(())
    }
}
