//! The pauses between attempts.

use std::time::Duration;

use super::receiver::Outcome;

/// The settings of repeated attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The first pause, which doubles with each failure.
    pub first: Duration,
    /// The longest pause, unless the receiver asks for a longer one.
    pub longest: Duration,
    /// Time from the match on after which an alert is given up.
    pub give_up: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(300),
            give_up: Duration::from_secs(24 * 3600),
        }
    }
}

/// The step after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The alert has arrived.
    Done,
    /// The next attempt follows after a pause.
    Pause(Duration),
    /// There is no next attempt.
    GiveUp,
}

/// The attempts for one alert. It has no clock: time is passed in.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: u32,
}

impl Attempts {
    /// Returns the number of attempts that failed.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the step after an attempt that ended this long after the alert was matched.
    pub(super) fn after(&mut self, outcome: &Outcome, retries: &Retries, time: Duration) -> Step {
        if *outcome == Outcome::Accepted {
            return Step::Done;
        }
        let pause = retries.first.saturating_mul(1 << self.failures.min(20)).min(retries.longest);
        self.failures = self.failures.saturating_add(1);
        let Outcome::Later { after, .. } = outcome else { return Step::GiveUp };
        if time >= retries.give_up {
            return Step::GiveUp;
        }
        // The last attempt is at the end, not long after it.
        Step::Pause(pause.max(after.unwrap_or_default()).min(retries.give_up.saturating_sub(time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(after: Option<u64>) -> Outcome {
        Outcome::Later { reason: String::new(), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn pauses_double_and_last_as_long_as_the_receiver_asks() {
        let (mut attempts, retries) = (Attempts::default(), Retries::default());
        let mut pause = |after| match attempts.after(&later(after), &retries, Duration::ZERO) {
            Step::Pause(pause) => pause.as_secs(),
            step => panic!("{step:?}"),
        };
        let pauses: Vec<_> = (0..11).map(|_| pause(None)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!((pause(Some(2000)), pause(Some(5))), (2000, 300));
    }

    /// A receiver that is down for an hour gets its alert; one that is down for two days does not.
    #[test]
    fn an_outage_shorter_than_a_day_costs_no_alert() {
        let retries = Retries::default();
        for (hours, expected) in [(1, Step::Done), (23, Step::Done), (48, Step::GiveUp)] {
            let (mut attempts, mut time) = (Attempts::default(), Duration::ZERO);
            let end = loop {
                let is_up = time >= Duration::from_secs(hours * 3600);
                let outcome = if is_up { Outcome::Accepted } else { later(None) };
                match attempts.after(&outcome, &retries, time) {
                    Step::Pause(pause) => time += pause,
                    end => break end,
                }
            };
            assert_eq!(end, expected, "{hours} hours");
            assert!(time <= Duration::from_secs(hours * 3600 + 300).min(retries.give_up));
        }
    }

    #[test]
    fn refused_alerts_are_given_up_at_once() {
        let refused = Outcome::Refused { reason: String::new() };
        let mut attempts = Attempts::default();
        let step = attempts.after(&refused, &Retries::default(), Duration::ZERO);
        assert_eq!((step, attempts.failures()), (Step::GiveUp, 1));
    }
}
