//! `MerkleTreeLeaf` (RFC 6962 section 3.4) and `extra_data` (section 4.6).
//!
//! Parsing is strict, because what a log hashes has exactly one form: anything left over, cut short
//! or unknown is an error. The leaf hash covers the bytes as served, so it can be computed (see
//! [`leaf_hash`](crate::merkle::leaf_hash)) whether or not they parse.

use crate::Hash;
use crate::encoding::{Reader, put_length24, put_opaque16, put_opaque24};

pub use crate::leaf_error::LeafError;

/// The type of an entry: `LogEntryType` of RFC 6962 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryType {
    /// A certificate: `x509_entry`, 0.
    X509,
    /// A precertificate: `precert_entry`, 1.
    Precert,
}

/// A `MerkleTreeLeaf` of version 1, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// The time at which the log promised the entry, in ms since the Unix epoch; the same as in the
    /// SCT.
    pub timestamp: u64,
    /// The entry.
    pub entry: LeafEntry<'a>,
    /// `CtExtensions`, less their length. Empty in RFC 6962 logs; see [`Leaf::leaf_index`].
    pub extensions: &'a [u8],
}

/// The entry of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafEntry<'a> {
    /// `x509_entry`.
    X509 {
        /// The DER certificate, 1 to 2^24-1 bytes.
        certificate: &'a [u8],
    },
    /// `precert_entry`.
    Precert {
        /// SHA-256 of the `SubjectPublicKeyInfo` of the CA that issues the final certificate.
        issuer_key_hash: &'a Hash,
        /// The DER `TBSCertificate` without the poison extension, 1 to 2^24-1 bytes.
        tbs: &'a [u8],
    },
}

/// The `extra_data` of a get-entries answer: what the tree hash does not cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraData<'a> {
    /// The DER precertificate as submitted, poison and all; only of a precertificate entry.
    pub precertificate: Option<&'a [u8]>,
    /// The DER certificates above the entry, issuer first.
    pub chain: Vec<&'a [u8]>,
}

const LEAF_INDEX_TYPE: u8 = 0;

impl EntryType {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, LeafError> {
        match reader.u16("entry_type")? {
            0 => Ok(Self::X509),
            1 => Ok(Self::Precert),
            other => Err(LeafError::UnknownEntryType(other)),
        }
    }

    fn code(self) -> u16 {
        match self {
            Self::X509 => 0,
            Self::Precert => 1,
        }
    }
}

impl<'a> Leaf<'a> {
    /// Reads a whole `MerkleTreeLeaf`: the decoded `leaf_input` of get-entries.
    ///
    /// # Errors
    /// If the bytes are not exactly one leaf of a known version and type.
    pub fn parse(merkle_tree_leaf: &'a [u8]) -> Result<Self, LeafError> {
        match Self::parse_front(merkle_tree_leaf)? {
            (leaf, []) => Ok(leaf),
            (_, rest) => {
                Err(LeafError::TrailingBytes { what: "MerkleTreeLeaf", count: rest.len() })
            }
        }
    }

    /// Reads a `MerkleTreeLeaf` from the front; returns it and what follows it, where a sound log has
    /// nothing. The leaf hash covers what follows too.
    ///
    /// # Errors
    /// If the bytes do not begin with a leaf of a known version and type.
    pub fn parse_front(leaf_input: &'a [u8]) -> Result<(Self, &'a [u8]), LeafError> {
        let mut reader = Reader::new(leaf_input);
        match reader.u8("version")? {
            0 => {}
            other => return Err(LeafError::UnknownVersion(other)),
        }
        match reader.u8("leaf_type")? {
            0 => {}
            other => return Err(LeafError::UnknownLeafType(other)),
        }
        let leaf = Self::read(&mut reader)?;
        Ok((leaf, reader.rest()))
    }

    /// Reads a whole `TimestampedEntry`: a `MerkleTreeLeaf` without its first two bytes.
    ///
    /// # Errors
    /// If the bytes are not exactly one entry of a known type.
    pub fn parse_timestamped_entry(timestamped_entry: &'a [u8]) -> Result<Self, LeafError> {
        let mut reader = Reader::new(timestamped_entry);
        let leaf = Self::read(&mut reader)?;
        reader.end("TimestampedEntry")?;
        Ok(leaf)
    }

    /// Reads a `TimestampedEntry` from the front.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, LeafError> {
        let timestamp = reader.u64("timestamp")?;
        let entry = match EntryType::read(reader)? {
            EntryType::X509 => LeafEntry::X509 { certificate: certificate(reader, "certificate")? },
            EntryType::Precert => LeafEntry::Precert {
                issuer_key_hash: reader.array("issuer_key_hash")?,
                tbs: certificate(reader, "tbs_certificate")?,
            },
        };
        let extensions = reader.opaque16("extensions")?;
        Ok(Self { timestamp, entry, extensions })
    }

    /// Returns the type of the entry.
    #[must_use]
    pub fn entry_type(&self) -> EntryType {
        match self.entry {
            LeafEntry::X509 { .. } => EntryType::X509,
            LeafEntry::Precert { .. } => EntryType::Precert,
        }
    }

    /// The entry's own index, which static logs write into the leaf (c2sp.org/static-ct-api, "SCT
    /// Extension"). `None` where there is no such extension, as in RFC 6962 logs; extensions of other
    /// types are passed over.
    ///
    /// # Errors
    /// If the extensions are malformed or carry two indexes.
    pub fn leaf_index(&self) -> Result<Option<u64>, LeafError> {
        let mut reader = Reader::new(self.extensions);
        let mut index = None;
        while !reader.is_empty() {
            let extension_type = reader.u8("extension type")?;
            let data = reader.opaque16("extension data")?;
            if extension_type != LEAF_INDEX_TYPE {
                continue;
            }
            let Ok([a, b, c, d, e]) = <[u8; 5]>::try_from(data) else {
                return Err(LeafError::LeafIndex("it is not 5 bytes"));
            };
            if index.replace(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])).is_some() {
                return Err(LeafError::LeafIndex("it is there twice"));
            }
        }
        Ok(index)
    }

    /// Appends the `MerkleTreeLeaf`, including its first two bytes `00 00`; what follows these two is
    /// the `TimestampedEntry`.
    ///
    /// # Errors
    /// If a field is empty or too long; `out` then holds part of a leaf.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), LeafError> {
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.entry_type().code().to_be_bytes());
        match self.entry {
            LeafEntry::X509 { certificate } => put_certificate(out, certificate, "certificate")?,
            LeafEntry::Precert { issuer_key_hash, tbs } => {
                out.extend_from_slice(issuer_key_hash);
                put_certificate(out, tbs, "tbs_certificate")?;
            }
        }
        put_opaque16(out, self.extensions, "extensions")
    }
}

/// The extensions of a static log's leaf: the `leaf_index` extension alone.
///
/// An index is 40 bits wide; of a larger one only the low 40 bits are written.
#[must_use]
pub fn leaf_index_extension(index: u64) -> [u8; 8] {
    let [_, _, _, a, b, c, d, e] = index.to_be_bytes();
    [LEAF_INDEX_TYPE, 0, 5, a, b, c, d, e]
}

impl<'a> ExtraData<'a> {
    /// Reads a whole decoded `extra_data`.
    ///
    /// # Errors
    /// If the bytes are not exactly the structure that goes with `entry_type`.
    pub fn parse(entry_type: EntryType, extra_data: &'a [u8]) -> Result<Self, LeafError> {
        let mut reader = Reader::new(extra_data);
        let precertificate = match entry_type {
            EntryType::X509 => None,
            EntryType::Precert => Some(certificate(&mut reader, "precertificate")?),
        };
        let mut list = Reader::new(reader.opaque24("chain")?);
        reader.end("extra_data")?;
        let mut chain = Vec::new();
        while !list.is_empty() {
            chain.push(certificate(&mut list, "chain certificate")?);
        }
        Ok(Self { precertificate, chain })
    }

    /// Reads as much of an `extra_data` as can be relied on: the precertificate, if the bytes begin
    /// with a whole one, and the chain only if everything is as it should be. Returns why it is not.
    #[must_use]
    pub fn parse_lossy(entry_type: EntryType, extra_data: &'a [u8]) -> (Self, Option<LeafError>) {
        match Self::parse(entry_type, extra_data) {
            Ok(extra) => (extra, None),
            Err(error) => {
                let front = || certificate(&mut Reader::new(extra_data), "precertificate").ok();
                let precertificate = match entry_type {
                    EntryType::X509 => None,
                    EntryType::Precert => front(),
                };
                (Self { precertificate, chain: Vec::new() }, Some(error))
            }
        }
    }

    /// Appends the `extra_data`.
    ///
    /// # Errors
    /// If a field is empty or too long; `out` then holds part of it.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), LeafError> {
        if let Some(precertificate) = self.precertificate {
            put_certificate(out, precertificate, "precertificate")?;
        }
        let length = self
            .chain
            .iter()
            .fold(0_usize, |sum, der| sum.saturating_add(3).saturating_add(der.len()));
        put_length24(out, length, "chain")?;
        self.chain.iter().try_for_each(|der| put_certificate(out, der, "chain certificate"))
    }
}

/// `opaque ASN.1Cert<1..2^24-1>`
pub(crate) fn certificate<'a>(
    reader: &mut Reader<'a>,
    what: &'static str,
) -> Result<&'a [u8], LeafError> {
    match reader.opaque24(what)? {
        [] => Err(LeafError::Empty(what)),
        der => Ok(der),
    }
}

pub(crate) fn put_certificate(
    out: &mut Vec<u8>,
    der: &[u8],
    what: &'static str,
) -> Result<(), LeafError> {
    if der.is_empty() {
        return Err(LeafError::Empty(what));
    }
    put_opaque24(out, der, what)
}

#[cfg(test)]
mod tests;
