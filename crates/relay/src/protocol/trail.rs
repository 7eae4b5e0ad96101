//! The memory of what a reader has read: what it has shown, and places to begin anew at.

use std::collections::{HashSet, VecDeque};

use record::BatchHash;

use super::step::{Anchor, Restart};

/// Batches remembered as shown.
const MAX_SHOWN: usize = 65_536;
/// Checkpoints remembered as places to begin anew at.
const MAX_CHECKPOINTS: usize = 64;

/// The batches shown, and the checkpoints passed.
#[derive(Debug, Default)]
pub(super) struct Trail {
    shown: HashSet<BatchHash>,
    order: VecDeque<BatchHash>,
    checkpoints: VecDeque<Restart>,
}

impl Trail {
    /// Reports whether a batch was shown.
    pub(super) fn has_shown(&self, hash: BatchHash) -> bool {
        self.shown.contains(&hash)
    }

    /// Notes that a batch is shown.
    pub(super) fn show(&mut self, hash: BatchHash) {
        if !self.shown.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_SHOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.shown.remove(&oldest);
        }
    }

    /// Notes a checkpoint. Those above it are gone.
    pub(super) fn note(&mut self, checkpoint: Restart) {
        while self.checkpoints.back().is_some_and(|last| last.after >= checkpoint.after) {
            self.checkpoints.pop_back();
        }
        self.checkpoints.push_back(checkpoint);
        if self.checkpoints.len() > MAX_CHECKPOINTS {
            self.checkpoints.pop_front();
        }
    }

    /// Forgets the checkpoint that ends at a message.
    pub(super) fn forget(&mut self, end: Anchor) {
        self.checkpoints.retain(|checkpoint| checkpoint.end != end);
    }

    /// Returns the checkpoints, newest first.
    pub(super) fn checkpoints(&self) -> impl Iterator<Item = Restart> {
        self.checkpoints.iter().rev().copied()
    }

    /// Forgets everything: the stream is another one.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(after: u64) -> Restart {
        Restart { after, end: Anchor::default() }
    }

    #[test]
    fn the_trail_is_bounded_and_forgets_the_oldest() {
        let mut trail = Trail::default();
        for number in 0..=MAX_SHOWN as u64 {
            trail.show(BatchHash(number));
            trail.note(checkpoint(number));
        }
        assert!(!trail.has_shown(BatchHash(0)));
        assert!(trail.has_shown(BatchHash(1)));
        assert_eq!(trail.checkpoints().count(), MAX_CHECKPOINTS);
        assert_eq!(trail.checkpoints().next(), Some(checkpoint(MAX_SHOWN as u64)));
    }

    #[test]
    fn a_checkpoint_at_a_lower_sequence_replaces_those_above() {
        let mut trail = Trail::default();
        for after in [5, 9, 12, 9] {
            trail.note(checkpoint(after));
        }
        let places: Vec<u64> = trail.checkpoints().map(|checkpoint| checkpoint.after).collect();
        assert_eq!(places, [9, 5]);
    }
}
