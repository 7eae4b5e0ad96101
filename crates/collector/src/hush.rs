//! Log lines that a server could cause without end: few in an interval, the others are counted.

/// Lines of one kind that are logged in an interval.
const LINES: u32 = 5;
/// The interval, in milliseconds.
const INTERVAL: u64 = 10_000;

/// Decides which lines of one kind are logged.
#[derive(Debug, Default)]
pub(crate) struct Hush {
    /// When the interval began, ms since the Unix epoch.
    began: Option<u64>,
    logged: u32,
    suppressed: u64,
}

/// The permission to log a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Lines that were suppressed before this one; none where there were none.
    pub(crate) suppressed: Option<u64>,
}

impl Hush {
    /// Counts a line at `now`, ms since the Unix epoch; none where it must not be logged.
    pub(crate) fn line(&mut self, now: u64) -> Option<Line> {
        if self.began.is_none_or(|began| now.abs_diff(began) >= INTERVAL) {
            (self.began, self.logged) = (Some(now), 0);
        }
        if self.logged == LINES {
            self.suppressed += 1;
            return None;
        }
        self.logged += 1;
        let suppressed = std::mem::take(&mut self.suppressed);
        Some(Line { suppressed: (suppressed > 0).then_some(suppressed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_lines_in_an_interval_and_the_others_are_counted() {
        let mut hush = Hush::default();
        let logged = (0..1_000).filter_map(|now| hush.line(now)).count();
        assert_eq!(logged, 5);
        assert_eq!(hush.line(INTERVAL), Some(Line { suppressed: Some(995) }));
        assert_eq!(hush.line(INTERVAL + 1), Some(Line { suppressed: None }));
        // A clock that is set back does not silence anything for good.
        assert_eq!(hush.line(0).map(|line| line.suppressed), Some(None));
    }
}
