//! The parts of a gzip stream (RFC 1952) besides [`SseGzip`](crate::Framing::SseGzip) chunks.

use crc32fast::Hasher;

/// The header a stream begins with, once per connection (RFC 1952 section 2.3): deflate, nothing
/// optional, no time, an unknown system.
pub const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Most bytes of a stored block.
const MAX_STORED: usize = u16::MAX as usize;

/// An empty stored block that is the last (RFC 1951 section 3.2.4).
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// The CRC-32 and the length, modulo 2^32, of some text. Those of a longer text follow from those
/// of its parts, so that a connection ends its stream properly although it never sees the text of
/// the chunks it writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    crc: u32,
    length: u32,
}

impl Checksum {
    /// Computes the checksum of `text`.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(text);
        Self { crc: hasher.finalize(), length: text.len() as u32 }
    }

    /// Returns the checksum of this text with `next` behind it.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let crc = combine(self.crc, next.crc, next.length);
        Self { crc, length: self.length.wrapping_add(next.length) }
    }

    /// Returns the checksum of what follows the text of `start` in this text, which begins with it.
    #[must_use]
    pub(crate) fn after(self, start: Self) -> Self {
        match self.length.wrapping_sub(start.length) {
            0 => Self::default(),
            length => Self { crc: combine(start.crc, self.crc, length), length },
        }
    }
}

/// Shifts `first` over `length` bytes and adds `second`, which is both how the checksum of a text
/// follows from those of its halves, and that of its second half from the two others.
fn combine(first: u32, second: u32, length: u32) -> u32 {
    let mut hasher = Hasher::new_with_initial(first);
    hasher.combine(&Hasher::new_with_initial_len(second, length.into()));
    hasher.finalize()
}

/// The gzip stream of one connection: what it has sent so far, as its end must state it.
#[derive(Debug, Default)]
pub struct Member(Checksum);

impl Member {
    /// Begins a stream: appends its header to `out`.
    #[must_use]
    pub fn begin(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&HEADER);
        Self::default()
    }

    /// Appends `text` to `out` without compressing it; see [`stored`].
    pub fn store(&mut self, text: &[u8], out: &mut Vec<u8>) {
        stored(text, out);
        self.0 = self.0.then(Checksum::of(text));
    }

    /// Notes that bytes of a reader follow, which inflate to this
    /// ([`Written::inflated`](crate::Written::inflated)).
    pub fn wrote(&mut self, inflated: Checksum) {
        self.0 = self.0.then(inflated);
    }

    /// Appends the last block and the trailer (RFC 1952 section 2.3.1) to `out`. Without them a
    /// client takes the end of the connection for an error. It belongs at the end of a message.
    pub fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&LAST_BLOCK);
        out.extend_from_slice(&self.0.crc.to_le_bytes());
        out.extend_from_slice(&self.0.length.to_le_bytes());
    }
}

/// Appends `bytes` to `out` as stored blocks (RFC 1951 section 3.2.4), for what goes into the
/// stream without having been compressed.
///
/// They belong between chunks, never inside one: they would shift what its later messages refer
/// back to. [`Reader::at_boundary`](crate::Reader::at_boundary) knows.
pub fn stored(bytes: &[u8], out: &mut Vec<u8>) {
    for block in bytes.chunks(MAX_STORED) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0); // not the last block; stored; padded to the byte
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn checksums_of_parts_make_that_of_the_whole(
            text in prop::collection::vec(any::<u8>(), 0..300),
            cuts in (0..301_usize, 0..301_usize),
        ) {
            let (from, to) = (cuts.0.min(cuts.1).min(text.len()), cuts.0.max(cuts.1).min(text.len()));
            let whole = Checksum::of(&text);
            let (start, middle, end) =
                (Checksum::of(&text[..from]), Checksum::of(&text[from..to]), Checksum::of(&text[to..]));
            prop_assert_eq!(start.then(middle).then(end), whole);
            prop_assert_eq!(whole.after(start), middle.then(end));
            prop_assert_eq!(Checksum::of(&text[..to]).after(start), middle);
        }

        #[test]
        fn stored_blocks_come_out_as_they_went_in(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..5),
            long in prop_oneof![Just(0), MAX_STORED - 1..MAX_STORED + 2, Just(3 * MAX_STORED)],
        ) {
            let mut stream = Vec::new();
            let mut member = Member::begin(&mut stream);
            let mut expected = vec![7; long];
            member.store(&expected, &mut stream);
            for part in &parts {
                member.store(part, &mut stream);
                expected.extend_from_slice(part);
            }
            let mut decoder = GzDecoder::new(Vec::new());
            decoder.write_all(&stream).unwrap();
            decoder.flush().unwrap();
            prop_assert_eq!(decoder.get_ref(), &expected);
            let mut end = Vec::new();
            member.end(&mut end);
            decoder.write_all(&end).unwrap();
            prop_assert_eq!(decoder.finish().unwrap(), expected);
        }
    }
}
