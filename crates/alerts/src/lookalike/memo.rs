//! The labels that are like no protected name.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Labels that are remembered. Most labels of a stream are among the last few thousand: `www`,
/// `mail`, and those of a certificate that comes from several logs.
const SLOTS: usize = 1 << 14;

/// The hashes of labels in which nothing was found, each in the one place that its hash gives.
#[derive(Debug)]
pub(super) struct Memo {
    hasher: RandomState,
    slots: Box<[u64]>,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), slots: vec![0; SLOTS].into() }
    }

    /// Returns the hash of a label, or none if nothing is found in it.
    pub(super) fn unknown(&self, label: &str) -> Option<u64> {
        let hash = self.hasher.hash_one(label);
        (self.slots.get(place(hash)) != Some(&hash)).then_some(hash)
    }

    /// Remembers that nothing is found in the label with this hash.
    pub(super) fn add(&mut self, hash: u64) {
        if let Some(slot) = self.slots.get_mut(place(hash)) {
            *slot = hash;
        }
    }
}

/// The place of a hash.
const fn place(hash: u64) -> usize {
    hash as usize % SLOTS
}
