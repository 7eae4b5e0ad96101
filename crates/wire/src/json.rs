//! JSON text (RFC 8259), written straight into a buffer.
//!
//! There is no state besides the buffer: a comma is due unless an object or an array has just been
//! opened, and the last byte tells. (No value ends in `{` or `[`; strings end in a quote.)

use std::fmt::{self, Write};

use cert::text;

/// A member's name with its quotes and its colon, as [`key!`] makes it.
pub(crate) type Key = &'static str;

/// The name of a member, ready to be written.
macro_rules! key {
    ($name:literal) => {
        concat!("\"", $name, "\":")
    };
}
pub(crate) use key;

/// A place to write JSON to.
pub(crate) struct Json<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Json<'o> {
    pub(crate) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Returns the length of the buffer. See [`truncate`](Self::truncate).
    pub(crate) const fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written since the buffer had this length.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
    }

    /// Writes JSON that is ready.
    pub(crate) fn raw(&mut self, json: impl AsRef<[u8]>) {
        self.out.extend_from_slice(json.as_ref());
    }

    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        members(self);
        self.out.push(b'}');
    }

    pub(crate) fn array(&mut self, items: impl FnOnce(&mut Self)) {
        self.out.push(b'[');
        items(self);
        self.out.push(b']');
    }

    /// Starts a member of an object; its value is to follow.
    pub(crate) fn key(&mut self, key: Key) {
        self.item();
        self.raw(key);
    }

    /// Starts an item of an array; its value is to follow.
    pub(crate) fn item(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    pub(crate) fn null(&mut self) {
        self.raw("null");
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.written(|out| out.write_str(text));
    }

    /// A string, or `null` for none.
    pub(crate) fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    /// A string made of all that `write` writes.
    pub(crate) fn written(&mut self, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
        self.out.push(b'"');
        self.unquoted(write);
        self.out.push(b'"');
    }

    /// The standard base64 of `bytes` (RFC 4648 section 4), as a string.
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        base64_simd::STANDARD.encode_append(bytes, self.out);
        self.out.push(b'"');
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.unquoted(|out| text::write_number(number.into(), out));
    }

    pub(crate) fn signed(&mut self, number: i64) {
        if number < 0 {
            self.out.push(b'-');
        }
        self.number(number.unsigned_abs());
    }

    /// Milliseconds as seconds, always with a fraction: `1708483726.594`, `1708483726.0`.
    pub(crate) fn seconds(&mut self, milliseconds: u64) {
        self.number(milliseconds / 1000);
        self.out.push(b'.');
        let [mut rest, mut unit] = [milliseconds % 1000, 100];
        loop {
            self.number(rest / unit);
            rest %= unit;
            unit /= 10;
            if rest == 0 {
                break;
            }
        }
    }

    /// Appends the output of `write`, escaped but without quotes.
    pub(crate) fn unquoted(&mut self, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
        // A buffer takes whatever is written to it, so there is no error to come.
        write(&mut Escaped { out: self.out }).unwrap_or(());
    }
}

/// The inside of a string: whatever is written is escaped on its way.
pub(crate) struct Escaped<'o> {
    out: &'o mut Vec<u8>,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let bytes = text.as_bytes();
        // Looking at all bytes at once is what the compiler can do sixteen at a time.
        if bytes.iter().fold(false, |found, byte| found | must_be_escaped(*byte)) {
            self.escape(bytes);
        } else {
            self.out.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl Escaped<'_> {
    fn escape(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| must_be_escaped(*byte)) {
            let (clean, tail) = rest.split_at(at);
            self.out.extend_from_slice(clean);
            let [byte, after @ ..] = tail else { return };
            self.escape_byte(*byte);
            rest = after;
        }
        self.out.extend_from_slice(rest);
    }

    fn escape_byte(&mut self, byte: u8) {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                self.out.extend_from_slice(b"\\u00");
                // Digits need no escape, and a buffer takes whatever is written to it.
                return text::write_hex(&[byte], text::LOWER, self).unwrap_or(());
            }
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }
}

/// RFC 8259 section 7: quotation mark, reverse solidus, and the control characters below U+0020.
const fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(write: impl FnOnce(&mut Json<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Json::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_json_requires_is_escaped() {
        let cases = [
            ("plain /<&>'", "\"plain /<&>'\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("\n\r\t\u{8}\u{c}", "\"\\n\\r\\t\\b\\f\""),
            ("\0\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\""),
            ("Bücher\u{2028}😀", "\"Bücher\u{2028}😀\""),
            ("", "\"\""),
        ];
        for (text, expected) in cases {
            assert_eq!(json(|json| json.string(text)), expected);
        }
    }

    #[test]
    fn seconds() {
        let cases = [
            (0, "0.0"),
            (1, "0.001"),
            (10, "0.01"),
            (100, "0.1"),
            (1_708_483_726_594, "1708483726.594"),
            (1_708_483_726_000, "1708483726.0"),
            (1_779_299_687_570, "1779299687.57"),
            (1_700_000_000_007, "1700000000.007"),
            (u64::MAX, "18446744073709551.615"),
        ];
        for (milliseconds, expected) in cases {
            assert_eq!(json(|json| json.seconds(milliseconds)), expected);
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(json(|json| json.number(u64::MAX)), "18446744073709551615");
        assert_eq!(json(|json| json.signed(i64::MIN)), "-9223372036854775808");
        assert_eq!(json(|json| json.signed(253_402_300_799)), "253402300799");
    }

    #[test]
    fn commas() {
        let text = json(|json| {
            json.object(|json| {
                json.key(key!("a"));
                json.array(|json| {
                    json.item();
                    json.string("[");
                    json.item();
                    json.string("{");
                });
                json.key(key!("b"));
                json.object(|_| {});
                json.key(key!("c"));
                json.null();
            });
        });
        assert_eq!(text, r#"{"a":["[","{"],"b":{},"c":null}"#);
    }

    #[test]
    fn base64_is_standard_and_padded() {
        assert_eq!(json(|json| json.base64(b"\xfb\xff\xfe\x00")), "\"+//+AA==\"");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let written = json(|json| json.string(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }

        #[test]
        fn any_time_comes_back(milliseconds in 0_u64..(1 << 50)) {
            let written = json(|json| json.seconds(milliseconds));
            prop_assert!(written.contains('.') && !written.contains(['e', 'E']));
            let seconds: f64 = written.parse().unwrap();
            prop_assert_eq!((seconds * 1000.0).round() as u64, milliseconds);
        }
    }
}
