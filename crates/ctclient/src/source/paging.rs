//! The number of entries in a page of an RFC 6962 log, learned from its responses.
//!
//! Logs cut responses short at some number of entries, many of them at multiples of that number
//! (32 or 256). Requests from one such boundary to the next get whole pages; all others get a page
//! and a remainder. So requests begin and end at multiples of the size learned.

use std::ops::Range;

/// Whole pages after which a page of twice the size is tried. It costs nothing: the missing part is
/// requested next.
const PAGES_TO_GROW: u32 = 64;
/// The most whole pages before a larger one is tried, after larger pages were refused repeatedly.
const MOST_PAGES_TO_GROW: u32 = 1024;

/// The size of one log's pages.
#[derive(Debug)]
pub(crate) struct Paging {
    /// The most entries of a request.
    most: u64,
    size: u64,
    /// Whole pages in a row, and the number of them after which a larger one is tried.
    whole: u32,
    to_grow: u32,
    /// The previous response, if it was cut short.
    short: Option<Short>,
}

/// A response that was cut short.
#[derive(Debug, Clone, Copy)]
struct Short {
    /// The index after its last entry.
    end: u64,
    got: u64,
}

impl Paging {
    pub(crate) fn new(most: u64) -> Self {
        let most = most.max(1);
        Self { most, size: most, whole: 0, to_grow: PAGES_TO_GROW, short: None }
    }

    /// Returns the size learned: no request should cross a multiple of it.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Notes a response with the entries of `range` up to `end`.
    ///
    /// One short response says little: it may have begun within a page, or come from a front end
    /// that does not have the newest entries yet. Two of them end at multiples of the page, or the
    /// longer one is a page.
    pub(crate) fn answered(&mut self, range: &Range<u64>, end: u64) {
        if end >= range.end {
            let got = range.end - range.start;
            // More came than in the short answer before: that was a stray.
            self.short = self.short.filter(|short| got <= short.got);
            if got >= self.size {
                self.whole_page();
            }
            return;
        }
        let short = Short { end, got: end.saturating_sub(range.start) };
        let Some(before) = self.short.replace(short) else { return };
        let longest = before.got.max(short.got).clamp(1, self.most);
        let common = greatest_common_divisor(before.end, end);
        if common >= self.size || longest >= self.size {
            // The log's pages are larger than ours, or that could not be told.
            return;
        }
        self.size = common.max(longest);
        self.to_grow = self.to_grow.saturating_mul(2).min(MOST_PAGES_TO_GROW);
        self.whole = 0;
        self.short = None;
    }

    /// Notes that a response was too large, or took too long.
    pub(crate) fn too_much(&mut self) {
        self.size = (self.size / 2).max(1);
        self.whole = 0;
        self.short = None;
    }

    fn whole_page(&mut self) {
        self.short = None;
        self.whole += 1;
        if self.size < self.most && self.whole >= self.to_grow {
            self.size = self.size.saturating_mul(2).min(self.most);
            self.whole = 0;
        }
        if self.size == self.most && self.whole >= PAGES_TO_GROW {
            self.to_grow = PAGES_TO_GROW;
        }
    }
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Returns the part of `range` within the page of its first index.
pub(crate) fn first_page(range: Range<u64>, page_size: u64) -> Range<u64> {
    let page_size = page_size.max(1);
    let boundary = (range.start / page_size).saturating_add(1).saturating_mul(page_size);
    range.start..boundary.min(range.end)
}

/// Splits a range at the page boundaries. `page_size` is called for each page, because the size is
/// learned while the pages are read.
pub fn pages(range: Range<u64>, page_size: impl Fn() -> u64) -> impl Iterator<Item = Range<u64>> {
    let mut rest = range;
    std::iter::from_fn(move || {
        let page = first_page(rest.clone(), page_size());
        rest.start = page.end;
        (!page.is_empty()).then_some(page)
    })
}

#[cfg(test)]
mod tests;
