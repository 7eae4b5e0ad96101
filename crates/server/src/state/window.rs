//! The dedup window after a restart: certificates published lately, as the journal has them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ingest::Window;
use journal::{Journal, ReadError};
use record::Record;

/// The rules by which certificates are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Certificates remembered at most.
    pub(crate) capacity: u64,
    /// Time for which each is remembered.
    pub(crate) ttl: Duration,
    /// A precertificate and its final certificate count as one.
    pub(crate) is_linked: bool,
}

/// Fills the window from the newest batches of the journal. What cannot be read is repeated, not lost.
pub(crate) fn restore(journal: &Journal, rules: Rules, window: &mut Window) {
    let start = Instant::now();
    let read = read(journal, rules, window, start);
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let certificates = window.len();
    match read {
        Ok(()) => tracing::info!(certificates, millis, "certificates to recognise as duplicates"),
        Err(error) => tracing::error!(
            %error,
            certificates,
            "the journal cannot be read in full: some certificates may be sent again"
        ),
    }
}

fn read(
    journal: &Journal,
    rules: Rules,
    window: &mut Window,
    start: Instant,
) -> Result<(), ReadError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = u64::try_from(now.saturating_sub(rules.ttl).as_millis()).unwrap_or(u64::MAX);
    let Some(offset) = journal.at_time(since)? else { return Ok(()) };
    let head = journal.head();
    // Older segments would only push out what they brought.
    let is_enough = |before: u64| head.entries.saturating_sub(before) >= rules.capacity;
    let segments = journal.segments();
    let enough = segments.iter().rev().find(|segment| is_enough(segment.before));
    let offset = enough.map_or(offset, |segment| segment.first_offset.max(offset));
    let mut reader = journal.reader(offset);
    while let Some(stored) = reader.next_batch(head.next_offset)? {
        for (offset, record) in (stored.batch.first_offset..).zip(&stored.batch.records) {
            let age = now.saturating_sub(Duration::from_millis(record.seen));
            let hash = ingest::remembered(record, key(record, rules.is_linked));
            window.restore(&hash, offset, age, start);
        }
    }
    Ok(())
}

/// Returns the key by which duplicates of a record are found. The mode may have changed since it was
/// written.
fn key(record: &Record, is_linked: bool) -> &ct::Hash {
    if is_linked { record.dedup_key() } else { &record.fingerprint }
}
