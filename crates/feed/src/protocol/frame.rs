//! The server's side of the WebSocket protocol (RFC 6455) without any IO: frames are written into
//! buffers, and bytes from a client are read in whatever pieces they arrive.
//!
//! The server never fragments a message and never masks; a client must mask, may fragment, and may
//! put control frames between fragments. The content of a client's data messages does not matter to
//! a stream that flows one way, so they are checked, counted and dropped. Where permessage-deflate was
//! agreed on (RFC 7692) they may come compressed; they are not inflated, so that no client can make
//! the server spend memory or time on a few bytes.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod decode;
mod encode;
mod utf8;

pub use decode::{Decoder, Event, Violation};
pub(crate) use encode::deflated;
pub use encode::{close, ping, pong, text};

/// Most bytes a control frame may carry (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// Most bytes one message of a client may have, all its fragments together, as they come (so, of a
/// compressed message, the compressed bytes). A longer one ends the connection with
/// [`close_code::TOO_BIG`].
pub const MAX_CLIENT_MESSAGE: u64 = 64 * 1024;

/// Close codes the server sends (RFC 6455 section 7.4.1).
pub mod close_code {
    /// The connection has done what it was for.
    pub const NORMAL: u16 = 1000;
    /// The server goes down, or gives up on a client that does not answer.
    pub const GOING_AWAY: u16 = 1001;
    /// The client broke the framing rules.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// A text message or a close reason was not UTF-8.
    pub const INVALID_PAYLOAD: u16 = 1007;
    /// A message was longer than [`MAX_CLIENT_MESSAGE`](super::MAX_CLIENT_MESSAGE).
    pub const TOO_BIG: u16 = 1009;
}

/// The type of a frame (RFC 6455 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[cfg(test)]
mod tests;
