//! The range of indexes that a span of time has, by binary search over the times of entries.
//!
//! A log merges an entry at most its maximum merge delay after the time of the entry. So times increase
//! with indexes but for that delay: where an entry's time is at least a merge delay before `since`, all
//! entries before it are older than `since`.

use std::ops::Range;

use ctclient::{AnySource, Source as _, SourceError, pages};

use super::settings::TimeBound;

/// Entries that are requested to find one with a readable time.
const PROBE: u64 = 16;

/// Returns a range that has every entry with a time of the span, in a tree of `size` entries.
/// `delay` is the log's maximum merge delay in milliseconds. It is empty if there is none.
pub(super) async fn of_times(
    source: &AnySource,
    size: u64,
    times: TimeBound,
    delay: u64,
) -> Result<Range<u64>, SourceError> {
    let since = times.since.saturating_sub(delay);
    let start = first_at(source, 0..size, |time| time.is_some_and(|time| time < since)).await?;
    let end = match times.until {
        None => size,
        Some(until) => {
            let until = until.saturating_add(delay);
            first_at(source, start..size, |time| time.is_none_or(|time| time < until)).await?
        }
    };
    Ok(start..end)
}

/// Returns an index of the range such that the time of the entry before it passes, and that of the one
/// at it does not; an end of the range if it has no such place. No time is known where no entry near can
/// be read: the range then has rather more than less.
async fn first_at(
    source: &AnySource,
    range: Range<u64>,
    passes: impl Fn(Option<u64>) -> bool,
) -> Result<u64, SourceError> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if passes(time_at(source, middle..high).await?) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Returns the time of the first entry of the range, or of one soon after it, if it has none that can be
/// read.
async fn time_at(source: &AnySource, range: Range<u64>) -> Result<Option<u64>, SourceError> {
    let wanted = range.start..range.end.min(range.start.saturating_add(PROBE));
    for page in pages(wanted, || source.page_size()) {
        let batch = source.entries(page, range.end).await?;
        let times = batch.entries.iter().map(|entry| entry.submitted);
        if let Some(time) = times.into_iter().find(|time| *time > 0) {
            return Ok(Some(time));
        }
    }
    Ok(None)
}
