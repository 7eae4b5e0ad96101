//! Results that come once only. The ones before are looked up in the journal, so that nothing has to be
//! remembered between two pages.

use std::ops::Range;
use std::sync::Arc;

use cert::{Certificate, Digests};
use journal::{Order, ReadError, Term, Wanted};
use record::Record;
use wire::Source;

use super::position::next_batch;
use super::{Search, Unique};

/// Names of one certificate that are looked up at most, in the order of the alphabet.
const MOST_NAMES: usize = 100;
/// Bytes of a name that is looked up at most: those of the longest domain name.
const MOST_NAME_BYTES: usize = 253;

/// Returns the names with which a record is a result; `None` if it repeats those in `before`.
pub(super) fn names(
    search: &Search<'_>,
    record: &Record,
    before: Range<u64>,
) -> Result<Option<Vec<String>>, ReadError> {
    match search.query.unique {
        None => Ok(Some(Vec::new())),
        Some(Unique::Certificate) => {
            let is_new = !is_repeated(search, record, before)?;
            Ok(is_new.then(Vec::new))
        }
        Some(Unique::Name) => {
            let mut new = Vec::new();
            for name in names_of(search, record) {
                if !has_name(search, &name, before.clone())? {
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

/// Returns the names of a record that count.
fn names_of(search: &Search<'_>, record: &Record) -> Vec<String> {
    let mut names = search.query.names(&read(record));
    names.retain(|name| name.len() <= MOST_NAME_BYTES);
    names.truncate(MOST_NAMES);
    names
}

/// Reports whether a result in the range has the issuer and serial number of a record.
fn is_repeated(search: &Search<'_>, record: &Record, range: Range<u64>) -> Result<bool, ReadError> {
    let certificate = read(record);
    let is_same = |other: &Record| {
        let other = read(other);
        let is_same = other.issuer.der() == certificate.issuer.der();
        // What cannot be read has no serial number.
        match certificate.serial {
            [] => other.sha256 == certificate.sha256,
            serial => other.serial == serial && is_same,
        }
    };
    any(search, Term::Serial(certificate.serial.to_vec()), range, is_same)
}

/// Reports whether a result in the range has a name.
fn has_name(search: &Search<'_>, name: &str, range: Range<u64>) -> Result<bool, ReadError> {
    let has_it = |other: &Record| names_of(search, other).iter().any(|other| other == name);
    any(search, Term::Name(name.to_owned()), range, has_it)
}

/// Reports whether any result in the range, which has the term, is as `is_it` says.
fn any(
    search: &Search<'_>,
    term: Term,
    range: Range<u64>,
    is_it: impl Fn(&Record) -> bool,
) -> Result<bool, ReadError> {
    let wanted = Wanted { groups: vec![vec![term]], logs: None };
    let mut finder = search.journal.find(wanted, Order::Newest, range.clone());
    while let Some(batch) = next_batch(&mut finder)? {
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
