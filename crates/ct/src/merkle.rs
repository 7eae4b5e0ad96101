//! Merkle trees over SHA-256 (RFC 6962 section 2.1): hashing, appending, proofs.
//!
//! A node is named by `(level, index)`: the root of the complete subtree over leaves
//! `index·2^level .. (index+1)·2^level`. Level 0 holds the leaf hashes.

mod proof;
mod range;

use self::proof::left_siblings;
pub use self::proof::{
    ProofError, consistency_proof, inclusion_proof, root_of_size, verify_consistency,
    verify_inclusion,
};
pub use self::range::{CompactRange, RangeError};
use crate::Hash;
use crate::encoding::{sha256, sha256_parts};

/// The root of the tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The hash of a leaf: SHA-256 of `00` and the `MerkleTreeLeaf`.
#[must_use]
pub fn leaf_hash(merkle_tree_leaf: &[u8]) -> Hash {
    leaf_hash_parts(&[merkle_tree_leaf])
}

/// The hash of a leaf whose bytes lie in parts.
#[must_use]
pub fn leaf_hash_parts(parts: &[&[u8]]) -> Hash {
    sha256_parts(&[0], parts)
}

/// The hash of a node: SHA-256 of `01` and its children's hashes.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut node = [1; 65];
    let (_, children) = node.split_at_mut(1);
    for (to, from) in children.chunks_exact_mut(32).zip([left, right]) {
        to.copy_from_slice(from);
    }
    sha256(&node)
}

/// Returns the root of the tree with these leaf hashes, or of complete subtrees of one other level: of
/// a full tile, its hash in the tile of the next level.
#[must_use]
pub fn tree_hash(leaf_hashes: &[Hash]) -> Hash {
    let mut row = match leaf_hashes {
        [] => return empty_root(),
        [only] => return *only,
        leaves => parents(leaves),
    };
    while row.len() > 1 {
        row = parents(&row);
    }
    row.first().copied().unwrap_or_else(empty_root)
}

/// The row above: hashes of pairs, and the odd last hash as it is.
fn parents(row: &[Hash]) -> Vec<Hash> {
    let (pairs, odd) = row.as_chunks::<2>();
    pairs.iter().map(|[left, right]| node_hash(left, right)).chain(odd.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
