//! The content of messages: a batch, the begin of a term, or a checkpoint.
//!
//! | bytes | |
//! |---|---|
//! | `u8` | kind: 1 batch, 2 begin, 3 checkpoint |
//! | `[8]` | id of the stream |
//! | `u64` | entries published in the stream before it |
//! | `u64` | the offset after the last of them, 0 if there is none |
//! | `u64` | the latest time at which one of them was seen, in milliseconds since 1970 |
//! | `u32` | length of a message of [`record::encoding`] |
//! | rest | that message, compressed with zstd |
//!
//! Numbers are little-endian. The first bytes tell a search where it is, so that it need not decompress
//! what it passes.

use std::cell::RefCell;

use bytes::Bytes;
use record::StreamId;
use record::encoding::Kind;
use zstd::bulk::Decompressor;

use super::MAX_PLAIN;
use super::totals::Totals;

/// The fastest level that still finds what certificates have in common.
const LEVEL: i32 = 1;

thread_local! {
    /// Making one takes longer than it takes to decompress most messages.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The beginning of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) kind: Kind,
    pub(crate) stream: StreamId,
    /// The totals before it.
    pub(crate) before: Totals,
}

impl Outline {
    /// Bytes of an outline.
    const BYTES: usize = 9 + Totals::BYTES;

    /// Makes a content of an encoded message. `None` if that is larger than [`MAX_PLAIN`].
    pub(super) fn wrap(&self, plain: &[u8]) -> Option<Bytes> {
        let compressed = compress(plain)?;
        let mut content = Vec::with_capacity(compressed.len().saturating_add(Self::BYTES));
        content.push(self.kind as u8);
        content.extend_from_slice(self.stream.as_str().as_bytes());
        self.before.write(&mut content);
        content.extend_from_slice(&compressed);
        Some(content.into())
    }

    /// Reads the outline of a content, of which its first part suffices, and returns the compressed
    /// message after it.
    pub(crate) fn read(content: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = content.split_first()?;
        let kind = match kind {
            1 => Kind::Batch,
            2 => Kind::Begin,
            3 => Kind::Checkpoint,
            _ => return None,
        };
        let (stream, rest) = rest.split_first_chunk::<8>()?;
        let stream = StreamId::try_from(*stream).ok()?;
        let (before, rest) = Totals::read(rest)?;
        Some((Self { kind, stream, before }, rest))
    }
}

/// Compresses an encoded message. `None` if it is larger than [`MAX_PLAIN`].
pub(crate) fn compress(plain: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(plain.len()).ok().filter(|_| plain.len() <= MAX_PLAIN)?;
    let compressed = zstd::bulk::compress(plain, LEVEL).ok()?;
    let mut out = length.to_le_bytes().to_vec();
    out.extend_from_slice(&compressed);
    Some(out.into())
}

/// Undoes [`compress`]. `None` if the bytes are damaged or too many.
pub(crate) fn decompress(compressed: &[u8]) -> Option<Vec<u8>> {
    let (length, compressed) = compressed.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    // The message itself names a length too, so a short one claims no memory for a large one.
    let frame = zstd::zstd_safe::get_frame_content_size(compressed).ok().flatten()?;
    if length > MAX_PLAIN || frame != length as u64 {
        return None;
    }
    let plain = DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().ok()?),
        };
        decompressor.decompress(compressed, length).ok()
    });
    plain.filter(|plain| plain.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_survive_compression_and_damage_is_noticed() {
        let plain: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        let compressed = compress(&plain).unwrap();
        assert_eq!(decompress(&compressed), Some(plain));
        let mut longer = compressed.to_vec();
        longer[0] ^= 1;
        assert_eq!(decompress(&longer), None);
        assert_eq!(decompress(&compressed[..20]), None);
        assert_eq!(decompress(&[]), None);
    }

    #[test]
    fn the_outline_of_a_content_is_in_its_first_bytes() {
        let before = Totals { entries: 3, end: 1 << 50, newest: u64::MAX };
        for kind in [Kind::Batch, Kind::Begin, Kind::Checkpoint] {
            let outline = Outline { kind, stream: StreamId::from_random(7), before };
            let content = outline.wrap(b"message").unwrap();
            let (read, compressed) = Outline::read(&content).unwrap();
            assert_eq!(
                (read, decompress(compressed).unwrap().as_slice()),
                (outline, &b"message"[..])
            );
            assert_eq!(Outline::read(&content[..Outline::BYTES]).unwrap().0, outline);
            assert_eq!(Outline::read(&content[..Outline::BYTES - 1]), None);
        }
        assert_eq!(Outline::read(&[4; 40]), None);
    }
}
