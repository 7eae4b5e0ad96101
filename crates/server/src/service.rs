//! What systemd is told (sd_notify(3)): when the server is ready, reloads and stops, and, where the
//! unit has `WatchdogSec=`, that it lives. Without systemd nothing happens.

use sd_notify::NotifyState;

use crate::vitals::Vitals;

/// Clients are served from now on.
pub fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The configuration is read again; [`ready`] says when that is done.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd is not told of the reload"),
    }
}

/// The server is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells systemd that the server lives, for as long as the runtime comes to it and the publisher's
/// thread answers. If either hangs, systemd hears nothing and does what the unit says. Never
/// resolves, also where there is no watchdog.
pub(crate) async fn watchdog(vitals: &Vitals) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    tracing::debug!(?limit, "systemd watches");
    let mut beat = tokio::time::interval(limit / 3);
    loop {
        beat.tick().await;
        let felt = tokio::time::timeout(limit, vitals.publisher.felt()).await;
        match felt {
            Ok(()) => tell(&[NotifyState::Watchdog]),
            Err(_) => tracing::error!(
                limit_secs = limit.as_secs_f64(),
                "the publisher does not answer, systemd is not told that the server lives"
            ),
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told of the server's state");
    }
}
