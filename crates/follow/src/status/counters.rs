//! What is counted of one log.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters of a log: as atomics that its follower adds to, and as plain numbers for
/// those who read them.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counts of one log since the start of the process, which its follower adds to.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        /// The values of [`Counters`] at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Returns the values of all counters now.
            #[must_use]
            pub fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Entries emitted.
    entries,
    /// Requests, reads or checks that failed.
    errors,
    /// Answers 429 and 503.
    limited,
    /// Heads smaller than one seen before, which stale front ends serve.
    stale_heads,
    /// Heads refused: signature, origin or two roots at one size.
    refused_heads,
    /// Heads that were never compared with anything, because too many came or the log did not prove
    /// them.
    unaudited_heads,
    /// Stale heads that the log has proved to be beginnings of its tree.
    audited_heads,
    /// Proofs that could not be had, or do not lead to the head they are meant for.
    proof_errors,
    /// Alarms raised: whatever the log has said that cannot be true.
    alarms,
    /// Entries left out because the log serves bytes that nobody can take apart.
    unreadable,
    /// Leaves of a static log that carry another index than their place, or none.
    wrong_leaf_indexes,
    /// Precertificates of which the leaf was not made.
    foreign_precertificates,
    /// Chains whose issuer has another key than the leaf says.
    foreign_issuers,
    /// Issuers served under a name that is not their hash.
    forged_issuers,
    /// Entries whose leaf could not be read; emitted without a certificate.
    undecodable,
    /// Entries whose certificate is whole while what goes with it cannot be read; emitted without a
    /// chain.
    malformed,
    /// Requests not made because they lead to a private address.
    refused_addresses,
    /// Chain certificates that could not be had within the bound and were left out.
    missing_issuers,
    /// Chains longer than any honest one, which were cut.
    cut_chains,
    /// Times entries were skipped because the log was further behind than it may be.
    gaps,
    /// Entries skipped then.
    skipped_entries,
    /// Times the follower failed by a defect of this program and was started again.
    panics,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
