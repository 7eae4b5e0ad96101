//! Pages: what followers hand in.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use record::{Alarm, GapReason, LogIdentity, Record, Tree};

use crate::gather::Size;

/// Something that happened to a log besides entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It contradicts itself. The log number is given by the sequencer.
    Alarm(Alarm),
    /// An operator acknowledges all its alarms.
    Acknowledgement,
    /// Entries that are missing were read: the records of the page, in any order. For some of them an
    /// offset, by index, at which their certificate is known to have been published.
    Backfill(HashMap<u64, u64>),
}

/// Consecutive entries of one log, read and verified; or a notice.
#[derive(Debug)]
pub struct Page<T> {
    /// The log.
    pub log: Arc<LogIdentity>,
    /// The first index that the page accounts for.
    pub first: u64,
    /// The index after the last one: the position once the page is committed.
    pub end: u64,
    /// Entries in index order. Their log number and time of sight are given by the sequencer, which
    /// also copies the certificates that it publishes; until then they may be parts of one buffer.
    pub records: Vec<Record>,
    /// Indexes without an entry; with the records they make up `first..end`.
    pub gap: Option<(Range<u64>, GapReason)>,
    /// The largest tree size seen.
    pub largest_head: u64,
    /// The tree of the entries below `end`, if the log is being proved.
    pub tree: Option<Tree>,
    /// Something else that happened. A page with a notice accounts for no range of indexes, and moves no
    /// position.
    pub notice: Option<Notice>,
    /// Returned once the page is committed.
    pub ticket: T,
}

impl<T> Page<T> {
    /// Returns the size of the page before duplicates are recognised.
    pub(crate) fn size(&self) -> Size {
        let bytes = self.records.iter().map(|record| record.certificate.len()).sum();
        Size { bytes, entries: self.records.len() }
    }

    /// Reports whether records and gap make up `first..end`, each index once, and the tree is of that
    /// size.
    pub(crate) fn is_complete(&self) -> bool {
        let mut next = self.first;
        let mut gap = self.gap.as_ref().map(|(range, _)| range);
        if gap.is_some_and(Range::is_empty) {
            return false;
        }
        for record in &self.records {
            if let Some(range) = gap.take_if(|range| range.start == next) {
                next = range.end;
            }
            if record.index != next {
                return false;
            }
            next = next.saturating_add(1);
        }
        if let Some(range) = gap.take_if(|range| range.start == next) {
            next = range.end;
        }
        let has_tree = self.tree.as_ref().is_none_or(|tree| tree.is_consistent(self.end));
        gap.is_none() && next == self.end && has_tree
    }

    /// Takes out everything below `position`.
    pub(crate) fn trim(&mut self, position: u64) {
        self.first = self.first.max(position);
        self.records.retain(|record| record.index >= position);
        if let Some((range, _)) = &mut self.gap {
            range.start = range.start.max(position);
        }
        self.gap.take_if(|(range, _)| range.is_empty());
    }
}
