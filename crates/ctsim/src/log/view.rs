//! A log's tree and entries, or those of the fork that a fault shows.

use ct::Hash;
use ct::merkle::{leaf_hash, node_hash, root_of_size};

use crate::fault::Fault;
use crate::log::Log;
use crate::log::entries::EntryBuffer;

/// The bytes of the timestamp in a `MerkleTreeLeaf`.
const TIMESTAMP: std::ops::Range<usize> = 2..10;

/// The state of a log as one request sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) log: &'a Log,
    /// From which entry on a fork is shown.
    fork: Option<u64>,
}

impl<'a> View<'a> {
    pub(crate) const fn new(log: &'a Log, fault: Option<&Fault>) -> Self {
        let fork = match fault {
            Some(Fault::Fork { shared }) => Some(*shared),
            _ => None,
        };
        Self { log, fork }
    }

    /// Reads entry `index` into `buffer`.
    pub(crate) fn read(&self, index: u64, buffer: &mut EntryBuffer) {
        self.log.entries.read(index, buffer);
        if self.fork.is_some_and(|shared| index >= shared) {
            // A ms later: an entry like others, of another hash.
            let timestamp = buffer.leaf_input[TIMESTAMP].iter_mut().rev();
            for byte in timestamp {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
    }

    /// Node (`level`, `index`) of the tree, complete and published.
    pub(crate) fn node(&self, level: u8, index: u64) -> Hash {
        match self.fork {
            Some(shared) if (index + 1) << level > shared => match level {
                0 => {
                    let mut buffer = EntryBuffer::default();
                    self.read(index, &mut buffer);
                    leaf_hash(&buffer.leaf_input)
                }
                _ => {
                    let below = |side| self.node(level - 1, 2 * index + side);
                    node_hash(&below(0), &below(1))
                }
            },
            _ => self.log.node(level, index),
        }
    }

    /// `count` hashes from `first` on of a hash tile's level, all in one tile.
    pub(crate) fn hashes(&self, level: u8, first: u64, count: usize) -> Vec<Hash> {
        match self.fork {
            None => self.log.hashes(level, first, count),
            Some(_) => (first..).take(count).map(|index| self.node(8 * level, index)).collect(),
        }
    }

    /// The root of the tree of the first `size` entries.
    pub(crate) fn root(&self, size: u64) -> Hash {
        root_of_size(size, &|level, index| self.node(level, index))
    }

    /// The index of a leaf among the newest, in the tree of `size` leaves.
    pub(crate) fn find(&self, hash: &Hash, size: u64) -> Option<u64> {
        let forked = self
            .fork
            .and_then(|shared| (shared..size).rev().find(|index| self.node(0, *index) == *hash));
        forked.or_else(|| self.log.find(hash, size))
    }
}
