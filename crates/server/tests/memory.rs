//! What is bounded in memory, and what the allocator really gives for it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cert::Digests;
use feed::{Framing, Hub, Limits, Owner, Reader, Ready, Request, Stream, block};
use server::dedup::Window;
use server::recent::{Recent, RecentCertificates};
use tikv_jemalloc_ctl::{epoch, stats};
use wire::{EntryKind, Source, SourceKind};

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
fn blocks_are_counted_as_the_allocator_gives_them() {
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
fn the_dedup_window_takes_what_its_setting_says() {
    let _alone = ALONE.lock();
    const CAPACITY: u64 = 200_000;
    let now = Instant::now();
    let (mut window, taken) = takes(|| {
        let mut window = Window::new(CAPACITY as usize, Duration::from_secs(900));
        (0..3 * CAPACITY).for_each(|number| assert!(window.is_first(&hash(number), now)));
        window
    });
    let each = taken as f64 / CAPACITY as f64;
    println!("dedup window: {:.1} MB, {each:.1} bytes a certificate", taken as f64 / 1e6);
    assert_eq!(window.len(), CAPACITY as usize);
    assert!(each <= 36.0, "{each} bytes a certificate");
    // What it remembers is right all the same.
    assert!(!window.is_first(&hash(3 * CAPACITY - 1), now));
    assert!(!window.is_first(&hash(2 * CAPACITY + 1), now));
    assert!(window.is_first(&hash(0), now));
}

#[test]
fn recent_certificates_take_their_bytes_and_little_more() {
    let _alone = ALONE.lock();
    const MOST: usize = 1_000;
    /// Beside the certificate, for each that is kept.
    const BESIDE: usize = 400;
    let source = std::sync::Arc::new(Source::new("log", "https://x", "", SourceKind::Tiled, None));
    let recent = |number: u64| {
        let certificate = Bytes::from([&number.to_be_bytes()[..], &[7; 1_400]].concat());
        let digests = Digests::of(&certificate);
        let kept = Recent {
            offset: number,
            source: std::sync::Arc::clone(&source),
            index: number,
            seen: 0,
            submitted: 0,
            kind: EntryKind::X509LogEntry,
            certificate,
        };
        (kept, digests)
    };
    let (held, taken) = takes(|| {
        let held = RecentCertificates::default();
        held.limit(MOST, 1 << 30);
        (0..10 * MOST as u64).for_each(|number| held.extend(vec![recent(number)]));
        held
    });
    let counted = held.held().bytes;
    println!("recent certificates: {taken} bytes, counted {counted}");
    assert_eq!(held.held().entries, MOST);
    assert!(taken <= counted * 5 / 4 + MOST * BESIDE, "{taken} for {counted}");
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
    hub.subscribe(Request { rendering: (), framing, since, filter: None, owner }).reader
}

#[test]
fn the_ring_takes_what_it_counts() {
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
fn chunks_take_what_they_count_and_a_little_for_each_page() {
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
            let (unread, ring) = takes(|| published(limits, None, pages, entries, length));
            drop(unread);
            let (read, taken) = takes(|| published(limits, Some(framing), pages, entries, length));
            let stats = read.0.stats();
            let (taken, counted) = (taken.saturating_sub(ring), stats.chunk_bytes);
            println!(
                "chunks, {framing:?}, {entries} of {length}: {taken} bytes, counted {counted} of {}",
                stats.chunks
            );
            let most = counted * 5 / 4 + stats.chunks * BESIDE + KEPT;
            assert!(counted <= limits.chunk_bytes && taken <= most, "{taken} for {counted}");
        }
    }
}

#[test]
fn late_work_leaves_nothing_but_what_is_counted() {
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
