//! Compressing the messages of a chunk.

use std::fmt;

use flate2::{Compress, Compression, FlushCompress};

use crate::protocol::frame;
use crate::protocol::framing::{Framing, event};
use crate::protocol::gzip::Checksum;

/// The end of a Sync flush; permessage-deflate leaves it out (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The lowest level that finds matches beyond the message before. It takes about four times as long
/// as level 1 and saves a fifth of the bytes; as it is done once for all clients, a few dozen of
/// them make up for it.
const LEVEL: Compression = Compression::new(2);

/// Room for the end of a flush. With less than six bytes a compressor may repeat it.
const FLUSH_ROOM: usize = 64;

/// Compresses the messages of one chunk after the other. Takes about 300 KiB of memory.
pub(crate) struct Deflater {
    compress: Compress,
    /// One message before its frame, or before its compression.
    buffer: Vec<u8>,
}

impl Default for Deflater {
    fn default() -> Self {
        Self { compress: Compress::new(LEVEL, false), buffer: Vec::new() }
    }
}

impl Deflater {
    /// Forgets all messages: what follows refers to nothing before it, so that a reader may begin
    /// there.
    pub(crate) fn start_chunk(&mut self) {
        self.compress.reset();
    }

    /// Appends one message in a compressed framing, and returns the checksum of the text that was
    /// compressed where the framing needs it ([`SseGzip`](Framing::SseGzip)).
    pub(crate) fn frame(
        &mut self,
        framing: Framing,
        offset: u64,
        suffix: &str,
        json: &[u8],
        out: &mut Vec<u8>,
    ) -> Checksum {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut checksum = Checksum::default();
        if framing.plain() == Framing::WebSocket {
            if !framing.keeps_context() {
                self.compress.reset();
            }
            self.deflate(json, &mut buffer);
            frame::deflated(buffer.strip_suffix(&TAIL).unwrap_or(&buffer), out);
        } else {
            event(offset, suffix, json, &mut buffer);
            checksum = Checksum::of(&buffer);
            self.deflate(&buffer, out);
        }
        self.buffer = buffer;
        checksum
    }

    /// Compresses `input` so that all of it can be read from what is appended to `out`.
    fn deflate(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        loop {
            // Incompressible bytes take nine bits each at worst.
            out.reserve(input.len() + input.len() / 8 + FLUSH_ROOM);
            let before = self.compress.total_in();
            let compressed = self.compress.compress_vec(input, out, FlushCompress::Sync);
            debug_assert!(compressed.is_ok(), "only a stream that was ended takes no more");
            let taken = usize::try_from(self.compress.total_in() - before).unwrap_or(input.len());
            input = input.get(taken..).unwrap_or_default();
            let flushed = out.len() < out.capacity();
            if compressed.is_err() || (input.is_empty() && flushed) {
                return;
            }
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    use super::*;

    /// The text of the frames, each taken with the tail put back.
    fn inflate(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut decompress = Decompress::new(false);
        let one = |frame: &Vec<u8>| {
            assert_eq!(frame[0], 0xc1, "a whole text message, compressed");
            let header = match frame[1] {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            let mut payload = frame[header..].to_vec();
            payload.extend_from_slice(&TAIL);
            let mut text = Vec::with_capacity(1 << 20);
            decompress.decompress_vec(&payload, &mut text, FlushDecompress::Sync).unwrap();
            assert!(text.len() < text.capacity());
            text
        };
        frames.iter().map(one).collect()
    }

    fn frames(deflater: &mut Deflater, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
        deflater.start_chunk();
        let one = |message: &Vec<u8>| {
            let mut out = Vec::new();
            deflater.frame(Framing::WebSocketDeflate, 0, "", message, &mut out);
            out
        };
        messages.iter().map(one).collect()
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let noise = prop::collection::vec(any::<u8>(), 1..3000);
        let runs = (any::<u8>(), 1..200_000_usize).prop_map(|(byte, count)| vec![byte; count]);
        prop_oneof![3 => noise, 1 => runs]
    }

    proptest! {
        #[test]
        fn frames_inflate_to_their_messages(
            first in prop::collection::vec(message(), 0..4),
            second in prop::collection::vec(message(), 0..4),
        ) {
            let mut deflater = Deflater::default();
            let chunks = [frames(&mut deflater, &first), frames(&mut deflater, &second)];
            prop_assert_eq!(inflate(&chunks.concat()), [first, second.clone()].concat());
            // A reader that begins with the second chunk, and the chunk compressed again.
            prop_assert_eq!(inflate(&chunks[1]), second.clone());
            prop_assert_eq!(frames(&mut Deflater::default(), &second), chunks[1].clone());
        }
    }
}
