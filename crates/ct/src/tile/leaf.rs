//! The entries of a data tile.

use std::iter::FusedIterator;

use crate::Hash;
use crate::encoding::{Reader, put_opaque16};
use crate::leaf::{EntryType, Leaf, LeafError, certificate, put_certificate};
use crate::merkle::leaf_hash_parts;

/// One entry of a data tile: `TileLeaf` of c2sp.org/static-ct-api.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileLeaf<'a> {
    /// The entry, read.
    pub leaf: Leaf<'a>,
    /// The entry as served: the `MerkleTreeLeaf` without its first two bytes `00 00`.
    pub timestamped_entry: &'a [u8],
    /// The DER precertificate as submitted; only of a precertificate entry.
    pub precertificate: Option<&'a [u8]>,
    /// SHA-256 of each DER certificate of the chain, issuer first; the certificates themselves are at
    /// [`issuer_path`](TileLeaf::issuer_path).
    pub fingerprints: &'a [Hash],
}

/// An entry of a data tile of which only the bounds are known; see [`TileLeaf::delimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimited<'a> {
    /// The part that the tree covers: the `MerkleTreeLeaf` without its first two bytes `00 00`.
    pub timestamped_entry: &'a [u8],
    /// All bytes of the entry.
    pub whole: &'a [u8],
}

impl Delimited<'_> {
    /// The leaf hash, as [`TileLeaf::leaf_hash`].
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash_parts(&[&[0, 0], self.timestamped_entry])
    }
}

/// Iterates over the entries of a data tile; see [`TileLeaf::iter`].
#[derive(Clone, Copy, Debug)]
pub struct TileLeaves<'a> {
    rest: &'a [u8],
}

impl<'a> TileLeaf<'a> {
    /// Reads one entry from the front of `input`; returns it and what follows it.
    ///
    /// # Errors
    /// If `input` does not begin with a whole entry of a known type.
    pub fn parse(input: &'a [u8]) -> Result<(Self, &'a [u8]), LeafError> {
        let mut reader = Reader::new(input);
        let leaf = Leaf::read(&mut reader)?;
        let length = input.len().saturating_sub(reader.rest().len());
        let timestamped_entry = input.get(..length).unwrap_or_default();
        let precertificate = match leaf.entry_type() {
            EntryType::X509 => None,
            EntryType::Precert => Some(certificate(&mut reader, "precertificate")?),
        };
        let chain = reader.opaque16("chain fingerprints")?;
        let (fingerprints, []) = chain.as_chunks() else {
            return Err(LeafError::Fingerprints(chain.len()));
        };
        Ok((Self { leaf, timestamped_entry, precertificate, fingerprints }, reader.rest()))
    }

    /// Splits off the entry at the front of `input` by its lengths alone: its `TimestampedEntry`,
    /// all of it, and what follows it. So an entry that [`parse`](Self::parse) refuses can still be
    /// hashed and passed over.
    ///
    /// # Errors
    /// If `input` ends within the entry, or its type, from which its form follows, is not known.
    pub fn delimit(input: &'a [u8]) -> Result<(Delimited<'a>, &'a [u8]), LeafError> {
        let before = |reader: &Reader<'a>| {
            input.get(..input.len().saturating_sub(reader.rest().len())).unwrap_or_default()
        };
        let mut reader = Reader::new(input);
        reader.u64("timestamp")?;
        let entry_type = EntryType::read(&mut reader)?;
        if entry_type == EntryType::Precert {
            reader.array::<32>("issuer_key_hash")?;
        }
        reader.opaque24("certificate")?;
        reader.opaque16("extensions")?;
        let timestamped_entry = before(&reader);
        if entry_type == EntryType::Precert {
            reader.opaque24("precertificate")?;
        }
        reader.opaque16("chain fingerprints")?;
        Ok((Delimited { timestamped_entry, whole: before(&reader) }, reader.rest()))
    }

    /// The tile entry of a leaf given as RFC 6962 has it (`leaf_input`, beginning `00 00`).
    ///
    /// # Errors
    /// If `merkle_tree_leaf` is not a leaf, or `precertificate` does not go with its type.
    pub fn from_merkle_tree_leaf(
        merkle_tree_leaf: &'a [u8],
        precertificate: Option<&'a [u8]>,
        fingerprints: &'a [Hash],
    ) -> Result<Self, LeafError> {
        let leaf = Leaf::parse(merkle_tree_leaf)?;
        if precertificate.is_some() != (leaf.entry_type() == EntryType::Precert) {
            return Err(LeafError::Precertificate);
        }
        let timestamped_entry = merkle_tree_leaf.get(2..).unwrap_or_default();
        Ok(Self { leaf, timestamped_entry, precertificate, fingerprints })
    }

    /// The entries of a data tile, in order. After an entry that cannot be read there is nothing more:
    /// where it ends is not known.
    #[must_use]
    pub fn iter(data_tile: &'a [u8]) -> TileLeaves<'a> {
        TileLeaves { rest: data_tile }
    }

    /// The leaf hash: that of the `MerkleTreeLeaf`, `00 00` and the timestamped entry.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash_parts(&[&[0, 0], self.timestamped_entry])
    }

    /// Appends the entry as a data tile has it. `timestamped_entry` is written as it is.
    ///
    /// # Errors
    /// If a field is empty or too long, or the precertificate does not go with the entry's type;
    /// `out` then holds part of it.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), LeafError> {
        out.extend_from_slice(self.timestamped_entry);
        match (self.leaf.entry_type(), self.precertificate) {
            (EntryType::X509, None) => {}
            (EntryType::Precert, Some(der)) => put_certificate(out, der, "precertificate")?,
            _ => return Err(LeafError::Precertificate),
        }
        put_opaque16(out, self.fingerprints.as_flattened(), "chain fingerprints")
    }

    /// Returns the path of the chain certificate with this fingerprint, below the log's monitoring
    /// prefix: `issuer/<64 lower-case hexadecimal digits>`.
    #[must_use]
    pub fn issuer_path(fingerprint: &Hash) -> String {
        fingerprint.iter().fold(String::from("issuer/"), |mut path, byte| {
            for nibble in [byte >> 4, byte & 0xf] {
                path.extend(char::from_digit(nibble.into(), 16));
            }
            path
        })
    }
}

impl<'a> Iterator for TileLeaves<'a> {
    type Item = Result<TileLeaf<'a>, LeafError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match TileLeaf::parse(self.rest) {
            Ok((leaf, rest)) => {
                self.rest = rest;
                Some(Ok(leaf))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

impl FusedIterator for TileLeaves<'_> {}
