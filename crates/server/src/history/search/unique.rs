//! Results that come once only.
//!
//! A search remembers the newest of them. Those before are looked up in the journal, so that nothing has
//! to be remembered between two pages.

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use cert::{Certificate, Digests};
use journal::{Next, Order, ReadError, Term};
use record::{Batch, Record};
use wire::Source;

use super::{Search, Unique};

/// Names of one certificate that are looked up at most, in the order of the alphabet.
const MOST_NAMES: usize = 100;
/// Bytes of a name that is looked up at most: those of the longest domain name.
const MOST_NAME_BYTES: usize = 253;
/// Names and certificates that a search remembers at most, in about two megabytes.
const MOST_SEEN: usize = 1 << 15;
/// Batches that are read at most to tell whether one result is new. With more, it counts as new.
const MOST_BATCHES: usize = 1000;

/// The names or certificates of the newest results of a search.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The offsets of results that are not in `keys`; `None` before the first one.
    before: Option<Range<u64>>,
    keys: HashSet<[u8; 32]>,
}

impl Seen {
    /// Makes room for a result, of which these are the offsets before it.
    fn make_room(&mut self, before: Range<u64>) -> Range<u64> {
        if self.before.is_none() || self.keys.len() >= MOST_SEEN {
            self.keys.clear();
            self.before = Some(before.clone());
        }
        self.before.clone().unwrap_or(before)
    }

    /// Adds a name or certificate. Returns false if it is there.
    fn insert(&mut self, text: &[u8]) -> bool {
        self.keys.insert(Digests::of(text).sha256)
    }
}

/// The look-up of a record, which passes, among the results before it. It takes as many slices as it has
/// to.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) offset: u64,
    /// Keys that are not looked up yet, the next one last.
    keys: Vec<Key>,
    /// The names that no result before has.
    new: Vec<String>,
    /// The offsets of the results before.
    before: Range<u64>,
    /// Those of them where the next key is not looked up yet.
    left: Range<u64>,
    /// Batches that may still be read.
    batches: usize,
    /// True for a record without a name that counts, which repeats no other.
    is_nameless: bool,
}

/// Something that a result may repeat.
#[derive(Debug)]
enum Key {
    Certificate,
    Name(String),
}

/// The outcome of a look-up.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The record is a result with these names.
    New(Vec<String>),
    Repeated,
    /// It needs more time.
    Unfinished,
}

impl Lookup {
    /// Begins with what the search remembers.
    pub(super) fn begin(
        search: &Search<'_>,
        (offset, record): (u64, &Record),
        before: Range<u64>,
        seen: &mut Seen,
    ) -> Self {
        let before = seen.make_room(before);
        let mut is_nameless = false;
        let mut keys: Vec<Key> = match search.query.unique {
            None => Vec::new(),
            Some(Unique::Certificate) if seen.insert(&identity(&read(record))) => {
                vec![Key::Certificate]
            }
            Some(Unique::Certificate) => Vec::new(),
            Some(Unique::Name) => {
                let names = names_of(search, record);
                is_nameless = names.is_empty();
                let names = names.into_iter();
                names.filter(|name| seen.insert(name.as_bytes())).map(Key::Name).collect()
            }
        };
        keys.reverse();
        let left = before.clone();
        let (new, batches) = (Vec::new(), MOST_BATCHES);
        Self { offset, keys, new, before, left, batches, is_nameless }
    }

    /// Continues until a time; takes at least one step.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn advance(
        &mut self,
        search: &Search<'_>,
        record: &Record,
        until: Instant,
    ) -> Result<Outcome, ReadError> {
        while let Some(key) = self.keys.pop() {
            let Some(is_there) = self.is_there(search, record, &key, until)? else {
                self.keys.push(key);
                return Ok(Outcome::Unfinished);
            };
            self.left = self.before.clone();
            match key {
                Key::Certificate if is_there => {}
                Key::Certificate => return Ok(Outcome::New(Vec::new())),
                Key::Name(_) if is_there => {}
                Key::Name(name) => self.new.push(name),
            }
        }
        let new = std::mem::take(&mut self.new);
        let is_new = self.is_nameless || !new.is_empty();
        Ok(if is_new { Outcome::New(new) } else { Outcome::Repeated })
    }

    /// Reports whether a result before has the same; `None` if it is not known in time.
    fn is_there(
        &mut self,
        search: &Search<'_>,
        record: &Record,
        key: &Key,
        until: Instant,
    ) -> Result<Option<bool>, ReadError> {
        if self.left.is_empty() {
            return Ok(Some(false));
        }
        let mut wanted = search.query.wanted(search.logs);
        let certificate = read(record);
        wanted.groups.push(match key {
            Key::Certificate => vec![Term::Serial(certificate.serial.to_vec())],
            Key::Name(name) => terms_of(name),
        });
        let ours = identity(&certificate);
        let is_same = |other: &Record| match key {
            Key::Certificate => identity(&read(other)) == ours,
            Key::Name(name) => names_of(search, other).contains(name),
        };
        let mut finder = search.journal.find(wanted, Order::Newest, self.left.clone());
        while self.batches > 0 {
            match finder.next_step()? {
                Next::End => return Ok(Some(false)),
                Next::Nothing => {}
                Next::Batch(batch) => {
                    if let Some(same) = find(search, &batch, &self.before, is_same) {
                        self.pass_names_of(search, same);
                        return Ok(Some(true));
                    }
                    self.batches = self.batches.saturating_sub(1);
                }
            }
            self.left = finder.left();
            if Instant::now() >= until {
                return Ok(None);
            }
        }
        Ok(Some(false))
    }

    /// Looks up no name that a result before has: a final certificate has all names of its precertificate.
    fn pass_names_of(&mut self, search: &Search<'_>, result: &Record) {
        if !self.keys.is_empty() {
            let names = names_of(search, result);
            self.keys.retain(|key| !matches!(key, Key::Name(name) if names.contains(name)));
        }
    }
}

fn read(record: &Record) -> Certificate<'_> {
    let digests = Digests { sha1: [0; 20], sha256: record.fingerprint };
    Certificate::read_with_digests(&record.certificate, &digests)
}

/// Returns issuer and serial number, or the fingerprint of a certificate that has no serial number as it
/// cannot be read.
fn identity(certificate: &Certificate<'_>) -> Vec<u8> {
    match certificate.serial {
        [] => certificate.sha256.to_vec(),
        serial => {
            let bytes = u64::try_from(serial.len()).unwrap_or(u64::MAX);
            [&bytes.to_be_bytes(), serial, certificate.issuer.der()].concat()
        }
    }
}

/// Returns the names of a record that count.
fn names_of(search: &Search<'_>, record: &Record) -> Vec<String> {
    let mut names = search.query.names(&read(record));
    names.retain(|name| name.len() <= MOST_NAME_BYTES);
    names.truncate(MOST_NAMES);
    names
}

/// Returns what an index knows of a name, which may be an address.
fn terms_of(name: &str) -> Vec<Term> {
    let address = name.parse::<IpAddr>().ok().map(|address| Term::Addresses(address, address));
    std::iter::once(Term::Name(name.to_owned())).chain(address).collect()
}

/// Returns the first result of a batch in the range that is as `is_it` says.
fn find<'b>(
    search: &Search<'_>,
    batch: &'b Batch,
    range: &Range<u64>,
    is_it: impl Fn(&Record) -> bool,
) -> Option<&'b Record> {
    let records = (batch.first_offset..).zip(&batch.records);
    let mut in_range = records.filter(|(offset, _)| range.contains(offset));
    let found = in_range.find(|(_, record)| {
        let passes = |source: Arc<Source>| search.query.passes(record, &source);
        is_it(record) && search.logs.source(record.log).is_some_and(passes)
    });
    found.map(|(_, record)| record)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use journal::Indexes;
    use wire::filter::Filter;

    use super::super::{Between, Bounds, Hit, Limits, Position, Query};
    use super::*;
    use crate::history::sample::{Entry, SETTINGS, Sample, certificate, log, without_subject};
    use crate::publish::entries::Entries;

    /// A journal that is indexed.
    struct Site {
        sample: Sample,
        indexes: Indexes,
    }

    impl Site {
        fn new(sample: Sample) -> Self {
            let indexes = Indexes::new(sample.journal());
            indexes.follow(|| indexes.is_complete());
            Self { sample, indexes }
        }

        /// Searches a log in slices of this time, and forgets all after each result. Returns the results, and
        /// the number of slices that ended in a look-up.
        fn search(&self, unique: Unique, order: Order, slice: Duration) -> (Vec<Hit>, usize) {
            let filter = Filter::parse([("log", "one")], 10).expect("a filter");
            let query = Query { filter, serial: None, pattern: None, order, unique: Some(unique) };
            let entries = Entries::new(&self.sample.state);
            let journal = self.indexes.searchable();
            let search = Search { journal, logs: &entries, query: &query };
            let mut position = Position::begin(journal, &Bounds::default()).expect("readable");
            let (mut found, mut ended, mut between) = (Vec::new(), 0, Between::default());
            while !position.is_at_end() {
                let limits = Limits { results: 1, until: Instant::now() + slice };
                let hits = search.continue_at(&mut position, &mut between, limits);
                let hits = hits.expect("readable");
                ended += usize::from(between.is_amid_look_up());
                if !hits.is_empty() {
                    between.forget();
                }
                found.extend(hits);
            }
            (found, ended)
        }
    }

    /// Returns the query for the results of a log.
    fn query(unique: Unique, order: Order) -> Query {
        let filter = Filter::parse([("log", "one")], 10).expect("a filter");
        Query { filter, serial: None, pattern: None, order, unique: Some(unique) }
    }

    fn entry(der: &Bytes) -> Entry {
        Entry::Record(der.clone(), Vec::new())
    }

    #[test]
    fn only_results_count_as_repeated_and_a_look_up_takes_several_slices() {
        // A certificate of a log twice, and then more often than is looked at from another log.
        let mut sample = Sample::new(SETTINGS);
        let der = certificate(&["a.example", "b.example"], "CA");
        let [one, other] =
            ["one", "other"].map(|name| log(name, &format!("https://{name}.example"), None));
        let first = sample.append(&one, &[entry(&der)]).first_offset;
        sample.append(&one, &[entry(&der)]);
        for _ in 0..MOST_BATCHES + 5 {
            sample.append(&other, &[entry(&der)]);
        }
        let site = Site::new(sample);
        let search = |unique, slice| {
            let (found, ended) = site.search(unique, Order::Newest, slice);
            (found.iter().map(|hit| hit.offset).collect::<Vec<_>>(), ended)
        };
        for unique in [Unique::Certificate, Unique::Name] {
            let once = vec![first + 1];
            assert_eq!(search(unique, Duration::from_secs(600)), (once.clone(), 0), "{unique:?}");
            let (found, ended) = search(unique, Duration::ZERO);
            assert!(found == once && ended > 2, "{unique:?}: {found:?}, {ended} slices");
        }
    }

    #[test]
    fn names_that_another_result_has_together_are_looked_up_together() {
        let names: Vec<String> = (0..20).map(|number| format!("{number}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let der = certificate(&names, "CA");
        let mut sample = Sample::new(SETTINGS);
        let one = log("one", "https://one.example", None);
        let earlier = sample.append(&one, &[entry(&der)]);
        let later = sample.append(&one, &[entry(&der)]);
        let site = Site::new(sample);
        let (query, entries) =
            (query(Unique::Name, Order::Oldest), Entries::new(&site.sample.state));
        let search = Search { journal: site.indexes.searchable(), logs: &entries, query: &query };
        let (record, before) = (&later.records[0], earlier.first_offset..later.first_offset);
        let result = (later.first_offset, record);
        let mut lookup = Lookup::begin(&search, result, before, &mut Seen::default());
        assert_eq!(lookup.keys.len(), names.len());
        let (key, until) = (lookup.keys.pop().expect("a name"), Instant::now());
        assert_eq!(lookup.is_there(&search, record, &key, until).expect("readable"), Some(true));
        assert!(lookup.keys.is_empty(), "{:?} are looked up too", lookup.keys);
    }

    #[test]
    fn addresses_are_names_of_certificates_without_others_and_nameless_ones_repeat_nothing() {
        let [first, second] = ["192.0.2.1", "2001:db8::1"];
        let long = ["a"; 150].join(".");
        let certificates = [
            without_subject(&[first]),
            without_subject(&[first]),
            without_subject(&[first, second]),
            // One with a name is not named by its addresses.
            without_subject(&["a.example", second]),
            without_subject(&[&long]),
            without_subject(&[&long]),
            without_subject(&[]),
            without_subject(&[]),
        ];
        let mut sample = Sample::new(SETTINGS);
        let one = log("one", "https://one.example", None);
        let start = sample.append(&one, &[entry(&certificates[0])]).first_offset;
        for der in &certificates[1..] {
            sample.append(&one, &[entry(der)]);
        }
        let site = Site::new(sample);
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let search = |order| {
            // Nothing is remembered after a result, so that all is looked up.
            let (found, _) = site.search(Unique::Name, order, Duration::ZERO);
            found.into_iter().map(|hit| (hit.offset - start, hit.names)).collect::<Vec<_>>()
        };
        let nameless = |at: u64| (at, Vec::new());
        assert_eq!(
            search(Order::Oldest),
            [
                (0, names(&[first])),
                (2, names(&[second])),
                (3, names(&["a.example"])),
                nameless(4),
                nameless(5),
                nameless(6),
                nameless(7),
            ]
        );
        assert_eq!(
            search(Order::Newest),
            [
                nameless(7),
                nameless(6),
                nameless(5),
                nameless(4),
                (3, names(&["a.example"])),
                (2, names(&[first, second])),
            ]
        );
    }
}
