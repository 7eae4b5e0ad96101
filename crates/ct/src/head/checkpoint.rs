//! Checkpoints: signed notes with a signature of type 0x05, the RFC 6962 tree head signature.

use thiserror::Error;

use super::{SignedHead, TreeHead};
use crate::encoding::{from_base64, hash_from_base64, sha256_parts, to_base64};
use crate::signature::split_digitally_signed;
use crate::{Hash, LogId};

/// The longest checkpoint that is read, in bytes: room for hundreds of signature lines.
pub const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;

/// An error in a checkpoint of a log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Longer than [`MAX_CHECKPOINT_BYTES`].
    #[error("a checkpoint of {0} bytes is longer than {MAX_CHECKPOINT_BYTES}")]
    TooLong(usize),
    /// A web page instead: a proxy or front end reporting some error.
    #[error("an HTML page instead of a checkpoint")]
    Html,
    /// Not UTF-8, or with control characters.
    #[error("a checkpoint is UTF-8 text without control characters")]
    Text,
    /// No blank line with signature lines after it.
    #[error("no signatures: a blank line and at least one signature line are expected")]
    Unsigned,
    /// A line among the signatures is not `— <name> <base64>`.
    #[error("malformed signature line {0}")]
    SignatureLine(usize),
    /// The text is not the three lines origin, size and root hash.
    #[error("the text is {0} lines instead of origin, tree size and root hash")]
    Lines(usize),
    /// The checkpoint is of another origin.
    #[error("the origin is {found:?} instead of {expected:?}")]
    Origin {
        /// That of the log.
        expected: String,
        /// That of the checkpoint.
        found: String,
    },
    /// The size is not a decimal u64 without leading zeros.
    #[error("the tree size is not a decimal number without leading zeros")]
    Size,
    /// The root hash is not the base64 of 32 bytes.
    #[error("the root hash is not the base64 of 32 bytes")]
    Root,
    /// No signature line has the log's name and key.
    #[error("no signature by the log")]
    NotSignedByLog,
    /// The log's signature line has not the form of an RFC 6962 tree head signature.
    #[error("the log's signature is not a timestamp and a DigitallySigned structure")]
    LogSignature,
}

/// Of static-ct-api: the signature is an RFC 6962 `TreeHeadSignature`.
const RFC6962_NOTE_SIGNATURE: u8 = 0x05;

struct SignatureLine<'a> {
    name: &'a str,
    key_id: [u8; 4],
    body: Vec<u8>,
}

pub(super) fn parse(
    note: &[u8],
    origin: &str,
    log_id: Option<&LogId>,
) -> Result<SignedHead, CheckpointError> {
    let (text, signatures) = split(note)?;
    let (size, root) = parse_text(text, origin)?;
    let wanted = log_id.map(|log_id| key_id(origin, log_id));
    let mut found = None;
    for (number, line) in signatures.lines().enumerate() {
        let line = parse_signature_line(line)
            .ok_or_else(|| CheckpointError::SignatureLine(number.saturating_add(1)))?;
        let ours = match wanted {
            Some(key_id) => line.key_id == key_id,
            None => is_tree_head_signature(&line.body),
        };
        if found.is_none() && ours && line.name == origin {
            found = Some(line.body);
        }
    }
    let body = found.ok_or(CheckpointError::NotSignedByLog)?;
    let (timestamp, signature) = split_signature(&body).ok_or(CheckpointError::LogSignature)?;
    Ok(SignedHead { head: TreeHead { size, timestamp, root }, signature: signature.to_vec() })
}

pub(super) fn write(signed: &SignedHead, origin: &str, log_id: &LogId) -> String {
    let SignedHead { head, signature } = signed;
    let line = [&key_id(origin, log_id)[..], &head.timestamp.to_be_bytes(), signature].concat();
    let (root, line) = (to_base64(&head.root), to_base64(&line));
    format!("{origin}\n{}\n{root}\n\n\u{2014} {origin} {line}\n", head.size)
}

/// The first bytes of SHA-256 over the name, a newline, the type, and the log id.
fn key_id(origin: &str, log_id: &LogId) -> [u8; 4] {
    let hash = sha256_parts(origin.as_bytes(), &[&[b'\n', RFC6962_NOTE_SIGNATURE], &log_id.0]);
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// The text of a note with its last newline, and its signature lines.
fn split(note: &[u8]) -> Result<(&str, &str), CheckpointError> {
    if note.len() > MAX_CHECKPOINT_BYTES {
        return Err(CheckpointError::TooLong(note.len()));
    }
    if note.trim_ascii_start().starts_with(b"<") {
        return Err(CheckpointError::Html);
    }
    let note = str::from_utf8(note).map_err(|_| CheckpointError::Text)?;
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(CheckpointError::Text);
    }
    let (text, signatures) = note.rsplit_once("\n\n").ok_or(CheckpointError::Unsigned)?;
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(CheckpointError::Unsigned);
    }
    Ok((text, signatures))
}

fn parse_text(text: &str, origin: &str) -> Result<(u64, Hash), CheckpointError> {
    let mut lines = text.split('\n');
    let (Some(found), Some(size), Some(root), None) =
        (lines.next(), lines.next(), lines.next(), lines.next())
    else {
        return Err(CheckpointError::Lines(text.split('\n').count()));
    };
    if found != origin {
        return Err(CheckpointError::Origin { expected: origin.into(), found: found.into() });
    }
    let canonical = size == "0" || size.starts_with(|c: char| matches!(c, '1'..='9'));
    if !canonical {
        return Err(CheckpointError::Size);
    }
    let size = size.parse().map_err(|_| CheckpointError::Size)?;
    let root = hash_from_base64(root).ok_or(CheckpointError::Root)?;
    Ok((size, root))
}

fn parse_signature_line(line: &str) -> Option<SignatureLine<'_>> {
    let (name, base64) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    if name.is_empty() || name.contains('+') || name.contains(char::is_whitespace) {
        return None;
    }
    let bytes = from_base64(base64)?;
    let (key_id, body) = bytes.split_first_chunk()?;
    (!body.is_empty()).then(|| SignatureLine { name, key_id: *key_id, body: body.to_vec() })
}

/// Timestamp and `DigitallySigned` structure of a signature line's body.
fn split_signature(body: &[u8]) -> Option<(u64, &[u8])> {
    let (timestamp, signature) = body.split_first_chunk()?;
    split_digitally_signed(signature)?;
    Some((u64::from_be_bytes(*timestamp), signature))
}

/// Reports whether a signature line of unknown key is of an RFC 6962 log: the structure fits to the
/// byte and names SHA-256 with RSA or ECDSA.
fn is_tree_head_signature(body: &[u8]) -> bool {
    let signature =
        split_signature(body).and_then(|(_, signature)| split_digitally_signed(signature));
    matches!(signature, Some((4, 1 | 3, _)))
}
