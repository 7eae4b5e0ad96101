//! Limits on the bytes and frames that a client may send. Clients send little: pongs, perhaps a
//! ping or a text every few seconds. One that floods the server would use a core, so it is
//! disconnected.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes, headers of frames included; as many at once as four of the largest messages have.
pub(super) const BYTES: Limit = Limit { per_second: 8 * 1024, at_once: 256 * 1024 };
/// Frames, also those that end no message.
pub(super) const FRAMES: Limit = Limit { per_second: 20, at_once: 1_000 };

/// A limit on what a client may send.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) per_second: u32,
    at_once: u32,
}

/// The recent traffic of a client.
#[derive(Debug)]
pub(super) struct Intake {
    bytes: Bucket,
    frames: Bucket,
    /// Frames counted so far.
    counted: u64,
}

/// A token bucket, as the moment at which it is full again.
#[derive(Debug)]
struct Bucket(Instant);

impl Intake {
    /// Begins with everything allowed.
    pub(super) const fn new(now: Instant) -> Self {
        Self { bytes: Bucket(now), frames: Bucket(now), counted: 0 }
    }

    /// Counts received bytes, and frames since the connection began. Reports whether they are
    /// allowed.
    pub(super) fn take(&mut self, bytes: usize, frames: u64, now: Instant) -> bool {
        let new = u32::try_from(frames - self.counted).unwrap_or(u32::MAX);
        self.counted = frames;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let bytes_allowed = self.bytes.take(&BYTES, bytes, now);
        self.frames.take(&FRAMES, new, now) && bytes_allowed
    }
}

impl Bucket {
    fn take(&mut self, limit: &Limit, count: u32, now: Instant) -> bool {
        let each = Duration::from_secs(1) / limit.per_second;
        self.0 = self.0.max(now) + each.saturating_mul(count);
        self.0 <= now + each * limit.at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the second in which a client is refused that sends this much at each interval;
    /// `None` within an hour.
    fn refused(every: Duration, bytes: usize, frames: u64) -> Option<u64> {
        let start = Instant::now();
        let mut intake = Intake::new(start);
        let mut passed = Duration::ZERO;
        let mut sent = 0;
        while passed < Duration::from_secs(3600) {
            sent += frames;
            if !intake.take(bytes, sent, start + passed) {
                return Some(passed.as_secs());
            }
            passed += every;
        }
        None
    }

    #[test]
    fn clients_that_ping_are_never_disconnected_and_floods_soon_are() {
        let second = Duration::from_secs(1);
        // A text `ping` every 5 s, as a C# client sends it; a ping every 100 ms; the largest
        // message every 8 s.
        assert_eq!(refused(5 * second, 10, 1), None);
        assert_eq!(refused(second / 10, 6, 1), None);
        assert_eq!(refused(8 * second, 64 * 1024, 1), None);
        // A thousand frames are allowed once, twice the rate only temporarily.
        assert_eq!(refused(2 * 3600 * second, 6_000, 1_000), None);
        assert_eq!(refused(second / 40, 6, 1), Some(49));
        assert_eq!(refused(second, 16 * 1024, 1), Some(31));
        assert_eq!(refused(Duration::from_millis(1), 1024, 1), Some(0));
    }
}
