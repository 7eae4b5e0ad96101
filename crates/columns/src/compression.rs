//! The codecs of columns.

/// The codec of the columns of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// LZ4 frames: fast.
    Lz4,
    /// Zstandard: small.
    #[default]
    Zstd,
}
