//! Random pages and a random commit log: what is shown, committed and remembered agrees.

use std::collections::{HashMap, HashSet};

use proptest::collection::vec;
use proptest::prelude::*;
use record::encoding::Encoder;

use super::*;

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

/// Marks certificates by the last characters of their text, which stand for a domain.
#[derive(Debug, Default)]
struct Marks {
    committed: HashSet<u8>,
    staged: Vec<(u64, u8)>,
}

fn domain(record: &Record) -> u8 {
    record.certificate.last().map_or(0, |last| last % 8)
}

impl FirstSeen for Marks {
    fn is_new(&mut self, record: &Record, offset: u64) -> bool {
        let domain = domain(record);
        let is_staged = self.staged.iter().any(|(_, staged)| *staged == domain);
        assert!(self.staged.last().is_none_or(|(last, _)| *last < offset), "out of order");
        self.staged.push((offset, domain));
        !is_staged && !self.committed.contains(&domain)
    }

    fn committed(&mut self, batch: &Batch) {
        let of_batch = self.staged.iter().take_while(|(offset, _)| *offset < batch.next_offset());
        let count = of_batch.count();
        assert_eq!(count, batch.records.len(), "each record was decided on");
        self.committed.extend(self.staged.drain(..count).map(|(_, domain)| domain));
    }

    fn discard(&mut self) {
        self.staged.clear();
    }
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
        let (model, log) = model(depth, script);
        let mut model = model.with_first_seen(Some(Box::new(Marks::default())));
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
        // The first record of each domain is marked.
        let (mut offsets, mut domains) = (HashMap::new(), HashSet::new());
        for (offset, record) in model.records() {
            prop_assert_eq!(record.is_new, domains.insert(domain(record)));
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
