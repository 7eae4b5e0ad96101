//! The Merkle tree of one log: signed heads, the tree of the entries read, and proof that they agree.

pub(crate) mod contradiction;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod frontier;
pub(crate) mod heads;
pub(crate) mod locate;
