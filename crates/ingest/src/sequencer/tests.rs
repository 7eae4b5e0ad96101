//! The sequencer against a commit log that delays, fails and forgets.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use ct::Hash;
use ct::leaf::EntryType;
use ct::merkle::CompactRange;
use proptest::collection::vec;
use proptest::prelude::*;
use record::encoding::Encoder;
use record::{GapReason, Protocol, Proved, StreamId, Tree};

use super::*;
use crate::commit_log::MemoryLog;

const FIRST_OFFSET: u64 = 1_000;

/// The effect of one poll of the model's commit log.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Commits nothing yet.
    Delay,
    /// Commits the oldest batch in flight.
    CommitOne,
    /// Commits all.
    CommitAll,
    /// Commits the oldest batch and loses the rest.
    FailAfterOne,
    /// Loses all.
    Fail,
}

/// A commit log by script. Appending fails at the next failure of the script too.
#[derive(Debug, Clone)]
struct ModelLog(Arc<Mutex<ModelState>>);

#[derive(Debug)]
struct ModelState {
    depth: usize,
    script: Vec<Step>,
    /// Encodes as a journal would; what is lost takes its context with it.
    encoder: Encoder,
    /// The encoder after the last committed batch.
    committed_encoder: Encoder,
    in_flight: VecDeque<(Batch, Encoder)>,
    committed: Vec<Batch>,
    last: u64,
    most_in_flight: usize,
}

impl ModelLog {
    fn state(&self) -> MutexGuard<'_, ModelState> {
        self.0.lock().expect("no panic")
    }
}

impl ModelState {
    fn commit_one(&mut self) {
        if let Some((batch, encoder)) = self.in_flight.pop_front() {
            self.last = batch.header.number;
            self.committed_encoder = encoder;
            self.committed.push(batch);
        }
    }

    fn fail(&mut self) -> CommitError {
        self.in_flight.clear();
        self.encoder = self.committed_encoder.clone();
        CommitError("by script".to_owned())
    }
}

impl CommitLog for ModelLog {
    fn append(&mut self, batch: &Batch) -> Result<BatchHash, CommitError> {
        let mut state = self.state();
        if let Some(Step::Fail | Step::FailAfterOne) = state.script.last() {
            if matches!(state.script.pop(), Some(Step::FailAfterOne)) {
                state.commit_one();
            }
            return Err(state.fail());
        }
        let hash = state.encoder.batch(batch, &mut Vec::new()).expect("within the limits");
        let encoder = state.encoder.clone();
        state.in_flight.push_back((batch.clone(), encoder));
        state.most_in_flight = state.most_in_flight.max(state.in_flight.len());
        Ok(hash)
    }

    fn poll_committed(
        &mut self,
        after: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, CommitError>> {
        let mut state = self.state();
        match state.script.pop().unwrap_or(Step::CommitAll) {
            Step::Delay => {}
            Step::CommitOne => state.commit_one(),
            Step::CommitAll => {
                while !state.in_flight.is_empty() {
                    state.commit_one();
                }
            }
            Step::FailAfterOne => {
                state.commit_one();
                state.script.push(Step::Fail);
            }
            // What is committed is reported before.
            Step::Fail if state.last > after => state.script.push(Step::Fail),
            Step::Fail => return Poll::Ready(Err(state.fail())),
        }
        if state.last > after {
            return Poll::Ready(Ok(state.last));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn depth(&self) -> usize {
        self.state().depth
    }
}

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
    let certificate = certificate(log, index);
    Record {
        log: LogNumber::default(),
        index,
        submitted: index,
        seen: 0,
        kind: EntryType::X509,
        fingerprint: ct::sha256(&certificate),
        certificate: certificate.into(),
        chain: Vec::new(),
        link: None,
    }
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
    MemoryLog::begin(FIRST_OFFSET, 5).expect("an offset").1
}

fn model(depth: usize, script: Vec<Step>) -> (Model, ModelLog) {
    let state = begin();
    let log = ModelLog(Arc::new(Mutex::new(ModelState {
        depth,
        script,
        encoder: Encoder::new(),
        committed_encoder: Encoder::new(),
        in_flight: VecDeque::new(),
        committed: Vec::new(),
        last: state.number(),
        most_in_flight: 0,
    })));
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

/// The next act of the model.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The follower of a log hands in a page, which may begin some indexes too early.
    Page { log: u8, records: u64, gap: u64, overlap: u64 },
    /// Gathered pages go out.
    Publish,
    /// The thread wakes up.
    Poll,
}

fn act() -> impl Strategy<Value = Act> {
    let page = (0..3_u8, 0..5_u64, prop_oneof![3 => Just(0), 1 => 1..3_u64], 0..4_u64);
    prop_oneof![
        5 => page.prop_map(|(log, records, gap, overlap)| Act::Page { log, records, gap, overlap }),
        3 => Just(Act::Publish),
        2 => Just(Act::Poll),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Delay),
        3 => Just(Step::CommitOne),
        2 => Just(Step::CommitAll),
        1 => Just(Step::FailAfterOne),
        1 => Just(Step::Fail),
    ]
}

/// Runs a model to its end. After a failure each follower begins again at the committed position.
fn drive(model: &mut Model, acts: &[Act]) {
    let mut next = [0_u64; 3];
    let restart = |model: &Model, next: &mut [u64; 3], outcome: Result<(), Stopped>| {
        if outcome.is_err() {
            assert_eq!(model.staged, model.committed, "something uncommitted has left a trace");
            assert!(model.overlay.is_empty() && model.in_flight.is_empty());
            assert!(model.open.is_empty());
            for (log, next) in (0..).zip(next.iter_mut()) {
                *next = model.committed_position(log);
            }
        }
    };
    for act in acts {
        match *act {
            Act::Page { log, records, gap, overlap } => {
                let next = &mut next[usize::from(log)];
                let first = u64::saturating_sub(*next, overlap);
                let page = page(log, first, records + (*next - first), gap);
                *next = page.end;
                model.take(page);
            }
            Act::Publish => {
                let outcome = model.publish();
                restart(model, &mut next, outcome);
            }
            Act::Poll => {
                let outcome = model.poll(&mut Context::from_waker(Waker::noop()));
                restart(model, &mut next, outcome);
            }
        }
    }
    // What is left goes out; a failure then loses it.
    let outcome = model.publish();
    restart(model, &mut next, outcome);
    let outcome = model.finish();
    restart(model, &mut next, outcome);
}

proptest! {
    #[test]
    fn what_is_shown_is_what_is_committed_and_every_index_is_accounted_for_once(
        acts in vec(act(), 1..60),
        script in vec(step(), 0..60),
        depth in 1..4_usize,
    ) {
        let (mut model, log) = model(depth, script);
        drive(&mut model, &acts);
        let log = log.state();
        prop_assert!(log.most_in_flight <= depth);
        let shown: Vec<&Batch> = model.fanout.batches.iter().map(|shown| &shown.batch).collect();
        let committed: Vec<&Batch> = log.committed.iter().collect();
        prop_assert_eq!(shown, committed, "shown");
        // The fold of what is committed is the live state; it also checks that each index is accounted
        // for once.
        let mut encoder = Encoder::new();
        let mut state = begin();
        for batch in &log.committed {
            let hash = encoder.batch(batch, &mut Vec::new()).expect("within the limits");
            state.apply(batch, hash).expect("fits");
        }
        prop_assert_eq!(&state, &model.committed);
        // A certificate is published once, and each repetition names the offset of its record.
        let mut offsets = HashMap::new();
        for (offset, record) in model.records() {
            prop_assert_eq!(offsets.insert(record.certificate.clone(), offset), None);
        }
        let log_of = |number: LogNumber| {
            let url = &state.log(number).expect("known").identity.url;
            (0..3).find(|log| identity(*log).url == *url).expect("one of three")
        };
        for sighting in model.sightings() {
            let certificate = certificate(log_of(sighting.log), sighting.index);
            prop_assert_eq!(offsets.get(&certificate[..]), Some(&sighting.offset));
        }
        let window = model.window.as_ref().expect("a window");
        prop_assert_eq!(window.len(), offsets.len());
        prop_assert!(model.overlay.is_empty(), "what is committed is not staged any more");
        // Tickets come back once, when their log has come past their page.
        for shown in &model.fanout.batches {
            for (ticket, log) in &shown.tickets {
                let position = model.committed.log(*log).and_then(|row| row.position.as_ref());
                prop_assert!(position.is_some_and(|position| position.next >= *ticket));
            }
            prop_assert!(!shown.tickets.is_empty());
        }
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
    let (log, state) = MemoryLog::begin(FIRST_OFFSET, 5).expect("an offset");
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
    linked.records[0].link = Some([9; 32]);
    let mut other = page(1, 0, 2, 0);
    other.records[0].link = Some([9; 32]);
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
