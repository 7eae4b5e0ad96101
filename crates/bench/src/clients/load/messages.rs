//! WebSocket messages in what a server sends, deflated or not.

use std::io::{self, Write as _};

use flate2::write::DeflateDecoder;

use super::frames::{Frames, PING, Piece, TEXT};

/// Plain text frames shorter than this are heartbeats and announcements; no certificate fits.
const SHORTEST_UPDATE: u64 = 256;
/// Ends what was cut off at the end of a deflated message (RFC 7692 section 7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// A frame's header, for messages of 126 to 65,535 bytes.
const HEADER: u64 = 4;

/// Follows the messages of one connection. Certificate updates are told from others by their frames
/// alone: they are long or deflated.
#[derive(Default)]
pub(super) struct Messages {
    frames: Frames,
    content: Option<Box<Content>>,
}

/// The state of a client that inspects its messages.
#[derive(Default)]
struct Content {
    /// The payload of the frame begun.
    payload: Vec<u8>,
    inflated: Option<DeflateDecoder<Vec<u8>>>,
}

/// A message that a client received.
pub(super) enum Received<'a> {
    /// A certificate update, with its content and the length of its frame were it not deflated, if
    /// the client looks into its messages.
    Update(Option<(&'a [u8], u64)>),
    Ping,
    /// Another message or frame; its text, if the client looks into its messages and it has any.
    Other(Option<&'a [u8]>),
}

impl Messages {
    /// Of a client that looks into its messages.
    pub(super) fn looked_into() -> Self {
        Self { content: Some(Box::default()), ..Self::default() }
    }

    /// Shows every message that is complete now.
    ///
    /// # Errors
    /// If a message cannot be inflated.
    pub(super) fn received(
        &mut self,
        mut bytes: &[u8],
        mut show: impl FnMut(Received<'_>),
    ) -> io::Result<()> {
        while let Some(piece) = self.frames.next(&mut bytes) {
            match (piece, &mut self.content) {
                (Piece::Payload(part), Some(content)) => content.payload.extend_from_slice(part),
                (Piece::Payload(_), None) => {}
                (Piece::End { opcode: TEXT, deflated, bytes }, content)
                    if deflated || bytes >= SHORTEST_UPDATE =>
                {
                    let content = content.as_mut().map(|content| content.finish(deflated));
                    show(Received::Update(content.transpose()?));
                }
                (Piece::End { opcode: PING, .. }, _) => show(Received::Ping),
                (Piece::End { opcode, .. }, content) => {
                    let content = content.as_ref().filter(|_| opcode == TEXT);
                    show(Received::Other(content.map(|content| &content.payload[..])));
                }
            }
            if let (true, Some(content)) = (self.frames.is_between(), &mut self.content) {
                content.payload.clear();
            }
        }
        Ok(())
    }
}

impl Content {
    /// The message of a frame that is complete, and the length of its frame were it not deflated.
    fn finish(&mut self, deflated: bool) -> io::Result<(&[u8], u64)> {
        let message = if deflated {
            let empty = || DeflateDecoder::new(Vec::new());
            let inflated = self.inflated.get_or_insert_with(empty);
            inflated.get_mut().clear();
            inflated.write_all(&self.payload)?;
            inflated.write_all(&TAIL)?;
            inflated.flush()?;
            inflated.get_ref()
        } else {
            &self.payload
        };
        Ok((message, message.len() as u64 + HEADER))
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).expect("short");
        let mut frame = vec![first, 126];
        frame.extend(length.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    /// Two chunks of deflated messages, each begun with an empty compressor.
    fn deflated(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for chunk in messages.chunks(2) {
            let mut compress = Compress::new(Compression::fast(), false);
            for message in chunk {
                let mut payload = Vec::with_capacity(message.len() + 64);
                let flushed = compress.compress_vec(message, &mut payload, FlushCompress::Sync);
                flushed.expect("compresses");
                assert!(payload.ends_with(&TAIL));
                payload.truncate(payload.len() - TAIL.len());
                stream.extend(frame(0xc1, &payload));
            }
        }
        stream
    }

    fn contents(messages: &mut Messages, stream: &[u8], cut: usize) -> Vec<Option<(Vec<u8>, u64)>> {
        let mut found = Vec::new();
        for part in stream.chunks(cut) {
            let show = |received: Received<'_>| {
                if let Received::Update(content) = received {
                    found.push(content.map(|(message, length)| (message.to_vec(), length)));
                }
            };
            messages.received(part, show).expect("messages");
        }
        found
    }

    #[test]
    fn updates_are_inflated_and_counted_wherever_reads_end() {
        let messages =
            [300, 5000, 800, 40_000].map(|length| vec![b'a' + (length % 7) as u8; length]);
        let mut stream = frame(0x81, br#"{"message_type":"heartbeat"}"#);
        stream.extend(frame(0x81, &messages[0]));
        stream.extend(frame(0x89, b""));
        stream.extend(deflated(&messages[1..]));
        let expected: Vec<_> =
            messages.iter().map(|m| Some((m.clone(), m.len() as u64 + 4))).collect();
        for cut in [1, 3, 50, 100_000] {
            let looked_into = contents(&mut Messages::looked_into(), &stream, cut);
            assert!(looked_into == expected, "reads of {cut}");
            let counted = contents(&mut Messages::default(), &stream, cut);
            assert_eq!(counted, vec![None; 4], "reads of {cut}");
        }
    }

    #[test]
    fn messages_that_cannot_be_inflated_are_errors() {
        let stream = frame(0xc1, &[0xff; 300]);
        assert!(Messages::looked_into().received(&stream, |_| {}).is_err());
        assert!(Messages::default().received(&stream, |_| {}).is_ok());
    }
}
