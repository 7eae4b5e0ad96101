//! Inclusion and consistency proofs: verified as RFC 9162 section 2.1 says (the trees and proofs are
//! those of RFC 6962), and made from the nodes of a tree.

use std::ops::Range;

use thiserror::Error;

use super::{empty_root, node_hash};
use crate::Hash;

/// An error in verifying or making a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The leaf is not below the size of the tree.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    Index {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A tree is consistent with another only if it has leaves, and not more.
    #[error("no proof leads from a tree of {first} leaves to one of {second}")]
    Sizes {
        /// The size of the smaller tree.
        first: u64,
        /// The size of the larger tree.
        second: u64,
    },
    /// The proof has too few or too many hashes.
    #[error("the proof has {0} hashes, too few or too many")]
    Length(usize),
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// The proof shows another tree to have been there before.
    #[error("the proof leads to another earlier root")]
    FirstRoot,
}

/// Verifies that the leaf with this hash is number `index` in the tree of `size` leaves with this root
/// (RFC 9162 section 2.1.3.2). The path is from leaf to root.
///
/// # Errors
/// If it does not prove that.
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let mut walk = Walk::new(index, size).ok_or(ProofError::Index { index, size })?;
    let mut hash = *leaf_hash;
    for sibling in path {
        hash = match walk.step().ok_or(ProofError::Length(path.len()))? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    match () {
        () if !walk.at_root() => Err(ProofError::Length(path.len())),
        () if hash != *root => Err(ProofError::Root),
        () => Ok(()),
    }
}

/// Those hashes of an inclusion proof which stand left of the way from leaf to root, lowest first.
pub(super) fn left_siblings(index: u64, size: u64, path: &[Hash]) -> Vec<Hash> {
    let Some(mut walk) = Walk::new(index, size) else { return Vec::new() };
    let is_left = |_: &&Hash| matches!(walk.step(), Some(Side::Left));
    path.iter().filter(is_left).copied().collect()
}

/// Verifies that the tree of `second` leaves begins with the tree of `first` leaves (RFC 9162 section
/// 2.1.4.2).
///
/// # Errors
/// If it does not prove that. The proof of a tree with itself is empty; there is none from an empty
/// tree.
pub fn verify_consistency(
    first: u64,
    first_root: &Hash,
    second: u64,
    second_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let sizes = ProofError::Sizes { first, second };
    let length = ProofError::Length(proof.len());
    if first == 0 || first > second {
        return Err(sizes);
    }
    if first == second {
        return match () {
            () if !proof.is_empty() => Err(length),
            () if first_root != second_root => Err(ProofError::Root),
            () => Ok(()),
        };
    }
    // When the first tree is complete, its root is itself the node to begin with, and left out.
    let (seed, path) = match proof {
        [] => return Err(length),
        path if first.is_power_of_two() => (first_root, path),
        [seed, path @ ..] => (seed, path),
    };
    let mut walk = Walk::new(first.saturating_sub(1), second).ok_or(sizes)?;
    walk.skip_right_turns();
    let (mut old, mut new) = (*seed, *seed);
    for hash in path {
        match walk.step().ok_or(length)? {
            Side::Left => {
                old = node_hash(hash, &old);
                new = node_hash(hash, &new);
            }
            Side::Right => new = node_hash(&new, hash),
        }
    }
    match () {
        () if !walk.at_root() => Err(length),
        () if old != *first_root => Err(ProofError::FirstRoot),
        () if new != *second_root => Err(ProofError::Root),
        () => Ok(()),
    }
}

/// The audit path of leaf `index` in the tree of `size` leaves, from leaf to root (RFC 6962 section
/// 2.1.1). `node(level, index)` is asked only for complete subtrees within `size`.
///
/// # Errors
/// If `index` is not below `size`.
pub fn inclusion_proof(
    index: u64,
    size: u64,
    node: &dyn Fn(u8, u64) -> Hash,
) -> Result<Vec<Hash>, ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let mut path = Vec::new();
    let mut tree = 0..size;
    while let Some(middle) = split(&tree) {
        if index < middle {
            path.push(subtree_root(middle..tree.end, node));
            tree.end = middle;
        } else {
            path.push(subtree_root(tree.start..middle, node));
            tree.start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof between the trees of `first` and of `second` leaves (RFC 6962 section 2.1.2).
/// `node(level, index)` is asked only for complete subtrees within `second`.
///
/// # Errors
/// If `first` is 0 or greater than `second`.
pub fn consistency_proof(
    first: u64,
    second: u64,
    node: &dyn Fn(u8, u64) -> Hash,
) -> Result<Vec<Hash>, ProofError> {
    if first == 0 || first > second {
        return Err(ProofError::Sizes { first, second });
    }
    let mut proof = Vec::new();
    let mut tree = 0..second;
    while tree.end != first {
        let Some(middle) = split(&tree) else { break };
        if first <= middle {
            proof.push(subtree_root(middle..tree.end, node));
            tree.end = middle;
        } else {
            proof.push(subtree_root(tree.start..middle, node));
            tree.start = middle;
        }
    }
    // What is left is the last subtree of the first tree. The verifier has its hash only when it is
    // the whole of that tree.
    if tree.start > 0 {
        proof.push(subtree_root(tree, node));
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the tree of `size` leaves. `node(level, index)` is asked only for complete subtrees
/// within `size`.
#[must_use]
pub fn root_of_size(size: u64, node: &dyn Fn(u8, u64) -> Hash) -> Hash {
    subtree_root(0..size, node)
}

/// The root of the subtree over `leaves`, which begins at a multiple of a power of two not smaller than
/// its length.
fn subtree_root(leaves: Range<u64>, node: &dyn Fn(u8, u64) -> Hash) -> Hash {
    let mut left = leaves.end.saturating_sub(leaves.start);
    let mut end = leaves.end;
    let mut root = None;
    // From the right, smallest first: the one-bits of the length are the complete subtrees.
    while left > 0 {
        let level = left.trailing_zeros();
        let index = end.checked_shr(level).unwrap_or_default().saturating_sub(1);
        let hash = node(u8::try_from(level).unwrap_or(u8::MAX), index);
        root = Some(root.map_or(hash, |right| node_hash(&hash, &right)));
        let subtree = 1_u64.checked_shl(level).unwrap_or_default();
        left = left.saturating_sub(subtree);
        end = end.saturating_sub(subtree);
    }
    root.unwrap_or_else(empty_root)
}

/// Returns the largest power of two smaller than the size of a tree, at which it is split. `None`
/// for one leaf.
fn split(tree: &Range<u64>) -> Option<u64> {
    let last = tree.end.saturating_sub(tree.start).saturating_sub(1);
    tree.start.checked_add(1_u64.checked_shl(last.checked_ilog2()?)?)
}

/// The way from a leaf up to the root, told from the leaf's index and the last leaf's: `fn` and `sn` of
/// RFC 9162.
struct Walk {
    node: u64,
    last: u64,
}

/// On which side of the way the next sibling stands.
enum Side {
    Left,
    Right,
}

impl Walk {
    fn new(index: u64, size: u64) -> Option<Self> {
        let last = size.checked_sub(1)?;
        (index <= last).then_some(Self { node: index, last })
    }

    /// To the parent with two children that is next; `None` at the root.
    fn step(&mut self) -> Option<Side> {
        if self.at_root() {
            return None;
        }
        if self.node & 1 == 0 && self.node < self.last {
            self.up();
            return Some(Side::Right);
        }
        // The last node of a level without a sibling on the right is its own parent.
        while self.node & 1 == 0 && self.node != 0 {
            self.up();
        }
        self.up();
        Some(Side::Left)
    }

    /// Up while the way comes from the right: to the complete subtree that ends with the leaf.
    fn skip_right_turns(&mut self) {
        while self.node & 1 == 1 {
            self.up();
        }
    }

    fn at_root(&self) -> bool {
        self.last == 0
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }
}
