//! Object identifiers.

use std::fmt::{self, Write};

use crate::text;

/// An object identifier as its contents octets (X.690 section 8.19), without tag and length.
///
/// Two are equal when their octets are; nothing else is asked of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid<'a>(pub &'a [u8]);

impl Oid<'_> {
    /// Writes the dotted form, `1.2.840.113549.1.1.11`. Octets that are no object identifier (none
    /// at all, a last arc cut short, an arc of more than 128 bits) are written as `#` and hex.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write<W: Write>(self, out: &mut W) -> fmt::Result {
        if !self.is_well_formed() {
            out.write_char('#')?;
            return text::write_hex(self.0, text::LOWER, out);
        }
        let mut arcs = Arcs(self.0);
        // X.690 section 8.19.4: the first two arcs share one number.
        let first_two = arcs.next().unwrap_or(0);
        let first = (first_two / 40).min(2);
        text::write_number(first, out)?;
        out.write_char('.')?;
        text::write_number(first_two.saturating_sub(first.saturating_mul(40)), out)?;
        for arc in arcs {
            out.write_char('.')?;
            text::write_number(arc, out)?;
        }
        Ok(())
    }

    fn is_well_formed(self) -> bool {
        let ends = self.0.last().is_some_and(|last| last & 0x80 == 0);
        // 18 groups of 7 bits, and the two bits that 128 have left. An UUID needs them all.
        let fits = |arc: &[u8]| arc.len() < 19 || arc.len() == 19 && arc.first() <= Some(&0x83);
        ends && self.0.split_inclusive(|byte| byte & 0x80 == 0).all(fits)
    }
}

impl fmt::Display for Oid<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(formatter)
    }
}

/// The numbers an identifier is written as: seven bits an octet, the highest first.
struct Arcs<'a>(&'a [u8]);

impl Iterator for Arcs<'_> {
    type Item = u128;

    fn next(&mut self) -> Option<u128> {
        if self.0.is_empty() {
            return None;
        }
        let mut arc = 0;
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            arc = arc << 7 | u128::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(arc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted() {
        let cases: [(&[u8], &str); 10] = [
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "1.2.840.113549.1.1.11"),
            (b"\x55\x04\x03", "2.5.4.3"),
            (b"\x00", "0.0"),
            (b"\x27", "0.39"),
            (b"\x88\x37\x03", "2.999.3"),
            (b"\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x04", "1.3.6.1.4.1.311.10.3.4"),
            (b"\x69\x8f\xff\xff\xff\xff\xff\xff\xff\x7f", "2.25.1152921504606846975"),
            (b"", "#"),
            (b"\x2a\x86", "#2a86"),
            (&[0xff; 19], "#ffffffffffffffffffffffffffffffffffffff"),
        ];
        for (octets, dotted) in cases {
            assert_eq!(Oid(octets).to_string(), dotted);
        }
    }

    #[test]
    fn the_longest_arc() {
        let mut octets = vec![0x69, 0x83];
        octets.extend([0xff; 17]);
        octets.push(0x7f);
        assert_eq!(Oid(&octets).to_string(), format!("2.25.{}", u128::MAX));
        octets[1] = 0x84;
        assert!(Oid(&octets).to_string().starts_with('#'));
    }
}
