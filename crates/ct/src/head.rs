//! Signed tree heads, as get-sth answers (RFC 6962 section 4.3) and as checkpoints
//! (c2sp.org/static-ct-api, "Checkpoints"). Both carry the same signature over the same bytes.

mod checkpoint;

use serde::{Deserialize, Serialize};

pub use self::checkpoint::{CheckpointError, MAX_CHECKPOINT_BYTES};
use crate::body::{self, BodyError};
use crate::encoding::{from_base64, to_base64};
use crate::signature::{PublicKey, SignatureError};
use crate::{Hash, LogId};

/// A log's statement about its tree at some time. Heads are compared as this, never by their
/// signatures, which may differ each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeHead {
    /// The number of leaves in the tree.
    pub size: u64,
    /// The time of the signature, in ms since the Unix epoch.
    pub timestamp: u64,
    /// The root of the tree.
    pub root: Hash,
}

/// A tree head and the log's signature, not verified until [`SignedHead::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: TreeHead,
    /// The `DigitallySigned` structure over [`SignedHead::signed_bytes`].
    pub signature: Vec<u8>,
}

/// The body of a get-sth answer.
#[derive(Serialize, Deserialize)]
struct Sth {
    tree_size: u64,
    timestamp: u64,
    sha256_root_hash: String,
    tree_head_signature: String,
}

impl SignedHead {
    /// Reads the body of a get-sth answer.
    ///
    /// # Errors
    /// If it is an HTML page, not the JSON expected, or holds bad base64.
    pub fn from_sth(json: &[u8]) -> Result<Self, BodyError> {
        let sth: Sth = body::parse(json)?;
        let root = body::hash(&sth.sha256_root_hash, "sha256_root_hash")?;
        let signature = from_base64(&sth.tree_head_signature)
            .ok_or(BodyError::Base64 { field: "tree_head_signature" })?;
        let head = TreeHead { size: sth.tree_size, timestamp: sth.timestamp, root };
        Ok(Self { head, signature })
    }

    /// Writes the body of a get-sth answer.
    #[must_use]
    pub fn to_sth(&self) -> String {
        let sth = Sth {
            tree_size: self.head.size,
            timestamp: self.head.timestamp,
            sha256_root_hash: to_base64(&self.head.root),
            tree_head_signature: to_base64(&self.signature),
        };
        // Integers and strings under fixed names: serialising them cannot fail.
        serde_json::to_string(&sth).unwrap_or_default()
    }

    /// Reads a checkpoint: a signed note (c2sp.org/signed-note) of at most [`MAX_CHECKPOINT_BYTES`].
    ///
    /// `origin` is the log's submission prefix without scheme and trailing slash, and must be the one
    /// in the checkpoint, since the signature does not cover it. With `log_id`, the signature is the
    /// one whose key ID is that of the log; without, the first under the origin's name that has the
    /// form of an RFC 6962 signature. All other lines - of witnesses, of other keys, of no sense - are
    /// passed over.
    ///
    /// # Errors
    /// If the note is malformed, of another origin, or not signed by the log.
    pub fn from_checkpoint(
        note: &[u8],
        origin: &str,
        log_id: Option<&LogId>,
    ) -> Result<Self, CheckpointError> {
        checkpoint::parse(note, origin, log_id)
    }

    /// Writes a checkpoint with the log's signature alone. `origin` is the log's submission prefix
    /// without scheme and trailing slash.
    #[must_use]
    pub fn to_checkpoint(&self, origin: &str, log_id: &LogId) -> String {
        checkpoint::write(self, origin, log_id)
    }

    /// Returns the bytes that a log signs: `TreeHeadSignature` (RFC 6962 section 3.5).
    #[must_use]
    pub fn signed_bytes(head: &TreeHead) -> [u8; 50] {
        const V1: u8 = 0;
        const TREE_HASH: u8 = 1;
        let mut bytes = [0; 50];
        let fields: [&[u8]; 4] =
            [&[V1, TREE_HASH], &head.timestamp.to_be_bytes(), &head.size.to_be_bytes(), &head.root];
        for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// If the log with this key did not sign this head.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        key.verify_digitally_signed(&Self::signed_bytes(&self.head), &self.signature)
    }
}

#[cfg(test)]
mod tests;
