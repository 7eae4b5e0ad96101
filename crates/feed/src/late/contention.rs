//! The time that a thread waits for a core while it could run, as the Linux scheduler counts it.

use std::fs;
use std::time::Duration;

/// Work in a thread that waited for a core for more than this part of its time is under contention.
const PART: u32 = 8;

/// The file with the thread's time on a core, and its time waiting for one, both in nanoseconds.
const SCHEDULED: &str = "/proc/thread-self/schedstat";

/// A measurement of how long the calling thread waits for a core.
#[derive(Debug)]
pub(super) struct Contention {
    /// The time waited when it began; none where the system does not report it.
    before: Option<Duration>,
}

impl Contention {
    /// Begins to measure.
    pub(super) fn begin() -> Self {
        Self { before: waited() }
    }

    /// Reports whether the thread, which must be the one that began, had to wait for a core during
    /// `work`, or nothing is known about it.
    pub(super) fn is_felt(&self, work: Duration) -> bool {
        let waited = self.before.zip(waited());
        waited.is_none_or(|(before, after)| is_much(after.saturating_sub(before), work))
    }
}

/// Reports whether a wait for a core is more than its part of the time of the work.
fn is_much(waited: Duration, work: Duration) -> bool {
    waited > work / PART
}

fn waited() -> Option<Duration> {
    parse(&fs::read_to_string(SCHEDULED).ok()?)
}

fn parse(text: &str) -> Option<Duration> {
    text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_a_core_is_the_second_number() {
        assert_eq!(parse("2317428 4393719 12\n"), Some(Duration::from_nanos(4_393_719)));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn work_is_under_contention_if_it_waited_for_an_eighth_of_its_time_or_nothing_is_known() {
        let second = Duration::from_secs(1);
        assert!(is_much(Duration::from_millis(126), second));
        assert!(!is_much(Duration::from_millis(125), second));
        assert!(!is_much(Duration::ZERO, Duration::ZERO));
        assert!(Contention { before: None }.is_felt(Duration::MAX));
        let Some(now) = waited() else { return println!("skipped: no {SCHEDULED}") };
        // A new thread may never have waited, and one under load waits again and again.
        let hour = Duration::from_secs(3600);
        assert!(!Contention { before: Some(now) }.is_felt(hour));
        let before_it_waited = now.checked_sub(Duration::from_nanos(1));
        if before_it_waited.is_some() {
            assert!(Contention { before: before_it_waited }.is_felt(Duration::ZERO));
        }
    }
}
