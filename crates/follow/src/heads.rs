//! The heads of one log: which are used, which wait to be proved, which contradict each other.
//!
//! Every head that is really signed is kept to account. One larger than what has been read waits
//! until reading gets there; one smaller is compared with the trees proved lately, or else put
//! aside to be audited by a proof. What cannot be kept for lack of room is counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::head::{SignedHead, TreeHead};
use ct::log_list::FinalTreeHead;
use ct::signature::{PublicKey, SignatureError};

use crate::alarm::AlarmKind;

/// Heads beyond the position that wait at most. One comes with each look at the log that does not
/// bring all entries, and goes when they are read.
const MOST_PENDING: usize = 32;
/// Trees proved lately that stale heads are compared with.
const REMEMBERED: usize = 256;
/// Stale heads of other sizes that wait for an audit.
const MOST_STALE: usize = 16;

/// A head as it came.
#[derive(Debug, Clone)]
pub struct ServedHead {
    /// The head, read.
    pub signed: SignedHead,
    /// The whole answer.
    pub body: Bytes,
}

/// A tree of so many leaves has this root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// Why a head is not used.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The signature is not the log's.
    #[error("the tree head of size {size} is not signed by the log's key: {source}")]
    Signature {
        /// Its tree size.
        size: u64,
        /// What the check found.
        source: SignatureError,
    },
}

/// What a log has signed, against what it has signed or served before.
#[derive(Debug, Clone)]
pub(crate) struct Contradiction {
    pub(crate) kind: AlarmKind,
    /// The head that does not fit.
    pub(crate) head: Arc<ServedHead>,
    /// The head it does not go with, where it is a head.
    pub(crate) other: Option<Arc<ServedHead>>,
    /// What was expected instead.
    pub(crate) expected: Point,
}

/// What a new head means.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// It is smaller than one seen before, as stale front ends serve: no offence, and no way back.
    pub(crate) stale: bool,
    pub(crate) contradiction: Option<Contradiction>,
}

/// What became of the head of the size just read.
#[derive(Debug)]
pub(crate) enum Reached {
    Proved,
    Contradicted(Contradiction),
}

/// The heads of one log.
#[derive(Debug)]
pub(crate) struct Heads {
    /// Without it nothing is checked: the log was named by hand without one, or
    /// `verification` is `off`.
    key: Option<PublicKey>,
    /// Whether heads are held against each other.
    compares: bool,
    newest: Option<Arc<ServedHead>>,
    pending: BTreeMap<u64, Arc<ServedHead>>,
    proved: VecDeque<Point>,
    stale: VecDeque<Arc<ServedHead>>,
    final_head: Option<FinalTreeHead>,
    unaudited: u64,
}

impl Heads {
    pub(crate) const fn new(key: Option<PublicKey>, compares: bool) -> Self {
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

    /// The head the log must end with, by the log list.
    pub(crate) const fn set_final(&mut self, head: Option<FinalTreeHead>) {
        self.final_head = head;
    }

    /// The largest head accepted so far.
    pub(crate) fn newest(&self) -> Option<&TreeHead> {
        self.newest.as_ref().map(|served| &served.signed.head)
    }

    /// Heads that could neither be proved nor audited, since this was asked last.
    pub(crate) const fn take_unaudited(&mut self) -> u64 {
        std::mem::replace(&mut self.unaudited, 0)
    }

    /// Accepts or refuses a head. One that contradicts another of its size is not used.
    ///
    /// # Errors
    /// When the signature does not verify.
    pub(crate) fn accept(
        &mut self,
        served: ServedHead,
        position: u64,
    ) -> Result<Accepted, HeadError> {
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

    /// Another root at a size that is known.
    fn equivocation(&self, served: &Arc<ServedHead>) -> Option<Contradiction> {
        let head = served.signed.head;
        let newest = self.newest.as_ref().filter(|newest| newest.signed.head.size == head.size);
        let stale = self.stale.iter().find(|stale| stale.signed.head.size == head.size);
        let other = newest.or_else(|| self.pending.get(&head.size)).or(stale);
        let expected = match other {
            Some(other) => point(&other.signed.head),
            None => *self.proved.iter().find(|point| point.size == head.size)?,
        };
        (expected.root != head.root).then(|| Contradiction {
            kind: AlarmKind::Equivocation,
            head: Arc::clone(served),
            other: other.cloned(),
            expected,
        })
    }

    /// A tree that goes on, or ends otherwise, than the log list says it ends.
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
        self.proved.contains(&point(head))
    }

    /// The size of the next head that reading will reach.
    pub(crate) fn next_size(&self) -> Option<u64> {
        self.pending.first_key_value().map(|(size, _)| *size)
    }

    /// Compares the head of this size, if there is one, with the tree that was read.
    pub(crate) fn reached(&mut self, read: Point) -> Option<Reached> {
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
    pub(crate) fn remember(&mut self, proved: Point) {
        if self.proved.back() == Some(&proved) {
            return;
        }
        if self.proved.len() == REMEMBERED {
            self.proved.pop_front();
        }
        self.proved.push_back(proved);
    }

    /// Reading goes on at `position` without having read everything below, so that heads below it
    /// can only be audited.
    pub(crate) fn pass_over(&mut self, position: u64) {
        let beyond = self.pending.split_off(&position.saturating_add(1));
        for served in std::mem::replace(&mut self.pending, beyond).into_values() {
            let newest = self.newest.as_ref().is_some_and(|newest| Arc::ptr_eq(newest, &served));
            if !newest {
                self.put_aside(&served);
            }
        }
    }

    /// The newest head as it came.
    pub(crate) fn newest_served(&self) -> Option<&Arc<ServedHead>> {
        self.newest.as_ref()
    }

    /// The head to audit next, which is then forgotten here.
    pub(crate) fn next_stale(&mut self) -> Option<Arc<ServedHead>> {
        self.stale.pop_front()
    }

    /// Remembers a head that could not be audited now, to be the next again.
    pub(crate) fn put_back(&mut self, stale: Arc<ServedHead>) {
        self.stale.push_front(stale);
    }
}

pub(crate) const fn point(head: &TreeHead) -> Point {
    Point { size: head.size, root: head.root }
}

#[cfg(test)]
mod tests;
