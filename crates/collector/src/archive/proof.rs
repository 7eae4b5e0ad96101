//! The proof of a part: what shows, without the network, that its entries are those under a head that
//! the log has signed.

use std::str::FromStr as _;

use columns::digest;
use ct::head::{SignedHead, TreeHead};
use ct::merkle::{CompactRange, verify_consistency};
use ct::signature::PublicKey;
use ct::{Hash, LogId};
use record::{LogIdentity, Protocol};
use serde::{Deserialize, Serialize};

use super::part::Span;

/// The version of the text. A later one is refused: it may prove something else.
const VERSION: u32 = 1;

/// The proof of a part, as it is stored in the metadata of the file. Hashes, keys and signatures are in
/// base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    version: u32,
    log: ProvedLog,
    head: ProvedHead,
    /// The first entry.
    start: u64,
    /// The index after the last entry.
    end: u64,
    /// The compact range of the entries before the first one.
    before: Vec<String>,
    /// The compact range of all entries up to the last one.
    after: Vec<String>,
    /// The consistency proof of the tree of `after` with the head (RFC 6962 section 2.1.2).
    consistency: Vec<String>,
    /// True if the rows have the certificates and the leaves.
    with_der: bool,
    /// The digest of all rows in their order.
    rows: String,
    /// The digest of this text, with an empty text in this place.
    digest: String,
}

/// The log of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvedLog {
    name: String,
    operator: String,
    url: String,
    protocol: String,
    id: String,
    key: String,
}

/// The head that the entries are proved against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvedHead {
    size: u64,
    timestamp: u64,
    root: String,
    signature: String,
}

/// A proof that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is none.
    #[error("the file has no proof: `backfill` did not write it")]
    None,
    /// Not a proof that this version knows.
    #[error("the proof cannot be read: {0}")]
    Unreadable(String),
    /// A proof of a later version.
    #[error("the proof is of version {0}; use a newer certstream-arrow")]
    Version(u32),
    /// It is not what was written.
    #[error("the proof was changed after it was written")]
    Changed,
    /// It does not prove what it says.
    #[error("the proof does not hold: {0}")]
    Wrong(String),
}

/// The parts of a proof that is about to be written.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The log.
    pub log: LogIdentity,
    /// The DER of its key.
    pub key: Vec<u8>,
    /// The head.
    pub head: SignedHead,
    /// The compact range of the entries before the first one.
    pub before: CompactRange,
    /// The compact range of all entries up to the last one.
    pub after: CompactRange,
    /// The consistency proof of `after` with the head.
    pub consistency: Vec<Hash>,
    /// True if the rows have certificates and leaves.
    pub with_der: bool,
}

/// A proof that holds, if the leaf hashes of the rows lead from one tree to the other.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The log.
    pub log: LogIdentity,
    /// The head.
    pub head: TreeHead,
    /// The tree of the entries before the first one.
    pub before: CompactRange,
    /// The tree of all entries up to the last one.
    pub after: CompactRange,
    /// True if the rows have certificates and leaves.
    pub with_der: bool,
    /// The digest of all rows.
    pub rows: Hash,
}

fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn encode_all(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| encode(hash)).collect()
}

fn decode(text: &str) -> Result<Vec<u8>, ProofError> {
    let decoded = base64_simd::STANDARD.decode_to_vec(text);
    decoded.map_err(|_| ProofError::Unreadable(format!("{text:?} is not base64")))
}

fn decode_hash(text: &str) -> Result<Hash, ProofError> {
    let wrong = |_| ProofError::Unreadable(format!("{text:?} is not the base64 of 32 bytes"));
    decode(text)?.try_into().map_err(wrong)
}

fn decode_all(texts: &[String]) -> Result<Vec<Hash>, ProofError> {
    texts.iter().map(|text| decode_hash(text)).collect()
}

impl Proof {
    /// Makes a proof of its parts, and of the digest of the rows.
    #[must_use]
    pub fn new(parts: &Parts, rows: &digest::Rows) -> Self {
        let Parts { log, key, head, before, after, consistency, with_der } = parts;
        Self {
            version: VERSION,
            log: ProvedLog {
                name: log.name.clone(),
                operator: log.operator.clone(),
                url: log.url.clone(),
                protocol: log.protocol.to_string(),
                id: LogId::of_key(key).to_string(),
                key: encode(key),
            },
            head: ProvedHead {
                size: head.head.size,
                timestamp: head.head.timestamp,
                root: encode(&head.head.root),
                signature: encode(&head.signature),
            },
            start: before.size(),
            end: after.size(),
            before: encode_all(before.hashes()),
            after: encode_all(after.hashes()),
            consistency: encode_all(consistency),
            with_der: *with_der,
            rows: encode(&rows.digest()),
            digest: String::new(),
        }
    }

    /// Returns the proof of parts that follow each other, from theirs: it begins with the tree before the
    /// first, and ends with that of the last.
    ///
    /// # Errors
    ///
    /// If they do not follow each other, or are not of one log and kind.
    pub fn join(proofs: &[Self], rows: &digest::Rows) -> Result<Self, ProofError> {
        let wrong = |reason: &str| Err(ProofError::Wrong(reason.to_owned()));
        let (Some(first), Some(last)) = (proofs.first(), proofs.last()) else {
            return wrong("there is no part");
        };
        for pair in proofs.windows(2) {
            let [one, two] = pair else { continue };
            if one.after != two.before || one.end != two.start {
                return wrong("the parts do not follow each other");
            }
            if one.log != two.log {
                return wrong("the parts are of different logs, or name the log differently");
            }
            if one.with_der != two.with_der {
                return wrong("only some of the parts have certificates");
            }
        }
        let (start, before) = (first.start, first.before.clone());
        let (rows, digest) = (encode(&rows.digest()), String::new());
        Ok(Self { start, before, rows, digest, ..last.clone() })
    }

    /// Returns the text to store, which contains its own digest.
    #[must_use]
    pub fn seal(mut self) -> String {
        self.digest = self.own_digest();
        self.text()
    }

    fn text(&self) -> String {
        // Texts and numbers under fixed names: serialising them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn own_digest(&self) -> String {
        encode(&ct::sha256(Self { digest: String::new(), ..self.clone() }.text().as_bytes()))
    }

    /// Reads a text. Any change of it is found, in spaces too.
    ///
    /// # Errors
    ///
    /// If it is not what was written.
    pub fn read(text: Option<&str>) -> Result<Self, ProofError> {
        let text = text.ok_or(ProofError::None)?;
        let version = serde_json::from_str::<serde_json::Value>(text)
            .map_err(|error| ProofError::Unreadable(error.to_string()))?;
        match version.get("version").and_then(serde_json::Value::as_u64) {
            None => return Err(ProofError::None),
            Some(known) if known == u64::from(VERSION) => {}
            Some(other) => {
                return Err(ProofError::Version(u32::try_from(other).unwrap_or(u32::MAX)));
            }
        }
        let proof: Self = serde_json::from_str(text)
            .map_err(|error| ProofError::Unreadable(error.to_string()))?;
        let is_whole = proof.text() == text && proof.own_digest() == proof.digest;
        if is_whole { Ok(proof) } else { Err(ProofError::Changed) }
    }

    /// Returns the log's id and the range.
    ///
    /// # Errors
    ///
    /// If the id is none, or the range is empty.
    pub fn span(&self) -> Result<(LogId, Span), ProofError> {
        let id = LogId::from_str(&self.log.id)
            .map_err(|error| ProofError::Unreadable(error.to_string()))?;
        let span = Span::new(self.start, self.end);
        Ok((id, span.ok_or_else(|| ProofError::Wrong("its range is empty".to_owned()))?))
    }

    /// Reports whether the rows have certificates and leaves.
    #[must_use]
    pub const fn has_der(&self) -> bool {
        self.with_der
    }

    /// Returns the head.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn head(&self) -> Result<SignedHead, ProofError> {
        let ProvedHead { size, timestamp, root, signature } = &self.head;
        let head = TreeHead { size: *size, timestamp: *timestamp, root: decode_hash(root)? };
        Ok(SignedHead { head, signature: decode(signature)? })
    }

    /// Checks everything that the proof says by itself: the key is that of the log, the head is signed
    /// with it, and the tree of the entries is the beginning of the head's.
    ///
    /// # Errors
    ///
    /// Names the first thing that is not as it should be.
    pub fn check(&self) -> Result<Checked, ProofError> {
        let wrong = |error: &dyn std::fmt::Display| ProofError::Wrong(error.to_string());
        let (id, _) = self.span()?;
        let key = decode(&self.log.key)?;
        if LogId::of_key(&key) != id {
            return Err(wrong(&"the log id is not that of the key"));
        }
        let key = PublicKey::from_spki(&key).map_err(|error| wrong(&error))?;
        let head = self.head()?;
        head.verify(&key).map_err(|error| wrong(&format!("the head is not signed: {error}")))?;
        let range = |size, hashes: &[String]| {
            CompactRange::from_hashes(size, decode_all(hashes)?).map_err(|error| wrong(&error))
        };
        let (before, after) = (range(self.start, &self.before)?, range(self.end, &self.after)?);
        let TreeHead { size, root, .. } = head.head;
        let consistency = decode_all(&self.consistency)?;
        verify_consistency(self.end, &after.root(), size, &root, &consistency)
            .map_err(|error| wrong(&format!("the entries are not under the head: {error}")))?;
        let protocols = [Protocol::Rfc6962, Protocol::StaticCt];
        let protocol = protocols.into_iter().find(|it| it.to_string() == self.log.protocol);
        let protocol = protocol.ok_or_else(|| wrong(&"its protocol is not known"))?;
        Ok(Checked {
            log: LogIdentity {
                id: Some(id),
                url: self.log.url.clone(),
                name: self.log.name.clone(),
                operator: self.log.operator.clone(),
                protocol,
            },
            head: head.head,
            before,
            after,
            with_der: self.with_der,
            rows: decode_hash(&self.rows)?,
        })
    }
}
