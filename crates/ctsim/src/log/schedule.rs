//! The times at which the entries of a log appear.

/// The longest span of the entries of the past: 30 days, in ms.
const LONGEST_HISTORY: f64 = 30.0 * 86_400_000.0;

/// The times of a log's entries, which follow from the index alone: those there at the start end at
/// one moment, those that come later begin at another and are evenly spaced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// The number of entries at the start.
    pub(crate) initial_size: u64,
    /// Entries per second that come later.
    pub(crate) rate: f64,
    /// The end of the history, in ms since the Unix epoch.
    pub(crate) history_end: u64,
    /// The start of the growth, in ms since the Unix epoch; not before `history_end`.
    pub(crate) growth_start: u64,
}

impl Schedule {
    /// The timestamp of an entry, in ms since the Unix epoch.
    pub(crate) fn timestamp(&self, index: u64) -> u64 {
        match index.checked_sub(self.initial_size) {
            Some(grown) => {
                self.growth_start.saturating_add(((grown + 1) as f64 * self.step()) as u64)
            }
            None => {
                let step = self.history_step();
                let before = ((self.initial_size - index) as f64 * step) as u64;
                self.history_end.saturating_sub(before)
            }
        }
    }

    /// Returns the number of entries that appear in so many ms of growth.
    pub(crate) fn size_after(&self, elapsed: u64) -> u64 {
        self.initial_size.saturating_add((elapsed as f64 * self.rate / 1000.0) as u64)
    }

    /// Milliseconds between grown entries. A log without a rate gets one entry a ms.
    fn step(&self) -> f64 {
        if self.rate > 0.0 { 1000.0 / self.rate } else { 1.0 }
    }

    fn history_step(&self) -> f64 {
        self.step().min(LONGEST_HISTORY / self.initial_size as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        initial_size: 1_000,
        rate: 50.0,
        history_end: 5_000_000,
        growth_start: 6_000_000,
    };

    #[test]
    fn an_entry_comes_when_its_timestamp_says() {
        for index in [1_000, 1_001, 1_049, 9_999] {
            let elapsed = SCHEDULE.timestamp(index) - SCHEDULE.growth_start;
            assert_eq!(SCHEDULE.size_after(elapsed), index + 1);
            assert_eq!(SCHEDULE.size_after(elapsed - 1), index);
        }
        assert_eq!(SCHEDULE.size_after(0), 1_000);
    }

    #[test]
    fn history_lies_in_the_past_and_never_too_far() {
        assert_eq!(SCHEDULE.timestamp(999), 5_000_000 - 20);
        assert_eq!(SCHEDULE.timestamp(0), 5_000_000 - 20_000);
        let old = Schedule { initial_size: 100_000_000, rate: 0.001, ..SCHEDULE };
        let now = Schedule { history_end: 1_800_000_000_000, ..old };
        assert_eq!(now.timestamp(0), 1_800_000_000_000 - 30 * 86_400_000);
    }
}
