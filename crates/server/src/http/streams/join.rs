//! Joining the hub at the place that a request asks for.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use feed::{Busy, Gap, GapReason, Hub, Moment, Request, Subscription};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::request::Requested;
use crate::cluster;
use crate::http::Services;
use crate::metrics::Metrics;
use crate::publish::messages::MessageStream;

/// Seconds until a client may try again where too many read the past.
const RETRY: u64 = 10;
/// The longest wait for a node to read what a client knows from another node.
const CATCH_UP: Duration = Duration::from_secs(5);
/// Time between two looks whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// Seconds until a client may try again where the node has not.
const RETRY_BEHIND: u64 = 2;
/// Time between two log lines about clients that were refused.
const QUIET: Duration = Duration::from_secs(60);

/// The hub, and the time since which it has everything if it keeps no history.
#[derive(Debug)]
pub(super) struct Join {
    hub: Arc<Hub<MessageStream>>,
    started: Instant,
    refusals: Refusals,
    cluster: Option<Arc<cluster::Status>>,
}

/// Answers, counts and logs clients that cannot be served now.
#[derive(Debug)]
struct Refusals {
    metrics: Arc<Metrics>,
    busy: Quiet,
    behind: Quiet,
}

/// The time of the last log line of a kind.
#[derive(Debug, Default)]
struct Quiet(Mutex<Option<Instant>>);

impl Join {
    pub(super) fn new(services: &Services) -> Self {
        let refusals = Refusals::new(Arc::clone(&services.metrics));
        let (hub, cluster) = (Arc::clone(&services.hub), services.cluster.clone());
        Self { hub, started: services.started, refusals, cluster }
    }

    /// Joins as `requested`; `request` is complete but for its `since`. The error is the answer to a
    /// client that cannot be served now.
    pub(super) async fn join(
        &self,
        requested: &Requested,
        request: Request<MessageStream>,
    ) -> Result<Subscription<MessageStream>, Response> {
        if !self.catches_up(requested).await {
            return Err(self.refusals.behind(Instant::now()));
        }
        let moment = match requested.since_time() {
            Some(time) => self.moment(time).await?,
            None => Moment { since: requested.since_offset(), missing: None },
        };
        let request = Request { since: moment.since, ..request };
        let joined = self.hub.subscribe(request);
        let mut joined = joined.map_err(|busy| self.refusals.busy(busy, Instant::now()))?;
        let missing = moment.missing.map(|reason| Gap { dropped: None, reason });
        joined.gap = joined.gap.or(missing);
        Ok(joined)
    }

    /// Waits until this node of a cluster has read what the client knows, perhaps from a node that was
    /// further, or everything that was in the stream when the client came. The answer is no if that takes
    /// too long: then it is not known whether such an offset exists.
    async fn catches_up(&self, requested: &Requested) -> bool {
        let (Some(cluster), Some(offset)) = (&self.cluster, requested.since_of_ours()) else {
            return true;
        };
        let came = Instant::now();
        while self.hub.next_offset() <= offset && !cluster.is_complete_until(came) {
            if came.elapsed() >= CATCH_UP {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    /// Finds the first entry seen at a time, in milliseconds since 1970, or later.
    async fn moment(&self, time: u64) -> Result<Moment, Response> {
        if self.hub.has_history() {
            let hub = Arc::clone(&self.hub);
            let found = spawn_blocking(move || hub.moment(time)).await;
            return found.map_err(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
        }
        let moment = self.hub.moment(time);
        let is_older = moment.missing.is_none() && time < self.started_at();
        let missing = if is_older { Some(GapReason::BeforeStart) } else { moment.missing };
        Ok(Moment { missing, ..moment })
    }

    /// Returns the time at which the process started, in milliseconds since 1970.
    fn started_at(&self) -> u64 {
        let started = SystemTime::now().checked_sub(self.started.elapsed()).unwrap_or(UNIX_EPOCH);
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(started.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Refusals {
    fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, busy: Quiet::default(), behind: Quiet::default() }
    }

    /// Returns the answer to a client for which there is no place among those that read older messages.
    /// Logs at most once a minute.
    fn busy(&self, busy: Busy, now: Instant) -> Response {
        let refused = self.metrics.replays_refused.inc() + 1;
        if self.busy.is_line_due(now) {
            tracing::warn!(
                refused,
                "clients that resume are refused: no more of them can be sent older messages at twice \
                 the rate of the stream; they are asked to try again in {RETRY} s"
            );
        }
        answer(RETRY, format!("{busy}\n"))
    }

    /// Returns the answer to a client that knows more of the stream than this node. Logs at most once a
    /// minute.
    fn behind(&self, now: Instant) -> Response {
        let refused = self.metrics.resumes_refused.inc() + 1;
        if self.behind.is_line_due(now) {
            tracing::warn!(
                refused,
                "clients that resume are refused: they know offsets up to which this node has not read \
                 the stream within {} s; they are asked to try again in {RETRY_BEHIND} s; check the \
                 connection to the servers of NATS, and the load of this node",
                CATCH_UP.as_secs()
            );
        }
        let text =
            "this node has not read the stream up to this offset; try again, or another node\n";
        answer(RETRY_BEHIND, text.to_owned())
    }
}

/// Returns an answer to a client that may try again after some seconds.
fn answer(retry: u64, text: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, retry)], text).into_response()
}

impl Quiet {
    fn is_line_due(&self, now: Instant) -> bool {
        let mut logged = self.0.lock();
        let is_due = logged.is_none_or(|logged| now.saturating_duration_since(logged) >= QUIET);
        if is_due {
            *logged = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_refused_is_counted_and_asked_to_try_again() {
        let metrics = Arc::new(Metrics::default());
        let refusals = Refusals::new(Arc::clone(&metrics));
        for refused in 1..=2 {
            let answers = [
                (refusals.busy(Busy, Instant::now()), &metrics.replays_refused, "10"),
                (refusals.behind(Instant::now()), &metrics.resumes_refused, "2"),
            ];
            for (answer, counter, retry) in answers {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(answer.headers()[RETRY_AFTER], retry);
                assert_eq!(counter.get(), refused);
            }
        }
    }

    #[test]
    fn refusals_are_logged_once_a_minute() {
        let quiet = Quiet::default();
        let start = Instant::now();
        let due = [0, 1, 59, 60, 61, 119, 120, 300];
        let due = due.map(|second| quiet.is_line_due(start + Duration::from_secs(second)));
        assert_eq!(due, [true, false, false, true, false, false, true, true]);
    }
}
