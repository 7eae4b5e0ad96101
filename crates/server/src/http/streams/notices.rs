//! The messages that a client gets besides certificates: heartbeats, their offsets, and gaps.
//!
//! Both protocols use it. A client that gets offsets also gets every loss before any later offset;
//! otherwise its offset would hide the loss.

use std::time::Duration;

use config::HeartbeatMode;
use record::StreamId;
use wire::{Profile, StreamKind};

use crate::publish::messages::Rendering;

/// The interval of certstream-server-rust, for the `rust` profile.
const RUST_INTERVAL: Duration = Duration::from_secs(30);

/// The time until the first heartbeat of a client that resumes.
const FIRST: Duration = Duration::from_secs(1);

/// The parts of a client's request that decide about these messages.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// True if it resumes after an offset.
    pub(super) since: bool,
    /// True if it requests heartbeats (`heartbeat=true`).
    pub(super) heartbeats: bool,
}

/// The rules for one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notices {
    /// The stream that offsets belong to.
    pub(super) stream: StreamId,
    /// The times of heartbeats: never, after an interval of silence, or always; then also at the
    /// beginning.
    pub(super) mode: HeartbeatMode,
    /// The interval.
    pub(super) interval: Duration,
    /// The time before the first heartbeat; it grows twofold each time, up to the interval. Shorter
    /// for a client that resumes: it has an old offset until a heartbeat shows that nothing else
    /// matched.
    pub(super) first: Duration,
    /// The longest silence before something is sent: proxies close silent connections.
    pub(super) longest_silence: Duration,
    /// True if messages or heartbeats contain the client's offset.
    pub(super) offsets: bool,
    /// True if it gets every loss as a `gap`.
    pub(super) gaps: bool,
}

impl Notices {
    /// Returns the rules for a WebSocket client: heartbeats as configured, as in the server of its
    /// profile, or as the client requested.
    ///
    /// Some clients of the domains-only stream read every message as a list of names. So it has
    /// neither heartbeats nor gaps unless the client requested one of them.
    pub(super) fn websocket(
        config: &config::Heartbeat,
        stream: StreamId,
        rendering: Rendering,
        asked: Asked,
    ) -> Self {
        let configured = Duration::from_secs(config.interval_secs);
        let is_domains = rendering.kind == StreamKind::Domains;
        let (mode, interval) = match rendering.profile {
            _ if asked.heartbeats => (HeartbeatMode::Always, configured),
            Profile::Rust => (HeartbeatMode::Always, RUST_INTERVAL),
            Profile::Calidog if !is_domains => (config.mode, configured),
            Profile::Calidog | Profile::Go => (HeartbeatMode::Off, configured),
        };
        let offsets = has_offsets(rendering.profile, asked);
        let gaps = asked.since || asked.heartbeats || (offsets && !is_domains);
        let first = first(interval, offsets && asked.since);
        Self { stream, mode, interval, first, longest_silence: configured, offsets, gaps }
    }

    /// Returns the rules for an SSE client: gaps have an event type of their own, and a heartbeat
    /// dispatches nothing, so every client can get both.
    pub(super) fn sse(
        config: &config::Heartbeat,
        stream: StreamId,
        profile: Profile,
        asked: Asked,
    ) -> Self {
        let interval = Duration::from_secs(config.interval_secs);
        let mode = if asked.heartbeats { HeartbeatMode::Always } else { HeartbeatMode::Idle };
        let offsets = has_offsets(profile, asked);
        let first = first(interval, offsets && asked.since);
        Self { stream, mode, interval, first, longest_silence: interval, offsets, gaps: true }
    }

    /// Returns the time before the heartbeat after the next, if it is `pace` before the next.
    pub(super) fn slower(self, pace: Duration) -> Duration {
        pace.saturating_mul(2).min(self.interval)
    }

    /// Reports whether heartbeats are sent regardless of other messages, beginning with the first.
    pub(super) fn always(self) -> bool {
        self.mode == HeartbeatMode::Always
    }

    /// Reports whether the client is notified that offsets continue after a hole: it is if it gets
    /// offsets.
    pub(super) const fn announces_holes(self) -> bool {
        self.offsets && self.gaps
    }

    /// Reports whether the client gets a last heartbeat before an orderly end of the connection, so
    /// that it knows how far its stream was searched: it does if it gets heartbeats with offsets.
    pub(super) fn ends_with_heartbeat(self) -> bool {
        self.offsets && self.mode != HeartbeatMode::Off
    }
}

fn first(interval: Duration, resumes: bool) -> Duration {
    if resumes { interval.min(FIRST) } else { interval }
}

/// Reports whether a client gets offsets: in messages of the `calidog` profile, in the heartbeats
/// of any.
fn has_offsets(profile: Profile, asked: Asked) -> bool {
    asked.heartbeats || profile == Profile::Calidog
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Asked = Asked { since: false, heartbeats: false };
    const SINCE: Asked = Asked { since: true, heartbeats: false };
    const HEARTBEATS: Asked = Asked { since: false, heartbeats: true };

    fn websocket(profile: Profile, kind: StreamKind, asked: Asked) -> Notices {
        let config = config::Heartbeat::default();
        Notices::websocket(&config, stream(), Rendering { kind, profile, backfilled: false }, asked)
    }

    fn stream() -> StreamId {
        StreamId::from_random(7)
    }

    /// Every client that gets offsets gets gaps, except clients of domains-only that know only
    /// lists of names.
    #[test]
    fn clients_that_get_offsets_get_gaps() {
        for profile in [Profile::Calidog, Profile::Go, Profile::Rust] {
            for kind in [StreamKind::Full, StreamKind::Lite, StreamKind::Domains] {
                for asked in [SINCE, HEARTBEATS] {
                    assert!(websocket(profile, kind, asked).gaps, "{profile:?} {kind:?} {asked:?}");
                }
                let notices = websocket(profile, kind, NOTHING);
                let expected = notices.offsets && kind != StreamKind::Domains;
                assert_eq!(notices.gaps, expected, "{profile:?} {kind:?}");
            }
            assert!(Notices::sse(&config::Heartbeat::default(), stream(), profile, NOTHING).gaps);
        }
        let domains = websocket(Profile::Calidog, StreamKind::Domains, NOTHING);
        assert!(domains.offsets && !domains.gaps && !domains.ends_with_heartbeat());
    }
}
