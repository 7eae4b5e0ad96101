//! Streams made of plans: valid batches, whatever the plan.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ct::LogId;
use ct::leaf::EntryType;
use ct::merkle::CompactRange;
use proptest::collection::vec;
use proptest::prelude::*;
use record::{
    Acknowledgement, Advance, Alarm, AlarmKind, Batch, BatchHash, Begin, Gap, GapReason, Issuer,
    LogIdentity, LogNumber, Position, Protocol, Proved, Record, Sighting, State, StreamId,
    SyncMode, Tree,
};

/// The contents that a batch is to have.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) pages: Vec<Page>,
    /// An alarm, or its acknowledgement, of this log if it is known by then.
    pub(crate) alarm: Option<(u8, bool)>,
    /// The log that gets another name.
    pub(crate) renamed: Option<u8>,
}

/// Entries of one log.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) log: u8,
    pub(crate) entries: Vec<Entry>,
    pub(crate) has_tree: bool,
    pub(crate) proves: bool,
    pub(crate) head: u16,
}

/// One or more indexes of a log.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Record {
        certificate: Vec<u8>,
        chain: Vec<u8>,
        is_precert: bool,
        has_link: bool,
        times: (u32, u32),
    },
    Sighting {
        back: u8,
        submitted: u32,
        has_fingerprint: bool,
    },
    Gap {
        count: u8,
        reason: GapReason,
    },
}

pub(crate) fn plans() -> impl Strategy<Value = Vec<Plan>> {
    vec(plan(), 1..6)
}

fn plan() -> impl Strategy<Value = Plan> {
    let alarm = proptest::option::weighted(0.3, (0..4_u8, any::<bool>()));
    let renamed = proptest::option::weighted(0.2, 0..4_u8);
    (vec(page(), 0..5), alarm, renamed).prop_map(|(pages, alarm, renamed)| Plan {
        pages,
        alarm,
        renamed,
    })
}

fn page() -> impl Strategy<Value = Page> {
    (0..4_u8, vec(entry(), 0..6), any::<bool>(), any::<bool>(), any::<u16>()).prop_map(
        |(log, entries, has_tree, proves, head)| Page { log, entries, has_tree, proves, head },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let record = (
        vec(any::<u8>(), 0..40),
        vec(0..6_u8, 0..4),
        any::<bool>(),
        any::<bool>(),
        any::<(u32, u32)>(),
    );
    let reason = prop_oneof![
        Just(GapReason::Skipped),
        Just(GapReason::Unreadable),
        Just(GapReason::TooLarge),
        Just(GapReason::Damaged),
    ];
    prop_oneof![
        3 => record.prop_map(|(certificate, chain, is_precert, has_link, times)| Entry::Record {
            certificate, chain, is_precert, has_link, times,
        }),
        2 => (any::<u8>(), any::<u32>(), any::<bool>()).prop_map(
            |(back, submitted, has_fingerprint)| Entry::Sighting { back, submitted, has_fingerprint },
        ),
        1 => (1..200_u8, reason).prop_map(|(count, reason)| Entry::Gap { count, reason }),
    ]
}

/// A stream under construction: its fold, and the leaves of its logs.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) state: State,
    leaves: HashMap<LogNumber, CompactRange>,
}

pub(crate) fn id() -> StreamId {
    "Abc12xyZ".parse().unwrap()
}

/// Opens a term at this offset.
pub(crate) fn begin(state: &State, first_offset: u64) -> Begin {
    let mut header = state.next_header();
    header.term += 1;
    Begin {
        header,
        first_offset,
        nonce: [7; 16],
        boot: [9; 16],
        sync: SyncMode::Interval,
        configuration: [3; 32],
    }
}

impl Stream {
    /// A stream in its first term.
    pub(crate) fn new() -> Self {
        let mut state = State::new(id());
        let begin = begin(&state, 1_700_000_000_000_000);
        state.begin(&begin, BatchHash(1)).unwrap();
        Self { state, leaves: HashMap::new() }
    }

    /// Makes the batch of a plan; it is not applied.
    pub(crate) fn batch(&mut self, plan: &Plan) -> Batch {
        let mut batch = Batch::new(self.state.next_header(), self.state.next_offset());
        let mut numbers = HashMap::new();
        for page in &plan.pages {
            if numbers.contains_key(&page.log) {
                continue;
            }
            let number = self.number(page.log, plan.renamed == Some(page.log), &mut batch);
            numbers.insert(page.log, number);
            self.page(page, number, &mut batch);
        }
        if let Some((log, is_raised)) = plan.alarm
            && let Some(log) = numbers.get(&log).copied()
        {
            if is_raised {
                batch.alarms.push(alarm(log));
            } else {
                batch.acknowledgements.push(Acknowledgement { log });
            }
        }
        batch
    }

    fn number(&self, log: u8, is_renamed: bool, batch: &mut Batch) -> LogNumber {
        let mut identity = identity(log);
        if is_renamed {
            identity.name.push_str(", renamed");
        }
        let (mut number, change) = self.state.row(&identity);
        if let Some(mut change) = change {
            if self.state.log(number).is_none() {
                // Others may be new in this batch too.
                let new = batch.logs.iter().filter(|row| self.state.log(row.number).is_none());
                number = LogNumber((self.state.logs().len() + new.count()) as u32);
                change.number = number;
            }
            batch.logs.push(change);
        }
        number
    }

    fn page(&mut self, page: &Page, log: LogNumber, batch: &mut Batch) {
        let known = self.state.log(log).and_then(|log| log.position.clone());
        let leaves = self.leaves.entry(log).or_default();
        let first = known.as_ref().map_or_else(|| leaves.size(), |known| known.next);
        let mut index = first;
        for entry in &page.entries {
            let count = add(entry, log, index, batch);
            for leaf in index..index + count {
                leaves.push(ct::sha256(&leaf.to_be_bytes()));
            }
            index += count;
        }
        let known_head = known.as_ref().map_or(0, |known| known.largest_head);
        let proved = known.and_then(|known| known.tree).map(|tree| tree.proved);
        let whole = Proved { size: index, root: leaves.root() };
        let proved = if page.proves { whole } else { proved.unwrap_or_default() };
        let tree = page.has_tree.then(|| Tree { read: leaves.clone(), from: 0, proved });
        let largest_head = known_head.max(page.head.into());
        let position = Position { next: index, largest_head, tree };
        batch.advances.push(Advance { log, first, position });
    }
}

pub(crate) fn identity(log: u8) -> LogIdentity {
    LogIdentity {
        id: log.is_multiple_of(2).then_some(LogId([log; 32])),
        url: format!("https://ct{log}.example/log"),
        name: format!("Log {log}"),
        operator: if log == 3 { String::new() } else { "Example".to_owned() },
        protocol: if log < 2 { Protocol::Rfc6962 } else { Protocol::StaticCt },
    }
}

pub(crate) fn alarm(log: LogNumber) -> Alarm {
    Alarm {
        log,
        kind: AlarmKind::Fork,
        at: 1_700_000_000,
        text: "a head of size 7 does not continue".to_owned(),
        first: 3,
        end: 7,
        evidence: (log.0 == 1).then(|| "evidence/1".to_owned()),
    }
}

fn add(entry: &Entry, log: LogNumber, index: u64, batch: &mut Batch) -> u64 {
    match entry {
        Entry::Record { certificate, chain, is_precert, has_link, times: (submitted, seen) } => {
            let issuer = |seed: &u8| Arc::new(Issuer::new(vec![*seed; 20 + *seed as usize].into()));
            batch.records.push(Record {
                log,
                index,
                submitted: 1_700_000_000_000 + u64::from(*submitted),
                seen: 1_700_000_000_000 + u64::from(*seen),
                kind: if *is_precert { EntryType::Precert } else { EntryType::X509 },
                fingerprint: ct::sha256(certificate),
                certificate: Bytes::copy_from_slice(certificate),
                chain: chain.iter().map(issuer).collect(),
                link: has_link.then(|| Box::new(ct::sha256(&index.to_be_bytes()))),
                is_new: submitted % 5 == 0,
                is_backfilled: false,
            });
            1
        }
        Entry::Sighting { back, submitted, has_fingerprint } => {
            batch.sightings.push(Sighting {
                log,
                index,
                submitted: (*submitted).into(),
                offset: batch.next_offset() - 1 - u64::from(*back),
                fingerprint: has_fingerprint.then_some([5; 32]),
            });
            1
        }
        Entry::Gap { count, reason } => {
            let range = index..index + u64::from(*count);
            batch.gaps.push(Gap { log, range, reason: *reason });
            (*count).into()
        }
    }
}
