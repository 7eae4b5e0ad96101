//! The certificates that the journal keeps, and is about to delete.

use std::time::Duration;

use config::Config;
use journal::{Journal, SegmentStats, Settings};

use super::status::now;
use crate::options;

/// Time for which a certificate is about to be deleted because of its age.
const LEAVING: Duration = Duration::from_mins(1);

/// The journal, as far as alerts are concerned.
#[derive(Debug)]
pub(super) struct Kept {
    journal: Journal,
    settings: Settings,
}

impl Kept {
    pub(super) fn new(journal: Journal, config: &Config) -> Self {
        Self { journal, settings: options::journal(config) }
    }

    /// Returns the offset before which the journal has no certificates, or is about to delete them: once it
    /// has written another segment, or within a minute.
    pub(super) fn leaving(&self) -> u64 {
        leaving(&self.journal.segments(), &self.settings, now().saturating_mul(1_000))
    }
}

/// Returns that offset for segments at a time, in milliseconds since 1970. The last segment is never deleted.
fn leaving(segments: &[SegmentStats], settings: &Settings, now: u64) -> u64 {
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut bytes = bytes.saturating_add(settings.segment_bytes);
    let soon = now.saturating_add(LEAVING.as_millis() as u64);
    let mut offset = segments.first().map_or(0, |first| first.first_offset);
    for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
        let is_old = settings.max_age.is_some_and(|max_age| {
            let max_age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
            next.newest_before.saturating_add(max_age) < soon
        });
        if bytes <= settings.max_bytes && !is_old {
            break;
        }
        bytes = bytes.saturating_sub(segment.bytes);
        offset = next.first_offset;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four segments of 10 bytes and 100 offsets; each ends 1,000 seconds after the one before.
    fn segments() -> Vec<SegmentStats> {
        let segment = |number: u64| SegmentStats {
            name: number.to_string(),
            first: number,
            first_offset: 1_000 + 100 * number,
            before: 100 * number,
            newest_before: 1_000_000 * number,
            bytes: 10,
            is_sealed: number < 3,
        };
        (0..4).map(segment).collect()
    }

    fn settings(max_bytes: u64, max_age: Option<u64>) -> Settings {
        let max_age = max_age.map(Duration::from_secs);
        Settings { max_bytes, max_age, segment_bytes: 10, ..Settings::default() }
    }

    #[test]
    fn certificates_leave_when_another_segment_has_no_room() {
        let cases = [(50, 1_000), (49, 1_100), (40, 1_100), (39, 1_200), (1, 1_300)];
        for (max_bytes, expected) in cases {
            assert_eq!(
                leaving(&segments(), &settings(max_bytes, None), 0),
                expected,
                "{max_bytes}"
            );
        }
        assert_eq!(leaving(&segments()[..1], &settings(1, None), 0), 1_000, "the last one stays");
        assert_eq!(leaving(&[], &settings(1, None), 0), 0);
    }

    #[test]
    fn certificates_leave_a_minute_before_they_are_too_old() {
        let settings = settings(1_000, Some(5_000));
        let cases = [(5_940_000, 1_000), (5_940_001, 1_100), (6_940_001, 1_200), (u64::MAX, 1_300)];
        for (now, expected) in cases {
            assert_eq!(leaving(&segments(), &settings, now), expected, "{now}");
        }
    }
}
