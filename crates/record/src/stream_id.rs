//! The name of a stream.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Letters of a stream id.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The name of a stream: 8 random letters and digits, chosen when its commit log is created. Offsets
/// of different streams cannot be compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId([u8; 8]);

/// The text is not a stream id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a stream id has 8 characters, letters and digits of ASCII")]
pub struct StreamIdError;

impl StreamId {
    /// Makes an id of a random number; about 47 of its bits count.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let mut rest = random;
        Self(std::array::from_fn(|_| {
            let letter = rest.checked_rem(62).and_then(|at| usize::try_from(at).ok());
            rest = rest.checked_div(62).unwrap_or_default();
            letter.and_then(|at| ALPHABET.get(at)).copied().unwrap_or(b'0')
        }))
    }

    /// Returns the characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // They are ASCII by construction.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl TryFrom<[u8; 8]> for StreamId {
    type Error = StreamIdError;

    fn try_from(characters: [u8; 8]) -> Result<Self, StreamIdError> {
        let fits = characters.iter().all(u8::is_ascii_alphanumeric);
        if fits { Ok(Self(characters)) } else { Err(StreamIdError) }
    }
}

impl FromStr for StreamId {
    type Err = StreamIdError;

    fn from_str(text: &str) -> Result<Self, StreamIdError> {
        <[u8; 8]>::try_from(text.as_bytes()).map_err(|_| StreamIdError)?.try_into()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}
