//! A limit on log lines that a server could cause without end: few in an interval, the others are
//! counted.

/// Lines of one kind that are logged in an interval.
const LINES: u32 = 5;
/// The interval, in milliseconds.
const INTERVAL: u64 = 10_000;

/// Decides which lines of one kind are logged.
#[derive(Debug, Default)]
pub struct LogLimit {
    /// The begin of the interval, ms since the Unix epoch.
    began: Option<u64>,
    logged: u32,
    suppressed: u64,
}

/// The permission to log a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    /// Number of lines suppressed before this one; none if there were none.
    pub suppressed: Option<u64>,
}

impl LogLimit {
    /// Counts a line at `now`, ms since the Unix epoch. Returns none if it must not be logged.
    pub fn permit(&mut self, now: u64) -> Option<Permit> {
        if self.began.is_none_or(|began| now.abs_diff(began) >= INTERVAL) {
            (self.began, self.logged) = (Some(now), 0);
        }
        if self.logged == LINES {
            self.suppressed += 1;
            return None;
        }
        self.logged += 1;
        let suppressed = std::mem::take(&mut self.suppressed);
        Some(Permit { suppressed: (suppressed > 0).then_some(suppressed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_suppressed_and_counted() {
        let mut limit = LogLimit::default();
        let logged = (0..1_000).filter_map(|now| limit.permit(now)).count();
        assert_eq!(logged, 5);
        assert_eq!(limit.permit(INTERVAL), Some(Permit { suppressed: Some(995) }));
        assert_eq!(limit.permit(INTERVAL + 1), Some(Permit { suppressed: None }));
        // A clock that is set back suppresses nothing permanently.
        assert_eq!(limit.permit(0).map(|permit| permit.suppressed), Some(None));
    }
}
