//! Joining the hub at the place that a request asks for.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use feed::{Gap, GapReason, Hub, Moment, Request, Subscription};
use tokio::task::spawn_blocking;

use super::request::Requested;
use crate::publish::messages::MessageStream;

/// Seconds until a client may try again where too many read the past.
const RETRY: u64 = 10;

/// The hub, and the time since which it has everything if it keeps no history.
#[derive(Debug)]
pub(super) struct Join {
    hub: Arc<Hub<MessageStream>>,
    started: Instant,
}

impl Join {
    pub(super) const fn new(hub: Arc<Hub<MessageStream>>, started: Instant) -> Self {
        Self { hub, started }
    }

    /// Joins as `requested`; `request` is complete but for its `since`. The error is the answer to a
    /// client that cannot be served now.
    pub(super) async fn join(
        &self,
        requested: &Requested,
        request: Request<MessageStream>,
    ) -> Result<Subscription<MessageStream>, Response> {
        let moment = match requested.since_time() {
            Some(time) => self.moment(time).await?,
            None => Moment { since: requested.since_offset(), missing: None },
        };
        let request = Request { since: moment.since, ..request };
        let mut joined = self.hub.subscribe(request).map_err(|busy| {
            tracing::debug!(%busy, "a client that resumes was refused");
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY)], format!("{busy}\n"))
                .into_response()
        })?;
        let missing = moment.missing.map(|reason| Gap { dropped: None, reason });
        joined.gap = joined.gap.or(missing);
        Ok(joined)
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
