//! The delivery of one alert.

use std::sync::Arc;
use std::time::Duration;

use alerts::delivery::Delivery;
use alerts::outbox::{Key, Route, Waiting};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Task;
use super::matching::{self, Again};
use super::settings::Settings;
use super::status::Status;

/// Pause before an alert that can be kept nowhere is to be kept again.
const AGAIN: Duration = Duration::from_secs(60);

/// The end of a delivery.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) route: Route,
    pub(super) key: Key,
    /// The identity of the alert, if it could be read.
    pub(super) id: Option<String>,
    pub(super) delivery: Delivery,
}

/// Delivers the first alert of a route, or keeps it among the dead letters if the route exists no more.
/// Once `stopping` is true, an attempt under way is the last one.
pub(super) async fn deliver(
    task: Arc<Task>,
    settings: Arc<Settings>,
    route: Route,
    waiting: Waiting,
    stopping: watch::Receiver<bool>,
) -> Ended {
    let key = waiting.key;
    let (id, delivery) = attempt(&task, &settings, &route, waiting, stopping).await;
    Ended { route, key, id, delivery }
}

async fn attempt(
    task: &Task,
    settings: &Arc<Settings>,
    route: &Route,
    waiting: Waiting,
    mut stopping: watch::Receiver<bool>,
) -> (Option<String>, Delivery) {
    let mut reason = None;
    let alert = match &waiting.alert {
        Some(alert) => Arc::clone(alert),
        None => {
            let rule = Arc::clone(&route.rule);
            let again = matching::again(task.stream(), Arc::clone(settings), rule, &waiting);
            let again = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return (None, Delivery::Stopped),
                again = again => again,
            };
            match again {
                Again::Alert(alert) => Arc::new(alert),
                Again::NoMatch(alert) => {
                    reason = Some("the rule does not match the certificate any more");
                    Arc::new(alert)
                }
                Again::Gone => {
                    lose(&task.status, &route.rule, &route.receiver, waiting.offset);
                    return (None, Delivery::Lost);
                }
            }
        }
    };
    let id = Some(alert.id.clone());
    let receiver = settings.receiver(route);
    let reason = match (receiver, reason) {
        (Some(receiver), None) => {
            let matched = i64::try_from(waiting.matched).unwrap_or(i64::MAX);
            let matched = Timestamp::from_second(matched).unwrap_or_default();
            return (id, receiver.deliverer.deliver(&alert, matched, stopping).await);
        }
        (_, Some(reason)) => reason,
        (None, None) if settings.terms(&route.rule).is_none() => "the rule exists no more",
        (None, None) => "the rule has this receiver no more",
    };
    let given_up = task.status.given_up(&route.receiver);
    loop {
        if let Some(end) = given_up.keep(&alert, reason.to_owned()).await {
            return (id, end);
        }
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return (id, Delivery::Stopped),
            () = sleep(AGAIN) => {}
        }
    }
}

/// Notes an alert whose certificate cannot be read again.
pub(super) fn lose(status: &Status, rule: &str, receiver: &Arc<str>, offset: u64) {
    status.given_up(receiver).figures.add_lost();
    tracing::error!(
        rule,
        receiver = &**receiver,
        offset,
        "an alert is lost: its certificate is not kept any more"
    );
}
