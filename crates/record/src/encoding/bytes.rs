//! The elements that messages are made of: numbers, lengths, texts, hashes.

use super::{DecodeError, EncodeError};

/// Appends elements to a message.
#[derive(Debug)]
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn uint(&mut self, value: u64) {
        let mut rest = value;
        while rest >= 0x80 {
            self.out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.out.push((rest & 0x7f) as u8);
    }

    /// Writes `value` as a difference to `base`.
    pub(super) fn delta(&mut self, value: u64, base: u64) {
        let difference = value.wrapping_sub(base).cast_signed();
        self.uint(((difference << 1) ^ (difference >> 63)).cast_unsigned());
    }

    /// Writes the count of a list, which has a bound.
    pub(super) fn count(
        &mut self,
        length: usize,
        most: usize,
        what: &'static str,
    ) -> Result<(), EncodeError> {
        if length > most {
            return Err(EncodeError::TooLarge { what, length, most });
        }
        self.uint(length as u64);
        Ok(())
    }

    pub(super) fn bytes(
        &mut self,
        bytes: &[u8],
        most: usize,
        what: &'static str,
    ) -> Result<(), EncodeError> {
        self.count(bytes.len(), most, what)?;
        self.raw(bytes);
        Ok(())
    }
}

/// Takes elements from a message.
#[derive(Debug)]
pub(super) struct Reader<'i> {
    rest: &'i [u8],
}

impl<'i> Reader<'i> {
    pub(super) const fn new(input: &'i [u8]) -> Self {
        Self { rest: input }
    }

    /// Ends the message.
    pub(super) const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.rest.len())) }
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn raw(
        &mut self,
        length: usize,
        what: &'static str,
    ) -> Result<&'i [u8], DecodeError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn uint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                break;
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || shift == 0;
                return if is_shortest { Ok(value) } else { Err(DecodeError::Number(what)) };
            }
        }
        Err(DecodeError::Number(what))
    }

    /// Reads a difference and adds it to `base`.
    pub(super) fn delta(&mut self, base: u64, what: &'static str) -> Result<u64, DecodeError> {
        let zigzag = self.uint(what)?;
        let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        Ok(base.wrapping_add(difference))
    }

    /// Reads a count or length and checks its bound.
    pub(super) fn count(&mut self, most: usize, what: &'static str) -> Result<usize, DecodeError> {
        let length = self.uint(what)?;
        let too_large = DecodeError::TooLarge { what, length, most: most as u64 };
        usize::try_from(length).ok().filter(|length| *length <= most).ok_or(too_large)
    }

    pub(super) fn bytes(
        &mut self,
        most: usize,
        what: &'static str,
    ) -> Result<&'i [u8], DecodeError> {
        let length = self.count(most, what)?;
        self.raw(length, what)
    }

    pub(super) fn text(&mut self, most: usize, what: &'static str) -> Result<String, DecodeError> {
        let bytes = self.bytes(most, what)?;
        str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Text(what))
    }

    /// Reads a list. It grows with the elements that are there, whatever their count claims.
    pub(super) fn list<T>(
        &mut self,
        most: usize,
        what: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(most, what)?;
        // Every element has at least one byte.
        if count > self.rest.len() {
            return Err(DecodeError::Truncated(what));
        }
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        list.shrink_to_fit();
        Ok(list)
    }
}
