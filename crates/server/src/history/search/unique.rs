//! Results that come once only.
//!
//! A search remembers the newest of them. Those before are looked up in the journal, so that nothing has
//! to be remembered between two pages.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use cert::{Certificate, Digests};
use journal::{Order, ReadError, Term};
use record::Record;
use wire::Source;

use super::position::next_batch;
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

/// Returns the names with which a record is a result; `None` if it repeats those in `before`.
pub(super) fn names(
    search: &Search<'_>,
    record: &Record,
    before: Range<u64>,
    seen: &mut Seen,
) -> Result<Option<Vec<String>>, ReadError> {
    let mut batches = MOST_BATCHES;
    match search.query.unique {
        None => Ok(Some(Vec::new())),
        Some(Unique::Certificate) => {
            let before = seen.make_room(before);
            let is_new = seen.insert(&identity(&read(record)))
                && !is_repeated(search, record, before, &mut batches)?;
            Ok(is_new.then(Vec::new))
        }
        Some(Unique::Name) => {
            let before = seen.make_room(before);
            let mut new = Vec::new();
            for name in names_of(search, record) {
                if seen.insert(name.as_bytes())
                    && !has_name(search, &name, before.clone(), &mut batches)?
                {
                    new.push(name);
                }
            }
            Ok(Some(new).filter(|new| !new.is_empty()))
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

/// Reports whether a result in the range has the issuer and serial number of a record.
fn is_repeated(
    search: &Search<'_>,
    record: &Record,
    range: Range<u64>,
    batches: &mut usize,
) -> Result<bool, ReadError> {
    let certificate = read(record);
    let ours = identity(&certificate);
    let is_same = |other: &Record| identity(&read(other)) == ours;
    any(search, Term::Serial(certificate.serial.to_vec()), range, batches, is_same)
}

/// Reports whether a result in the range has a name.
fn has_name(
    search: &Search<'_>,
    name: &str,
    range: Range<u64>,
    batches: &mut usize,
) -> Result<bool, ReadError> {
    let has_it = |other: &Record| names_of(search, other).iter().any(|other| other == name);
    any(search, Term::Name(name.to_owned()), range, batches, has_it)
}

/// Reports whether any result in the range, which has the term, is as `is_it` says. Reads so many batches
/// at most, and counts them down.
fn any(
    search: &Search<'_>,
    term: Term,
    range: Range<u64>,
    batches: &mut usize,
    is_it: impl Fn(&Record) -> bool,
) -> Result<bool, ReadError> {
    if range.is_empty() {
        return Ok(false);
    }
    let mut wanted = search.query.wanted(search.logs);
    wanted.groups.push(vec![term]);
    let mut finder = search.journal.find(wanted, Order::Newest, range.clone());
    while *batches > 0
        && let Some(batch) = next_batch(&mut finder)?
    {
        *batches = batches.saturating_sub(1);
        let mut records = (batch.first_offset..).zip(&batch.records);
        let is_before = records.any(|(offset, record)| {
            let passes = |source: Arc<Source>| search.query.passes(record, &source);
            range.contains(&offset)
                && is_it(record)
                && search.logs.source(record.log).is_some_and(passes)
        });
        if is_before {
            return Ok(true);
        }
    }
    Ok(false)
}
