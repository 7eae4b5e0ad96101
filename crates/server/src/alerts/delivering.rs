//! The delivery of one alert.

use std::sync::Arc;
use std::time::Duration;

use alerts::delivery::Delivery;
use alerts::outbox::{Key, Route, Waiting};
use alerts::{Alert, State};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Task;
use super::matching::{self, Again};
use super::settings::Settings;
use super::status::Status;

/// Pause before an alert that can be kept nowhere is to be kept again.
const AGAIN: Duration = Duration::from_secs(60);
/// Pause before an alert is to be made again from a stream that cannot be read.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// Reason of an alert that could not be read again after a restart.
const LEAVING: &str = "the journal is about to delete the certificate";

/// The end of a delivery.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) route: Route,
    pub(super) key: Key,
    /// The identity of the alert, if it could be read.
    pub(super) id: Option<String>,
    pub(super) delivery: Delivery,
    /// The offset at which its certificate is not kept any more.
    pub(super) gone: Option<u64>,
}

/// An alert to deliver.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) route: Route,
    pub(super) waiting: Waiting,
    /// True if it is not among the newest alerts because it is to be made yet.
    pub(super) is_unlisted: bool,
    /// True if the journal is about to delete its certificate.
    pub(super) is_leaving: bool,
}

/// Delivers the first alert of a route, or keeps it among the dead letters if the route exists no more.
/// Once `stopping` is true, an attempt under way is the last one.
pub(super) async fn deliver(
    task: Arc<Task>,
    settings: Arc<Settings>,
    next: Next,
    mut stopping: watch::Receiver<bool>,
) -> Ended {
    let key = next.waiting.key;
    let (mut id, mut gone) = (None, None);
    let delivery = match make(&task, &settings, &next, &mut stopping).await {
        Made::Alert(alert, reason) => {
            id = Some(alert.id.clone());
            attempt(&task, &settings, &next, &alert, reason, stopping).await
        }
        Made::Gone => {
            gone = Some(next.waiting.offset);
            Delivery::Lost
        }
        Made::Stopped => Delivery::Stopped,
    };
    Ended { route: next.route, key, id, delivery, gone }
}

/// An alert with its contents.
enum Made {
    /// It is to be delivered, or for this reason given up.
    Alert(Arc<Alert>, Option<&'static str>),
    /// Its certificate is not kept any more.
    Gone,
    /// Not at present.
    Stopped,
}

async fn make(
    task: &Task,
    settings: &Arc<Settings>,
    next: &Next,
    stopping: &mut watch::Receiver<bool>,
) -> Made {
    let Next { route, waiting, is_unlisted, .. } = next;
    if let Some(alert) = &waiting.alert {
        return Made::Alert(Arc::clone(alert), None);
    }
    let rule = Arc::clone(&route.rule);
    let again = matching::again(task.stream(), Arc::clone(settings), rule, waiting);
    let again = tokio::select! {
        biased;
        _ = stopping.wait_for(|stopping| *stopping) => return Made::Stopped,
        again = again => again,
    };
    let (alert, reason) = match again {
        Again::Alert(alert) => (Arc::new(alert), None),
        Again::NoMatch(alert) => {
            (Arc::new(alert), Some("the rule does not match the certificate any more"))
        }
        Again::Gone => return Made::Gone,
        Again::NotNow => {
            let (rule, offset) = (&*route.rule, waiting.offset);
            tracing::debug!(rule, offset, "an alert waits: its certificate cannot be read now");
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = sleep(READ_AGAIN) => {}
            }
            return Made::Stopped;
        }
    };
    if *is_unlisted {
        task.status.recent.push(Arc::clone(&alert));
    }
    task.status.recent.set_state(&alert.id, &route.receiver, State::Waiting);
    Made::Alert(alert, reason)
}

async fn attempt(
    task: &Task,
    settings: &Settings,
    next: &Next,
    alert: &Alert,
    reason: Option<&'static str>,
    mut stopping: watch::Receiver<bool>,
) -> Delivery {
    let Next { route, waiting, is_leaving, .. } = next;
    let reason = match (settings.receiver(route), reason) {
        (Some(receiver), None) => {
            let problem = receiver.deliverer.problem().filter(|_| *is_leaving);
            let Some(problem) = problem else {
                // One that is leaving is tried once, as if it had waited for long.
                let matched = if *is_leaving { 0 } else { waiting.matched };
                let matched = i64::try_from(matched).unwrap_or(i64::MAX);
                let matched = Timestamp::from_second(matched).unwrap_or_default();
                return receiver.deliverer.deliver(alert, matched, stopping).await;
            };
            format!("{LEAVING}; the last failure: {problem}")
        }
        (_, Some(reason)) => reason.to_owned(),
        (None, None) if settings.terms(&route.rule).is_none() => {
            "the rule exists no more".to_owned()
        }
        (None, None) => "the rule has this receiver no more".to_owned(),
    };
    let given_up = task.status.given_up(&route.receiver);
    loop {
        if let Some(end) = given_up.keep(alert, reason.clone()).await {
            return end;
        }
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return Delivery::Stopped,
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
