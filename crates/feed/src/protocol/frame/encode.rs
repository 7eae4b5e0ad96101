//! Writing the frames of the server.

use super::{MAX_CONTROL_PAYLOAD, Opcode};

/// First header bit: this frame ends its message. Every frame of the server does.
const FIN: u8 = 0x80;
/// First header bit but one, of a compressed message (RFC 7692 section 6).
const RSV1: u8 = 0x40;

/// Appends `payload` to `out` as one text message in one frame.
///
/// `payload` must be UTF-8 (RFC 6455 section 5.6); JSON text is.
pub fn text(payload: &[u8], out: &mut Vec<u8>) {
    frame(Opcode::Text, payload, out);
}

/// Appends `payload`, a message that permessage-deflate compressed (RFC 7692 section 7.2.1), to
/// `out` as one text message in one frame.
pub(crate) fn deflated(payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    text(payload, out);
    if let Some(first) = out.get_mut(start) {
        *first |= RSV1;
    }
}

/// Returns a ping frame. Of `payload` at most [`MAX_CONTROL_PAYLOAD`] bytes are taken.
#[must_use]
pub fn ping(payload: &[u8]) -> Vec<u8> {
    control(Opcode::Ping, payload)
}

/// Returns a pong frame. To answer a ping, `payload` is that ping's (RFC 6455 section 5.5.3); at most
/// [`MAX_CONTROL_PAYLOAD`] bytes are taken.
#[must_use]
pub fn pong(payload: &[u8]) -> Vec<u8> {
    control(Opcode::Pong, payload)
}

/// Returns a close frame with a status code (RFC 6455 section 5.5.1). A `reason` too long for a control
/// frame is cut at a character's end.
#[must_use]
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    let code = code.to_be_bytes();
    let room = MAX_CONTROL_PAYLOAD.saturating_sub(code.len());
    let ends = reason.char_indices().map(|(at, char)| at.saturating_add(char.len_utf8()));
    let end = ends.take_while(|&end| end <= room).last().unwrap_or(0);
    let reason = reason.as_bytes().get(..end).unwrap_or_default();
    control(Opcode::Close, &[code.as_slice(), reason].concat())
}

fn control(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame(opcode, payload.get(..MAX_CONTROL_PAYLOAD).unwrap_or(payload), &mut out);
    out
}

/// Appends a frame, whose length takes the fewest bytes that hold it (RFC 6455 section 5.2).
fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FIN | opcode.bits());
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}
