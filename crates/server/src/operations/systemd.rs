//! Notifications to systemd (sd_notify(3)): when the server is ready, reloads and stops, and, where the
//! unit has `WatchdogSec=`, that it is running. Without systemd nothing happens.

use sd_notify::NotifyState;

use crate::operations::liveness::Liveness;

/// Notifies that clients are served from now on.
pub fn ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// Notifies that the configuration is read again; [`ready`] notifies the end of that.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "cannot notify systemd of the reload"),
    }
}

/// Notifies that the server is about to end.
pub fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Notifies the watchdog while the runtime and the publisher's thread respond. If either hangs, systemd
/// is not notified and acts as the unit says. Never resolves, also where there is no watchdog.
pub(crate) async fn watchdog(liveness: &Liveness) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    tracing::debug!(?limit, "systemd watches");
    let mut beat = tokio::time::interval(limit / 3);
    loop {
        beat.tick().await;
        // A server that reads what another one publishes has no publisher.
        let response = async {
            if let Some(publisher) = liveness.publisher() {
                publisher.response().await;
            }
        };
        let felt = tokio::time::timeout(limit, response).await;
        match felt {
            Ok(()) => notify(&[NotifyState::Watchdog]),
            Err(_) => tracing::error!(
                limit_secs = limit.as_secs_f64(),
                "the publisher does not respond; not notifying the systemd watchdog"
            ),
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd of the server's state");
    }
}
