//! Offsets at the begin of a term.

use std::time::Duration;

use record::MAX_OFFSET;

/// Entries that may be shown and lost with the end of a stream, at most.
pub const MAX_LOST: u64 = 1 << 24;
/// Seconds from 1970 to 2100.
const YEAR_2100: u64 = 4_102_444_800;

/// Returns the first offset of a term, one that cannot have been given before although the stream may
/// have lost its end. `next` is the next offset of the fold, `min` the lowest one that the caller
/// allows, `newest` the latest time in milliseconds at which an entry is known to have been seen.
#[must_use]
pub fn first_offset(next: u64, min: u64, newest: u64, now: Duration) -> u64 {
    let is_plausible = now >= Duration::from_millis(newest) && now < Duration::from_secs(YEAR_2100);
    let micros = u64::try_from(now.as_micros()).unwrap_or_default();
    let by_clock = if is_plausible { micros } else { 0 };
    next.max(min).saturating_add(MAX_LOST).max(by_clock).min(MAX_OFFSET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_begins_beyond_everything_that_may_be_lost() {
        let seen = 1_700_000_000_000;
        let next = seen * 1000;
        let later = Duration::from_millis(seen + 60_000);
        assert_eq!(first_offset(next, 0, seen, later), next + 60_000_000);
        let soon = Duration::from_millis(seen + 1_000);
        assert_eq!(first_offset(next, 0, seen, soon), next + MAX_LOST);
        assert_eq!(first_offset(next, next + 5, seen, soon), next + 5 + MAX_LOST);
    }

    #[test]
    fn a_clock_that_is_wrong_does_not_count() {
        let (seen, next) = (1_700_000_000_000, 10);
        for now in [Duration::ZERO, Duration::from_secs(YEAR_2100)] {
            assert_eq!(first_offset(next, 0, seen, now), next + MAX_LOST);
        }
    }
}
