//! Messages of the past are those that live clients got, wherever a reader begins and whatever it filters.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use config::Config;
use feed::Stream as _;
use record::{Issuer, LogIdentity};
use wire::filter::{Filter, Filters};
use wire::{Profile, StreamKind};

use super::sample::{Entry, SETTINGS, Sample, certificate, log};
use super::*;
use crate::metrics::Metrics;
use crate::options;
use crate::publish::messages::Rendering;

/// The time that indexing may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The renderings of a message, in a fixed order.
type Messages = Vec<Vec<u8>>;

/// Names with everything that a normaliser changes.
const NAMES: [&[&str]; 10] = [
    &["example.com", "www.example.com"],
    &["*.example.com"],
    &["UPPER.Example.COM", "example.org"],
    &["xn--bcher-kva.example"],
    &["b\u{fc}cher.example", "other.example"],
    &["host.example.net", "203.0.113.7"],
    &["2001:db8::17"],
    &["deep.below.example.com", "a.co"],
    &["example.com.evil.example"],
    &["co", "notexample.com"],
];

/// A journal whose logs change while it is written, and what live clients got.
struct Shown {
    sample: Sample,
    stream: MessageStream,
    filters: Filters,
    live: BTreeMap<u64, (RingEntry, Messages)>,
    /// The first offset of each batch.
    begins: Vec<u64>,
}

/// Returns the logs as they are called at a step: one is renamed, one moves and gets an operator, and one
/// gets another key under the same URL.
fn logs_at(step: usize) -> [LogIdentity; 3] {
    let named = |name: &str, url: &str, key| log(name, &format!("https://{url}.example"), key);
    let renamed = match step {
        0..20 => named("Alpha", "alpha", Some(1)),
        20..45 => named("Alpha, renamed", "alpha", Some(1)),
        _ => named("Alpha", "alpha", Some(1)),
    };
    let moved = match step {
        0..30 => named("Beta", "beta", Some(2)),
        _ => LogIdentity { operator: "Another".to_owned(), ..named("Beta", "beta2", Some(2)) },
    };
    let rekeyed = named("Gamma", "gamma", Some(if step < 40 { 3 } else { 4 }));
    [renamed, moved, rekeyed]
}

fn rendered(stream: &MessageStream, offset: u64, entry: &RingEntry) -> Messages {
    let message = stream.read(offset, entry);
    let renderings = Profile::ALL.into_iter().flat_map(|profile| {
        StreamKind::ALL.into_iter().map(move |kind| Rendering { kind, profile, backfilled: false })
    });
    let render = |rendering| {
        let mut out = Vec::new();
        stream.render(rendering, &message, &mut out);
        out
    };
    renderings.map(render).collect()
}

impl Shown {
    fn new() -> Self {
        let mut sample = Sample::new(SETTINGS);
        let config = Config::default();
        let filters = Filters::new(options::filter_limits(&config));
        let metrics = Arc::new(Metrics::default());
        let renderer = options::renderer(&config);
        let id = sample.state.stream();
        let stream = MessageStream::new(renderer, filters.clone(), metrics, id);
        let issuers: Vec<Arc<Issuer>> =
            (0..4).map(|number| Arc::new(Issuer::new(authority(number)))).collect();
        let certificates: Vec<Bytes> =
            NAMES.iter().map(|names| certificate(names, "Example & Söhne CA")).collect();
        let entries = Entries::new(&sample.state);
        let (mut live, mut begins) = (BTreeMap::new(), Vec::new());
        for step in 0..60_usize {
            if step == 25 {
                sample.restart();
            }
            let page: Vec<Entry> = (0..1 + step % 4)
                .map(|entry| {
                    let number = step * 3 + entry;
                    let chain = issuers.iter().skip(number % 3).take(number % 2 + 1).cloned();
                    Entry::Record(certificates[number % NAMES.len()].clone(), chain.collect())
                })
                .collect();
            let batch = sample.append(&logs_at(step)[step % 3], &page);
            begins.push(batch.first_offset);
            entries.change(&batch.logs);
            let shown = entries.of(batch.records).expect("its log is known");
            for (offset, entry) in (batch.first_offset..).zip(shown) {
                let messages = rendered(&stream, offset, &entry);
                live.insert(offset, (entry, messages));
            }
        }
        Self { sample, stream, filters, live, begins }
    }

    fn end(&self) -> u64 {
        self.sample.journal().head().next_offset
    }

    /// Returns the offsets that pass a filter, by looking at everything.
    fn passing(&self, filter: &Registered) -> Vec<u64> {
        let passes = |(offset, entry): (u64, &RingEntry)| {
            self.stream.passes(filter, &self.stream.read(offset, entry))
        };
        let all = self.live.iter().map(|(offset, (entry, _))| (*offset, entry));
        all.filter(|each| passes(*each)).map(|(offset, _)| offset).collect()
    }

    /// Compares entries with what live clients got.
    fn check(&self, page: &HistoryPage<RingEntry>) {
        for (offset, entry) in (page.first..).zip(page.entries.iter()) {
            let (_, live) = &self.live[&offset];
            let again = rendered(&self.stream, offset, entry);
            let place = live.iter().zip(&again).position(|(live, again)| live != again);
            let text = |messages: &Messages| {
                place.map(|place| String::from_utf8_lossy(&messages[place]).into_owned())
            };
            assert_eq!(text(live), text(&again), "{offset}");
        }
    }
}

fn authority(number: u8) -> Bytes {
    certificate(&["authority.example"], &format!("Authority {number}"))
}

#[test]
fn a_replay_from_any_place_has_the_bytes_that_live_clients_got() {
    let shown = Shown::new();
    let (history, end) = (shown.sample.history(), shown.end());
    let segments = shown.sample.journal().segments().len();
    assert!(segments > 4, "there are several segments, not {segments}");
    let names: std::collections::HashSet<&str> =
        shown.live.values().map(|(entry, _)| entry.source.name()).collect();
    assert!(names.contains("Alpha, renamed") && names.len() == 4, "{names:?}");
    // From the newest to the oldest, so that no reader continues where another one stopped.
    for begin in shown.begins.iter().rev() {
        for start in [*begin, begin + 1] {
            let pages = history.pages(start, end, 1);
            let first = pages.first().map(|page| page.first);
            assert!(start >= end || first.is_some_and(|first| first <= begin + 4), "{start}");
            pages.iter().for_each(|page| shown.check(page));
        }
    }
    // And everything in one go.
    let pages = history.pages(0, end, usize::MAX);
    pages.iter().for_each(|page| shown.check(page));
    let offsets = pages.iter().flat_map(|page| page.first..page.first + page.entries.len() as u64);
    assert!(offsets.eq(shown.live.keys().copied()), "nothing is left out");
}

#[test]
fn a_filtered_replay_finds_what_a_search_of_everything_finds() {
    let shown = Shown::new();
    let (history, end) = (shown.sample.history(), shown.end());
    let deadline = Instant::now() + PATIENCE;
    while !history.indexes.is_complete() {
        assert!(Instant::now() < deadline, "the journal is not indexed");
        thread::sleep(Duration::from_millis(5));
    }
    let filters: [(&[(&str, &str)], bool); 18] = [
        (&[("domain", "example.com")], true),
        (&[("domain", "EXAMPLE.COM.")], true),
        (&[("domain", "*.example.com")], true),
        (&[("domain", "www.example.com")], true),
        (&[("domain", "example.com"), ("exact", "true")], true),
        (&[("domain", "b\u{fc}cher.example")], true),
        (&[("domain", "XN--BCHER-KVA.Example")], true),
        (&[("domain", "com")], true),
        (&[("domain", "co,evil.example")], true),
        (&[("domain", "203.0.113.7")], true),
        (&[("ip", "203.0.113.0/24")], true),
        (&[("ip", "2001:db8::/64")], true),
        (&[("issuer", "s\u{f6}hne")], true),
        (&[("issuer", "S\u{d6}HNE"), ("domain", "example.org")], true),
        (&[("match", "below")], true),
        (&[("entry", "precert"), ("domain", "example.net")], true),
        (&[("log", "renamed")], true),
        (&[("domain", "nowhere.example")], false),
    ];
    let (mut read, mut replays) = (0, 0);
    for (parameters, finds) in filters {
        let filter = Filter::parse(parameters.iter().copied(), 100).expect("a filter");
        let filter = shown.filters.register(filter.expect("a filter")).expect("there is room");
        let expected = shown.passing(&filter);
        assert_eq!(!expected.is_empty(), finds, "{parameters:?}");
        for start in shown.begins.iter().step_by(9).copied() {
            let (mut offset, mut found) = (start, Vec::new());
            loop {
                offset = history.skip(&filter, offset, end);
                let pages = history.pages(offset, end, 1);
                let Some(page) = pages.first() else { break };
                read += page.entries.len();
                let entries = (page.first..).zip(page.entries.iter());
                let entries = entries.filter(|(at, _)| *at >= offset);
                let passing = entries.filter(|(at, entry)| {
                    shown.stream.passes(&filter, &shown.stream.read(*at, entry))
                });
                found.extend(passing.map(|(at, _)| at));
                offset = page.first + page.entries.len() as u64;
            }
            let expected = expected.iter().copied().filter(|offset| *offset >= start);
            assert_eq!(found, expected.collect::<Vec<_>>(), "{parameters:?} from {start}");
            replays += shown.live.range(start..).count();
        }
    }
    assert!(read * 10 < replays * 9, "the index rules something out: {read} of {replays} are read");
}
