//! Segments whose index could not be made, and the time at which that is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::format::SegmentName;

/// Pause after the first failure. It doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: each attempt reads the whole segment.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Segments whose index could not be made, and the time at which that is tried again.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<SegmentName, Failure>);

#[derive(Clone, Copy, Debug, Default)]
struct Failure {
    pause: Duration,
    /// By the monotonic clock.
    until: Duration,
}

impl Failures {
    /// Reports whether the index of a segment may be made now.
    pub(super) fn is_due(&self, segment: SegmentName, now: Duration) -> bool {
        self.0.get(&segment).is_none_or(|failure| failure.until <= now)
    }

    /// Notes a failure.
    pub(super) fn note(&mut self, segment: SegmentName, now: Duration) {
        let failure = self.0.entry(segment).or_default();
        failure.pause = failure.pause.saturating_mul(2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        failure.until = now.saturating_add(failure.pause);
    }

    /// Forgets the failures of a segment.
    pub(super) fn forget(&mut self, segment: SegmentName) {
        self.0.remove(&segment);
    }

    /// Forgets the failures of segments that are no longer kept.
    pub(super) fn retain(&mut self, is_kept: impl Fn(SegmentName) -> bool) {
        self.0.retain(|name, _| is_kept(*name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_each_failure_of_a_segment_up_to_the_longest_one() {
        let [one, other] = [1, 2].map(|first| SegmentName { first, attempt: 0 });
        let mut failures = Failures::default();
        let mut now = Duration::from_secs(5);
        for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].map(Duration::from_secs) {
            failures.note(one, now);
            assert!(!failures.is_due(one, now + pause - Duration::from_millis(1)), "{pause:?}");
            now += pause;
            assert!(failures.is_due(one, now), "{pause:?}");
            assert!(failures.is_due(other, Duration::ZERO));
        }
        failures.note(one, now);
        failures.forget(one);
        failures.note(other, now);
        failures.retain(|name| name == one);
        assert!(failures.is_due(one, now) && failures.is_due(other, now));
    }
}
