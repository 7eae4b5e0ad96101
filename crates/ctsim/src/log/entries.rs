//! The entries of a log: entry `i`, generated or looked up on request.

use ct::Hash;
use ct::leaf::{EntryType, leaf_index_extension};

use crate::Protocol;
use crate::corpus::CorpusEntry;
use crate::pki::certificate::{Draft, Generator};

/// A long history repeats its first entries in blocks of this many.
pub(crate) const BLOCK: u64 = 65_536;

/// The entries of a log.
#[derive(Debug)]
pub(crate) enum Entries {
    Generated(Generated),
    Corpus(Vec<CorpusEntry>),
}

/// Entries which follow from the log's seed and their index.
#[derive(Debug)]
pub(crate) struct Generated {
    pub(crate) generator: Generator,
    protocol: Protocol,
    /// The entries below this index repeat the first [`BLOCK`]; a multiple of it.
    repeated: u64,
}

/// An entry as it is served; kept between entries to save its buffers.
#[derive(Debug, Default)]
pub(crate) struct EntryBuffer {
    /// The `MerkleTreeLeaf`.
    pub(crate) leaf_input: Vec<u8>,
    /// The part that the tree does not cover, in the form of the log's protocol: `extra_data`, or
    /// of a `TileLeaf` what comes after the `TimestampedEntry`.
    pub(crate) extra: Vec<u8>,
    draft: Draft,
}

impl EntryBuffer {
    /// Returns the type of the entry; a certificate, if the leaf has no known type.
    pub(crate) fn entry_type(&self) -> EntryType {
        match self.leaf_input.get(10..12) {
            Some([0, 1]) => EntryType::Precert,
            _ => EntryType::X509,
        }
    }
}

impl Entries {
    /// Returns the largest possible number of entries.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            // The leaf_index extension holds 40 bits.
            Self::Generated(_) => 1 << 40,
            Self::Corpus(entries) => entries.len() as u64,
        }
    }

    /// Reads entry `index`, which is below [`limit`](Self::limit), into `buffer`.
    pub(crate) fn read(&self, index: u64, buffer: &mut EntryBuffer) {
        match self {
            Self::Generated(generated) => generated.read(index, buffer),
            Self::Corpus(entries) => {
                let entry = &entries[index as usize];
                buffer.leaf_input.clear();
                buffer.leaf_input.extend_from_slice(&entry.leaf_input);
                buffer.extra.clear();
                buffer.extra.extend_from_slice(&entry.extra);
            }
        }
    }

    /// The hash of leaf `index`.
    pub(crate) fn leaf_hash(&self, index: u64, buffer: &mut EntryBuffer) -> Hash {
        self.read(index, buffer);
        ct::merkle::leaf_hash(&buffer.leaf_input)
    }
}

impl Generated {
    pub(crate) fn new(generator: Generator, protocol: Protocol) -> Self {
        let repeated = generator.schedule.initial_size / BLOCK * BLOCK;
        Self { generator, protocol, repeated }
    }

    /// Returns the number of copies of the first [`BLOCK`] entries, the first one included.
    pub(crate) fn repeats(&self) -> u64 {
        self.repeated / BLOCK
    }

    fn read(&self, index: u64, buffer: &mut EntryBuffer) {
        let content = if index < self.repeated { index % BLOCK } else { index };
        let (entry_type, issuer) = self.generator.draw(content, &mut buffer.draft);
        let EntryBuffer { leaf_input, extra, draft } = buffer;

        leaf_input.clear();
        leaf_input.extend_from_slice(&[0, 0]);
        leaf_input.extend_from_slice(&self.generator.schedule.timestamp(content).to_be_bytes());
        extra.clear();
        match entry_type {
            EntryType::X509 => leaf_input.extend_from_slice(&[0, 0]),
            EntryType::Precert => {
                leaf_input.extend_from_slice(&[0, 1]);
                leaf_input.extend_from_slice(&issuer.key_hash);
                put_opaque24(extra, &draft.precertificate);
            }
        }
        put_opaque24(leaf_input, &draft.leaf);
        match self.protocol {
            Protocol::Rfc6962 => {
                leaf_input.extend_from_slice(&[0, 0]);
                put_length24(extra, issuer.chain.iter().map(|der| 3 + der.len()).sum());
                issuer.chain.iter().for_each(|der| put_opaque24(extra, der));
            }
            Protocol::StaticCt => {
                leaf_input.extend_from_slice(&[0, EXTENSION_LENGTH as u8]);
                leaf_input.extend_from_slice(&leaf_index_extension(index));
                let fingerprints = issuer.fingerprints.as_flattened();
                extra.extend_from_slice(&(fingerprints.len() as u16).to_be_bytes());
                extra.extend_from_slice(fingerprints);
            }
        }
    }
}

/// The length of a static log's leaf extensions, with which the leaf ends.
pub(crate) const EXTENSION_LENGTH: usize = 8;

/// Appends `opaque<0..2^24-1>`. Nothing the simulator makes is as long as that.
pub(crate) fn put_opaque24(out: &mut Vec<u8>, data: &[u8]) {
    put_length24(out, data.len());
    out.extend_from_slice(data);
}

fn put_length24(out: &mut Vec<u8>, length: usize) {
    let [.., a, b, c] = length.to_be_bytes();
    out.extend_from_slice(&[a, b, c]);
}
