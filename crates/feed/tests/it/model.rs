//! The hub against a model of it, under random use.

mod act;
mod client;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use feed::{
    Archive, Busy, Framing, Gap, GapReason, History, HistoryPage, Hub, Limits, Owner, PublishError,
    Request, Written,
};
use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::*;
use crate::storage::Storage;
use act::{Act, Since, Wish, act, archive, limits};
use client::Client;

/// A page as the model knows it.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// The beginning of the hole before it.
    from: u64,
    first: u64,
    end: u64,
    weight: usize,
    /// Filters with smaller ids were applied.
    covered: u64,
}

struct World {
    hub: Hub<Notes>,
    notes: Notes,
    limits: Limits,
    resent_from: u64,
    /// By offset; those below [`FIRST`] are in the history only.
    published: BTreeMap<u64, String>,
    next: u64,
    /// The history, and how many readers may read it.
    archive: Option<(Arc<Storage>, usize)>,
    /// All there ever were; the newest are in the ring.
    pages: Vec<Page>,
    held: usize,
    clients: Vec<Client>,
    /// Entries that clients that left had lost.
    dropped: u64,
    closed: bool,
}

impl World {
    fn new(limits: Limits, resent_from: Option<u64>, archive: Option<(usize, usize)>) -> Self {
        let notes = Notes::default();
        let mut published = BTreeMap::new();
        let archive =
            archive.map(|(pages, readers)| (Arc::new(history(pages, &mut published)), readers));
        let hub = match &archive {
            None => Hub::resumed(notes.clone(), limits, FIRST, resent_from),
            Some((history, readers)) => {
                let (history, entries) = (Arc::clone(history), published.len() as u64);
                let archive =
                    Archive { history, end: FIRST, next: FIRST, entries, readers: *readers };
                Hub::with_archive(notes.clone(), limits, archive)
            }
        };
        let resent_from = if archive.is_some() { None } else { resent_from };
        Self {
            hub,
            notes,
            limits,
            resent_from: resent_from.unwrap_or(FIRST - 1),
            published,
            next: FIRST,
            archive,
            pages: vec![],
            held: 0,
            clients: vec![],
            dropped: 0,
            closed: false,
        }
    }

    fn ring(&self) -> &[Page] {
        &self.pages[self.pages.len() - self.held..]
    }

    /// Returns the offset from which on nothing is missing in the ring.
    fn oldest(&self) -> u64 {
        self.ring().first().map_or(self.next, |page| page.from)
    }

    /// Returns the first entry in the ring at an offset or after it, or else the offset.
    fn entry_at(&self, offset: u64) -> u64 {
        let page = self.ring().iter().find(|page| offset < page.end);
        page.map_or(offset, |page| offset.max(page.first))
    }

    fn count(&self, offsets: Range<u64>) -> u64 {
        if offsets.is_empty() { 0 } else { self.published.range(offsets).count() as u64 }
    }

    fn count_new(&self) -> u64 {
        self.count(FIRST..self.next)
    }

    /// Returns the oldest offset of the history, if that is older than the ring.
    fn readable(&self) -> Option<u64> {
        let (history, _) = self.archive.as_ref()?;
        history.oldest().filter(|oldest| *oldest < self.oldest())
    }

    /// Reports whether there is a place for another reader of the history; there is always one for
    /// the first.
    fn has_room(&self) -> bool {
        let replays = self.hub.stats().replays;
        self.archive.as_ref().is_some_and(|(_, readers)| replays < (*readers).max(1))
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Publish(hole, sizes) => self.publish(*hole, sizes),
            Act::StepBack(back) => self.step_back(*back),
            Act::Expire(count) => {
                if let Some((history, _)) = &self.archive {
                    history.expire(*count);
                }
            }
            Act::Damage(index) => {
                if let Some((history, _)) = &self.archive
                    && history.len() > 0
                {
                    history.damage(index.index(history.len()));
                }
            }
            Act::Join(rendering, framing, since, wish) => {
                self.join(*rendering, *framing, since.as_ref(), wish.as_ref());
            }
            Act::Compile => self.notes.compile(),
            Act::Leave(index) => self.leave(index),
            Act::Close => {
                self.hub.close();
                self.closed = true;
            }
            Act::Ready(index, wait) => {
                if let Some(index) = self.index(index) {
                    self.ready(index, *wait).await;
                }
            }
            Act::Write(index, ..)
            | Act::Cancel(index, ..)
            | Act::Take(index, ..)
            | Act::Interject(index) => {
                if let Some(index) = self.index(index) {
                    self.clients[index].act(act);
                }
            }
        }
        self.check();
        for client in &mut self.clients {
            client.check_searched(&self.published, self.next);
        }
    }

    fn index(&self, index: &Index) -> Option<usize> {
        let count = self.clients.len();
        (count > 0).then(|| index.index(count))
    }

    fn step_back(&mut self, back: u64) {
        let (first, next) = (self.next - back, self.next);
        let refused = if self.closed {
            PublishError::Closed
        } else {
            PublishError::OffsetTaken { first, next }
        };
        assert_eq!(self.hub.publish(first, notes(["again"])), Err(refused));
    }

    fn publish(&mut self, hole: u64, sizes: &[usize]) {
        let (from, first) = (self.next, self.next + hole);
        let end = first + sizes.len() as u64;
        let notes: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
        if self.closed {
            assert_eq!(self.hub.publish(first, notes), Err(PublishError::Closed));
            return;
        }
        if sizes.is_empty() {
            assert_eq!(self.hub.publish(first, notes), Ok(first..first));
            return;
        }
        if let Some((history, _)) = &self.archive {
            let before = self.published.len() as u64;
            history.append(HistoryPage { from, first, before, entries: notes.clone().into() });
        }
        assert_eq!(self.hub.publish(first, notes.clone()), Ok(first..end));
        self.published.extend((first..).zip(notes));
        self.next = end;
        // An entry weighs no less than the string that holds it.
        let filtered = self.clients.iter().any(|client| client.filter.is_some());
        let covered = if filtered { self.notes.compiled() } else { 0 };
        let weight = sizes.iter().map(|size| (*size).max(size_of::<String>())).sum();
        let mut page = Page { from, first, end, weight, covered };
        page.weight += self.matches_weight(&page);
        self.pages.push(page);
        self.held += 1;
        while self.held > 2
            && self.ring().iter().map(|page| page.weight).sum::<usize>() > self.limits.ring_bytes
        {
            self.held -= 1;
        }
    }

    /// Four bytes for each match, sixteen for each filter that has any.
    fn matches_weight(&self, page: &Page) -> usize {
        let patterns = self.notes.patterns();
        let looked_at = patterns.iter().filter(|(id, _)| *id < page.covered);
        let counts = looked_at.map(|(_, pattern)| {
            (page.first..page.end).filter(|offset| self.passes(*pattern, *offset)).count()
        });
        counts.filter(|count| *count > 0).map(|count| 16 + 4 * count).sum()
    }

    fn passes(&self, pattern: Pattern, offset: u64) -> bool {
        pattern.passes(offset, &self.published[&offset])
    }

    fn join(
        &mut self,
        rendering: Rendering,
        framing: Framing,
        since: Option<&Since>,
        wish: Option<&Wish>,
    ) {
        let filter = wish.and_then(|wish| match wish {
            Wish::New(one_in, rest) => Some(self.notes.filter(*one_in, *rest)),
            Wish::Same(index) => self.clients[self.index(index)?].filter.clone(),
        });
        let (oldest, next) = (self.oldest(), self.next);
        let since = since.map(|since| match since {
            Since::Offset(offset) => *offset,
            Since::BehindHead(n) => next - 1 - (*n).min(next - 1),
            Since::AheadOfHead(n) => next - 1 + n,
        });
        let in_history = since.and_then(|n| {
            if n >= next || n + 1 >= oldest {
                return None;
            }
            let resent = n + 1 < FIRST && n >= self.resent_from && oldest == FIRST;
            self.readable().filter(|_| !resent)
        });
        let (start, gap) = match (since, in_history) {
            (None, _) => (next, None),
            (Some(n), Some(past)) if n + 1 < past => (past, Some((None, GapReason::Evicted))),
            (Some(n), Some(_)) => (n + 1, None),
            (Some(n), None) => self.start_in_ring(n, filter.is_some()),
        };
        let request =
            Request { rendering, framing, since, filter: filter.clone(), owner: Owner::default() };
        let is_refused = in_history.is_some() && !self.has_room();
        let joined = self.hub.subscribe(request);
        if is_refused {
            assert_eq!(joined.err(), Some(Busy));
            return;
        }
        let joined = joined.expect("it need not read the history, or there is room");
        assert_eq!(joined.gap, gap.map(|(dropped, reason)| Gap { dropped, reason }));
        assert_eq!(joined.reader.offset(), start);
        // Without context between messages, a reader may begin compressed inside a page. What it
        // begins with in the history is known once that was read.
        let inside = self.ring().iter().any(|p| p.first < start && start < p.end);
        let plain = filter.is_some() || inside && framing != Framing::WebSocketDeflateEach;
        let expected = if plain { framing.plain() } else { framing };
        assert!(in_history.is_some() || joined.reader.framing() == expected);
        self.clients.push(Client {
            reader: joined.reader,
            rendering,
            inbox: Inbox::new(if filter.is_some() { framing.plain() } else { framing }),
            filter,
            start,
            lost: vec![],
            least: 0,
            most: 0,
            own: vec![],
            told: Written::default(),
            searched: start - 1,
        });
    }

    /// Returns where a reader continues that has everything up to `n`, and what it misses.
    fn start_in_ring(&self, n: u64, filtered: bool) -> (u64, Option<(Option<u64>, GapReason)>) {
        let (oldest, next) = (self.oldest(), self.next);
        let wanted = n.saturating_add(1);
        let gap = if n >= next {
            Some((None, GapReason::Ahead))
        } else if wanted >= oldest {
            return (self.entry_at(wanted), None);
        } else if wanted < FIRST && n < self.resent_from {
            Some((None, GapReason::BeforeStart))
        } else if wanted < FIRST {
            (oldest > FIRST).then_some((None, GapReason::Evicted))
        } else {
            let dropped = Some(self.count(wanted..oldest)).filter(|_| !filtered);
            Some((dropped, GapReason::Evicted))
        };
        (self.entry_at(oldest), gap)
    }

    fn leave(&mut self, index: &Index) {
        let Some(index) = self.index(index) else { return };
        let mut client = self.clients.swap_remove(index);
        client.hear();
        self.dropped += client.told.lost;
    }

    /// Has a client wait. Only here it may lose something, and only what is gone.
    async fn ready(&mut self, index: usize, wait: bool) -> bool {
        let readable = self.archive.as_ref().filter(|_| self.readable().is_some());
        let readable = readable.map(|(history, _)| Arc::clone(history));
        let client = &mut self.clients[index];
        let from = client.reader.offset();
        let ready = if wait {
            more(&mut client.reader).await
        } else {
            client.reader.ready().now_or_never().is_some()
        };
        let to = client.reader.offset();
        assert!(from <= to && to <= self.next);
        let pattern = client.filter.as_ref().map(Filter::pattern);
        let lost: Vec<u64> = self
            .published
            .range(from..to)
            .filter(|(offset, note)| pattern.is_none_or(|p| p.passes(**offset, note)))
            .map(|(offset, _)| *offset)
            .collect();
        let oldest = self.oldest();
        let nothing_unknown = if pattern.is_some() { from >= oldest } else { from >= FIRST };
        if lost.is_empty() && nothing_unknown {
            return ready;
        }
        // What its filter was not applied to may count as lost, and have it jump to the live chunks.
        let gone = if pattern.is_some() { Some(&from) } else { lost.first() };
        assert!(gone.is_none_or(|gone| *gone < oldest), "{from} to {to}, but {oldest} is there");
        for offset in lost.iter().filter(|offset| **offset < oldest) {
            let there = readable.as_ref().is_some_and(|history| history.has(*offset));
            assert!(!there, "{from} to {to}, but {offset} is in the history");
        }
        if pattern.is_none() && !lost.is_empty() {
            let begins = self.ring().iter().any(|page| page.first == to || page.from == to);
            // A page that it read ahead may be gone by now.
            let in_history = |(history, _): &(Arc<Storage>, usize)| history.has_begun(to);
            assert!(to == self.next || begins || self.archive.as_ref().is_some_and(in_history));
        }
        let least = lost.len() as u64;
        let most = self.most(from..to, least, self.clients[index].filter.as_ref());
        self.clients[index].lose(from..to, least, most);
        ready
    }

    /// Returns how many entries may have been counted as lost, of which `least` were.
    fn most(&self, range: Range<u64>, least: u64, filter: Option<&Filter>) -> u64 {
        // Of pages that this process has not published, nobody need know how many are missing.
        let unknown = if range.start < FIRST { FIRST.min(range.end) - range.start } else { 0 };
        let Some(filter) = filter else { return least + unknown };
        let unsure = |page: &&Page| self.archive.is_some() || filter.id() >= page.covered;
        let overlap =
            |page: &Page| self.count(page.first.max(range.start)..page.end.min(range.end));
        let unsure: u64 = self.pages.iter().filter(unsure).map(overlap).sum();
        least + unsure + unknown
    }

    fn check(&self) {
        let stats = self.hub.stats();
        assert_eq!(stats.published, self.count_new());
        assert_eq!(stats.entries, self.count(self.oldest()..self.next));
        assert!(stats.replays <= self.archive.as_ref().map_or(0, |(_, readers)| (*readers).max(1)));
        assert_eq!(stats.pages, self.held);
        assert_eq!(stats.bytes, self.ring().iter().map(|page| page.weight).sum::<usize>());
        assert_eq!(stats.readers, self.clients.len());
        let mut filters: Vec<u64> =
            self.clients.iter().filter_map(|client| Some(client.filter.as_ref()?.id())).collect();
        filters.sort_unstable();
        filters.dedup();
        assert_eq!(stats.filters, filters.len());
        // One chunk, of a page or of one long message, may be more than is allowed.
        let longest = 300_000;
        let live = self.limits.chunk_bytes.max(longest);
        let late = (self.limits.chunk_bytes / 4).max(longest);
        assert!(stats.chunk_bytes <= stats.feeds * (live + late));
    }

    /// Everybody reads to the end; then everything must be accounted for.
    async fn finish(mut self) {
        // One that waits for a place in the history gets it when another has come to the end, which
        // need not write anything for that.
        let mut has_moved = true;
        while has_moved {
            has_moved = false;
            for index in 0..self.clients.len() {
                let before = self.clients[index].reader.offset();
                while self.ready(index, true).await {
                    self.clients[index].write(1 << 20, 8);
                    has_moved = true;
                }
                has_moved |= self.clients[index].reader.offset() != before;
                self.clients[index].hear();
            }
        }
        self.check();
        let mut dropped = self.dropped;
        let last = self.next - 1;
        for client in &mut self.clients {
            client.check(&self.published);
            assert_eq!(client.reader.searched(), Some(last), "up to date, whatever passed");
            dropped += client.told.lost;
        }
        assert_eq!((self.hub.stats().dropped, self.hub.stats().replays), (dropped, 0));
        self.clients.clear();
        self.check();
    }
}

/// A history of so many pages from before the hub, with holes between them.
fn history(pages: usize, published: &mut BTreeMap<u64, String>) -> Storage {
    let history = Storage::default();
    let mut from = FIRST - (pages * pages) as u64; // so that it ends there
    for number in 0..pages {
        let first = from + number as u64;
        let entries: Vec<String> = (0..=number).map(|length| "o".repeat(length)).collect();
        let (before, end) = (published.len() as u64, first + entries.len() as u64);
        published.extend((first..).zip(entries.clone()));
        history.append(HistoryPage { from, first, before, entries: entries.into() });
        from = end;
    }
    history
}

proptest! {
    #[test]
    fn every_reader_gets_every_entry_once_in_order_or_counts_it_as_lost(
        limits in limits(),
        resent_from in prop::option::of(FIRST - 20..FIRST),
        archive in archive(),
        acts in vec(act(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(limits, resent_from, archive);
            for act in &acts {
                world.act(act).await;
            }
            world.finish().await;
        });
    }
}
