//! What a gzip stream (RFC 1952) needs besides [`SseGzip`](crate::Framing::SseGzip) chunks.

/// The header a stream begins with, once per connection (RFC 1952 section 2.3): deflate, nothing
/// optional, no time, an unknown system. The stream has no end, so it has no trailer.
pub const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Most bytes of a stored block.
const MAX_STORED: usize = u16::MAX as usize;

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
        fn stored_blocks_come_out_as_they_went_in(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..5),
            long in prop_oneof![Just(0), MAX_STORED - 1..MAX_STORED + 2, Just(3 * MAX_STORED)],
        ) {
            let mut stream = HEADER.to_vec();
            let mut expected = vec![7; long];
            stored(&expected, &mut stream);
            for part in &parts {
                stored(part, &mut stream);
                expected.extend_from_slice(part);
            }
            let mut decoder = GzDecoder::new(Vec::new());
            decoder.write_all(&stream).unwrap();
            decoder.flush().unwrap();
            prop_assert_eq!(decoder.get_ref(), &expected);
        }
    }
}
