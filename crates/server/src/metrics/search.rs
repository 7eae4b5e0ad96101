//! Counters of searches.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Labels of searches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SearchLabels {
    /// [`Outcome::name`].
    pub outcome: &'static str,
}

/// The end of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The whole range was searched.
    Whole,
    /// A part was, and the answer has a cursor.
    Part,
    /// The request is wrong.
    Invalid,
    /// There were too many searches.
    Refused,
    /// The journal could not be read, or is not indexed.
    Failed,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Whole, Self::Part, Self::Invalid, Self::Refused, Self::Failed];

    /// Returns the outcome as the metrics show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Part => "part",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Returns the label of its counter.
    #[must_use]
    pub const fn labels(self) -> SearchLabels {
        SearchLabels { outcome: self.name() }
    }
}

/// Counters of searches.
#[derive(Debug, Default)]
pub struct SearchMetrics {
    /// Searches, by outcome.
    pub requests: Family<SearchLabels, Counter>,
    /// The time that they worked.
    pub work: Counter<f64, AtomicU64>,
    /// Results.
    pub results: Counter,
}

impl SearchMetrics {
    /// Begins at zero, with all labels present.
    pub(super) fn begin_at_zero(&self) {
        for outcome in Outcome::ALL {
            drop(self.requests.get_or_create(&outcome.labels()));
        }
    }
}
