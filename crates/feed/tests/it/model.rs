//! The hub against a model of it, under random use.

use std::ops::Range;

use feed::{Batch, Framing, Gap, GapReason, Hub, Limits, Owner, Reader, Request, Written};
use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::*;

/// What can happen to a hub.
#[derive(Clone, Debug)]
enum Act {
    Publish(Vec<usize>),
    Join(Rendering, Framing, Option<Since>, Option<Wish>),
    /// All filters there are will be looked at from now on.
    Compile,
    /// Wait until there is something, or give up at once.
    Ready(Index, bool),
    /// Fill with a budget, and write a share (of 8) of what was gathered.
    Write(Index, usize, usize),
    /// Fill, and think better of it.
    Cancel(Index, usize),
    Take(Index, usize),
    Interject(Index),
    Leave(Index),
    Close,
}

/// A place to join after.
#[derive(Clone, Debug)]
enum Since {
    Offset(u64),
    BehindHead(u64),
    AheadOfHead(u64),
}

/// A filter: a new one, or that of another client.
#[derive(Clone, Debug)]
enum Wish {
    New(u64, u64),
    Same(Index),
}

fn act() -> impl Strategy<Value = Act> {
    let size = prop_oneof![9 => 0..60_usize, 1 => 30_000..150_000_usize];
    let since = prop_oneof![
        Just(None),
        prop_oneof![0..FIRST + 40, FIRST - 25..FIRST, Just(u64::MAX)]
            .prop_map(|o| Some(Since::Offset(o))),
        (0..30_u64).prop_map(|n| Some(Since::BehindHead(n))),
        (1..3_u64).prop_map(|n| Some(Since::AheadOfHead(n))),
    ];
    let new = (1..8_u64, 0..8_u64).prop_map(|(one_in, rest)| Wish::New(one_in, rest % one_in));
    let wish = prop_oneof![
        4 => Just(None),
        3 => new.prop_map(Some),
        1 => any::<Index>().prop_map(|index| Some(Wish::Same(index))),
    ];
    let rendering = prop::sample::select(RENDERINGS.to_vec());
    let framing = prop::sample::select(FRAMINGS.to_vec());
    let budget = prop_oneof![0..400_usize, Just(1 << 20)];
    let join = (rendering, framing, since, wish);
    let write = (any::<Index>(), budget.clone(), 0..=8_usize);
    prop_oneof![
        8 => vec(size, 0..6).prop_map(Act::Publish),
        4 => join.prop_map(|(r, f, s, w)| Act::Join(r, f, s, w)),
        1 => Just(Act::Compile),
        6 => (any::<Index>(), prop::bool::weighted(0.8)).prop_map(|(i, wait)| Act::Ready(i, wait)),
        10 => write.prop_map(|(i, b, n)| Act::Write(i, b, n)),
        2 => (any::<Index>(), budget.clone()).prop_map(|(i, b)| Act::Cancel(i, b)),
        4 => (any::<Index>(), budget).prop_map(|(i, b)| Act::Take(i, b)),
        2 => any::<Index>().prop_map(Act::Interject),
        1 => any::<Index>().prop_map(Act::Leave),
        1 => Just(Act::Close),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let ring_bytes = prop_oneof![0..2_000_usize, Just(1 << 20)];
    (ring_bytes, 0..3_000_usize, any::<bool>()).prop_map(|(ring_bytes, chunk_bytes, linger)| {
        let linger = if linger { ROOMY.linger } else { std::time::Duration::ZERO };
        Limits { ring_bytes, chunk_bytes, linger, ..ROOMY }
    })
}

/// A page as the model knows it.
#[derive(Clone, Copy, Debug)]
struct Page {
    first: u64,
    end: u64,
    weight: usize,
    /// Filters with smaller ids were looked at.
    covered: u64,
}

/// A client, and what it should have come to see.
struct Client {
    reader: Reader<Notes>,
    rendering: Rendering,
    filter: Option<Filter>,
    inbox: Inbox,
    start: u64,
    /// Where the reader jumped.
    lost: Vec<Range<u64>>,
    /// What it must have counted of that, and what it may have.
    least: u64,
    most: u64,
    own: Vec<Item>,
    told: Written,
    /// What it said it was done with.
    searched: u64,
}

struct World {
    hub: Hub<Notes>,
    notes: Notes,
    limits: Limits,
    resent_from: u64,
    published: Vec<String>,
    /// All there ever were; the newest are in the ring.
    pages: Vec<Page>,
    held: usize,
    /// How many of them the last publish brought.
    newest: usize,
    clients: Vec<Client>,
    /// What clients that left had lost.
    dropped: u64,
    closed: bool,
}

impl World {
    fn new(limits: Limits, resent_from: Option<u64>) -> Self {
        let notes = Notes::default();
        Self {
            hub: Hub::resumed(notes.clone(), limits, FIRST, resent_from),
            notes,
            limits,
            resent_from: resent_from.unwrap_or(FIRST - 1),
            published: vec![],
            pages: vec![],
            held: 0,
            newest: 0,
            clients: vec![],
            dropped: 0,
            closed: false,
        }
    }

    fn next(&self) -> u64 {
        FIRST + self.published.len() as u64
    }

    fn ring(&self) -> &[Page] {
        &self.pages[self.pages.len() - self.held..]
    }

    fn oldest(&self) -> u64 {
        self.ring().first().map_or_else(|| self.next(), |page| page.first)
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Publish(sizes) => self.publish(sizes),
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
        let (published, next) = (&self.published, FIRST + self.published.len() as u64);
        for client in &mut self.clients {
            client.check_searched(published, next);
        }
    }

    fn index(&self, index: &Index) -> Option<usize> {
        let count = self.clients.len();
        (count > 0).then(|| index.index(count))
    }

    fn publish(&mut self, sizes: &[usize]) {
        let first = self.next();
        let notes: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
        let offsets = self.hub.publish(notes.clone());
        if self.closed || sizes.is_empty() {
            assert_eq!(offsets, first..first);
            return;
        }
        assert_eq!(offsets, first..first + sizes.len() as u64);
        self.published.extend(notes);
        // The pages: full at 128 KiB, an entry weighing no less than the string that holds it.
        let filtered = self.clients.iter().any(|client| client.filter.is_some());
        let covered = if filtered { self.notes.compiled() } else { 0 };
        let mut page = Page { first, end: first, weight: 0, covered };
        let mut pages = Vec::new();
        for size in sizes {
            let weight = (*size).max(size_of::<String>());
            if page.end > page.first && page.weight + weight > 128 * 1024 {
                pages.push(page);
                page = Page { first: page.end, weight: 0, ..page };
            }
            page = Page { end: page.end + 1, weight: page.weight + weight, ..page };
        }
        pages.push(page);
        for page in &mut pages {
            page.weight += self.matches_weight(page);
        }
        self.held += pages.len();
        let stay = pages.len() + std::mem::replace(&mut self.newest, pages.len());
        self.pages.extend(pages);
        while self.held > stay
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
        let index = usize::try_from(offset - FIRST).unwrap();
        pattern.passes(offset, &self.published[index])
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
        let (oldest, next) = (self.oldest(), self.next());
        let since = since.map(|since| match since {
            Since::Offset(offset) => *offset,
            Since::BehindHead(n) => next - 1 - (*n).min(next - 1),
            Since::AheadOfHead(n) => next - 1 + n,
        });
        let (start, gap) = match since {
            None => (next, None),
            Some(n) if n >= next => (oldest, Some((None, GapReason::Ahead))),
            Some(n) if n + 1 < FIRST && n < self.resent_from => {
                (oldest, Some((None, GapReason::BeforeStart)))
            }
            Some(n) if n + 1 < FIRST && oldest > FIRST => {
                (oldest, Some((None, GapReason::Evicted)))
            }
            Some(n) if n + 1 < FIRST => (oldest, None),
            Some(n) if n + 1 < oldest => {
                let dropped = Some(oldest - n - 1).filter(|_| filter.is_none());
                (oldest, Some((dropped, GapReason::Evicted)))
            }
            Some(n) => (n + 1, None),
        };
        let request =
            Request { rendering, framing, since, filter: filter.clone(), owner: Owner::default() };
        let joined = self.hub.subscribe(request);
        assert_eq!(joined.gap, gap.map(|(dropped, reason)| Gap { dropped, reason }));
        assert_eq!(joined.reader.offset(), start);
        // Without context between messages, a reader may begin compressed inside a page.
        let inside = self.ring().iter().any(|p| p.first < start && start < p.end);
        let plain = filter.is_some() || inside && framing != Framing::WebSocketDeflateEach;
        let expected = if plain { framing.plain() } else { framing };
        assert_eq!(joined.reader.framing(), expected);
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

    fn leave(&mut self, index: &Index) {
        let Some(index) = self.index(index) else { return };
        let mut client = self.clients.swap_remove(index);
        client.hear();
        self.dropped += client.told.lost;
    }

    /// Has a client wait. Only here it may lose something, and only what is gone.
    async fn ready(&mut self, index: usize, wait: bool) -> bool {
        let (oldest, next) = (self.oldest(), self.next());
        let client = &mut self.clients[index];
        let from = client.reader.offset();
        let ready = if wait {
            more(&mut client.reader).await
        } else {
            client.reader.ready().now_or_never().is_some()
        };
        let to = client.reader.offset();
        assert!(from <= to && to <= next);
        if to == from {
            return ready;
        }
        let filter = client.filter.clone();
        let Some(filter) = filter else {
            assert!(from < oldest && to >= oldest, "{from} to {to}, but {oldest} is there");
            assert!(to == next || self.ring().iter().any(|page| page.first == to));
            self.clients[index].lose(from..to, to - from, to - from);
            return ready;
        };
        if from < oldest {
            let passing = |page: &&Page| page.first.max(from)..page.end.min(to);
            let count = |page: &Page| {
                let passes = |offset: &u64| self.passes(filter.pattern(), *offset);
                passing(&page).filter(passes).count() as u64
            };
            let certain = |page: &&Page| filter.id() < page.covered;
            let (least, unsure) = self.pages.iter().fold((0, 0), |(least, unsure), page| {
                let all = passing(&page).end.saturating_sub(passing(&page).start);
                if certain(&page) { (least + count(page), unsure) } else { (least, unsure + all) }
            });
            self.clients[index].lose(from..to, least, least + unsure);
        }
        ready
    }

    fn check(&self) {
        let stats = self.hub.stats();
        assert_eq!(stats.published, self.published.len() as u64);
        assert_eq!(stats.entries, self.next() - self.oldest());
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
        for index in 0..self.clients.len() {
            while self.ready(index, true).await {
                self.clients[index].write(1 << 20, 8);
            }
            self.clients[index].hear();
        }
        self.check();
        let mut dropped = self.dropped;
        let last = self.next() - 1;
        for client in &mut self.clients {
            client.check(&self.published);
            assert_eq!(client.reader.searched(), Some(last), "up to date, whatever passed");
            dropped += client.told.lost;
        }
        assert_eq!(self.hub.stats().dropped, dropped);
        self.clients.clear();
        self.check();
    }
}

impl Client {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Write(_, budget, share) => self.write(*budget, *share),
            Act::Cancel(_, budget) => drop(self.fill(*budget)),
            Act::Take(_, budget) => self.take(*budget),
            _ => self.interject(),
        }
    }

    fn lose(&mut self, range: Range<u64>, least: u64, most: u64) {
        self.lost.push(range);
        self.least += least;
        self.most += most;
    }

    /// What was counted as lost and not yet said.
    fn hear(&mut self) {
        let mut batch = Batch::default();
        self.reader.fill(&mut batch, 0);
        self.told.lost += self.reader.advance(&mut batch, 0).lost;
    }

    fn fill(&mut self, budget: usize) -> Batch {
        let mut batch = Batch::default();
        self.reader.fill(&mut batch, budget);
        let slices: Vec<&[u8]> = batch.slices().collect();
        assert!(slices.len() <= feed::MAX_SLICES && slices.iter().all(|slice| !slice.is_empty()));
        assert_eq!(slices.concat().len(), batch.len());
        batch
    }

    fn write(&mut self, budget: usize, share: usize) {
        let waiting = !self.reader.at_boundary() || self.own_waits();
        let framing = self.reader.framing();
        let mut batch = self.fill(budget);
        let bytes = batch.slices().collect::<Vec<_>>().concat();
        if !waiting && batch.len() > budget && framing == framing.plain() {
            let mut one = Inbox::new(framing);
            one.receive(framing, &bytes);
            assert_eq!((one.items.len(), one.at_boundary()), (1, true), "past the budget: one");
        }
        let written = bytes.len() * share / 8;
        let told = self.reader.advance(&mut batch, written);
        assert!(batch.is_empty());
        assert_eq!(told.bytes, written);
        self.receive(framing, &bytes[..written], told);
    }

    fn take(&mut self, budget: usize) {
        let framing = self.reader.framing();
        if let Some((bytes, told)) = self.reader.next_bytes(budget) {
            assert_eq!(told.bytes, bytes.len());
            self.receive(framing, &bytes, told);
        }
    }

    fn receive(&mut self, framing: Framing, bytes: &[u8], told: Written) {
        add(&mut self.told, told);
        self.inbox.receive(framing, bytes);
        // Between two own frames the reader does not see the boundary.
        assert!(self.inbox.at_boundary() || !self.reader.at_boundary());
        if self.inbox.framing() == Framing::SseGzip {
            // Of a message cut in two all can be there, and inside a chunk there is no boundary.
            assert!(self.inbox.messages().count() >= self.told.messages);
        } else {
            assert!(self.inbox.at_boundary() == self.reader.at_boundary() || self.own_waits());
            assert_eq!(self.inbox.messages().count(), self.told.messages);
        }
    }

    fn own_waits(&self) -> bool {
        let received = self.inbox.items.iter().filter(|item| matches!(item, Item::Own(_))).count();
        received < self.own.len()
    }

    fn interject(&mut self) {
        let frame = own_frame(self.inbox.framing(), self.own.len());
        if self.reader.interject(&frame) {
            self.own.push(Item::Own(frame));
        }
    }

    /// Whether it is done with all that it says, and has nothing beyond.
    fn check_searched(&mut self, published: &[String], next: u64) {
        let searched = self.reader.searched().unwrap();
        assert!((self.searched..next).contains(&searched), "{searched} after {}", self.searched);
        self.searched = searched;
        if !self.reader.at_boundary() || !self.inbox.at_boundary() {
            return;
        }
        let pattern = self.filter.as_ref().map(Filter::pattern);
        let has_come = |(offset, note): &(u64, &String)| {
            (self.start..=searched).contains(offset)
                && pattern.is_none_or(|pattern| pattern.passes(*offset, note))
                && (self.rendering != Rendering::Odd || offset % 2 == 1)
                && !self.lost.iter().any(|range| range.contains(offset))
        };
        let expected = (FIRST..).zip(published).filter(has_come).count();
        assert_eq!(self.inbox.messages().count(), expected, "up to {searched}");
    }

    fn check(&self, published: &[String]) {
        let sent = |offset: &u64| !self.lost.iter().any(|range| range.contains(offset));
        let wanted = |offset: &u64, note: &str| {
            let pattern = self.filter.as_ref().map(Filter::pattern);
            *offset >= self.start && pattern.is_none_or(|pattern| pattern.passes(*offset, note))
        };
        let expected: Vec<String> = (FIRST..)
            .zip(published)
            .filter(|(offset, note)| wanted(offset, note) && sent(offset))
            .filter_map(|(offset, note)| json(self.rendering, offset, note))
            .collect();
        let expected: Vec<&str> = expected.iter().map(|text| text.trim_end()).collect();
        assert_eq!(self.inbox.messages().collect::<Vec<_>>(), expected);
        assert_eq!(self.told.messages, expected.len());
        let own: Vec<&Item> =
            self.inbox.items.iter().filter(|item| matches!(item, Item::Own(_))).collect();
        assert_eq!(own, self.own.iter().collect::<Vec<_>>());
        assert!((self.least..=self.most).contains(&self.told.lost), "{:?}", self.told);
        assert_eq!(self.told.bytes, self.inbox.bytes);
        assert!(self.inbox.at_boundary() && self.reader.at_boundary());
    }
}

proptest! {
    #[test]
    fn every_reader_sees_everything_once_in_order(
        limits in limits(),
        resent_from in prop::option::of(FIRST - 20..FIRST),
        acts in vec(act(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(limits, resent_from);
            for act in &acts {
                world.act(act).await;
            }
            world.finish().await;
        });
    }
}
