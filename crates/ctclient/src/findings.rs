//! Defects of entries that were read all the same, as a result that the reader's caller counts.

use ct::leaf::LeafError;

use crate::source::integrity::LeafMismatch;

/// Defects of one kind: their number, and the first one as an example for a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defects<T> {
    /// Number of defects.
    pub count: u64,
    /// Index of the first entry concerned, and its defect.
    pub first: Option<(u64, T)>,
}

impl<T> Default for Defects<T> {
    fn default() -> Self {
        Self { count: 0, first: None }
    }
}

impl<T> Defects<T> {
    pub(crate) fn add(&mut self, index: u64, defect: T) {
        self.count += 1;
        self.first.get_or_insert((index, defect));
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }
}

/// Defects of the entries in a response, or in several.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Entries with a whole certificate whose other parts cannot be parsed.
    pub malformed: Defects<LeafError>,
    /// Entries whose leaf cannot be parsed; their bytes take the certificate's place.
    pub undecodable: Defects<LeafError>,
    /// Leaves of a static-ct log that carry another index than their place, or none.
    pub wrong_leaf_indexes: Defects<Result<Option<u64>, LeafError>>,
    /// Entries of which a part disagrees with the leaf.
    pub leaf_mismatches: Defects<LeafMismatch>,
    /// Precertificates that disagree with the leaf.
    pub mismatched_precertificates: u64,
    /// Issuers that disagree with the leaf.
    pub mismatched_issuers: u64,
    /// Chains longer than any honest one, which were cut; the example is their length.
    pub cut_chains: Defects<usize>,
    /// Chain certificates that did not arrive in time and are omitted.
    pub missing_issuers: u64,
    /// Issuers served under a name that is not their hash.
    pub forged_issuers: u64,
}

impl Findings {
    /// Adds the findings of later entries.
    pub fn merge(&mut self, later: Self) {
        self.malformed.merge(later.malformed);
        self.undecodable.merge(later.undecodable);
        self.wrong_leaf_indexes.merge(later.wrong_leaf_indexes);
        self.leaf_mismatches.merge(later.leaf_mismatches);
        self.mismatched_precertificates += later.mismatched_precertificates;
        self.mismatched_issuers += later.mismatched_issuers;
        self.cut_chains.merge(later.cut_chains);
        self.missing_issuers += later.missing_issuers;
        self.forged_issuers += later.forged_issuers;
    }

    pub(crate) fn add_mismatch(&mut self, index: u64, mismatch: LeafMismatch) {
        if !mismatch.is_any() {
            return;
        }
        self.mismatched_precertificates += u64::from(mismatch.precertificate);
        self.mismatched_issuers += u64::from(mismatch.issuer);
        self.leaf_mismatches.add(index, mismatch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_counts_and_keeps_the_first_example() {
        let mut findings = Findings::default();
        let mut later = Findings::default();
        later.cut_chains.add(7, 40);
        later.add_mismatch(8, LeafMismatch { precertificate: true, issuer: true });
        later.add_mismatch(9, LeafMismatch::default());
        findings.merge(later.clone());
        findings.merge(later);
        assert_eq!(findings.cut_chains, Defects { count: 2, first: Some((7, 40)) });
        assert_eq!((findings.mismatched_precertificates, findings.mismatched_issuers), (2, 2));
        assert_eq!(findings.leaf_mismatches.count, 2);
    }
}
