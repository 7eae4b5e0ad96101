//! The logs of the lists: keeping the lists fresh, and following what they name.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ctclient::{Backoff, jitter};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Fleet, NO_LIST, Reason};
use crate::breaker::Breaker;
use crate::catalogue::{Catalogue, CatalogueOptions, Removal, Selected};

/// Waits between attempts to fetch the log list while there is none or it failed. They are shorter in
/// the first minute, as for a failing log.
const LIST_BACKOFF: Backoff = Backoff { initial: Duration::from_secs(5), max: LONGEST_LIST_WAIT };
const LONGEST_LIST_WAIT: Duration = Duration::from_secs(300);

/// The time of the next fetch of the lists; `None` for never.
#[derive(Debug)]
struct Schedule {
    next: Option<Instant>,
    failing: Breaker,
}

impl Schedule {
    fn at_once() -> Self {
        let failing = Breaker::new(LIST_BACKOFF, u32::MAX, LONGEST_LIST_WAIT);
        Self { next: Some(Instant::now()), failing }
    }

    /// Adapts to a changed interval, and perhaps other lists. A fetch that was due stays due.
    fn change(&mut self, catalogue: &Catalogue) {
        let now = Instant::now();
        self.next = match spread(catalogue.options().refresh) {
            _ if catalogue.lacks_a_list() => Some(now),
            Duration::ZERO if self.failing.failures() == 0 => None,
            interval => Some(self.next.map_or(now + interval, |next| next.min(now + interval))),
        };
    }
}

impl Fleet {
    /// Follows the logs of the lists, and drains those that left the signed list. A log that left an
    /// unsigned list is still followed.
    fn apply(self: &Arc<Self>, selected: Vec<Selected>, removal: &Removal) {
        let urls: HashSet<&str> =
            selected.iter().map(|selected| selected.log.url.as_str()).collect();
        for followed in self.logs.lock().values() {
            let status = &followed.status;
            let named = urls.contains(status.log.url.as_str())
                || selected.iter().any(|selected| followed.is(&selected.log));
            let signed = status.listing().signed;
            let removed = signed && removal.concerns(&status.log);
            if named || followed.is_configured || !removed || status.is_retired() {
                continue;
            }
            if followed.running.is_some() {
                let log = &status.log.name;
                tracing::info!(log, "log left the list; reading it to its end");
            }
            status.set_retired(true);
        }
        for Selected { log, listing } in selected {
            self.follow(log, Some(listing));
        }
    }

    /// Keeps the configured lists fresh and follows their logs.
    pub(super) async fn keep_lists(
        self: Arc<Self>,
        mut wanted: watch::Receiver<Option<CatalogueOptions>>,
    ) {
        let mut held: Option<Catalogue> = None;
        let mut schedule = Schedule::at_once();
        loop {
            let options = wanted.borrow_and_update().clone();
            held = match (options, held) {
                (None, None) => None,
                (None, Some(_)) => {
                    self.unfollow(|followed| !followed.is_configured);
                    self.lists.lock().clear();
                    self.set_reason(
                        self.logs.lock().is_empty().then(|| Reason(NO_LIST.to_owned())),
                    );
                    None
                }
                (Some(options), None) => {
                    schedule = Schedule::at_once();
                    Some(Catalogue::open(options, (*self.client).clone()).await)
                }
                (Some(options), Some(mut catalogue)) => {
                    let unwanted = catalogue.change(options).await;
                    self.unfollow(|followed| {
                        !followed.is_configured && unwanted.contains(&followed.status.log.url)
                    });
                    schedule.change(&catalogue);
                    Some(catalogue)
                }
            };
            let changed = match &mut held {
                None => wanted.changed().await,
                Some(catalogue) => {
                    self.take(catalogue);
                    tokio::select! {
                        never = self.refresh(catalogue, &mut schedule) => match never {},
                        changed = wanted.changed() => changed,
                    }
                }
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Fetches the lists whenever that is due.
    async fn refresh(
        self: &Arc<Self>,
        catalogue: &mut Catalogue,
        schedule: &mut Schedule,
    ) -> std::convert::Infallible {
        loop {
            match schedule.next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
            let outcome = catalogue.refresh().await;
            self.take(catalogue);
            let wait = match outcome {
                Ok(()) => {
                    schedule.failing.success();
                    let none = "the log lists contain no log with the selected states and \
                                protocols";
                    let none = self.logs.lock().is_empty().then(|| Reason(none.to_owned()));
                    self.set_reason(none);
                    spread(catalogue.options().refresh)
                }
                Err(error) => {
                    let wait = schedule.failing.failure(None, jitter());
                    self.set_reason(Some(Reason(format!(
                        "{error}; trying again in {} s",
                        wait.as_secs().max(1)
                    ))));
                    wait
                }
            };
            schedule.next = (!wait.is_zero()).then(|| Instant::now() + wait);
        }
    }

    /// Applies the lists as they are now.
    fn take(self: &Arc<Self>, catalogue: &Catalogue) {
        self.apply(catalogue.selected(), &catalogue.removal());
        // Only now: the logs of a list that is shown as fetched are followed.
        *self.lists.lock() = catalogue.statuses();
    }
}

/// Returns an interval that is up to a tenth shorter or longer, so that servers which were started
/// together do not send requests together.
fn spread(interval: Duration) -> Duration {
    let share = (jitter() % 1024) as u32;
    interval * 9 / 10 + interval / 5 * share / 1023
}

#[cfg(test)]
mod tests {
    use ctclient::failure::{BEGINNING, LONGEST_AT_FIRST};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failing_list_is_requested_every_few_seconds_in_the_first_minute() {
        let mut schedule = Schedule::at_once();
        let start = Instant::now();
        while (Instant::now() - start) < BEGINNING {
            let wait = schedule.failing.failure(None, 1023);
            assert!(wait <= LONGEST_AT_FIRST, "{wait:?} after {:?}", (Instant::now() - start));
            tokio::time::advance(wait).await;
        }
        assert_eq!(schedule.failing.failure(None, 1023), LONGEST_LIST_WAIT, "it lasts");
        schedule.failing.success();
        assert!(schedule.failing.failure(None, 1023) <= LONGEST_AT_FIRST);
    }

    #[test]
    fn intervals_are_spread_by_a_tenth() {
        let hour = Duration::from_secs(3600);
        for _ in 0..100 {
            assert!((hour * 9 / 10..=hour * 11 / 10).contains(&spread(hour)));
        }
        assert!(spread(Duration::ZERO).is_zero(), "never stays never");
    }
}
