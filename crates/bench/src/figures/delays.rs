//! Delays, counted in bins.

/// Width of a bin, microseconds.
const BIN: u64 = 100;
/// Number of bins; the last holds everything longer, which is from 20 s on.
const BINS: usize = 200_000;

/// A histogram of delays, in steps of 0.1 ms.
#[derive(Debug)]
pub(crate) struct Delays {
    counts: Vec<u64>,
    total: u64,
    /// Microseconds.
    sum: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self { counts: vec![0; BINS], total: 0, sum: 0 }
    }
}

impl Delays {
    pub(crate) fn add(&mut self, microseconds: u64) {
        let bin = usize::try_from(microseconds / BIN).unwrap_or(usize::MAX).min(BINS - 1);
        self.counts[bin] += 1;
        self.total += 1;
        self.sum = self.sum.saturating_add(microseconds);
    }

    /// The average in milliseconds; none if there are no delays.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.total > 0).then(|| self.sum as f64 / self.total as f64 / 1000.0)
    }

    /// The delay in milliseconds that this share of all delays, 0 to 1, does not exceed; none if
    /// there are no delays.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let bin = self.counts.iter().position(|count| {
            below += count;
            below >= wanted
        })?;
        Some((bin as u64 * BIN + BIN / 2) as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_middles_of_bins() {
        let mut delays = Delays::default();
        assert_eq!(delays.quantile(0.5), None);
        (0..100).for_each(|milliseconds| delays.add(milliseconds * 1000));
        assert_eq!(delays.quantile(0.5), Some(49.05));
        assert_eq!(delays.quantile(0.99), Some(98.05));
        assert_eq!(delays.mean(), Some(49.5));
        assert_eq!(delays.quantile(1.0), Some(99.05));
        delays.add(u64::MAX);
        assert_eq!(delays.quantile(1.0), Some(19_999.95));
    }
}
