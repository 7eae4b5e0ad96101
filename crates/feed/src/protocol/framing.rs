//! The forms in which messages go over a connection.

use std::io::Write;

use crate::protocol::frame;

/// The form in which messages go over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One unmasked, unfragmented text frame per message (RFC 6455 section 5).
    WebSocket,
    /// [`WebSocket`](Self::WebSocket) compressed (permessage-deflate, RFC 7692), so that a message refers back to those
    /// before it in its chunk and to no others: a client that keeps the context between messages,
    /// as it must unless something else was agreed, understands it wherever it joins.
    WebSocketDeflate,
    /// [`WebSocketDeflate`](Self::WebSocketDeflate) with every message compressed by itself
    /// (`server_no_context_takeover`, RFC 7692 section 7.1.1.1), for clients that keep no context between messages.
    WebSocketDeflateEach,
    /// One server-sent event per message, its offset (with
    /// [`event_suffix`](crate::Stream::event_suffix)) as the event's id, so that a client resumes with
    /// `Last-Event-ID` (HTML Standard section 9.2).
    Sse,
    /// [`Sse`](Self::Sse) as deflate blocks (RFC 1951) that follow [`gzip::HEADER`](crate::gzip::HEADER);
    /// each message can be read as soon as its last byte has come.
    SseGzip,
}

impl Framing {
    /// Returns the same framing without compression.
    #[must_use]
    pub const fn plain(self) -> Self {
        match self {
            Self::WebSocket | Self::WebSocketDeflate | Self::WebSocketDeflateEach => {
                Self::WebSocket
            }
            Self::Sse | Self::SseGzip => Self::Sse,
        }
    }

    pub(crate) const fn is_compressed(self) -> bool {
        matches!(self, Self::WebSocketDeflate | Self::WebSocketDeflateEach | Self::SseGzip)
    }

    /// Reports whether a message refers back to those before it in its chunk, so that no reader can
    /// begin inside the chunk.
    pub(crate) const fn keeps_context(self) -> bool {
        matches!(self, Self::WebSocketDeflate | Self::SseGzip)
    }

    /// Returns the bytes that plain framing adds to a message, at most, but for the line breaks inside it
    /// and the suffix of an event's id.
    pub(crate) const fn overhead(self) -> usize {
        match self {
            Self::WebSocket | Self::WebSocketDeflate | Self::WebSocketDeflateEach => 10,
            Self::Sse | Self::SseGzip => "id: 18446744073709551615\ndata: \n\n".len(),
        }
    }

    /// Appends one message, plain. `suffix` follows the offset in the id of an event.
    pub(crate) fn frame(self, offset: u64, suffix: &str, json: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::WebSocket | Self::WebSocketDeflate | Self::WebSocketDeflateEach => {
                frame::text(json, out);
            }
            Self::Sse | Self::SseGzip => event(offset, suffix, json, out),
        }
    }
}

/// Appends a message as a server-sent event (HTML Standard section 9.2.6): a line break inside the data begins another `data` line, and the
/// client joins the lines with a line feed. One at the end is not part of the message. A carriage
/// return breaks a line as well; inside JSON both are but white space.
pub(crate) fn event(offset: u64, suffix: &str, json: &[u8], out: &mut Vec<u8>) {
    let written = write!(out, "id: {offset}{suffix}");
    debug_assert!(written.is_ok(), "writing to a vector cannot fail");
    let json = json.strip_suffix(b"\n").unwrap_or(json);
    for line in json.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_framed_for_websockets_and_events() {
        let cases: &[(Framing, u64, &str, &str)] = &[
            (Framing::WebSocket, 7, "{}", "\u{81}\u{2}{}"),
            (Framing::WebSocket, 7, "{}\n", "\u{81}\u{3}{}\n"),
            (Framing::Sse, 7, "{}", "id: 7\ndata: {}\n\n"),
            (Framing::Sse, u64::MAX, "{}\n", "id: 18446744073709551615\ndata: {}\n\n"),
            (Framing::Sse, 9, "[\r1]", "id: 9\ndata: [\ndata: 1]\n\n"),
            (Framing::Sse, 0, "{\n \"a\":1\n}\n", "id: 0\ndata: {\ndata:  \"a\":1\ndata: }\n\n"),
        ];
        for (framing, offset, json, expected) in cases {
            let mut out = Vec::new();
            framing.frame(*offset, "", json.as_bytes(), &mut out);
            let expected: Vec<u8> = expected.chars().map(|c| c as u8).collect();
            assert_eq!(out, expected, "{framing:?} {json:?}");
            let breaks = json.matches(['\n', '\r']).count() * "\ndata: ".len();
            assert!(out.len() <= json.len() + framing.overhead() + breaks);
        }
        let mut out = Vec::new();
        Framing::Sse.frame(7, "@Zq3xK9aB", b"{}", &mut out);
        assert_eq!(out, b"id: 7@Zq3xK9aB\ndata: {}\n\n");
    }
}
