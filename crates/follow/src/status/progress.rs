//! The progress and health of a log, as its follower notes them and as readers see them.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::alarm::{Alarm, MOST_ALARMS};
use crate::breaker::BreakerState;

/// Health of a log, by failures in a row against the configured thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The log answers.
    Healthy,
    /// It failed lately, or has not answered often enough since.
    Degraded,
    /// It failed as often in a row as `unhealthy_threshold` says.
    Unhealthy,
}

impl Health {
    /// Returns the word used in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The progress and health of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The next index to be emitted; `None` before the first head.
    pub next_index: Option<u64>,
    /// The largest tree size seen.
    pub tree_size: u64,
    /// The time in the newest head, milliseconds since 1970; 0 before the first.
    pub head_timestamp: u64,
    /// The time of the newest entry read, milliseconds since 1970.
    pub last_timestamp: Option<u64>,
    /// Health by failures in a row.
    pub health: Health,
    /// State of the circuit breaker.
    pub breaker: BreakerState,
    /// Time of the last useful response, Unix seconds.
    pub last_success: Option<u64>,
    /// The last error, until the log answers again.
    pub last_error: Option<String>,
    /// The entries that are proved to be those under a signed head, from the first that was read;
    /// `None` while nothing is verified.
    pub proved: Option<Range<u64>>,
    /// The reason why nothing is being proved, although it should.
    pub unproved: Option<String>,
    /// True if the newest head is older than the log's maximum merge delay allows.
    pub overdue: bool,
    /// Alarms that are not acknowledged, oldest first.
    pub alarms: Vec<Alarm>,
}

impl Snapshot {
    /// Returns the number of entries of the tree that have not been read yet.
    #[must_use]
    pub fn lag_entries(&self) -> u64 {
        self.next_index.map_or(0, |next| self.tree_size.saturating_sub(next))
    }

    /// Returns the age of the newest head at `now`, the time since 1970; zero before the first.
    #[must_use]
    pub fn head_age(&self, now: Duration) -> Duration {
        if self.head_timestamp == 0 {
            return Duration::ZERO;
        }
        now.saturating_sub(Duration::from_millis(self.head_timestamp))
    }

    /// Returns the time from the newest entry read to the newest head; zero at the head.
    #[must_use]
    pub fn lag(&self) -> Duration {
        if self.lag_entries() == 0 {
            return Duration::ZERO;
        }
        lag(self.head_timestamp, self.last_timestamp)
    }
}

/// Returns the time from an entry to a head, both in milliseconds since 1970; zero without an entry.
pub(crate) fn lag(head: u64, entry: Option<u64>) -> Duration {
    entry.map_or(Duration::ZERO, |entry| Duration::from_millis(head.saturating_sub(entry)))
}

/// The progress and health of a log, as its follower notes them.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) next_index: Option<u64>,
    pub(crate) tree_size: u64,
    head_timestamp: u64,
    last_timestamp: Option<u64>,
    failures: u32,
    successes: u32,
    health: Option<Health>,
    breaker: BreakerState,
    last_success: Option<u64>,
    last_error: Option<String>,
    proved: Option<Range<u64>>,
    unproved: Option<String>,
    overdue: bool,
    pub(crate) alarms: Vec<Alarm>,
}

impl Progress {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            next_index: self.next_index,
            tree_size: self.tree_size,
            head_timestamp: self.head_timestamp,
            last_timestamp: self.last_timestamp,
            health: self.health.unwrap_or(Health::Degraded),
            breaker: self.breaker,
            last_success: self.last_success,
            last_error: self.last_error.clone(),
            proved: self.proved.clone(),
            unproved: self.unproved.clone(),
            overdue: self.overdue,
            alarms: self.alarms.clone(),
        }
    }

    /// Returns the time from the newest entry read to a head with this time.
    pub(crate) fn lag_to(&self, head_timestamp: u64) -> Duration {
        lag(head_timestamp, self.last_timestamp)
    }

    pub(crate) fn head(&mut self, tree_size: u64, timestamp: u64) {
        self.tree_size = self.tree_size.max(tree_size);
        self.head_timestamp = self.head_timestamp.max(timestamp);
    }

    /// Notes the time of the newest entry emitted. Entries that could not be decoded have none (0),
    /// and times are only roughly in order.
    pub(crate) const fn entry(&mut self, timestamp: u64) {
        if timestamp > 0 {
            self.last_timestamp = Some(timestamp);
        }
    }

    /// Notes a useful response; `healthy_threshold` of them in a row make a log healthy again.
    pub(crate) fn succeeded(&mut self, healthy_threshold: u32) {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        self.breaker = BreakerState::Closed;
        self.last_success =
            SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
        self.last_error = None;
        let never_failed = self.health.is_none();
        if never_failed || self.successes >= healthy_threshold {
            self.health = Some(Health::Healthy);
        }
    }

    /// Notes a failure; `unhealthy_threshold` of them in a row make a log unhealthy.
    pub(crate) fn failed(
        &mut self,
        error: String,
        breaker: BreakerState,
        unhealthy_threshold: u32,
    ) {
        self.failures = self.failures.saturating_add(1);
        self.successes = 0;
        self.breaker = breaker;
        self.last_error = Some(error);
        let unhealthy = self.failures >= unhealthy_threshold;
        self.health = Some(if unhealthy { Health::Unhealthy } else { Health::Degraded });
    }

    /// Notes that an attempt begins: an open circuit is half-open meanwhile.
    pub(crate) fn attempting(&mut self) {
        if self.breaker == BreakerState::Open {
            self.breaker = BreakerState::HalfOpen;
        }
    }

    /// Notes the entries that are proved, or the reason why nothing is being proved.
    pub(crate) fn set_proved(&mut self, proved: Result<Range<u64>, String>) {
        (self.proved, self.unproved) = match proved {
            Ok(proved) => (Some(proved), None),
            Err(why) => (None, Some(why)),
        };
    }

    /// Notes whether the newest head is too old; returns whether that changed.
    pub(crate) const fn set_overdue(&mut self, overdue: bool) -> bool {
        std::mem::replace(&mut self.overdue, overdue) != overdue
    }

    /// Raises an alarm. If there are too many, the oldest ones and the newest one are kept.
    pub(crate) fn raise(&mut self, alarm: Alarm) {
        if self.alarms.len() >= MOST_ALARMS {
            self.alarms.truncate(MOST_ALARMS - 1);
        }
        self.alarms.push(alarm);
    }
}
