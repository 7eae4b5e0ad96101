//! Frames that are not durable yet.

use std::collections::VecDeque;
use std::sync::Arc;

use record::{Batch, BatchHash, Begin, Issuer, Refused, State};

use crate::format::{Block, FrameHeader, FrameKind, Totals};

/// A frame.
#[derive(Debug)]
pub(super) struct Item {
    /// Its header; `synced` is set when it is written.
    pub(super) frame: FrameHeader,
    pub(super) stored: Vec<u8>,
    pub(super) staged: Staged,
    /// Issuers that the context has after it.
    pub(super) issuers_after: usize,
}

/// The message of a frame.
#[derive(Debug)]
pub(super) enum Staged {
    Begin(Box<Begin>, BatchHash),
    Batch(Box<Batch>, BatchHash),
    /// With the issuers of the context before it.
    Checkpoint(Vec<Arc<Issuer>>),
}

/// Frames that are not durable yet, and the fold of those that are. What is durable is a prefix of what
/// was appended, at any time.
#[derive(Debug)]
pub(super) struct Queue {
    /// The fold of everything durable.
    pub(super) base: State,
    pub(super) base_totals: Totals,
    /// Issuers of the context at that place.
    base_issuers: usize,
    items: VecDeque<Item>,
    /// The number of them that have been written to a file.
    written: usize,
    /// Items that have become durable.
    done: u64,
    bytes: usize,
}

impl Queue {
    pub(super) const fn new(base: State, base_totals: Totals) -> Self {
        Self {
            base,
            base_totals,
            base_issuers: 0,
            items: VecDeque::new(),
            written: 0,
            done: 0,
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes = self.bytes.saturating_add(item.stored.len());
        self.items.push_back(item);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the bytes of the frames.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    pub(super) fn unwritten(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().skip(self.written)
    }

    pub(super) fn has_unwritten(&self) -> bool {
        self.written < self.items.len()
    }

    pub(super) fn last(&self) -> Option<&Item> {
        self.items.back()
    }

    /// Returns the last item that has been written to a file.
    pub(super) fn last_written(&self) -> Option<&Item> {
        self.items.get(self.written.checked_sub(1)?)
    }

    /// Notes that all frames have been written. Returns the mark at which they are durable, once the
    /// file is synced.
    pub(super) fn all_written(&mut self) {
        self.written = self.items.len();
    }

    /// Returns the mark up to which frames are durable once the file is synced.
    pub(super) const fn mark(&self) -> u64 {
        self.done.saturating_add(self.written as u64)
    }

    /// Notes that the frames up to a mark are durable.
    pub(super) fn durable(&mut self, mark: u64) -> Result<(), Refused> {
        while self.done < mark
            && let Some(item) = self.items.pop_front()
        {
            self.done = self.done.saturating_add(1);
            self.written = self.written.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(item.stored.len());
            match &item.staged {
                Staged::Begin(begin, hash) => self.base.begin(begin, *hash)?,
                Staged::Batch(batch, hash) => self.base.apply(batch, *hash)?,
                Staged::Checkpoint(_) => {}
            }
            self.base_totals = item.frame.totals();
            self.base_issuers = item.issuers_after;
        }
        Ok(())
    }

    /// Notes that all frames are durable.
    pub(super) fn all_durable(&mut self) -> Result<(), Refused> {
        self.all_written();
        self.durable(self.mark())
    }

    /// Begins a context without issuers, where no frame waits.
    pub(super) const fn forget_issuers(&mut self) {
        self.base_issuers = 0;
    }

    /// Returns the issuers that the first frame may refer to. `current` are those of the context after
    /// the last one.
    pub(super) fn issuers<'a>(&'a self, current: &'a [Arc<Issuer>]) -> &'a [Arc<Issuer>] {
        let before = self.items.iter().find_map(|item| match &item.staged {
            Staged::Checkpoint(before) => Some(before.as_slice()),
            _ => None,
        });
        let all = before.unwrap_or(current);
        all.get(..self.base_issuers).unwrap_or(all)
    }

    /// Reports whether the frames begin a term, and so a context of their own.
    pub(super) fn is_begin(&self) -> bool {
        self.items.front().is_some_and(|item| item.frame.kind == FrameKind::Begin)
    }
}

impl Item {
    /// Appends the frame to `out`, whose first byte has the place `start` in the file. Returns the block
    /// that it begins, if it is a checkpoint.
    pub(super) fn write(
        &self,
        marker: &[u8; 8],
        synced: u64,
        start: u64,
        out: &mut Vec<u8>,
    ) -> Option<Block> {
        let at = start.saturating_add(out.len() as u64);
        FrameHeader { synced, ..self.frame }.write(marker, out);
        out.extend_from_slice(&self.stored);
        let is_checkpoint = self.frame.kind == FrameKind::Checkpoint;
        is_checkpoint.then(|| Block { at, number: self.frame.number, totals: self.frame.totals() })
    }

    /// Returns the offsets that it gives.
    pub(super) const fn entries(&self) -> u64 {
        self.frame.records as u64
    }
}
