//! Reading the frames of a client.

use std::mem;

use super::utf8::Utf8;
use super::{MAX_CLIENT_MESSAGE, MAX_CONTROL_PAYLOAD, Opcode, close_code};

/// The first of the three bits reserved for extensions; permessage-deflate's.
const RSV1: u8 = 0x40;

/// An event that a client causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A ping with its payload, at most [`MAX_CONTROL_PAYLOAD`] bytes. It wants a pong with the same.
    Ping(Vec<u8>),
    /// A pong, asked for or not.
    Pong,
    /// A whole text or binary message; its content is not kept, nor read if it is compressed.
    Message,
    /// The client closes. The server answers with a close frame of the same code, and ends.
    Close {
        /// The status code, where the client gave one.
        code: Option<u16>,
        /// The reason, often empty.
        reason: String,
    },
}

/// A client broke the protocol: the connection has to be closed with `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("close the connection with code {code}: {reason}")]
pub struct Violation {
    /// Close code to send, one of [`close_code`].
    pub code: u16,
    /// The broken rule; short enough for the reason of a close frame.
    pub reason: &'static str,
}

impl Violation {
    const fn protocol(reason: &'static str) -> Self {
        Self { code: close_code::PROTOCOL_ERROR, reason }
    }

    const fn utf8(reason: &'static str) -> Self {
        Self { code: close_code::INVALID_PAYLOAD, reason }
    }
}

/// Reads the frames of one client, given its bytes in any pieces.
///
/// Between calls it keeps one half-read header, and the payload of a control frame that has not
/// ended (at most 125 bytes): memory does not depend on what the client sends.
#[derive(Debug)]
pub struct Decoder {
    /// True if permessage-deflate was agreed on.
    deflate: bool,
    step: Step,
    frame: Frame,
    /// Payload of the control frame being read.
    control: Vec<u8>,
    /// The data message begun and not ended, of which control frames may stand in between.
    message: Option<Message>,
    /// Frames begun since the start.
    frames: u64,
}

/// The meaning of the next byte.
#[derive(Clone, Copy, Debug)]
enum Step {
    Opcode,
    Length,
    /// Extended length of `width` bytes, `left` of them to come.
    Extended {
        width: u8,
        left: u8,
    },
    /// Masking key, and how many bytes of it are to come.
    Mask(u8),
    Payload,
    /// After a close frame or a violation: what follows is discarded (RFC 6455 section 1.4).
    Ended,
}

/// The header of the frame being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    opcode: Opcode,
    /// Begins a compressed message (RFC 7692 section 6).
    compressed: bool,
    /// Payload bytes still to come; while the header is read, the length gathered so far.
    remaining: u64,
    /// The masking key, turned so that its next byte is the highest.
    mask: u32,
}

impl Frame {
    const fn new(fin: bool, opcode: Opcode) -> Self {
        Self { fin, opcode, compressed: false, remaining: 0, mask: 0 }
    }
}

#[derive(Clone, Copy, Debug)]
struct Message {
    /// Bytes of all fragments announced so far.
    length: u64,
    /// The check of a text message; none for one that is binary or compressed.
    text: Option<Utf8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Makes a decoder for a connection just upgraded, without extensions.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            deflate: false,
            step: Step::Opcode,
            frame: Frame::new(true, Opcode::Continuation),
            control: Vec::new(),
            message: None,
            frames: 0,
        }
    }

    /// Makes a decoder for a connection just upgraded on which permessage-deflate was agreed
    /// ([`accept_deflate`](crate::handshake::accept_deflate)): messages may come compressed.
    #[must_use]
    pub const fn with_deflate() -> Self {
        let mut decoder = Self::new();
        decoder.deflate = true;
        decoder
    }

    /// Returns how many frames were begun, those that end no message among them.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Reads from `input` until something happened or all of it is used, moving its start past the
    /// bytes used. Call it until it gives `None`.
    ///
    /// After a [`Close`](Event::Close) or an error nothing more is read: further input vanishes.
    ///
    /// # Errors
    ///
    /// [`Violation`] with the code to close the connection with.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        let result = self.run(input);
        if matches!(result, Err(_) | Ok(Some(Event::Close { .. }))) {
            *self = Self { step: Step::Ended, frames: self.frames, ..Self::new() };
        }
        result
    }

    fn run(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        loop {
            match self.step {
                Step::Ended => {
                    *input = &[];
                    return Ok(None);
                }
                Step::Payload => {
                    self.payload(input)?;
                    if self.frame.remaining > 0 {
                        return Ok(None);
                    }
                    self.step = Step::Opcode;
                    if let Some(event) = self.end_of_frame()? {
                        return Ok(Some(event));
                    }
                }
                _ => {
                    let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                    *input = rest;
                    self.step = self.header(byte)?;
                }
            }
        }
    }

    /// Takes one byte of a header (RFC 6455 section 5.2). Returns the meaning of the next.
    fn header(&mut self, byte: u8) -> Result<Step, Violation> {
        match self.step {
            Step::Opcode => self.opcode(byte),
            Step::Length => self.length(byte),
            Step::Extended { width, left } => {
                self.frame.remaining = self.frame.remaining << 8 | u64::from(byte);
                let left = left.saturating_sub(1);
                if left > 0 {
                    return Ok(Step::Extended { width, left });
                }
                self.check_extended(width)?;
                self.announced()
            }
            Step::Mask(left) => {
                self.frame.mask = self.frame.mask << 8 | u32::from(byte);
                match left.saturating_sub(1) {
                    0 => Ok(Step::Payload),
                    left => Ok(Step::Mask(left)),
                }
            }
            Step::Payload | Step::Ended => Ok(self.step),
        }
    }

    fn opcode(&mut self, byte: u8) -> Result<Step, Violation> {
        self.frames = self.frames.saturating_add(1);
        let fin = byte & 0x80 != 0;
        let reserved = byte & 0x70;
        let Some(opcode) = Opcode::from_bits(byte & 0x0F) else {
            return Err(Violation::protocol("unknown opcode"));
        };
        match (opcode, self.message) {
            (Opcode::Continuation, None) => {
                return Err(Violation::protocol("continuation without a message"));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Violation::protocol("new message inside a fragmented one"));
            }
            _ if opcode.is_control() && !fin => {
                return Err(Violation::protocol("fragmented control frame"));
            }
            _ => {}
        }
        let compressed = self.may_be_compressed(opcode) && reserved == RSV1;
        if reserved != 0 && !compressed {
            return Err(Violation::protocol("reserved bits are set"));
        }
        self.frame = Frame { compressed, ..Frame::new(fin, opcode) };
        Ok(Step::Length)
    }

    /// Reports whether a frame may have the bit of compressed messages: it stands on the first frame
    /// of a data message (RFC 7692 section 6.1).
    const fn may_be_compressed(&self, opcode: Opcode) -> bool {
        self.deflate && matches!(opcode, Opcode::Text | Opcode::Binary)
    }

    fn length(&mut self, byte: u8) -> Result<Step, Violation> {
        if byte & 0x80 == 0 {
            return Err(Violation::protocol("frame is not masked"));
        }
        match byte & 0x7F {
            126 => self.extended(2),
            127 => self.extended(8),
            length => {
                self.frame.remaining = u64::from(length);
                self.announced()
            }
        }
    }

    fn extended(&self, width: u8) -> Result<Step, Violation> {
        if self.frame.opcode.is_control() {
            return Err(Violation::protocol("control frame is longer than 125 bytes"));
        }
        Ok(Step::Extended { width, left: width })
    }

    /// Checks an extended length: it must have needed its width, and fit 63 bits.
    fn check_extended(&self, width: u8) -> Result<(), Violation> {
        let length = self.frame.remaining;
        let least = if width == 2 { MAX_CONTROL_PAYLOAD as u64 } else { u64::from(u16::MAX) };
        if length <= least || length > i64::MAX as u64 {
            return Err(Violation::protocol("length is not in its shortest form"));
        }
        Ok(())
    }

    /// Counts the payload announced by a length, before any of it is read.
    fn announced(&mut self) -> Result<Step, Violation> {
        if !self.frame.opcode.is_control() {
            let is_text = self.frame.opcode == Opcode::Text && !self.frame.compressed;
            let text = is_text.then(Utf8::new);
            let message = self.message.get_or_insert(Message { length: 0, text });
            message.length = message.length.saturating_add(self.frame.remaining);
            if message.length > MAX_CLIENT_MESSAGE {
                return Err(Violation {
                    code: close_code::TOO_BIG,
                    reason: "message is longer than 64 KiB",
                });
            }
        }
        Ok(Step::Mask(4))
    }

    /// Takes the part of the frame's payload that `input` has.
    fn payload(&mut self, input: &mut &[u8]) -> Result<(), Violation> {
        let here = usize::try_from(self.frame.remaining).unwrap_or(usize::MAX).min(input.len());
        let Some((payload, rest)) = input.split_at_checked(here) else { return Ok(()) };
        *input = rest;
        self.frame.remaining = self.frame.remaining.saturating_sub(here as u64);
        if self.frame.opcode.is_control() {
            self.control.extend(unmasked(&mut self.frame.mask, payload));
        } else if let Some(Message { text: Some(text), .. }) = &mut self.message
            && !unmasked(&mut self.frame.mask, payload).all(|byte| text.push(byte))
        {
            return Err(Violation::utf8("text is not UTF-8"));
        }
        Ok(())
    }

    fn end_of_frame(&mut self) -> Result<Option<Event>, Violation> {
        match self.frame.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(mem::take(&mut self.control)))),
            Opcode::Pong => {
                self.control.clear();
                Ok(Some(Event::Pong))
            }
            Opcode::Close => close(&self.control).map(Some),
            _ if !self.frame.fin => Ok(None),
            _ => match self.message.take() {
                Some(Message { text: Some(text), .. }) if !text.is_complete() => {
                    Err(Violation::utf8("text ends inside a character"))
                }
                _ => Ok(Some(Event::Message)),
            },
        }
    }
}

/// Returns a payload without its mask (RFC 6455 section 5.3).
fn unmasked<'a>(mask: &'a mut u32, payload: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
    payload.iter().map(|byte| {
        *mask = mask.rotate_left(8);
        let [.., key] = mask.to_be_bytes();
        byte ^ key
    })
}

/// Reads the payload of a close frame (RFC 6455 section 5.5.1): nothing, or a code and a reason.
fn close(payload: &[u8]) -> Result<Event, Violation> {
    match payload {
        [] => Ok(Event::Close { code: None, reason: String::new() }),
        [_] => Err(Violation::protocol("close frame of one byte")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(Violation::protocol("close code may not be sent"));
            }
            match str::from_utf8(reason) {
                Ok(reason) => Ok(Event::Close { code: Some(code), reason: reason.to_owned() }),
                Err(_) => Err(Violation::utf8("close reason is not UTF-8")),
            }
        }
    }
}

/// Reports whether a close code may travel: RFC 6455 section 7.4 with the codes registered since (1012-1014). 1004-1006 and 1015 never
/// travel; 3000-4999 belong to libraries and applications.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
