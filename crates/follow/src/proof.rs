//! What a log's head must satisfy before it is acted on.

use ct::head::{SignedHead, TreeHead};
use ct::signature::{PublicKey, SignatureError};

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
    /// Two roots for one size: the log has shown two different histories.
    #[error("equivocation: two tree heads of size {size} with different roots")]
    TwoRoots {
        /// Their tree size.
        size: u64,
    },
}

/// What a new head means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadNews {
    /// The tree is at least as large as before.
    Current,
    /// Smaller than a head seen before, as stale front ends serve: no offence, and no way back.
    Stale,
}

/// Checks every head of one log against its key and against the heads before it.
#[derive(Debug, Default)]
pub(crate) struct HeadCheck {
    key: Option<PublicKey>,
    newest: Option<TreeHead>,
}

impl HeadCheck {
    /// Without a key (a log named by hand may lack one) signatures cannot be checked.
    pub(crate) const fn new(key: Option<PublicKey>) -> Self {
        Self { key, newest: None }
    }

    /// Accepts or refuses a head; the newest accepted one is kept.
    ///
    /// # Errors
    /// When the signature does not verify or contradicts an earlier head.
    pub(crate) fn accept(&mut self, signed: &SignedHead) -> Result<HeadNews, HeadError> {
        let head = signed.head;
        if let Some(key) = &self.key {
            let size = head.size;
            signed.verify(key).map_err(|source| HeadError::Signature { size, source })?;
        }
        match &self.newest {
            Some(newest) if head.size < newest.size => return Ok(HeadNews::Stale),
            Some(newest) if head.size == newest.size && head.root != newest.root => {
                return Err(HeadError::TwoRoots { size: head.size });
            }
            _ => {}
        }
        self.newest = Some(head);
        Ok(HeadNews::Current)
    }

    /// The largest head accepted so far.
    pub(crate) const fn newest(&self) -> Option<&TreeHead> {
        self.newest.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64, root: u8) -> SignedHead {
        SignedHead { head: TreeHead { size, timestamp: 0, root: [root; 32] }, signature: vec![] }
    }

    #[test]
    fn smaller_heads_are_stale_and_two_roots_are_refused() {
        let mut check = HeadCheck::new(None);
        assert_eq!(check.accept(&head(10, 1)).expect("first"), HeadNews::Current);
        assert_eq!(check.accept(&head(10, 1)).expect("same"), HeadNews::Current);
        assert_eq!(check.accept(&head(9, 2)).expect("smaller"), HeadNews::Stale);
        assert_eq!(check.newest().map(|head| head.size), Some(10));
        assert!(matches!(check.accept(&head(10, 2)), Err(HeadError::TwoRoots { size: 10 })));
        assert_eq!(check.accept(&head(11, 2)).expect("larger"), HeadNews::Current);
    }
}
