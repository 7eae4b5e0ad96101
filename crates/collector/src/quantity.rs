//! Sizes and durations as people write them: `512MB`, `1GiB`, `90s`, `1h30m`, `7d`.

use std::time::Duration;

/// A text that is not a size or not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a size.
    #[error(
        "{0:?} is not a size; write bytes or a number with kB, MB, GB, TB, KiB, MiB, GiB or TiB"
    )]
    Size(String),
    /// Not a duration.
    #[error("{0:?} is not a duration; write numbers with ms, s, m, h or d, as in 30s or 1h30m")]
    Duration(String),
}

const SIZES: [(&str, u64); 13] = [
    ("tib", 1 << 40),
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("tb", 1_000_000_000_000),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("t", 1 << 40),
    ("g", 1 << 30),
    ("k", 1 << 10),
    ("b", 1),
    ("", 1),
];

/// Reads a size in bytes. The short forms do not include `M`, which could mean minutes.
///
/// # Errors
///
/// If it is not a size, or does not fit in 64 bits.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    let wrong = || QuantityError::Size(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = lower.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = SIZES.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    number.checked_mul(unit.1).ok_or_else(wrong)
}

const DURATIONS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a duration of one or more numbers with units.
///
/// # Errors
///
/// If it is not a duration, or is longer than 64 bits of milliseconds.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let wrong = || QuantityError::Duration(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let mut rest = lower.as_str();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = after.split_at_checked(letters).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = DURATIONS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let part = number.checked_mul(unit.1).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = next;
    }
    if lower.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_units_of_bytes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1000", Some(1_000)),
            ("512MB", Some(512_000_000)),
            ("1 GiB", Some(1 << 30)),
            ("3k", Some(3 << 10)),
            ("7b", Some(7)),
            ("", None),
            ("MB", None),
            ("1.5GB", None),
            ("1h", None),
            ("5M", None),
            ("-1", None),
            ("99999999TB", None),
            ("1é", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_numbers_with_units_of_time() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("7d", Some(604_800_000)),
            ("250ms", Some(250)),
            ("0s", Some(0)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1w", None),
            ("1h-2m", None),
            ("999999999999999999d", None),
            ("1h é", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
    }
}
