//! How many entries an RFC 6962 log gives at once, learned from its answers.
//!
//! Logs cut answers short at some number of entries, many of them at multiples of that number
//! (32 or 256). Who asks from one such boundary to the next gets whole pages; who does not gets a
//! page and a scrap, for ever. So requests begin and end at multiples of the size learned.

use std::ops::Range;

/// Whole pages after which a page of twice the size is tried. It costs nothing: what is missing
/// of it is asked for next.
const PAGES_TO_GROW: u32 = 64;
/// The same, after larger pages were refused again and again.
const MOST_PAGES_TO_GROW: u32 = 1024;

/// The size of one log's pages.
#[derive(Debug)]
pub(crate) struct Paging {
    /// What is asked for at most.
    most: u64,
    size: u64,
    /// Whole pages in a row, and how many make a larger one worth trying.
    whole: u32,
    to_grow: u32,
    /// The answer before, if it was cut short.
    short: Option<Short>,
}

/// An answer that was cut short.
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

    /// The size learned: no request should cross a multiple of it.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// An answer with the entries of `range` up to `end`.
    ///
    /// One short answer says little: it may have begun within a page, or come from a front end
    /// that does not have the newest entries yet. Two end at multiples of the page, or else it is
    /// the longer one that is a page.
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

    /// The answer was larger, or took longer, than can be borne.
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

/// The part of `range` within the page that holds its first index.
pub(crate) fn first_page(range: Range<u64>, page_size: u64) -> Range<u64> {
    let page_size = page_size.max(1);
    let boundary = (range.start / page_size).saturating_add(1).saturating_mul(page_size);
    range.start..boundary.min(range.end)
}

/// Splits a range at the page boundaries. The page size is asked for anew with each page, because
/// it is learned while the pages are read.
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
