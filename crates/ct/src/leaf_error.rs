//! The error of everything that reads or writes leaves.

use thiserror::Error;

/// An error in reading or writing a leaf, an `extra_data` or a `TileLeaf`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeafError {
    /// The input ends inside a field.
    #[error("{what} is cut short: {needed} bytes needed, {left} left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// The number of bytes that the field needs.
        needed: usize,
        /// The number of bytes left.
        left: usize,
    },
    /// Bytes follow the end of a structure.
    #[error("{count} bytes follow the end of {what}")]
    TrailingBytes {
        /// The structure.
        what: &'static str,
        /// Their number.
        count: usize,
    },
    /// `version` is not 0 (v1).
    #[error("unknown leaf version {0}")]
    UnknownVersion(u8),
    /// `leaf_type` is not 0 (`timestamped_entry`).
    #[error("unknown leaf type {0}")]
    UnknownLeafType(u8),
    /// `entry_type` is neither 0 (`x509_entry`) nor 1 (`precert_entry`).
    #[error("unknown entry type {0}")]
    UnknownEntryType(u16),
    /// A field which must hold at least one byte holds none.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A field is too long for its length prefix.
    #[error("{what} is too long to be written: {length} bytes")]
    TooLong {
        /// The field.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// The `leaf_index` extension is there twice, or is not 5 bytes.
    #[error("the leaf_index extension is malformed: {0}")]
    LeafIndex(&'static str),
    /// The chain fingerprints of a `TileLeaf` are not a whole number of SHA-256 hashes.
    #[error("{0} bytes of chain fingerprints are not a whole number of 32-byte hashes")]
    Fingerprints(usize),
    /// A precertificate without a precertificate entry, or the other way round.
    #[error("a submitted precertificate goes with a precertificate entry, and only with one")]
    Precertificate,
}
