//! The signed heads of one log: in use, waiting to be proved, contradicting each other.
//!
//! Every head with a valid signature is checked. One larger than the tree read so far waits until
//! reading reaches it; a smaller one is compared with the trees proved lately, or else put aside to
//! be audited by a proof. Heads that cannot be kept for lack of room are counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ct::head::TreeHead;
use ct::log_list::FinalTreeHead;
use ct::signature::{PublicKey, SignatureError};

use crate::tree::contradiction::{AlarmKind, Contradiction, Point, ServedHead};

/// The most heads beyond the position that wait. One is added by each poll of a log that is behind,
/// and removed when its entries are read.
const MOST_PENDING: usize = 32;
/// The most trees proved lately that stale heads are compared with.
const REMEMBERED: usize = 256;
/// The most stale heads of other sizes that wait for an audit.
const MOST_STALE: usize = 16;

/// The reason why a head is not used.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The signature is not the log's.
    #[error("the tree head of size {size} is not signed by the log's key: {source}")]
    Signature {
        /// The head's tree size.
        size: u64,
        /// The result of the check.
        source: SignatureError,
    },
}

/// The meaning of a new head.
#[derive(Debug, Default)]
pub struct Accepted {
    /// True if the head is smaller than one seen before, as stale front ends serve it. That is no
    /// contradiction.
    pub stale: bool,
    /// The head's contradiction with an earlier one.
    pub contradiction: Option<Contradiction>,
}

/// The result of comparing the tree read with the head of its size.
#[derive(Debug)]
pub enum Reached {
    /// The head proves the entries.
    Proved,
    /// The head has another root.
    Contradicted(Contradiction),
}

/// The signed heads of one log.
#[derive(Debug)]
pub struct Heads {
    /// The log's key. Without it nothing is checked: the log is configured without one, or
    /// `verification` is `off`.
    key: Option<PublicKey>,
    /// True if heads are compared with each other.
    compares: bool,
    newest: Option<Arc<ServedHead>>,
    pending: BTreeMap<u64, Arc<ServedHead>>,
    proved: VecDeque<Point>,
    stale: VecDeque<Arc<ServedHead>>,
    final_head: Option<FinalTreeHead>,
    unaudited: u64,
}

impl Heads {
    /// Makes an empty set. `key` verifies heads; without it none is verified. `compares` switches the
    /// comparison of heads with each other on.
    #[must_use]
    pub const fn new(key: Option<PublicKey>, compares: bool) -> Self {
        Self {
            key,
            compares,
            newest: None,
            pending: BTreeMap::new(),
            proved: VecDeque::new(),
            stale: VecDeque::new(),
            final_head: None,
            unaudited: 0,
        }
    }

    /// Sets the head that the log must end with, by the log list.
    pub const fn set_final(&mut self, head: Option<FinalTreeHead>) {
        self.final_head = head;
    }

    /// Returns the largest head accepted so far.
    pub fn newest(&self) -> Option<&TreeHead> {
        self.newest.as_ref().map(|served| &served.signed.head)
    }

    /// Returns the number of heads that could neither be proved nor audited since the last call.
    pub const fn take_unaudited(&mut self) -> u64 {
        std::mem::replace(&mut self.unaudited, 0)
    }

    /// Accepts or refuses a head. `position` is the number of entries read. A head that contradicts
    /// another of its size is not used.
    ///
    /// # Errors
    /// If the signature does not verify.
    pub fn accept(&mut self, served: ServedHead, position: u64) -> Result<Accepted, HeadError> {
        let head = served.signed.head;
        if let Some(key) = &self.key {
            let size = head.size;
            served.signed.verify(key).map_err(|source| HeadError::Signature { size, source })?;
        }
        let served = Arc::new(served);
        let stale = self.newest().is_some_and(|newest| head.size < newest.size);
        if !self.compares {
            if !stale {
                self.newest = Some(served);
            }
            return Ok(Accepted { stale, contradiction: None });
        }
        if let Some(contradiction) = self.equivocation(&served) {
            return Ok(Accepted { stale, contradiction: Some(contradiction) });
        }
        let contradiction = self.beyond_final(&served);
        if head.size > position {
            self.wait(&served);
        } else if stale && !self.is_proved(&head) {
            self.put_aside(&served);
        }
        if !stale {
            self.newest = Some(served);
        }
        Ok(Accepted { stale, contradiction })
    }

    /// Finds another root at a known size.
    fn equivocation(&self, served: &Arc<ServedHead>) -> Option<Contradiction> {
        let head = served.signed.head;
        let newest = self.newest.as_ref().filter(|newest| newest.signed.head.size == head.size);
        let stale = self.stale.iter().find(|stale| stale.signed.head.size == head.size);
        let other = newest.or_else(|| self.pending.get(&head.size)).or(stale);
        let expected = match other {
            Some(other) => Point::of_head(&other.signed.head),
            None => *self.proved.iter().find(|point| point.size == head.size)?,
        };
        (expected.root != head.root).then(|| Contradiction {
            kind: AlarmKind::Equivocation,
            head: Arc::clone(served),
            other: other.cloned(),
            expected,
        })
    }

    /// Compares a head with the one that the log must end with.
    fn beyond_final(&self, served: &Arc<ServedHead>) -> Option<Contradiction> {
        let FinalTreeHead { size, root } = self.final_head?;
        let head = served.signed.head;
        let differs = head.size > size || head.size == size && head.root != root;
        differs.then(|| Contradiction {
            kind: AlarmKind::FinalHead,
            head: Arc::clone(served),
            other: None,
            expected: Point { size, root },
        })
    }

    fn wait(&mut self, served: &Arc<ServedHead>) {
        self.pending.entry(served.signed.head.size).or_insert_with(|| Arc::clone(served));
        if self.pending.len() > MOST_PENDING {
            // The largest is what reading is for, and the smallest is reached first.
            let crowded = self.pending.keys().rev().nth(1).copied();
            crowded.and_then(|size| self.pending.remove(&size));
            self.unaudited += 1;
        }
    }

    fn put_aside(&mut self, served: &Arc<ServedHead>) {
        let same = |known: &Arc<ServedHead>| known.signed.head.size == served.signed.head.size;
        if self.stale.iter().any(same) {
            return;
        }
        if self.stale.len() == MOST_STALE {
            self.stale.pop_front();
            self.unaudited += 1;
        }
        self.stale.push_back(Arc::clone(served));
    }

    fn is_proved(&self, head: &TreeHead) -> bool {
        self.proved.contains(&Point::of_head(head))
    }

    /// Returns the size of the next head that reading will reach.
    pub fn next_size(&self) -> Option<u64> {
        self.pending.first_key_value().map(|(size, _)| *size)
    }

    /// Compares the head of this size, if there is one, with the tree that was read.
    pub fn reached(&mut self, read: Point) -> Option<Reached> {
        let head = self.pending.remove(&read.size)?;
        if head.signed.head.root == read.root {
            self.remember(read);
            return Some(Reached::Proved);
        }
        let kind = AlarmKind::Mismatch;
        let contradiction = Contradiction { kind, head, other: None, expected: read };
        Some(Reached::Contradicted(contradiction))
    }

    /// Remembers a tree that a head proves.
    pub fn remember(&mut self, proved: Point) {
        if self.proved.back() == Some(&proved) {
            return;
        }
        if self.proved.len() == REMEMBERED {
            self.proved.pop_front();
        }
        self.proved.push_back(proved);
    }

    /// Notes that reading continues at `position` without having read everything below, so that heads
    /// below it can only be audited.
    pub fn pass_over(&mut self, position: u64) {
        let beyond = self.pending.split_off(&position.saturating_add(1));
        for served in std::mem::replace(&mut self.pending, beyond).into_values() {
            let newest = self.newest.as_ref().is_some_and(|newest| Arc::ptr_eq(newest, &served));
            if !newest {
                self.put_aside(&served);
            }
        }
    }

    /// Returns the newest head as served.
    pub fn newest_served(&self) -> Option<&Arc<ServedHead>> {
        self.newest.as_ref()
    }

    /// Takes the head to audit next.
    pub fn next_stale(&mut self) -> Option<Arc<ServedHead>> {
        self.stale.pop_front()
    }

    /// Puts a head back that could not be audited now, to be the next again.
    pub fn put_back(&mut self, stale: Arc<ServedHead>) {
        self.stale.push_front(stale);
    }
}

#[cfg(test)]
mod tests;
