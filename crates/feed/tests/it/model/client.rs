//! A client of the model, and the checks of what it received.

use std::collections::BTreeMap;
use std::ops::Range;

use feed::{Batch, Framing, Reader, Written};

use super::Act;
use crate::fixture::*;

/// A client, and what it should have received.
pub(super) struct Client {
    pub(super) reader: Reader<Notes>,
    pub(super) rendering: Rendering,
    pub(super) filter: Option<Filter>,
    pub(super) inbox: Inbox,
    pub(super) start: u64,
    /// The offsets that the reader jumped over.
    pub(super) lost: Vec<Range<u64>>,
    /// Entries of these that it must have counted, and that it may have.
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) own: Vec<Item>,
    pub(super) told: Written,
    /// The last offset that it reported as done.
    pub(super) searched: u64,
}

impl Client {
    pub(super) fn act(&mut self, act: &Act) {
        match act {
            Act::Write(_, budget, share) => self.write(*budget, *share),
            Act::Cancel(_, budget) => drop(self.fill(*budget)),
            Act::Take(_, budget) => self.take(*budget),
            _ => self.interject(),
        }
    }

    pub(super) fn lose(&mut self, range: Range<u64>, least: u64, most: u64) {
        self.lost.push(range);
        self.least += least;
        self.most += most;
    }

    /// Takes what was counted as lost and not yet reported.
    pub(super) fn hear(&mut self) {
        let mut batch = Batch::default();
        self.reader.fill(&mut batch, 0);
        self.told.lost += self.reader.advance(&mut batch, 0).lost;
    }

    pub(super) fn fill(&mut self, budget: usize) -> Batch {
        let mut batch = Batch::default();
        self.reader.fill(&mut batch, budget);
        let slices: Vec<&[u8]> = batch.slices().collect();
        assert!(slices.len() <= feed::MAX_SLICES && slices.iter().all(|slice| !slice.is_empty()));
        assert_eq!(slices.concat().len(), batch.len());
        batch
    }

    pub(super) fn write(&mut self, budget: usize, share: usize) {
        let waiting = !self.reader.at_boundary() || self.own_waits();
        let framing = self.reader.framing();
        let mut batch = self.fill(budget);
        let bytes = batch.slices().collect::<Vec<_>>().concat();
        if !waiting && batch.len() > budget && framing == framing.plain() {
            let mut one = Inbox::new(framing);
            one.receive(framing, &bytes);
            assert_eq!((one.items.len(), one.at_boundary()), (1, true), "past the budget: one");
        }
        let written = bytes.len() * share / 8;
        let told = self.reader.advance(&mut batch, written);
        assert!(batch.is_empty());
        assert_eq!(told.bytes, written);
        self.receive(framing, &bytes[..written], told);
    }

    pub(super) fn take(&mut self, budget: usize) {
        let framing = self.reader.framing();
        if let Some((bytes, told)) = self.reader.next_bytes(budget) {
            assert_eq!(told.bytes, bytes.len());
            self.receive(framing, &bytes, told);
        }
    }

    pub(super) fn receive(&mut self, framing: Framing, bytes: &[u8], told: Written) {
        add(&mut self.told, told);
        self.inbox.receive(framing, bytes);
        // Between two own frames the reader does not see the boundary.
        assert!(self.inbox.at_boundary() || !self.reader.at_boundary());
        if self.inbox.framing() == Framing::SseGzip {
            // Of a message cut in two all can be there, and inside a chunk there is no boundary.
            assert!(self.inbox.messages().count() >= self.told.messages);
        } else {
            assert!(self.inbox.at_boundary() == self.reader.at_boundary() || self.own_waits());
            assert_eq!(self.inbox.messages().count(), self.told.messages);
        }
    }

    pub(super) fn own_waits(&self) -> bool {
        let received = self.inbox.items.iter().filter(|item| matches!(item, Item::Own(_))).count();
        received < self.own.len()
    }

    pub(super) fn interject(&mut self) {
        let frame = own_frame(self.inbox.framing(), self.own.len());
        if self.reader.interject(&frame) {
            self.own.push(Item::Own(frame));
        }
    }

    /// Checks that it has all up to the offset it reports, and nothing beyond.
    pub(super) fn check_searched(&mut self, published: &BTreeMap<u64, String>, next: u64) {
        let searched = self.reader.searched().unwrap();
        assert!((self.searched..next).contains(&searched), "{searched} after {}", self.searched);
        self.searched = searched;
        if !self.reader.at_boundary() || !self.inbox.at_boundary() {
            return;
        }
        let pattern = self.filter.as_ref().map(Filter::pattern);
        let has_come = |(offset, note): &(&u64, &String)| {
            (self.start..=searched).contains(*offset)
                && pattern.is_none_or(|pattern| pattern.passes(**offset, note))
                && (self.rendering != Rendering::Odd || *offset % 2 == 1)
                && !self.lost.iter().any(|range| range.contains(*offset))
        };
        let expected = published.iter().filter(has_come).count();
        assert_eq!(self.inbox.messages().count(), expected, "up to {searched}");
    }

    pub(super) fn check(&self, published: &BTreeMap<u64, String>) {
        let sent = |offset: &u64| !self.lost.iter().any(|range| range.contains(offset));
        let wanted = |offset: &u64, note: &str| {
            let pattern = self.filter.as_ref().map(Filter::pattern);
            *offset >= self.start && pattern.is_none_or(|pattern| pattern.passes(*offset, note))
        };
        let expected: Vec<String> = published
            .iter()
            .map(|(offset, note)| (*offset, note))
            .filter(|(offset, note)| wanted(offset, note) && sent(offset))
            .filter_map(|(offset, note)| json(self.rendering, offset, note))
            .collect();
        let expected: Vec<&str> = expected.iter().map(|text| text.trim_end()).collect();
        assert_eq!(self.inbox.messages().collect::<Vec<_>>(), expected);
        assert_eq!(self.told.messages, expected.len());
        let own: Vec<&Item> =
            self.inbox.items.iter().filter(|item| matches!(item, Item::Own(_))).collect();
        assert_eq!(own, self.own.iter().collect::<Vec<_>>());
        assert!((self.least..=self.most).contains(&self.told.lost), "{:?}", self.told);
        assert_eq!(self.told.bytes, self.inbox.bytes);
        assert!(self.inbox.at_boundary() && self.reader.at_boundary());
    }
}
