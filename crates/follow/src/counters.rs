//! What is counted of one log.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Entries emitted.
    pub entries: AtomicU64,
    /// Requests, reads or checks that failed.
    pub errors: AtomicU64,
    /// Answers 429 and 503.
    pub limited: AtomicU64,
    /// Heads smaller than one seen before, which stale front ends serve.
    pub stale_heads: AtomicU64,
    /// Heads refused: signature, origin or two roots at one size.
    pub refused_heads: AtomicU64,
    /// Heads that were never compared with anything, because too many came or the log did not prove
    /// them.
    pub unaudited_heads: AtomicU64,
    /// Stale heads that the log has proved to be beginnings of its tree.
    pub audited_heads: AtomicU64,
    /// Proofs that could not be had, or do not lead to the head they are meant for.
    pub proof_errors: AtomicU64,
    /// Alarms raised: whatever the log has said that cannot be true.
    pub alarms: AtomicU64,
    /// Entries left out because the log serves bytes that nobody can take apart.
    pub unreadable: AtomicU64,
    /// Leaves of a static log that carry another index than their place, or none.
    pub wrong_leaf_indexes: AtomicU64,
    /// Precertificates of which the leaf was not made.
    pub foreign_precertificates: AtomicU64,
    /// Chains whose issuer has another key than the leaf says.
    pub foreign_issuers: AtomicU64,
    /// Issuers served under a name that is not their hash.
    pub forged_issuers: AtomicU64,
    /// Entries whose leaf could not be read; emitted without a certificate.
    pub undecodable: AtomicU64,
    /// Entries whose certificate is whole while what goes with it cannot be read; emitted without a
    /// chain.
    pub malformed: AtomicU64,
    /// Requests not made because they lead to a private address.
    pub refused_addresses: AtomicU64,
    /// Chain certificates that could not be had within the bound and were left out.
    pub missing_issuers: AtomicU64,
    /// Chains longer than any honest one, which were cut.
    pub cut_chains: AtomicU64,
    /// Times entries were skipped because the log was further behind than it may be.
    pub gaps: AtomicU64,
    /// Entries skipped then.
    pub skipped_entries: AtomicU64,
    /// Times the follower failed by a defect of this program and was started again.
    pub panics: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
