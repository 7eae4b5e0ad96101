//! Times in requests: RFC 3339 or Unix seconds.

use jiff::Timestamp;

/// Reads a time as milliseconds since 1970; an earlier one counts as 1970. The error is the answer to
/// the client.
pub(in crate::http) fn parse(name: &str, text: &str) -> Result<u64, String> {
    let time = unix(text).or_else(|| rfc3339(text));
    time.ok_or_else(|| {
        format!(
            "{name}: {text:?} is not a time; give RFC 3339, such as 2026-11-29T22:30:00Z, or Unix \
             seconds\n"
        )
    })
}

/// Reads seconds, perhaps with a fraction, of which three digits count.
fn unix(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    let millis: String = fraction.chars().chain(['0', '0', '0']).take(3).collect();
    seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(millis.parse().ok()?)
}

fn rfc3339(text: &str) -> Option<u64> {
    // In a query string, the plus sign of an offset stands for a space.
    let plus = || text.rsplit_once(' ').map(|(time, offset)| format!("{time}+{offset}"));
    let time: Timestamp = text.parse().ok().or_else(|| plus()?.parse().ok())?;
    Some(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_and_unix_seconds_are_times() {
        for (text, millis) in [
            ("1780000000", 1_780_000_000_000),
            ("1780000000.5", 1_780_000_000_500),
            ("1780000000.123456", 1_780_000_000_123),
            ("0", 0),
            ("2026-05-28T20:26:40Z", 1_780_000_000_000),
            ("2026-05-28t20:26:40.250z", 1_780_000_000_250),
            ("2026-05-28T22:26:40+02:00", 1_780_000_000_000),
            ("2026-05-28T22:26:40 02:00", 1_780_000_000_000),
            ("2026-05-28 20:26:40Z", 1_780_000_000_000),
            ("1960-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(parse("since_time", text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "yesterday",
            "",
            "-5",
            "1e9",
            "1780000000.",
            ".5",
            "2026-05-28",
            "20:26",
            "99999999999999999999",
        ] {
            let problem = parse("since_time", text).unwrap_err();
            assert!(
                problem.starts_with(&format!("since_time: {text:?} is not a time; give RFC 3339"))
            );
        }
    }
}
