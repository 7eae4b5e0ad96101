//! The sequencer: order, offsets, duplicates and batches, with a commit log that works or fails.

mod backfill;
mod model_log;
mod random;

use ct::leaf::EntryType;
use ct::merkle::CompactRange;
use record::{GapReason, Protocol, Proved, StreamId, Tree};

use self::model_log::{ModelLog, Step};
use super::*;
use crate::commit_log::MemoryLog;

const FIRST_OFFSET: u64 = 1_000;

/// Keeps what is shown.
#[derive(Debug, Default)]
struct Shown {
    batches: Vec<Committed<u64>>,
    is_closed: bool,
    refused: Vec<(u64, u64)>,
}

impl Fanout for Shown {
    type Ticket = u64;

    fn show(&mut self, committed: Committed<u64>) -> bool {
        if !self.is_closed {
            self.batches.push(committed);
        }
        !self.is_closed
    }

    fn refused(&mut self, ticket: u64, position: u64) {
        self.refused.push((ticket, position));
    }

    fn readers(&self) -> usize {
        0
    }
}

fn identity(log: u8) -> Arc<LogIdentity> {
    Arc::new(LogIdentity {
        id: None,
        url: format!("https://ct{log}.example"),
        name: format!("Log {log}"),
        operator: String::new(),
        protocol: Protocol::Rfc6962,
    })
}

/// The certificate at an index of a log: most are in several logs.
fn certificate(log: u8, index: u64) -> Vec<u8> {
    format!("certificate {}", index + u64::from(log) * 3).into_bytes()
}

fn record(log: u8, index: u64) -> Record {
    let certificate = certificate(log, index).into();
    Record::as_read(index, index, EntryType::X509, certificate, Vec::new())
}

fn leaf(index: u64) -> Hash {
    ct::sha256(&index.to_be_bytes())
}

/// A page of a log, with a gap of so many indexes at its end.
fn page(log: u8, first: u64, records: u64, gap: u64) -> Page<u64> {
    let middle = first + records;
    let end = middle + gap;
    let mut read = CompactRange::new();
    (0..end).for_each(|index| read.push(leaf(index)));
    let proved = Proved { size: end, root: read.root() };
    Page {
        notice: None,
        log: identity(log),
        first,
        end,
        records: (first..middle).map(|index| record(log, index)).collect(),
        gap: (gap > 0).then_some((middle..end, GapReason::Unreadable)),
        largest_head: end,
        tree: Some(Tree { read, from: 0, proved }),
        ticket: end,
    }
}

type Model = Sequencer<ModelLog, Shown>;

fn begin() -> State {
    MemoryLog::begin(FIRST_OFFSET, StreamId::from_random(5)).expect("an offset").1
}

fn model(depth: usize, script: Vec<Step>) -> (Model, ModelLog) {
    let state = begin();
    let log = ModelLog::new(depth, script, state.number());
    let window = Window::new(10_000, Duration::from_secs(3_600));
    (Sequencer::new(log.clone(), Shown::default(), state, Some(window)), log)
}

impl Model {
    /// Returns where the follower of a log begins after a failure.
    fn committed_position(&self, log: u8) -> u64 {
        let number = self.committed.find(&identity(log));
        let log = number.and_then(|number| self.committed.log(number));
        log.and_then(|log| log.position.as_ref()).map_or(0, |position| position.next)
    }

    fn records(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.fanout
            .batches
            .iter()
            .flat_map(|shown| (shown.batch.first_offset..).zip(&shown.batch.records))
    }

    fn sightings(&self) -> impl Iterator<Item = &Sighting> {
        self.fanout.batches.iter().flat_map(|shown| &shown.batch.sightings)
    }
}

/// Of a batch that is lost, neither window nor positions nor offsets keep anything.
#[test]
fn a_certificate_of_a_batch_that_was_lost_is_published_later() {
    for script in [vec![Step::Fail], vec![Step::Fail, Step::Delay]] {
        let (mut model, _) = model(2, script);
        model.take(page(0, 0, 3, 1));
        let outcome = match model.publish() {
            Ok(()) => model.poll(&mut Context::from_waker(Waker::noop())),
            failed => failed,
        };
        assert!(matches!(outcome, Err(Stopped::Commit(_))), "{outcome:?}");
        assert!(model.fanout.batches.is_empty());
        assert_eq!(model.committed.next_offset(), FIRST_OFFSET);
        model.take(page(0, 0, 3, 1));
        model.publish().expect("the log works again");
        let published: Vec<_> =
            model.records().map(|(offset, record)| (offset, record.index)).collect();
        assert_eq!(published, [(1_000, 0), (1_001, 1), (1_002, 2)]);
    }
}

fn memory(window: Option<Window>) -> Sequencer<MemoryLog, Shown> {
    let (log, state) = MemoryLog::begin(FIRST_OFFSET, StreamId::from_random(5)).expect("an offset");
    Sequencer::new(log, Shown::default(), state, window)
}

fn window() -> Option<Window> {
    Some(Window::new(1_000, Duration::from_secs(3_600)))
}

#[test]
fn a_page_that_overlaps_is_trimmed_and_one_that_leaves_a_hole_is_refused() {
    let mut sequencer = memory(None);
    let mut indexes = |page: Page<u64>| {
        let size = sequencer.take(page);
        sequencer.publish().expect("open");
        let shown = sequencer.fanout.batches.pop();
        let records = shown.map_or_else(Vec::new, |shown| shown.batch.records);
        assert_eq!(size.entries, records.len());
        records.iter().map(|record| record.index).collect::<Vec<_>>()
    };
    assert_eq!(indexes(page(0, 5, 2, 0)), [5, 6], "a log begins anywhere");
    assert_eq!(indexes(page(0, 8, 2, 0)), [0; 0], "a hole");
    assert_eq!(indexes(page(0, 5, 3, 1)), [7], "an overlap");
    assert_eq!(indexes(page(0, 6, 2, 0)), [0; 0], "nothing but an overlap");
    assert_eq!(indexes(page(0, 8, 1, 3)), [0; 0], "an overlap with a gap that ends later");
    let mut doubled = page(0, 12, 2, 0);
    doubled.records[1].index = 12;
    assert_eq!(indexes(doubled), [0; 0], "an index twice");
    let mut wrong_tree = page(0, 12, 2, 0);
    wrong_tree.tree = page(0, 12, 3, 0).tree;
    assert_eq!(indexes(wrong_tree), [0; 0], "a tree of another size");
    assert_eq!(indexes(page(0, 12, 2, 0)), [12, 13]);
    let log = sequencer.committed.log(LogNumber(0)).expect("known");
    let gaps: Vec<_> = log.gaps.iter().map(|gap| (gap.range.start, gap.range.end)).collect();
    assert_eq!(gaps, [(8, 12)], "two neighbours");
    let positions: Vec<_> =
        sequencer.fanout.refused.iter().map(|(_, position)| *position).collect();
    assert_eq!(positions, [7, 12, 12], "each refused page names the position of its log");
    assert_eq!(log.position.as_ref().map(|position| position.next), Some(14));
}

#[test]
fn a_duplicate_is_a_sighting_of_the_record_and_a_linked_one_keeps_its_hash() {
    let mut sequencer = memory(window());
    let mut linked = page(0, 0, 2, 0);
    linked.records[0].link = Some(Box::new([9; 32]));
    let mut other = page(1, 0, 2, 0);
    other.records[0].link = Some(Box::new([9; 32]));
    other.records[1].fingerprint = linked.records[1].fingerprint;
    let own = other.records[0].fingerprint;
    sequencer.take(linked);
    sequencer.take(other);
    sequencer.publish().expect("open");
    let shown = sequencer.fanout.batches.pop().expect("shown");
    assert_eq!(shown.batch.records.len(), 2);
    assert_eq!(shown.remembered, Some(2));
    let sightings: Vec<_> =
        shown.batch.sightings.iter().map(|one| (one.offset, one.fingerprint)).collect();
    assert_eq!(sightings, [(FIRST_OFFSET, Some(own)), (FIRST_OFFSET + 1, None)]);
}

#[test]
fn a_published_certificate_owns_its_bytes() {
    let mut sequencer = memory(window());
    let buffer = Bytes::from(vec![7; 10_000]);
    let mut page = page(0, 0, 1, 0);
    page.records[0].certificate = buffer.slice(100..200);
    sequencer.take(page);
    sequencer.publish().expect("open");
    assert!(buffer.is_unique(), "the page's buffer is not kept");
}

#[test]
fn a_batch_has_at_most_256_entries_or_512_kib_unless_a_page_has_more() {
    let mut sequencer = memory(window());
    sequencer.take(page(0, 0, 200, 0));
    assert!(sequencer.fits(&page(1, 0, 56, 0)));
    assert!(!sequencer.fits(&page(1, 0, 57, 0)));
    sequencer.publish().expect("open");
    let large = || {
        let mut page = page(2, 0, 1, 0);
        page.records[0].certificate = vec![0; 300 * 1024].into();
        page.records[0].fingerprint = [3; 32];
        page
    };
    assert!(sequencer.fits(&large()));
    sequencer.take(large());
    assert!(!sequencer.fits(&large()));
    // Duplicates count as entries, too.
    sequencer.publish().expect("open");
    sequencer.take(page(0, 200, 1, 0));
    sequencer.take(page(1, 0, 190, 0));
    assert!(!sequencer.fits(&page(1, 190, 66, 0)));
}

#[test]
fn several_new_logs_get_numbers_in_one_batch_and_keep_them() {
    let mut sequencer = memory(None);
    for log in [2, 0, 1] {
        sequencer.take(page(log, 0, 1, 0));
    }
    sequencer.publish().expect("open");
    let renamed = Arc::new(LogIdentity { name: "renamed".to_owned(), ..(*identity(0)).clone() });
    sequencer.take(Page { log: renamed, ..page(0, 1, 1, 0) });
    sequencer.take(page(2, 1, 1, 0));
    sequencer.publish().expect("open");
    let names: Vec<_> =
        sequencer.committed.logs().map(|(_, log)| log.identity.name.clone()).collect();
    assert_eq!(names, ["Log 2", "renamed", "Log 1"]);
    let last = sequencer.fanout.batches.pop().expect("shown").batch;
    let logs: Vec<_> = last.records.iter().map(|record| record.log.0).collect();
    assert_eq!((logs, last.logs.len()), (vec![1, 0], 1));
}

#[test]
fn a_closed_stream_stops_the_sequencer_and_returns_no_ticket() {
    let mut sequencer = memory(None);
    sequencer.fanout.is_closed = true;
    sequencer.take(page(0, 0, 1, 0));
    let stopped = sequencer.publish();
    assert!(matches!(stopped, Err(Stopped::Closed)), "{stopped:?}");
}

#[test]
fn the_thread_publishes_what_comes_waits_for_the_commit_log_and_ends() {
    let delays = vec![Step::Delay; 40];
    let (sequencer, log) = model(1, delays);
    let (sender, pages) = mpsc::channel(8);
    let heartbeat = Arc::new(Heartbeat::default());
    let thread =
        thread::spawn(move || sequencer.run(pages, |page| page, Duration::ZERO, heartbeat));
    for log in 0..3 {
        for first in 0..20 {
            sender.blocking_send(page(log, first, 1, 0)).expect("the thread runs");
        }
    }
    drop(sender);
    thread.join().expect("no panic").expect("nothing fails");
    let log = log.state();
    let entries = log.committed.iter().map(|batch| batch.records.len() + batch.sightings.len());
    assert_eq!(entries.sum::<usize>(), 60);
    assert_eq!(StreamId::from_random(5), log.committed[0].header.stream);
}
