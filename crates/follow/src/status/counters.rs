//! The counters of one log.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

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
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counts {
            /// Returns the largest of the values.
            pub(crate) fn largest(&self) -> u64 {
                [$(self.$name,)+].into_iter().max().unwrap_or(0)
            }
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
    /// Responses 429 and 503.
    limited,
    /// Heads smaller than one seen before, which stale front ends serve.
    stale_heads,
    /// Heads refused: signature, origin or two roots at one size.
    refused_heads,
    /// Heads that were never compared with anything, because there were too many or the log did not
    /// prove them.
    unaudited_heads,
    /// Stale heads that the log has proved to be beginnings of its tree.
    audited_heads,
    /// Proofs that were unavailable, or do not lead to their head.
    proof_errors,
    /// Alarms raised: contradictions of the log.
    alarms,
    /// Entries skipped because the log serves bytes that cannot be parsed.
    unreadable,
    /// Leaves of a static log with another index than their place, or none.
    wrong_leaf_indexes,
    /// Precertificates that the leaf was not made from.
    foreign_precertificates,
    /// Chains whose issuer has another key than the leaf names.
    foreign_issuers,
    /// Issuers served under a name that is not their hash.
    forged_issuers,
    /// Entries whose leaf could not be parsed; their bytes are delivered.
    undecodable,
    /// Entries with a whole certificate whose other parts cannot be parsed; delivered without a chain.
    malformed,
    /// Requests not made because they lead to a private address.
    refused_addresses,
    /// Chain certificates that did not arrive in time and were omitted.
    missing_issuers,
    /// Chains longer than any honest one, which were cut.
    cut_chains,
    /// Skips because the log was further behind than it may be.
    gaps,
    /// Entries skipped in them.
    skipped_entries,
    /// Panics of the follower, after which it was started again.
    panics,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
