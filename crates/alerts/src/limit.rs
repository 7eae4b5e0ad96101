//! Alerts of a rule in an hour.

use std::collections::VecDeque;

/// Seconds in which the limit counts.
pub(crate) const HOUR: u64 = 3600;
/// Seconds whose alerts are saved together.
const BUCKET: u64 = 600;

/// The newest alerts of a rule: in no hour are there more than its limit.
#[derive(Clone, Debug)]
pub struct Hourly {
    limit: u32,
    /// The times of the alerts in the hour before the last one, at most `limit`.
    times: VecDeque<u64>,
    suppressed: u64,
}

/// The decision on one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is delivered. So many before it were not, since the one that was.
    Deliver {
        /// Alerts that were only counted.
        suppressed: u64,
    },
    /// The limit is reached, and it is only counted.
    Suppress,
}

impl Hourly {
    /// Creates the count of a rule with this limit.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, times: VecDeque::new(), suppressed: 0 }
    }

    /// Sets another limit and keeps the count.
    pub const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Returns the alerts in the hour before `now` as they are saved: their number for each time, in ascending
    /// order. Times are rounded up to ten minutes, so an alert may count that much longer after a restart.
    pub(crate) fn saved(&self, now: u64) -> Vec<(u64, u32)> {
        let mut saved: Vec<(u64, u32)> = Vec::new();
        for time in self.in_hour(now).map(|time| time.div_ceil(BUCKET).saturating_mul(BUCKET)) {
            match saved.last_mut().filter(|(last, _)| *last >= time) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => saved.push((time, 1)),
            }
        }
        saved
    }

    /// Makes the count that was saved, at most `limit` alerts.
    pub(crate) fn restored(limit: u32, suppressed: u64, saved: &[(u64, u32)]) -> Self {
        let times = saved.iter().flat_map(|(time, count)| (0..*count).map(|_| *time));
        Self { limit, times: times.take(limit as usize).collect(), suppressed }
    }

    /// Returns the number of alerts in the hour before `now`.
    pub(crate) fn count(&self, now: u64) -> usize {
        self.in_hour(now).count()
    }

    /// Returns the times in the hour before `now`, as [`Hourly::take`] counts them.
    fn in_hour(&self, now: u64) -> impl Iterator<Item = &u64> {
        self.times.iter().skip_while(move |time| is_over(**time, now))
    }

    /// Returns the number of alerts that were suppressed since the last one that was not.
    pub(crate) const fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Counts alerts that are suppressed whether or not the limit is reached.
    pub const fn suppress(&mut self, count: u64) {
        self.suppressed = self.suppressed.saturating_add(count);
    }

    /// Counts an alert at a time in seconds of any clock that does not go backwards.
    pub fn take(&mut self, now: u64) -> Decision {
        while self.times.pop_front_if(|time| is_over(*time, now)).is_some() {}
        if self.times.len() >= self.limit as usize {
            self.suppress(1);
            return Decision::Suppress;
        }
        self.times.push_back(now);
        Decision::Deliver { suppressed: std::mem::take(&mut self.suppressed) }
    }
}

/// Reports whether an alert at a time counts no more.
const fn is_over(time: u64, now: u64) -> bool {
    time.saturating_add(HOUR) <= now
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_over_the_limit_is_counted() {
        let mut hourly = Hourly::new(2);
        let decisions: Vec<_> =
            [0, 10, 20, 3599, 3600, 3605, 3610].into_iter().map(|now| hourly.take(now)).collect();
        let deliver = |suppressed| Decision::Deliver { suppressed };
        let suppress = Decision::Suppress;
        assert_eq!(
            decisions,
            [deliver(0), deliver(0), suppress, suppress, deliver(2), suppress, deliver(1)]
        );
        hourly.set_limit(3);
        assert_eq!(hourly.take(3611), deliver(0));
    }

    #[test]
    fn a_count_that_is_saved_and_restored_delivers_no_more_than_the_limit() {
        let mut hourly = Hourly::new(4);
        for now in [100, 590, 600, 601, 650] {
            hourly.take(now);
        }
        let saved = hourly.saved(650);
        assert_eq!((&*saved, hourly.suppressed()), (&[(600, 3), (1200, 1)][..], 1));
        let mut restored = Hourly::restored(4, 1, &saved);
        assert_eq!(restored.saved(650), saved, "it is rounded once");
        assert_eq!(restored.take(4199), Decision::Suppress);
        assert_eq!(restored.take(4200), Decision::Deliver { suppressed: 2 });
        assert_eq!(Hourly::restored(2, 0, &[(600, u32::MAX)]).count(600), 2, "its size is bounded");
    }

    #[test]
    fn alerts_whose_hour_is_over_are_not_counted_or_saved() {
        let mut hourly = Hourly::new(4);
        for now in [600, 700, 1_900] {
            hourly.take(now);
        }
        assert_eq!([4_199, 4_200, 4_300, 5_500].map(|now| hourly.count(now)), [3, 2, 1, 0]);
        assert_eq!(hourly.saved(4_200), [(1_200, 1), (2_400, 1)]);
        assert_eq!(hourly.saved(5_500), []);
    }

    proptest! {
        /// No hour has more alerts than the limit, and none is lost from the count.
        #[test]
        fn no_hour_has_more_than_the_limit(
            limit in 1..6_u32,
            pauses in prop::collection::vec(0..2_000_u64, 0..60),
        ) {
            let mut hourly = Hourly::new(limit);
            let (mut now, mut delivered, mut missing) = (0, Vec::new(), 0);
            for pause in &pauses {
                now += pause;
                match hourly.take(now) {
                    Decision::Deliver { suppressed } => {
                        prop_assert_eq!(suppressed, missing);
                        missing = 0;
                        delivered.push(now);
                    }
                    Decision::Suppress => {
                        let recent = delivered.iter().filter(|time| *time + HOUR > now).count();
                        prop_assert_eq!(recent, limit as usize, "suppressed only at the limit");
                        missing += 1;
                    }
                }
            }
            for start in &delivered {
                let hour = *start..*start + HOUR;
                let count = delivered.iter().filter(|time| hour.contains(time)).count();
                prop_assert!(count <= limit as usize);
            }
        }
    }
}
