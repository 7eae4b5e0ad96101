//! The numbers of pacing, in one place.

use std::time::Duration;

/// The numbers that control the pace of requests to a host.
#[derive(Debug)]
pub(super) struct Tuning {
    /// The most requests in flight to one host.
    pub(super) in_flight: usize,
    /// The assumed limit of a host that answers 429 before much is known of it, in requests a second.
    pub(super) first_rate: f64,
    /// The lowest rate, in requests a second: a log cannot be followed more slowly.
    pub(super) lowest_rate: f64,
    /// The rate at which a host counts as unlimited again, in requests a second.
    pub(super) unlimited_rate: f64,
    /// Growth of the rate in a second of responses, in requests a second, ...
    pub(super) growth: f64,
    /// ... and in addition as a share of the rate.
    pub(super) growth_share: f64,
    /// The share of the rate that met the last 429 from which on the rate grows slowly.
    pub(super) slow_from: f64,
    /// Slow growth in a second of responses, as a share of the rate: about two minutes from
    /// `slow_from` to the rate that met the last 429, and as long again until that is forgotten.
    pub(super) slow_growth: f64,
    /// The time within which several 429s count as one: their requests were in flight together.
    pub(super) one_limit: Duration,
    /// The number of responses over which the share of 429s is taken.
    pub(super) recent_responses: f64,
    /// The share of 429s up to which they are strays.
    pub(super) stray_share: f64,
    /// The most by which a rate that meets 429s is assumed to exceed the host's limit; otherwise it is
    /// the share of 429s.
    pub(super) most_excess: f64,
    /// The time after a 429 in which a log does not count as one that is being answered.
    pub(super) refused_for: Duration,
    /// The number of callers of one host beyond which silent ones are forgotten.
    pub(super) many_callers: usize,
    /// The factor by which a cut leaves the host's other logs more than their present rate.
    pub(super) headroom: f64,
    /// The delay up to which a request counts as sent at its time slot: timers are late by
    /// milliseconds, which would add up.
    pub(super) timer_slack: Duration,
    /// The time in which the weight of a response falls to a third, in seconds.
    pub(super) meter_memory: f64,
}

/// The values in use.
pub(super) const TUNING: Tuning = Tuning {
    in_flight: 32,
    first_rate: 8.0,
    lowest_rate: 1.0,
    unlimited_rate: 500.0,
    growth: 2.0,
    growth_share: 0.1,
    slow_from: 0.9,
    slow_growth: 0.001,
    one_limit: Duration::from_secs(1),
    recent_responses: 200.0,
    stray_share: 0.03,
    most_excess: 0.1,
    refused_for: Duration::from_secs(10),
    many_callers: 256,
    headroom: 1.25,
    timer_slack: Duration::from_millis(20),
    meter_memory: 5.0,
};
