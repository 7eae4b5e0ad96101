//! Cutting a downloaded page into the parts in which it is emitted.

use ct::Hash;
use ctclient::Lease;
use record::Record;

/// The most entries of a part.
const MOST_ENTRIES: usize = 256;
/// The most bytes of a part; a single entry may be larger.
const MOST_BYTES: usize = 512 << 10;

/// Consecutive entries that are emitted together.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) entries: Vec<Record>,
    /// The leaf hash of each entry; empty if nothing is verified.
    pub(crate) leaf_hashes: Vec<Hash>,
    /// The part's bytes in the budget of all responses.
    pub(crate) lease: Option<Lease>,
}

impl Part {
    /// Takes the first entries away, as many as make a part. The bytes of what is kept besides the
    /// entries stay with the rest.
    fn take(&mut self) -> Option<Self> {
        let mut bytes = 0;
        let fits = |entry: &&Record| {
            bytes += entry.weight();
            bytes <= MOST_BYTES
        };
        let count = self.entries.iter().take(MOST_ENTRIES).take_while(fits).count().max(1);
        if count >= self.entries.len() {
            return None;
        }
        let rest = self.entries.split_off(count);
        let entries = std::mem::replace(&mut self.entries, rest);
        let leaf_hashes = if self.leaf_hashes.is_empty() {
            Vec::new()
        } else {
            let rest = self.leaf_hashes.split_off(count.min(self.leaf_hashes.len()));
            std::mem::replace(&mut self.leaf_hashes, rest)
        };
        let weight = entries.iter().map(Record::weight).sum::<usize>() + 32 * leaf_hashes.len();
        let lease = self.lease.as_mut().map(|lease| lease.split(weight));
        Some(Self { entries, leaf_hashes, lease })
    }

    /// Cuts the part into parts that are small enough to be emitted; none if it has no entries.
    pub(crate) fn cut(mut self) -> Vec<Self> {
        let mut parts = Vec::with_capacity(1);
        while let Some(part) = self.take() {
            parts.push(part);
        }
        if !self.entries.is_empty() {
            parts.push(self);
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ct::leaf::EntryType;
    use ctclient::Budget;
    use record::LogNumber;

    use super::*;

    fn entry(index: u64, bytes: usize) -> Record {
        Record {
            log: LogNumber::default(),
            index,
            submitted: 0,
            seen: 0,
            kind: EntryType::X509,
            fingerprint: [0; 32],
            certificate: Bytes::from(vec![0; bytes]),
            chain: Vec::new(),
            link: None,
            is_new: false,
            is_backfilled: false,
        }
    }

    async fn parts(sizes: &[usize], budget: &Budget) -> Vec<Part> {
        let entries: Vec<_> = (0..).zip(sizes).map(|(index, size)| entry(index, *size)).collect();
        let leaf_hashes = entries.iter().map(|entry| [entry.index as u8; 32]).collect();
        let bytes = sizes.iter().sum::<usize>() + 1000 * sizes.len();
        let lease = Some(budget.reserve(bytes, None).await);
        let parts = Part { entries, leaf_hashes, lease }.cut();
        assert_eq!(budget.used(), bytes, "cutting neither takes nor returns bytes");
        let indexes = parts.iter().flat_map(|part| part.entries.iter().map(|entry| entry.index));
        assert!(indexes.eq(0..sizes.len() as u64), "every entry is in one part, in order");
        for part in &parts {
            let hashes = part.entries.iter().map(|entry| [entry.index as u8; 32]);
            assert!(hashes.eq(part.leaf_hashes.iter().copied()), "hashes stay with their entries");
        }
        parts
    }

    #[tokio::test]
    async fn parts_are_bounded_in_entries_and_bytes_but_for_one_large_entry() {
        let budget = Budget::new(64 << 20);
        let counts = |parts: &[Part]| -> Vec<usize> {
            parts.iter().map(|part| part.entries.len()).collect()
        };
        assert_eq!(counts(&parts(&[10; 600], &budget).await), [256, 256, 88]);
        assert_eq!(counts(&parts(&[10; 256], &budget).await), [256]);
        assert_eq!(counts(&parts(&[100 << 10; 12], &budget).await), [5, 5, 2]);
        let large = [10, 2 << 20, 10, 10];
        assert_eq!(counts(&parts(&large, &budget).await), [1, 1, 2]);
        assert_eq!(counts(&parts(&[], &budget).await), [0; 0]);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn each_part_returns_its_own_bytes() {
        let budget = Budget::new(64 << 20);
        let mut parts = parts(&[100 << 10; 12], &budget).await;
        let first = parts.remove(0);
        let (before, own) = (budget.used(), first.lease.as_ref().map_or(0, Lease::held));
        assert!(own > 5 * (100 << 10), "{own}");
        drop(first);
        assert_eq!(budget.used(), before - own);
    }
}
