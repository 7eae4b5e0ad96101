//! Figures from what clients received and what logs published, and the report of them.

pub(crate) mod counts;
pub(crate) mod delays;
pub(crate) mod heads;
pub(crate) mod record;
pub(crate) mod report;

/// Returns the median of values, the larger of two; not a number if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
