//! A page: the entries of one publish.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ring::matches::Matches;
use crate::ring::span::Span;

/// The entries that were published in one call; never none.
#[derive(Debug)]
pub(crate) struct Page<E> {
    span: Span,
    weight: usize,
    published: Instant,
    /// The latest time at which an entry was seen.
    seen: u64,
    entries: Arc<[E]>,
}

impl<E> Page<E> {
    /// Makes a page of the entries of `span`, which weigh `weight` bytes.
    pub(crate) fn new(span: Span, entries: Arc<[E]>, weight: usize, published: Instant) -> Self {
        debug_assert_eq!(span.end - span.first, entries.len() as u64, "an offset for each entry");
        Self { span, weight, published, seen: 0, entries }
    }

    /// Records when the entries were seen.
    pub(crate) fn set_seen(&mut self, seen: impl Fn(&E) -> u64) {
        self.seen = self.entries.iter().map(seen).max().unwrap_or(0);
    }

    /// Returns the latest time at which an entry was seen.
    pub(crate) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Returns the offset of the first entry.
    pub(crate) const fn first(&self) -> u64 {
        self.span.first
    }

    /// Returns the offset after the last entry.
    pub(crate) const fn end(&self) -> u64 {
        self.span.end
    }

    /// Returns the offsets, and the matches of filters.
    pub(crate) const fn span(&self) -> &Span {
        &self.span
    }

    /// Returns the bytes of memory that count against the ring's bound.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    /// Returns the time between the publishing of an older page and of this one.
    pub(crate) fn time_since(&self, older: &Self) -> Duration {
        self.published.duration_since(older.published)
    }

    /// Records which filters the entries passed. That takes memory too.
    pub(crate) fn set_matches(&mut self, matches: Arc<Matches>) {
        self.weight = self.weight.saturating_add(matches.weight());
        self.span.matches = matches;
    }

    /// Returns the entries with their offsets.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = (u64, &E)> + DoubleEndedIterator {
        self.entries.iter().enumerate().map(|(i, entry)| (self.span.first + i as u64, entry))
    }
}
