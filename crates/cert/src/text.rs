//! The dialects of certstream, and the small text forms they share.
//!
//! Every form is written through [`core::fmt::Write`], so that a caller can escape it for its own
//! format on the way and no string is built in between.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::Range;

/// The conventions of a text form, where the certstream servers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// CaliDog's certstream-server: what public clients parse. Its losses are repaired: all
    /// policies and distribution points are listed, names stay in the order of the certificate.
    Calidog,
    /// certstream-server-go.
    Go,
    /// certstream-server-rust.
    Rust,
}

/// Hexadecimal digits, lower case.
pub const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Hexadecimal digits, upper case.
pub const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Writes two digits for each byte.
///
/// # Errors
/// Those of `out`.
pub fn write_hex<W: Write>(bytes: &[u8], digits: &[u8; 16], out: &mut W) -> fmt::Result {
    bytes.chunks(32).try_for_each(|chunk| {
        let mut buffer = [[0; 2]; 32];
        for (pair, byte) in buffer.iter_mut().zip(chunk) {
            *pair = hex(*byte, digits);
        }
        write_ascii(buffer.as_flattened(), 0..chunk.len().saturating_mul(2), out)
    })
}

/// Writes two digits for each byte and a colon between bytes, as fingerprints are written.
///
/// # Errors
/// Those of `out`.
pub fn write_colon_hex<W: Write>(bytes: &[u8], digits: &[u8; 16], out: &mut W) -> fmt::Result {
    bytes.chunks(32).zip(0..).try_for_each(|(chunk, index)| {
        let mut buffer = [[0; 3]; 32];
        for (triple, byte) in buffer.iter_mut().zip(chunk) {
            let [high, low] = hex(*byte, digits);
            *triple = [b':', high, low];
        }
        let start = usize::from(index == 0);
        write_ascii(buffer.as_flattened(), start..chunk.len().saturating_mul(3), out)
    })
}

/// Writes a number in decimal.
///
/// # Errors
/// Those of `out`.
pub fn write_number<W: Write>(number: u128, out: &mut W) -> fmt::Result {
    let Ok(mut small) = u64::try_from(number) else { return write!(out, "{number}") };
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        // A digit is below 10, so the cast cannot cut it.
        #[allow(clippy::cast_possible_truncation)]
        let last = (small % 10) as u8;
        *digit = b'0' | last;
        start = start.saturating_sub(1);
        small /= 10;
        if small == 0 {
            break;
        }
    }
    write_ascii(&digits, start..digits.len(), out)
}

/// Returns bytes as UTF-8, with U+FFFD for what is not.
#[must_use]
pub fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    // Nearly all text is valid, and checking that alone is quicker.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Writes bytes as UTF-8, with U+FFFD for what is not.
///
/// # Errors
/// Those of `out`.
pub fn write_utf8<W: Write>(bytes: &[u8], out: &mut W) -> fmt::Result {
    out.write_str(&utf8(bytes))
}

fn hex(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    let digit = |index: u8| digits.get(usize::from(index)).copied().unwrap_or_default();
    [digit(byte >> 4), digit(byte & 15)]
}

/// Writes a part of a buffer that holds nothing but ASCII.
fn write_ascii<W: Write>(buffer: &[u8], part: Range<usize>, out: &mut W) -> fmt::Result {
    let ascii = buffer.get(part).unwrap_or_default();
    out.write_str(std::str::from_utf8(ascii).unwrap_or_default())
}

/// Puts a separator before every item but the first.
pub(crate) struct Joined<'o, W> {
    out: &'o mut W,
    separator: &'static str,
    first: bool,
}

impl<'o, W: Write> Joined<'o, W> {
    pub(crate) fn new(out: &'o mut W, separator: &'static str) -> Self {
        Self { out, separator, first: true }
    }

    /// The place to write the next item to.
    pub(crate) fn item(&mut self) -> Result<&mut W, fmt::Error> {
        if !std::mem::take(&mut self.first) {
            self.out.write_str(self.separator)?;
        }
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
        let mut out = String::new();
        write(&mut out).unwrap();
        out
    }

    #[test]
    fn hex() {
        assert_eq!(text(|out| write_hex(&[0x0f, 0xdb], UPPER, out)), "0FDB");
        assert_eq!(text(|out| write_hex(&[], UPPER, out)), "");
        assert_eq!(text(|out| write_colon_hex(&[], LOWER, out)), "");
        assert_eq!(text(|out| write_colon_hex(&[0xab], LOWER, out)), "ab");
        assert_eq!(text(|out| write_colon_hex(&[0xb0, 0x21, 0x1a], UPPER, out)), "B0:21:1A");
    }

    #[test]
    fn long_hex_has_every_colon() {
        for length in [31_usize, 32, 33, 64, 65, 100] {
            let bytes = vec![0x5a; length];
            let expected = vec!["5a"; length].join(":");
            assert_eq!(text(|out| write_colon_hex(&bytes, LOWER, out)), expected);
        }
    }

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 311, u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX] {
            assert_eq!(text(|out| write_number(number, out)), number.to_string());
        }
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(text(|out| write_utf8("Bücher".as_bytes(), out)), "Bücher");
        assert_eq!(text(|out| write_utf8(b"B\xfccher\xe2\x82", out)), "B\u{fffd}cher\u{fffd}");
    }

    #[test]
    fn joined() {
        let joined = text(|out| {
            let mut list = Joined::new(out, ", ");
            list.item()?.write_str("a")?;
            list.item()?.write_str("b")
        });
        assert_eq!(joined, "a, b");
    }
}
