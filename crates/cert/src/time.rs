//! Times as certificates write them (RFC 5280 section 4.1.2.5, X.680 sections 46 and 47).

use crate::der::tag;

/// 9999-12-31T23:59:59Z in Unix seconds: "no well-defined expiration date" (RFC 5280 section
/// 4.1.2.5).
pub const NO_EXPIRATION: i64 = 253_402_300_799;

/// Reads a UTCTime or GeneralizedTime as Unix seconds (leap seconds not counted).
///
/// DER wants `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`; the other forms of X.680 are read too: no
/// seconds, no minutes (GeneralizedTime), a fraction (dropped), a zone other than `Z`. No zone at
/// all is taken for UTC. `None` is what cannot be a time: the wrong type, other characters, a day
/// that the calendar does not have. Second 60 is allowed.
pub(crate) fn read(tag: u8, contents: &[u8]) -> Option<i64> {
    let mut text = Text(contents);
    let year = match tag {
        // RFC 5280 section 4.1.2.5.1: 50 to 99 are of the twentieth century.
        tag::UTC_TIME => {
            let year = text.pair(99)?;
            year.checked_add(if year < 50 { 2000 } else { 1900 })?
        }
        tag::GENERALIZED_TIME => text.pair(99)?.checked_mul(100)?.checked_add(text.pair(99)?)?,
        _ => return None,
    };
    let day = days(year, text.pair(12)?, text.pair(31)?)?;
    let hour = text.pair(23)?;
    let minute = if tag == tag::UTC_TIME || text.has_digit() { text.pair(59)? } else { 0 };
    let second = if text.has_digit() { text.pair(60)? } else { 0 };
    text.skip_fraction();
    let zone = text.zone()?;
    let of_day = seconds(hour, minute)?.checked_add(second)?;
    day.checked_mul(86_400)?.checked_add(of_day)?.checked_sub(zone)
}

fn seconds(hours: i64, minutes: i64) -> Option<i64> {
    hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(60)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` where there is no such day.
#[allow(clippy::arithmetic_side_effects)] // a year has four digits
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let (before, length) = match month {
        1 => (0, 31),
        2 => (31, 28 + leap),
        3 => (59 + leap, 31),
        4 => (90 + leap, 30),
        5 => (120 + leap, 31),
        6 => (151 + leap, 30),
        7 => (181 + leap, 31),
        8 => (212 + leap, 31),
        9 => (243 + leap, 30),
        10 => (273 + leap, 31),
        11 => (304 + leap, 30),
        12 => (334 + leap, 31),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let past = year - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    // 719,162 days lie between 0001-01-01 and 1970-01-01.
    Some(past * 365 + leap_days + before + day - 1 - 719_162)
}

/// The characters of a time that are not read yet.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn has_digit(&self) -> bool {
        self.0.first().is_some_and(u8::is_ascii_digit)
    }

    /// Two digits that make a number up to `most`.
    fn pair(&mut self, most: i64) -> Option<i64> {
        let [high @ b'0'..=b'9', low @ b'0'..=b'9', rest @ ..] = self.0 else { return None };
        self.0 = rest;
        let digit = |character: u8| i64::from(character & 15);
        let number = digit(*high).checked_mul(10)?.checked_add(digit(*low))?;
        (number <= most).then_some(number)
    }

    fn skip_fraction(&mut self) {
        if let [b'.' | b',', rest @ ..] = self.0 {
            self.0 = rest;
            while let [b'0'..=b'9', rest @ ..] = self.0 {
                self.0 = rest;
            }
        }
    }

    /// Returns the offset of the zone at the end from UTC, in seconds.
    fn zone(&mut self) -> Option<i64> {
        let ahead = match self.0 {
            [] | b"Z" => return Some(0),
            [b'+', ..] => true,
            [b'-', ..] => false,
            _ => return None,
        };
        self.0 = self.0.get(1..)?;
        let offset = seconds(self.pair(23)?, if self.has_digit() { self.pair(59)? } else { 0 })?;
        if !self.0.is_empty() {
            return None;
        }
        if ahead { Some(offset) } else { offset.checked_neg() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_times() {
        let cases: [(&str, Option<i64>); 21] = [
            ("260101000000Z", Some(1_767_225_600)),
            ("2601010000Z", Some(1_767_225_600)),
            ("260101013000+0130", Some(1_767_225_600)),
            ("251231190000-0500", Some(1_767_225_600)),
            ("2512311900-0500", Some(1_767_225_600)),
            ("260101000000", Some(1_767_225_600)),
            ("700101000000Z", Some(0)),
            ("691231235959Z", Some(-1)),
            ("500101000000Z", Some(-631_152_000)),
            ("491231235959Z", Some(2_524_607_999)),
            ("000229000000Z", Some(951_782_400)),
            ("161231235960Z", Some(1_483_228_800)),
            ("010229000000Z", None),
            ("260100000000Z", None),
            ("261301000000Z", None),
            ("260101240000Z", None),
            ("260101000061Z", None),
            ("26010100Z", None),
            ("260101000000Zx", None),
            ("26-1-1", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(read(tag::UTC_TIME, text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn generalized_times() {
        let cases: [(&str, Option<i64>); 14] = [
            ("99991231235959Z", Some(NO_EXPIRATION)),
            ("20500101000000Z", Some(2_524_608_000)),
            ("19690101000000Z", Some(-31_536_000)),
            ("00010101000000Z", Some(-62_135_596_800)),
            ("00000101000000Z", Some(-62_167_219_200)),
            ("00000301000000Z", Some(-62_162_035_200)),
            ("2026010100Z", Some(1_767_225_600)),
            ("202601010000Z", Some(1_767_225_600)),
            ("20260101000000.999Z", Some(1_767_225_600)),
            ("20260101020000,5+0200", Some(1_767_225_600)),
            ("20260101020000+02", Some(1_767_225_600)),
            ("19000229000000Z", None),
            ("2026", None),
            ("20260101000000 Z", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(read(tag::GENERALIZED_TIME, text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = days(0, 1, 1).unwrap();
        for year in 0..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(number) = days(year, month, day) {
                        assert_eq!(number, expected, "{year}-{month}-{day}");
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, NO_EXPIRATION / 86_400 + 1);
    }

    #[test]
    fn other_types_are_no_times() {
        assert_eq!(read(tag::UTF8_STRING, b"260101000000Z"), None);
    }
}
