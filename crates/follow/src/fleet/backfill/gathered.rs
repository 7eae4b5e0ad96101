//! Proved entries that are gathered until what was published is searched for them.

use bytes::Bytes;
use ctclient::ProvedPage;
use record::Record;
use tokio::time::Instant;

use super::Gather;

/// Entries in index order, perhaps with holes.
#[derive(Debug)]
pub(super) struct Gathered {
    most: Gather,
    entries: Vec<Record>,
    bytes: usize,
    /// The time at which the first one was read.
    since: Option<Instant>,
    /// The last page, if its entries are still parts of its buffer.
    page: Option<ProvedPage>,
}

impl Gathered {
    pub(super) const fn new(most: Gather) -> Self {
        Self { most, entries: Vec::new(), bytes: 0, since: None, page: None }
    }

    #[cfg(test)]
    pub(super) fn of(entries: Vec<Record>) -> Self {
        Self { entries, ..Self::new(Gather::PAGE) }
    }

    /// Takes the entries of a page. Unless they are the last ones, they keep none of its bytes, which
    /// others wait for.
    pub(super) fn take(&mut self, mut page: ProvedPage) {
        self.since.get_or_insert_with(Instant::now);
        let new = self.entries.len();
        self.entries.append(&mut page.entries);
        let entries = self.entries.get_mut(new..).unwrap_or_default();
        self.bytes += entries.iter().map(Record::weight).sum::<usize>();
        if self.is_full() {
            self.page = Some(page);
            return;
        }
        for entry in self.entries.get_mut(new..).unwrap_or_default() {
            entry.certificate = Bytes::copy_from_slice(&entry.certificate);
        }
    }

    /// Reports whether a limit is reached.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.most.entries
            || self.bytes >= self.most.bytes
            || self.since.is_some_and(|since| Instant::now() - since >= self.most.time)
    }

    /// Takes the entries, and the page that some of them may be parts of.
    pub(super) fn empty(&mut self) -> (Vec<Record>, Option<ProvedPage>) {
        (self.bytes, self.since) = (0, None);
        (std::mem::take(&mut self.entries), self.page.take())
    }
}
