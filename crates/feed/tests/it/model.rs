//! The hub against a model of it, under random use.

use feed::{Batch, Framing, Gap, GapReason, Hub, Limits, Reader, Written};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::*;

/// What can happen to a hub.
#[derive(Clone, Debug)]
enum Act {
    Publish(Vec<usize>),
    Join(Rendering, Framing, Option<Since>),
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

fn act() -> impl Strategy<Value = Act> {
    let size = prop_oneof![9 => 0..60_usize, 1 => 30_000..150_000_usize];
    let since = prop_oneof![
        Just(None),
        prop_oneof![0..FIRST + 40, Just(u64::MAX)].prop_map(|o| Some(Since::Offset(o))),
        (0..30_u64).prop_map(|n| Some(Since::BehindHead(n))),
        (1..3_u64).prop_map(|n| Some(Since::AheadOfHead(n))),
    ];
    let rendering = prop::sample::select(RENDERINGS.to_vec());
    let framing = prop::sample::select(FRAMINGS.to_vec());
    let budget = prop_oneof![0..400_usize, Just(1 << 20)];
    prop_oneof![
        8 => vec(size, 0..6).prop_map(Act::Publish),
        3 => (rendering, framing, since).prop_map(|(r, f, s)| Act::Join(r, f, s)),
        10 => (any::<Index>(), budget.clone(), 0..=8_usize).prop_map(|(i, b, n)| Act::Write(i, b, n)),
        2 => (any::<Index>(), budget.clone()).prop_map(|(i, b)| Act::Cancel(i, b)),
        4 => (any::<Index>(), budget).prop_map(|(i, b)| Act::Take(i, b)),
        2 => any::<Index>().prop_map(Act::Interject),
        1 => any::<Index>().prop_map(Act::Leave),
        1 => Just(Act::Close),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..2_000_usize, 0..12_u64, 0..3_000_usize, any::<bool>()).prop_map(
        |(ring_bytes, min_messages, chunk_bytes, linger)| Limits {
            ring_bytes,
            min_messages,
            chunk_bytes,
            linger: if linger { ROOMY.linger } else { std::time::Duration::ZERO },
        },
    )
}

/// A page as the model knows it: offsets, weight.
#[derive(Clone, Copy, Debug)]
struct Page {
    end: u64,
    entries: u64,
    weight: usize,
}

/// A client, and what it should have come to see.
struct Client {
    reader: Reader<Notes>,
    rendering: Rendering,
    inbox: Inbox,
    start: u64,
    lost: Vec<std::ops::Range<u64>>,
    own: Vec<Item>,
    told: Written,
}

struct World {
    hub: Hub<Notes>,
    limits: Limits,
    published: Vec<String>,
    pages: Vec<Page>,
    clients: Vec<Client>,
    dropped: u64,
    closed: bool,
}

impl World {
    fn new(limits: Limits) -> Self {
        let (hub, _) = hub(limits);
        Self {
            hub,
            limits,
            published: vec![],
            pages: vec![],
            clients: vec![],
            dropped: 0,
            closed: false,
        }
    }

    fn next(&self) -> u64 {
        FIRST + self.published.len() as u64
    }

    fn oldest(&self) -> u64 {
        self.next() - self.pages.iter().map(|page| page.entries).sum::<u64>()
    }

    fn client(&mut self, index: &Index) -> Option<&mut Client> {
        let count = self.clients.len();
        (count > 0).then(|| &mut self.clients[index.index(count)])
    }

    fn act(&mut self, act: &Act) {
        let oldest = self.oldest();
        match act {
            Act::Publish(sizes) => self.publish(sizes),
            Act::Join(rendering, framing, since) => self.join(*rendering, *framing, since.as_ref()),
            Act::Write(index, budget, share) => {
                if let Some(client) = self.client(index) {
                    client.write(oldest, *budget, *share);
                }
            }
            Act::Cancel(index, budget) => {
                if let Some(client) = self.client(index) {
                    client.fill(oldest, *budget);
                }
            }
            Act::Take(index, budget) => {
                if let Some(client) = self.client(index) {
                    client.take(oldest, *budget);
                }
            }
            Act::Interject(index) => {
                if let Some(client) = self.client(index) {
                    client.interject();
                }
            }
            Act::Leave(index) => {
                if !self.clients.is_empty() {
                    let client = self.clients.swap_remove(index.index(self.clients.len()));
                    self.dropped += client.lost_count();
                }
            }
            Act::Close => {
                self.hub.close();
                self.closed = true;
            }
        }
        self.check();
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
        let mut page = Page { end: first, entries: 0, weight: 0 };
        for size in sizes {
            let weight = (*size).max(size_of::<String>());
            if page.entries > 0 && page.weight + weight > 128 * 1024 {
                self.pages.push(page);
                page = Page { entries: 0, weight: 0, ..page };
            }
            page =
                Page { end: page.end + 1, entries: page.entries + 1, weight: page.weight + weight };
        }
        self.pages.push(page);
        while self.pages.len() > 1
            && self.pages.iter().map(|page| page.weight).sum::<usize>() > self.limits.ring_bytes
            && self.next() - self.pages[0].end >= self.limits.min_messages
        {
            self.pages.remove(0);
        }
    }

    fn join(&mut self, rendering: Rendering, framing: Framing, since: Option<&Since>) {
        let (oldest, next) = (self.oldest(), self.next());
        let since = since.map(|since| match since {
            Since::Offset(offset) => *offset,
            Since::BehindHead(n) => next - 1 - (*n).min(next - 1),
            Since::AheadOfHead(n) => next - 1 + n,
        });
        let (start, gap) = match since {
            None => (next, None),
            Some(n) if n >= next => (next, Some((None, GapReason::Ahead))),
            Some(n) if n + 1 < FIRST => (oldest, Some((None, GapReason::BeforeStart))),
            Some(n) if n + 1 < oldest => (oldest, Some((Some(oldest - n - 1), GapReason::Evicted))),
            Some(n) => (n + 1, None),
        };
        let joined = self.hub.subscribe(rendering, framing, since);
        assert_eq!(joined.gap, gap.map(|(dropped, reason)| Gap { dropped, reason }));
        assert_eq!(joined.reader.offset(), start);
        self.clients.push(Client {
            reader: joined.reader,
            rendering,
            inbox: Inbox::new(framing),
            start,
            lost: vec![],
            own: vec![],
            told: Written::default(),
        });
    }

    fn check(&self) {
        let stats = self.hub.stats();
        assert_eq!(stats.published, self.published.len() as u64);
        assert_eq!(stats.entries, self.next() - self.oldest());
        assert_eq!(stats.pages, self.pages.len());
        assert_eq!(stats.bytes, self.pages.iter().map(|page| page.weight).sum::<usize>());
        assert_eq!(stats.readers, self.clients.len());
        let lost: u64 = self.clients.iter().map(Client::lost_count).sum();
        assert_eq!(stats.dropped, self.dropped + lost);
        assert!(stats.chunks <= stats.feeds * stats.pages.max(1));
        assert!(stats.chunk_bytes <= stats.feeds * self.limits.chunk_bytes.max(160_000 * 2));
    }

    /// Everybody reads to the end; then everything must be accounted for.
    fn finish(mut self) {
        let (oldest, next) = (self.oldest(), self.next());
        for client in &mut self.clients {
            while client.reader.offset() < next || !client.reader.at_boundary() {
                client.write(oldest, 1 << 20, 8);
            }
            client.write(oldest, 1 << 20, 8);
            client.check(&self.published);
        }
        self.check();
    }
}

impl Client {
    fn lost_count(&self) -> u64 {
        self.lost.iter().map(|range| range.end - range.start).sum()
    }

    fn fill(&mut self, oldest: u64, budget: usize) -> Batch {
        if self.reader.offset() < oldest {
            self.lost.push(self.reader.offset()..oldest);
        }
        let mut batch = Batch::default();
        self.reader.fill(&mut batch, budget);
        let slices: Vec<&[u8]> = batch.slices().collect();
        assert!(slices.len() <= feed::MAX_SLICES && slices.iter().all(|slice| !slice.is_empty()));
        assert_eq!(slices.concat().len(), batch.len());
        batch
    }

    fn write(&mut self, oldest: u64, budget: usize, share: usize) {
        let waiting = !self.reader.at_boundary() || self.own_waits();
        let mut batch = self.fill(oldest, budget);
        let bytes = batch.slices().collect::<Vec<_>>().concat();
        if !waiting && batch.len() > budget {
            let mut one = Inbox::new(self.inbox_framing());
            one.receive(&bytes);
            assert_eq!((one.items.len(), one.at_boundary()), (1, true), "past the budget: one");
        }
        let written = bytes.len() * share / 8;
        let told = self.reader.advance(&mut batch, written);
        assert!(batch.is_empty());
        assert_eq!(told.bytes, written);
        self.receive(&bytes[..written], told);
    }

    fn take(&mut self, oldest: u64, budget: usize) {
        if self.reader.offset() < oldest {
            self.lost.push(self.reader.offset()..oldest);
        }
        if let Some((bytes, told)) = self.reader.next_bytes(budget) {
            assert_eq!(told.bytes, bytes.len());
            self.receive(&bytes, told);
        }
    }

    fn receive(&mut self, bytes: &[u8], told: Written) {
        self.told.bytes += told.bytes;
        self.told.messages += told.messages;
        self.told.lost += told.lost;
        self.inbox.receive(bytes);
        // Between two own frames the reader does not see the boundary.
        assert!(self.inbox.at_boundary() || !self.reader.at_boundary());
        assert!(self.inbox.at_boundary() == self.reader.at_boundary() || self.own_waits());
        assert_eq!(self.inbox.messages().count(), self.told.messages);
    }

    fn own_waits(&self) -> bool {
        let received = self.inbox.items.iter().filter(|item| matches!(item, Item::Own(_))).count();
        received < self.own.len()
    }

    fn inbox_framing(&self) -> Framing {
        self.inbox.framing()
    }

    fn interject(&mut self) {
        let frame = own_frame(self.inbox_framing(), self.own.len());
        if self.reader.interject(&frame) {
            self.own.push(Item::Own(frame));
        }
    }

    fn check(&self, published: &[String]) {
        let sent = |offset: &u64| !self.lost.iter().any(|range| range.contains(offset));
        let expected: Vec<String> = (FIRST..)
            .zip(published)
            .filter(|(offset, _)| *offset >= self.start && sent(offset))
            .filter_map(|(offset, note)| json(self.rendering, offset, note))
            .collect();
        let expected: Vec<&str> = expected.iter().map(|text| text.trim_end()).collect();
        assert_eq!(self.inbox.messages().collect::<Vec<_>>(), expected);
        let own: Vec<&Item> =
            self.inbox.items.iter().filter(|item| matches!(item, Item::Own(_))).collect();
        assert_eq!(own, self.own.iter().collect::<Vec<_>>());
        assert_eq!(self.told.lost, self.lost_count());
        assert_eq!(self.told.bytes, self.inbox.bytes);
    }
}

proptest! {
    #[test]
    fn every_reader_sees_everything_once_in_order(
        limits in limits(),
        acts in vec(act(), 1..80),
    ) {
        let mut world = World::new(limits);
        acts.iter().for_each(|act| world.act(act));
        world.finish();
    }
}
