//! Fixed times between requests, as configured by operator.

use std::time::Duration;

/// The configured fixed time between two requests to a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    /// For every host; zero for none.
    pub default: Duration,
    /// For the hosts of these operators instead. Case and punctuation of names do not matter.
    pub by_operator: Vec<(String, Duration)>,
}

impl Intervals {
    pub(super) fn of(&self, operator: &str) -> Duration {
        let wanted = plain(operator);
        let named = self.by_operator.iter().find(|(name, _)| plain(name) == wanted);
        named.map_or(self.default, |(_, interval)| *interval)
    }
}

/// Returns a name's letters and digits, in lower case.
#[must_use]
pub fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_match_operators_without_case_and_punctuation() {
        let (default, special) = (Duration::from_millis(25), Duration::from_secs(1));
        let by_operator = vec![("lets-encrypt".to_owned(), special)];
        let intervals = Intervals { default, by_operator };
        assert_eq!(intervals.of("Let's Encrypt"), special);
        assert_eq!(intervals.of("Google"), default);
    }
}
