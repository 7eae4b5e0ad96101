//! UTF-8 that arrives in pieces.

/// Checks UTF-8 that arrives in pieces cut anywhere (RFC 3629 section 4), without keeping it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Utf8 {
    /// Continuation bytes still to come for the character begun.
    missing: u8,
    /// The range of the next continuation byte. Narrower than 80..=BF after the lead bytes that
    /// could otherwise begin an overlong form, a surrogate or a value past U+10FFFF.
    low: u8,
    high: u8,
}

impl Utf8 {
    pub(super) const fn new() -> Self {
        Self { missing: 0, low: 0x80, high: 0xBF }
    }

    /// Takes a byte, and reports whether the text is still valid, or the beginning of something valid.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        if self.missing > 0 {
            let fits = (self.low..=self.high).contains(&byte);
            *self = Self { missing: self.missing.saturating_sub(1), ..Self::new() };
            return fits;
        }
        let (missing, low, high) = match byte {
            0x00..=0x7F => (0, 0x80, 0xBF),
            0xC2..=0xDF => (1, 0x80, 0xBF),
            0xE0 => (2, 0xA0, 0xBF),
            0xE1..=0xEC | 0xEE..=0xEF => (2, 0x80, 0xBF),
            0xED => (2, 0x80, 0x9F),
            0xF0 => (3, 0x90, 0xBF),
            0xF1..=0xF3 => (3, 0x80, 0xBF),
            0xF4 => (3, 0x80, 0x8F),
            _ => return false,
        };
        *self = Self { missing, low, high };
        true
    }

    /// Reports whether the text may end here.
    pub(super) const fn is_complete(self) -> bool {
        self.missing == 0
    }
}
