//! The timers of a connection: heartbeats, pings, and the end of a silent client.

use std::time::Duration;

use config::HeartbeatMode;
use tokio::time::Instant;

use crate::http::streams::notices::Notices;

/// The longest time between two Pings, so that dead connections are detected.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The silence after which a client counts as gone; a Pong is enough.
const SILENT_CLIENT: Duration = Duration::from_secs(120);

/// The times of the last events on a connection. Due times follow from them and only move later, so
/// a timer has to be set again only when it fires.
#[derive(Debug)]
pub(super) struct Timing {
    notices: Notices,
    /// The time before the next heartbeat.
    pace: Duration,
    inbound: Instant,
    data: Instant,
    beat: Instant,
    ping: Instant,
}

/// The action that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// End the connection: the client was silent for too long.
    End,
    /// Send something.
    Frames {
        /// A Ping.
        ping: bool,
        /// A heartbeat.
        beat: bool,
    },
}

impl Timing {
    /// Begins with a new connection.
    pub(super) const fn new(notices: Notices, now: Instant) -> Self {
        Self { notices, pace: notices.first, inbound: now, data: now, beat: now, ping: now }
    }

    /// Notes that something came from the client.
    pub(super) const fn received(&mut self, now: Instant) {
        self.inbound = now;
    }

    /// Notes that a message was written.
    pub(super) const fn sent(&mut self, now: Instant) {
        self.data = now;
    }

    /// Returns the next time at which something may be [due](Self::due).
    pub(super) fn next(&self) -> Instant {
        let ping = self.next_ping();
        let end = self.inbound + SILENT_CLIENT;
        self.next_beat().map_or(ping, |beat| beat.min(ping)).min(end)
    }

    /// Returns the action that is due, which then counts as done.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if now >= self.inbound + SILENT_CLIENT {
            return Due::End;
        }
        let beat = self.next_beat().is_some_and(|due| now >= due);
        if beat {
            self.beat = now;
            self.pace = self.notices.slower(self.pace);
        }
        // A heartbeat ends the silence too.
        let ping = now >= self.next_ping();
        if ping {
            self.ping = now;
        }
        Due::Frames { ping, beat }
    }

    fn next_ping(&self) -> Instant {
        let sent = self.data.max(self.beat).max(self.ping);
        (self.ping + PING_EVERY).min(sent + self.notices.longest_silence)
    }

    fn next_beat(&self) -> Option<Instant> {
        let since = match self.notices.mode {
            HeartbeatMode::Off => return None,
            HeartbeatMode::Idle => self.data.max(self.beat),
            HeartbeatMode::Always => self.beat,
        };
        Some(since + self.pace)
    }
}

#[cfg(test)]
mod tests {
    use record::StreamId;

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn notices(mode: HeartbeatMode, interval: u64) -> Notices {
        let interval = seconds(interval);
        let (first, longest_silence) = (interval, interval);
        let stream = StreamId::from_random(7);
        Notices { stream, mode, interval, first, longest_silence, offsets: true, gaps: true }
    }

    /// Returns the actions within two minutes, with a timer that is set again only when it fires,
    /// on a connection that gets messages until second `until`.
    fn found(mode: HeartbeatMode, interval: u64, until: u64) -> Vec<(u64, &'static str)> {
        let start = Instant::now();
        let mut timing = Timing::new(notices(mode, interval), start);
        let mut timer = timing.next();
        let mut found = Vec::new();
        for second in 0..=150 {
            let now = start + seconds(second);
            if second <= until {
                timing.sent(now);
            }
            if now < timer {
                continue;
            }
            match timing.due(now) {
                Due::End => {
                    found.push((second, "end"));
                    return found;
                }
                Due::Frames { ping, beat } => {
                    found.extend(ping.then_some((second, "ping")));
                    found.extend(beat.then_some((second, "beat")));
                }
            }
            assert!(timing.next() > now, "the timer would fire again at once");
            timer = timing.next();
        }
        found
    }

    #[test]
    fn heartbeats_pings_and_the_end_are_due_at_their_times() {
        use HeartbeatMode::{Always, Idle, Off};
        let pings = [(30, "ping"), (60, "ping"), (90, "ping"), (120, "end")];
        let beats = |seconds: &[u64]| -> Vec<_> {
            let beats = seconds.iter().map(|&second| (second, "beat"));
            let mut all: Vec<_> = pings.into_iter().chain(beats).collect();
            all.sort_by_key(|&(second, what)| (second, what == "beat"));
            all
        };
        let silent: Vec<_> = (1..12).map(|n| (10 * n, "ping")).chain([(120, "end")]).collect();
        assert_eq!(found(Off, 10, 0), silent, "nothing is silent for longer than the interval");
        assert_eq!(found(Off, 10, 200), pings, "messages are enough");
        assert_eq!(found(Off, 40, 0), pings);
        assert_eq!(found(Idle, 40, 200), pings, "messages are enough");
        assert_eq!(found(Idle, 40, 0), beats(&[40, 80]));
        assert_eq!(found(Idle, 40, 35), beats(&[75, 115]), "40 s after the last message");
        assert_eq!(found(Always, 40, 200), beats(&[40, 80]));
        assert_eq!(found(Always, 50, 0), beats(&[50, 100]));
    }

    #[test]
    fn a_resuming_client_gets_its_first_heartbeats_early() {
        let resumes = Notices { first: seconds(1), ..notices(HeartbeatMode::Always, 10) };
        let start = Instant::now();
        let mut timing = Timing::new(resumes, start);
        let mut beats = Vec::new();
        for second in 0..40 {
            let due = timing.due(start + seconds(second));
            beats.extend(matches!(due, Due::Frames { beat: true, .. }).then_some(second));
        }
        assert_eq!(beats, [1, 3, 7, 15, 25, 35]);
    }

    #[test]
    fn any_frame_from_the_client_restarts_the_silence_timeout() {
        let start = Instant::now();
        let mut timing = Timing::new(notices(HeartbeatMode::Off, 10), start);
        timing.received(start + seconds(119));
        assert_eq!(timing.due(start + seconds(238)), Due::Frames { ping: true, beat: false });
        assert_eq!(timing.due(start + seconds(239)), Due::End);
    }
}
