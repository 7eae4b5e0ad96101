//! The time that a node is behind its stream.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Ends of the stream that are kept, at most.
const MOST: usize = 256;

/// The ends that the stream had at different times and that this node has not reached, oldest first.
///
/// One of them would not suffice: once it was reached, a node would look up to date that has only read what was
/// there long ago.
#[derive(Debug, Default)]
pub(super) struct Unreached(VecDeque<End>);

#[derive(Debug)]
struct End {
    /// Sequence of the last message.
    last: u64,
    seen: Instant,
}

impl Unreached {
    /// Adds the end that the stream has at this time.
    pub(super) fn see(&mut self, last: u64, now: Instant) {
        for end in &mut self.0 {
            // A stream may lose its end.
            end.last = end.last.min(last);
        }
        self.0.push_back(End { last, seen: now });
        if self.0.len() > MOST {
            self.thin_out(now);
        }
    }

    /// Removes the end whose absence changes the lag least, compared with the lag.
    fn thin_out(&mut self, now: Instant) {
        let age = |end: &End| now.saturating_duration_since(end.seen).as_secs_f64();
        let ages: Vec<f64> = self.0.iter().map(age).collect();
        let steps = ages.iter().zip(ages.iter().skip(2)).map(|(before, after)| after / before);
        // The largest quotient is the smallest step.
        if let Some((index, _)) = steps.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)) {
            self.0.remove(index + 1);
        }
    }

    /// Removes the ends up to a position. Returns the time at which the newest of them was seen.
    pub(super) fn reach(&mut self, position: u64) -> Option<Instant> {
        let reached = self.0.iter().take_while(|end| end.last <= position).count();
        self.0.drain(..reached).next_back().map(|end| end.seen)
    }

    /// Returns the time since the oldest end was seen; zero if all are reached.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        self.0.front().map_or(Duration::ZERO, |end| now.saturating_duration_since(end.seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of a second.
    const RATE: u64 = 100;

    #[test]
    fn a_node_that_reads_too_slowly_falls_behind_steadily() {
        let (start, mut unreached) = (Instant::now(), Unreached::default());
        let mut before = Duration::ZERO;
        for second in 0..=20_000 {
            let now = start + Duration::from_secs(second);
            unreached.see(second * RATE, now);
            let _newest = unreached.reach(second * RATE * 95 / 100);
            let (lag, expected) = (unreached.lag(now), Duration::from_secs(second) / 20);
            assert!(lag >= before, "{second}: {lag:?} after {before:?}");
            assert!(lag <= expected, "{second}: {lag:?}, but it is {expected:?} behind");
            // Ends are further apart, the longer ago they were seen.
            let least = expected.mul_f64(0.9).saturating_sub(Duration::from_secs(1));
            assert!(lag >= least, "{second}: {lag:?}, but it is {expected:?} behind");
            assert!(unreached.0.len() <= MOST);
            before = lag.saturating_sub(expected / 10);
        }
    }

    #[test]
    fn a_node_that_catches_up_after_hours_is_behind_until_the_end() {
        let (start, mut unreached) = (Instant::now(), Unreached::default());
        let hours = 6 * 3_600;
        for second in 0..2 * hours {
            let now = start + Duration::from_secs(second);
            // It stops for hours, and then reads twice as fast as others publish.
            let read = second.saturating_sub(hours) * 2;
            unreached.see(second * RATE, now);
            let _newest = unreached.reach(read * RATE);
            let lag = unreached.lag(now).as_secs_f64();
            let expected = Duration::from_secs(second.saturating_sub(read)).as_secs_f64();
            assert!(lag <= expected && lag >= expected * 0.8 - 1.0, "{second}: {lag} {expected}");
        }
        let now = start + Duration::from_secs(2 * hours);
        assert_eq!(unreached.reach(2 * hours * RATE), Some(now - Duration::from_secs(1)));
        assert_eq!(unreached.lag(now), Duration::ZERO);
    }

    #[test]
    fn ends_that_the_stream_has_lost_are_reached_with_the_new_one() {
        let (start, mut unreached) = (Instant::now(), Unreached::default());
        unreached.see(100, start);
        unreached.see(90, start);
        assert_eq!(unreached.reach(89), None);
        assert_eq!(unreached.reach(90), Some(start));
        assert_eq!(unreached.lag(start + Duration::from_secs(1)), Duration::ZERO);
    }
}
