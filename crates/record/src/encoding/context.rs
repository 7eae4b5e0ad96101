//! The context that messages refer to: numbered issuers, and each log's last position.

use std::collections::HashMap;
use std::sync::Arc;

use ct::Hash;
use ct::merkle::CompactRange;

use super::limits;
use crate::entry::LogNumber;
use crate::issuer::Issuer;
use crate::position::{Advance, Position, Proved, Tree};
use crate::state::Checkpoint;

/// The context of the next message.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    issuers: Vec<Arc<Issuer>>,
    numbers: HashMap<Hash, usize>,
    issuer_bytes: usize,
    positions: HashMap<LogNumber, Position>,
    /// The messages before the next one are not known, so no issuer has a number.
    is_detached: bool,
}

/// A moment to return to when a message turns out not to be one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    issuers: usize,
}

impl Context {
    /// Returns the context after a checkpoint.
    pub(super) fn of(checkpoint: &Checkpoint) -> Self {
        let mut context = Self::default();
        for issuer in &checkpoint.issuers {
            context.learn(issuer);
        }
        for (log, state) in checkpoint.state.logs() {
            if let Some(position) = &state.position {
                context.positions.insert(log, position.clone());
            }
        }
        context
    }

    /// Returns the context of a message before which nothing is known but the positions of these logs.
    pub(super) fn detached(positions: impl IntoIterator<Item = (LogNumber, u64)>) -> Self {
        let mut context = Self { is_detached: true, ..Self::default() };
        for (log, next) in positions {
            // Any tree of that size: it only decides how many hashes follow.
            let hashes = vec![Hash::default(); next.count_ones() as usize];
            let tree = CompactRange::from_hashes(next, hashes).ok();
            let tree = tree.map(|read| Tree { read, from: 0, proved: Proved::default() });
            context.positions.insert(log, Position { next, largest_head: 0, tree });
        }
        context
    }

    pub(super) const fn is_detached(&self) -> bool {
        self.is_detached
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark { issuers: self.issuers.len() }
    }

    /// Forgets the issuers learned since `mark`.
    pub(super) fn revert(&mut self, mark: Mark) {
        for issuer in self.issuers.drain(mark.issuers..) {
            self.numbers.remove(&issuer.fingerprint);
            self.issuer_bytes = self.issuer_bytes.saturating_sub(issuer.der.len());
        }
    }

    /// Notes the positions after a message.
    pub(super) fn advance(&mut self, advances: &[Advance]) {
        for advance in advances {
            self.positions.insert(advance.log, advance.position.clone());
        }
    }

    pub(super) fn position(&self, log: LogNumber) -> Option<&Position> {
        self.positions.get(&log)
    }

    pub(super) fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }

    pub(super) fn forget_issuers(&mut self) {
        self.revert(Mark { issuers: 0 });
    }

    /// Returns the number of an issuer, if it has one.
    pub(super) fn number(&self, fingerprint: &Hash) -> Option<usize> {
        self.numbers.get(fingerprint).copied()
    }

    /// Returns the issuer with this number.
    pub(super) fn issuer(&self, number: u64) -> Option<&Arc<Issuer>> {
        self.issuers.get(usize::try_from(number).ok()?)
    }

    /// Gives a new issuer the next number, if there is room.
    pub(super) fn learn(&mut self, issuer: &Arc<Issuer>) {
        let has_room =
            self.issuers.len() < limits::ISSUERS && self.issuer_bytes <= limits::ISSUER_BYTES;
        if has_room && !self.is_detached && !self.numbers.contains_key(&issuer.fingerprint) {
            self.numbers.insert(issuer.fingerprint, self.issuers.len());
            self.issuer_bytes = self.issuer_bytes.saturating_add(issuer.der.len());
            self.issuers.push(Arc::clone(issuer));
        }
    }
}
