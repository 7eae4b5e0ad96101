//! What a client gets besides certificates: heartbeats, their offsets, and gaps.
//!
//! Both protocols take it from here. A client that gets offsets also gets every loss before any later
//! offset, or its offset would say that it misses nothing.

use std::time::Duration;

use config::HeartbeatMode;
use wire::{Profile, StreamKind};

use crate::messages::Rendering;

/// The interval of the server whose `rust` profile is imitated.
const RUST_INTERVAL: Duration = Duration::from_secs(30);

/// How soon a client that resumes has a heartbeat.
const FIRST: Duration = Duration::from_secs(1);

/// What a client asked for in its request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// To go on after an offset.
    pub(super) since: bool,
    /// Heartbeats (`heartbeat=true`).
    pub(super) heartbeats: bool,
}

/// What a client gets besides certificates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notices {
    /// Heartbeats never, when nothing was sent for a while, or always: then also at the beginning.
    pub(super) mode: HeartbeatMode,
    /// The while.
    pub(super) interval: Duration,
    /// The while before the first heartbeat; it doubles until it is the interval. Shorter for a client
    /// that resumes: it has an old offset until it is told that nothing else was for it.
    pub(super) first: Duration,
    /// After this long without anything something is sent: proxies end silent connections.
    pub(super) longest_silence: Duration,
    /// Whether messages or heartbeats say which offset the client has come to.
    pub(super) offsets: bool,
    /// Whether it gets every loss as a `gap`.
    pub(super) gaps: bool,
}

impl Notices {
    /// Of a WebSocket client: heartbeats as configured, or as the server whose messages are imitated
    /// has them, or because the client asked.
    ///
    /// Some clients of the domains-only stream take every message for a list of names. So it has
    /// neither heartbeats nor gaps unless the client asked for one of them.
    pub(super) fn websocket(
        config: &config::Heartbeat,
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
        Self { mode, interval, first, longest_silence: configured, offsets, gaps }
    }

    /// Of an SSE client: gaps have an event type of their own, and a heartbeat dispatches nothing, so
    /// every client can have both.
    pub(super) fn sse(config: &config::Heartbeat, profile: Profile, asked: Asked) -> Self {
        let interval = Duration::from_secs(config.interval_secs);
        let mode = if asked.heartbeats { HeartbeatMode::Always } else { HeartbeatMode::Idle };
        let offsets = has_offsets(profile, asked);
        let first = first(interval, offsets && asked.since);
        Self { mode, interval, first, longest_silence: interval, offsets, gaps: true }
    }

    /// The while before the heartbeat after the next, if it is `pace` before the next.
    pub(super) fn slower(self, pace: Duration) -> Duration {
        pace.saturating_mul(2).min(self.interval)
    }

    /// Whether heartbeats come whatever else is sent, beginning with the first message.
    pub(super) fn always(self) -> bool {
        self.mode == HeartbeatMode::Always
    }

    /// Whether the client gets a last heartbeat before the server ends the connection in good order,
    /// so that it knows all that was searched for it: it gets heartbeats, with offsets.
    pub(super) fn say_goodbye(self) -> bool {
        self.offsets && self.mode != HeartbeatMode::Off
    }
}

fn first(interval: Duration, resumes: bool) -> Duration {
    if resumes { interval.min(FIRST) } else { interval }
}

/// Whether a client gets offsets: in messages of the `calidog` profile, in the heartbeats of any.
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
        Notices::websocket(&config, Rendering { kind, profile }, asked)
    }

    /// Whoever gets offsets gets gaps, but for a client of domains-only that knows only lists of names.
    #[test]
    fn gaps_go_with_offsets() {
        for profile in [Profile::Calidog, Profile::Go, Profile::Rust] {
            for kind in [StreamKind::Full, StreamKind::Lite, StreamKind::Domains] {
                for asked in [SINCE, HEARTBEATS] {
                    assert!(websocket(profile, kind, asked).gaps, "{profile:?} {kind:?} {asked:?}");
                }
                let notices = websocket(profile, kind, NOTHING);
                let expected = notices.offsets && kind != StreamKind::Domains;
                assert_eq!(notices.gaps, expected, "{profile:?} {kind:?}");
            }
            assert!(Notices::sse(&config::Heartbeat::default(), profile, NOTHING).gaps);
        }
        let domains = websocket(Profile::Calidog, StreamKind::Domains, NOTHING);
        assert!(domains.offsets && !domains.gaps && !domains.say_goodbye());
    }
}
