//! Payloads: messages, compressed.

use std::fmt;
use std::io;

use super::MAX_MESSAGE;

/// Compression level: the fastest that still finds what certificates have in common.
const LEVEL: i32 = 1;

/// A payload as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) stored: Vec<u8>,
    /// Bytes before compression.
    pub(crate) length: u32,
    pub(crate) is_compressed: bool,
    pub(crate) crc: u32,
}

/// Compresses and decompresses payloads.
#[derive(Default)]
pub(crate) struct Codec {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

impl Codec {
    /// Compresses a message, unless that does not make it smaller. `None` if it is too large.
    pub(crate) fn compress(&mut self, message: &[u8]) -> Option<Payload> {
        let length = u32::try_from(message.len()).ok().filter(|_| message.len() <= MAX_MESSAGE)?;
        let compressed = self.compressed(message).ok();
        let is_smaller = |bytes: &Vec<u8>| bytes.len() < message.len();
        let (stored, is_compressed) = match compressed.filter(is_smaller) {
            Some(compressed) => (compressed, true),
            None => (message.to_vec(), false),
        };
        let crc = crc_fast::crc32_iscsi(&stored);
        Some(Payload { stored, length, is_compressed, crc })
    }

    fn compressed(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        let mut compressed = compressor.compress(message)?;
        compressed.shrink_to_fit();
        Ok(compressed)
    }

    /// Decompresses a payload of `length` bytes into `out`. Returns `false` if it is damaged.
    pub(crate) fn decompress(&mut self, stored: &[u8], length: usize, out: &mut Vec<u8>) -> bool {
        out.clear();
        if length > MAX_MESSAGE {
            return false;
        }
        out.reserve_exact(length);
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => match zstd::bulk::Decompressor::new() {
                Ok(decompressor) => none.insert(decompressor),
                Err(_) => return false,
            },
        };
        decompressor.decompress_to_buffer(stored, out).is_ok_and(|bytes| bytes == length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_decompressed_to_what_it_was() {
        let mut codec = Codec::default();
        for message in [vec![7; 1000], (0..=255).collect(), Vec::new()] {
            let payload = codec.compress(&message).unwrap();
            let mut out = Vec::new();
            if payload.is_compressed {
                assert!(codec.decompress(&payload.stored, payload.length as usize, &mut out));
            } else {
                out = payload.stored;
            }
            assert_eq!(out, message);
        }
    }

    #[test]
    fn a_payload_of_another_length_is_damaged() {
        let mut codec = Codec::default();
        let payload = codec.compress(&[7; 1000]).unwrap();
        for length in [0, 999, 1001, MAX_MESSAGE + 1] {
            assert!(!codec.decompress(&payload.stored, length, &mut Vec::new()), "{length}");
        }
        assert!(!codec.decompress(b"no payload", 10, &mut Vec::new()));
    }
}
