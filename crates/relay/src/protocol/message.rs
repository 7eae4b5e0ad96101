//! The bytes of a message on the stream.
//!
//! | bytes | |
//! |---|---|
//! | `[4]` | `CSRL` |
//! | `u8` | version (1) |
//! | `u8` | kind: 1 whole, 2 part, 3 mark, 4 handover |
//! | `[8]` | id of the message of ours before it; in a mark a random number |
//!
//! **Whole**: a [content](super::content). **Part**: `u16` number from 0, `u16` count, then a piece of a
//! content. **Mark**: nothing more. **Handover**: `[16]` the nonce of the node that is to lead.
//!
//! Numbers are little-endian. The id of a message is the first 8 bytes of the SHA-256 of all of its
//! bytes, and its `Nats-Msg-Id` the id in hexadecimal digits.

use std::fmt;

use bytes::Bytes;
use record::BatchHash;
use thiserror::Error;

const MAGIC: &[u8; 4] = b"CSRL";
const VERSION: u8 = 1;

const WHOLE: u8 = 1;
const PART: u8 = 2;
const MARK: u8 = 3;
const HANDOVER: u8 = 4;

/// Bytes of a part before its piece.
const PART_HEADER: usize = 18;

/// The id of a message of ours on the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MessageId(pub u64);

impl MessageId {
    /// The id before the first message.
    pub const NONE: Self = Self(0);

    /// Computes the id of a message.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self(BatchHash::of(payload).0)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A message of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Id of the message of ours before it; in a mark a random number.
    pub after: MessageId,
    /// The rest.
    pub body: Body,
}

/// The body of a message of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A compressed batch, begin or checkpoint.
    Whole(Bytes),
    /// A piece of one that is too large for one message.
    Part {
        /// Number of the part, from 0.
        number: u16,
        /// Parts altogether.
        count: u16,
        /// The piece.
        piece: Bytes,
    },
    /// Nothing: something unique to publish after.
    Mark,
    /// The leader stops, and the node with this nonce continues.
    Handover([u8; 16]),
}

/// Reason why a message is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Foreign {
    /// Somebody else published it.
    #[error("the message is of another program")]
    Magic,
    /// A newer program wrote it.
    #[error("the message has version {0} of the format; this program reads version {VERSION}")]
    Version(u8),
    /// It is shorter or longer than its kind, or of no known kind.
    #[error("the message is malformed")]
    Malformed,
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is not one of ours, or newer.
    pub fn read(payload: &Bytes) -> Result<Self, Foreign> {
        let (magic, rest) = payload.split_first_chunk::<4>().ok_or(Foreign::Magic)?;
        if magic != MAGIC {
            return Err(Foreign::Magic);
        }
        let ([version, kind], rest) = rest.split_first_chunk::<2>().ok_or(Foreign::Malformed)?;
        match *version {
            0 => return Err(Foreign::Malformed),
            VERSION => {}
            newer => return Err(Foreign::Version(newer)),
        }
        let (after, rest) = rest.split_first_chunk::<8>().ok_or(Foreign::Malformed)?;
        let after = MessageId(u64::from_le_bytes(*after));
        let body = match *kind {
            WHOLE => Body::Whole(payload.slice_ref(rest)),
            PART => {
                let (numbers, piece) = rest.split_first_chunk::<4>().ok_or(Foreign::Malformed)?;
                let [n0, n1, c0, c1] = *numbers;
                let (number, count) = (u16::from_le_bytes([n0, n1]), u16::from_le_bytes([c0, c1]));
                Body::Part { number, count, piece: payload.slice_ref(piece) }
            }
            MARK if rest.is_empty() => Body::Mark,
            HANDOVER => Body::Handover(rest.try_into().map_err(|_| Foreign::Malformed)?),
            _ => return Err(Foreign::Malformed),
        };
        Ok(Self { after, body })
    }

    /// Writes the message.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(PART_HEADER + 16);
        out.extend_from_slice(MAGIC);
        let kind = match self.body {
            Body::Whole(_) => WHOLE,
            Body::Part { .. } => PART,
            Body::Mark => MARK,
            Body::Handover(_) => HANDOVER,
        };
        out.extend_from_slice(&[VERSION, kind]);
        out.extend_from_slice(&self.after.0.to_le_bytes());
        match &self.body {
            Body::Whole(content) => out.extend_from_slice(content),
            Body::Part { number, count, piece } => {
                out.extend_from_slice(&number.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
                out.extend_from_slice(piece);
            }
            Body::Mark => {}
            Body::Handover(nonce) => out.extend_from_slice(nonce),
        }
        out.into()
    }
}

/// Makes the messages that carry a content after the message `after`: one, or parts if it is larger
/// than `max_payload` bytes allow. `None` if it would be too many parts.
pub(super) fn pack(content: &Bytes, after: MessageId, max_payload: usize) -> Option<Vec<Bytes>> {
    let room = max_payload.saturating_sub(PART_HEADER).max(1);
    if content.len() <= room {
        return Some(vec![Message { after, body: Body::Whole(content.clone()) }.write()]);
    }
    let count = u16::try_from(content.len().div_ceil(room)).ok()?;
    let mut after = after;
    let pieces = (0..count).zip(content.chunks(room));
    let messages = pieces.map(|(number, piece)| {
        let body = Body::Part { number, count, piece: content.slice_ref(piece) };
        let message = Message { after, body }.write();
        after = MessageId::of(&message);
        message
    });
    Some(messages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies() -> [Body; 4] {
        let piece = Bytes::from_static(b"piece");
        [
            Body::Whole(piece.clone()),
            Body::Part { number: 1, count: 3, piece },
            Body::Mark,
            Body::Handover([7; 16]),
        ]
    }

    #[test]
    fn messages_are_read_as_they_were_written() {
        for body in bodies() {
            let message = Message { after: MessageId(5), body };
            assert_eq!(Message::read(&message.write()), Ok(message));
        }
    }

    #[test]
    fn messages_of_others_are_recognised() {
        for (payload, reason) in [
            (&b""[..], Foreign::Magic),
            (b"hello, world", Foreign::Magic),
            (b"CSRL", Foreign::Malformed),
            (b"CSRL\x02\x01", Foreign::Version(2)),
            (b"CSRL\x01\x01\0\0\0", Foreign::Malformed),
            (b"CSRL\x01\x09\0\0\0\0\0\0\0\0", Foreign::Malformed),
            (b"CSRL\x01\x03\0\0\0\0\0\0\0\0more", Foreign::Malformed),
            (b"CSRL\x01\x04\0\0\0\0\0\0\0\0short", Foreign::Malformed),
        ] {
            assert_eq!(Message::read(&Bytes::from_static(payload)), Err(reason), "{payload:?}");
        }
    }

    #[test]
    fn a_large_content_is_cut_into_parts_that_follow_each_other() {
        let content = Bytes::from(vec![1_u8; 100]);
        let messages = pack(&content, MessageId(9), 58).unwrap();
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| message.len() <= 58));
        let read: Vec<Message> =
            messages.iter().map(|message| Message::read(message).unwrap()).collect();
        assert_eq!(read[0].after, MessageId(9));
        assert_eq!(read[1].after, MessageId::of(&messages[0]));
        assert_eq!(read[2].after, MessageId::of(&messages[1]));
        assert_eq!(pack(&content, MessageId(9), 118).unwrap().len(), 1);
    }
}
