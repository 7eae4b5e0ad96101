//! Memory bounds, against the memory that the allocator really uses for them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cert::{Certificate, Digests};
use ct::leaf::EntryType;
use feed::{Framing, Hub, Limits, Owner, Reader, Ready, Request, Stream, block};
use follow::IssuerStore;
use ingest::Window;
use record::Record;
use server::publish::issuers::Issuers;
use server::publish::recent::{Recent, RecentCertificates};
use tikv_jemalloc_ctl::{epoch, stats};
use wire::{Event, Profile, Renderer, Source, SourceKind, StreamKind};

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes that the allocator keeps for threads to use again, and counts.
const KEPT: usize = 512 * 1024;

/// The allocator counts what all threads have, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes in use at this moment.
fn allocated() -> usize {
    epoch::advance().expect("the allocator counts");
    stats::allocated::read().expect("the allocator counts")
}

/// Bytes that are in use for what is made.
fn takes<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = allocated();
    let made = make();
    (made, allocated().saturating_sub(before))
}

/// A SHA-256 of a number.
fn hash(number: u64) -> [u8; 32] {
    Digests::of(&number.to_be_bytes()).sha256
}

#[test]
fn block_sizes_equal_those_of_the_allocator() {
    let _alone = ALONE.lock();
    for bytes in [1, 100, 129, 1_000, 1_400, 5_000, 20_000, 130_000, 1_100_000] {
        // So many that what a thread keeps of its own does not matter.
        let count = (32 << 20) / block(bytes);
        let mut held = Vec::with_capacity(count);
        let ((), taken) = takes(|| held.extend((0..count).map(|_| vec![1_u8; bytes])));
        let each = taken as f64 / count as f64;
        let expected = block(bytes) as f64;
        // Of blocks of more than a megabyte the allocator rounds up less than is counted.
        let least = if bytes < 1_000_000 { 0.98 } else { 0.8 };
        let share = each / expected;
        assert!((least..1.02).contains(&share), "{bytes}: {each}, {expected} expected");
    }
}

#[test]
fn the_dedup_window_uses_the_documented_memory() {
    let _alone = ALONE.lock();
    const CAPACITY: u64 = 200_000;
    let now = Instant::now();
    let (window, taken) = takes(|| {
        let mut window = Window::new(CAPACITY as usize, Duration::from_secs(900));
        for number in 0..3 * CAPACITY {
            assert_eq!(window.find(&hash(number), now), None);
            window.insert(&hash(number), number, now);
        }
        window
    });
    let each = taken as f64 / CAPACITY as f64;
    println!("dedup window: {:.1} MB, {each:.1} bytes a certificate", taken as f64 / 1e6);
    assert_eq!(window.len(), CAPACITY as usize);
    assert!(each <= 36.0, "{each} bytes a certificate");
    // What it remembers is right all the same.
    for number in [3 * CAPACITY - 1, 2 * CAPACITY + 1] {
        assert_eq!(window.find(&hash(number), now), Some(number));
    }
    assert_eq!(window.find(&hash(0), now), None);
}

#[test]
fn recent_certificates_use_little_more_than_their_bytes() {
    let _alone = ALONE.lock();
    const MOST: usize = 1_000;
    /// Beside the certificate, for each that is kept.
    const BESIDE: usize = 400;
    let source = Arc::new(Source::new("log", "https://x", "", SourceKind::Tiled, None));
    let recent = |number: u64| {
        let certificate = Bytes::from([&number.to_be_bytes()[..], &[7; 1_400]].concat());
        let digests = Digests::of(&certificate);
        let record = Record::as_read(number, 0, EntryType::X509, certificate, Vec::new());
        (Recent { offset: number, record, source: Arc::clone(&source) }, digests)
    };
    let (held, taken) = takes(|| {
        let held = RecentCertificates::default();
        held.limit(MOST, 1 << 30);
        (0..10 * MOST as u64).for_each(|number| held.extend(vec![recent(number)]));
        held
    });
    let counted = held.size().bytes;
    println!("recent certificates: {taken} bytes, counted {counted}");
    assert_eq!(held.size().entries, MOST);
    assert!(taken <= counted * 5 / 4 + MOST * BESIDE, "{taken} for {counted}");
}

/// Bytes in place of an issuer's certificate, which differ by the number.
fn issuer(number: u64, length: usize) -> Vec<u8> {
    let mut der = vec![b'"'; length];
    der[..8].copy_from_slice(&number.to_be_bytes());
    der
}

#[test]
fn the_issuers_of_followers_take_what_their_bound_says() {
    let _alone = ALONE.lock();
    /// As in `follow::issuers`.
    const MOST: usize = 16 << 20;
    for (length, count) in [(16, 200_000), (1_400, 40_000), (20_000, 3_000), (200_000, 300)] {
        let (store, taken) = takes(|| {
            let store = IssuerStore::default();
            (0..count).for_each(|number| drop(store.intern(&issuer(number, length))));
            store
        });
        let kept = store.len();
        println!("issuers of followers, {length} bytes each: {taken} bytes, {kept} are kept");
        assert!(taken <= MOST * 5 / 4 + KEPT, "{taken} for {kept} of {length}");
        assert!(kept * (length + 400) >= MOST / 2, "{kept} of {length}");
    }
}

#[test]
fn the_issuers_of_the_publisher_take_no_more_than_their_bound() {
    let _alone = ALONE.lock();
    let most = usize::try_from(Issuers::MOST_BYTES).expect("fits");
    let source = Source::new("log", "https://x", "", SourceKind::Tiled, None);
    let certificate = Certificate::read(&[]);
    let record = Record::as_read(0, 0, EntryType::X509, Bytes::new(), Vec::new());
    let renderer = Renderer::default();
    for (length, count) in [(16, 10_000), (1_400, 10_000), (20_000, 3_000)] {
        let (issuers, taken) = takes(|| {
            let (issuers, mut new, mut message) = (Issuers::default(), 0, Vec::new());
            for number in 0..count {
                let der = record::Issuer::new(issuer(number, length).into());
                let event = Event {
                    offset: 1,
                    record: &record,
                    source: &source,
                    certificate: &certificate,
                    chain: &[issuers.get_or_add(&der, &mut new)],
                };
                for profile in Profile::ALL {
                    message.clear();
                    renderer.render(StreamKind::Full, profile, &event, &mut message);
                }
            }
            issuers
        });
        println!("issuers of the publisher, {length} bytes each: {taken} bytes of {most}");
        assert!(taken <= most + KEPT, "{taken} of {most}");
        // Their renderings are kept with them.
        assert!(taken > 1_000_000, "{taken}");
        drop(issuers);
    }
}

/// A stream of texts, as long as messages of the lite stream are.
#[derive(Debug)]
struct Texts;

impl Stream for Texts {
    type Entry = Vec<u8>;
    type Message<'e> = &'e [u8];
    type Rendering = ();
    type Filter = u64;

    fn weight(&self, entry: &Vec<u8>) -> usize {
        block(size_of::<Vec<u8>>()) + block(entry.capacity()) + 96
    }

    fn seen(&self, _: &Vec<u8>) -> u64 {
        0
    }

    fn read<'e>(&self, _: u64, entry: &'e Vec<u8>) -> &'e [u8] {
        entry
    }

    fn render(&self, (): (), message: &&[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(message);
    }

    fn filter_id(filter: &u64) -> u64 {
        *filter
    }

    fn matching(&self, _: &[&[u8]], _: &mut Vec<(u64, u32)>) -> u64 {
        u64::MAX
    }

    fn passes(&self, _: &u64, _: &&[u8]) -> bool {
        false
    }
}

fn texts(count: usize, length: usize) -> Vec<Vec<u8>> {
    let text = |number| {
        let fill = "0".repeat(length - 10);
        format!("{{\"n\":{fill}{number:0>10}}}").into_bytes().into_boxed_slice()
    };
    (0..count).map(|number| text(number).into_vec()).collect()
}

fn join(hub: &Hub<Texts>, framing: Framing, since: Option<u64>) -> Reader<Texts> {
    let owner = Owner::default();
    let request = Request { rendering: (), framing, since, filter: None, owner };
    hub.subscribe(request).expect("the hub has no history").reader
}

#[test]
fn the_ring_uses_the_memory_that_it_counts() {
    let _alone = ALONE.lock();
    let limits = Limits { ring_bytes: 8 << 20, ..Limits::default() };
    // Pages of one entry, of some, of many, and of one that is larger than the whole ring.
    for (entries, length) in [(1, 1_400), (6, 1_400), (200, 1_400), (3, 100_000), (1, 9 << 20)] {
        let (hub, taken) = takes(|| {
            let hub = Hub::new(Texts, limits, 1);
            for _ in 0..(20 << 20) / (entries * length) + 1 {
                hub.publish(hub.next_offset(), texts(entries, length)).expect("the hub is open");
            }
            hub
        });
        let counted = hub.stats().bytes;
        println!("ring, {entries} entries of {length} a page: {taken} bytes, counted {counted}");
        // Two publishes stay whatever they weigh.
        assert!(counted <= limits.ring_bytes.max(2 * (block(length + 6) + 200)));
        assert!(taken <= counted + counted / 20 + KEPT, "{taken} for {counted}");
    }
}

/// A hub, read under one framing or by nobody, to which so many texts were published.
fn published(
    limits: Limits,
    framing: Option<Framing>,
    pages: usize,
    entries: usize,
    length: usize,
) -> (Hub<Texts>, Option<Reader<Texts>>) {
    let hub = Hub::new(Texts, limits, 1);
    let reader = framing.map(|framing| join(&hub, framing, None));
    for _ in 0..pages {
        hub.publish(hub.next_offset(), texts(entries, length)).expect("the hub is open");
    }
    (hub, reader)
}

#[test]
fn chunks_use_little_more_than_the_memory_that_they_count() {
    let _alone = ALONE.lock();
    /// Beside its bytes, for each chunk.
    const BESIDE: usize = 400;
    let framings = [
        Framing::WebSocket,
        Framing::WebSocketDeflate,
        Framing::WebSocketDeflateEach,
        Framing::Sse,
        Framing::SseGzip,
    ];
    let limits = Limits { ring_bytes: 64 << 10, chunk_bytes: 4 << 20, ..Limits::default() };
    let roomy = Limits { ring_bytes: 64 << 20, ..limits };
    for framing in framings {
        // Of short messages, what says where each lies takes more than the messages compressed.
        for (limits, entries, length) in
            [(roomy, 6, 2_000), (roomy, 60, 2_000), (limits, 6, 2_000), (roomy, 200, 60)]
        {
            let pages = (24 << 20) / (length + 200) / entries;
            let fits = || {
                let (unread, ring) = takes(|| published(limits, None, pages, entries, length));
                drop(unread);
                let framing = Some(framing);
                let (read, taken) = takes(|| published(limits, framing, pages, entries, length));
                let stats = read.0.stats();
                let (taken, counted) = (taken.saturating_sub(ring), stats.chunk_bytes);
                println!(
                    "chunks, {framing:?}, {entries} of {length}: {taken} bytes, counted {counted} \
                     of {}",
                    stats.chunks
                );
                let most = counted * 5 / 4 + stats.chunks * BESIDE + KEPT;
                counted <= limits.chunk_bytes && taken <= most
            };
            // Other threads of this process may allocate meanwhile, but not each time.
            assert!((0..3).any(|_| fits()), "three times more than is counted");
        }
    }
}

#[test]
fn late_rendering_leaves_no_uncounted_memory() {
    let _alone = ALONE.lock();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    let limits = Limits { ring_bytes: 16 << 20, chunk_bytes: 4 << 20, ..Limits::default() };
    let hub = Hub::new(Texts, limits, 1);
    for _ in 0..200 {
        hub.publish(hub.next_offset(), texts(60, 1_000)).expect("the hub is open");
    }
    let before = allocated();
    for framing in [Framing::WebSocket, Framing::WebSocketDeflate, Framing::SseGzip] {
        let mut reader = join(&hub, framing, Some(1));
        runtime.block_on(async {
            let mut messages = 0;
            while messages < 5_000 && reader.ready().await == Ready::More {
                messages += reader.next_bytes(1 << 20).map_or(0, |(_, written)| written.messages);
            }
        });
    }
    let counted = hub.stats().chunk_bytes;
    let taken = allocated().saturating_sub(before);
    println!("late chunks: {taken} bytes, counted {counted}");
    assert!(counted > 0 && counted <= 3 * limits.chunk_bytes / 4 + (1 << 20), "{counted}");
    assert!(taken <= counted * 5 / 4 + KEPT, "{taken} for {counted}");
}
