//! The progress of a backfill: counts, the logs that wait, and events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ctclient::{Client, Log};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

/// Reports whether events are printed as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They are printed to standard output, one a line.
    Json,
    /// There is only the bar, or lines.
    None,
}

/// The progress of all logs together.
#[derive(Debug)]
pub(super) struct Progress {
    /// Entries to read, those that are there already excepted.
    pub(super) wanted: AtomicU64,
    /// Entries that are proved.
    pub(super) proved: AtomicU64,
    /// Entries in complete parts.
    pub(super) complete: AtomicU64,
    /// Complete parts.
    pub(super) parts: AtomicU64,
    /// Bytes of complete parts.
    pub(super) bytes: AtomicU64,
    /// The logs that are read, by the name of their folder.
    reading: Mutex<BTreeMap<String, Reading>>,
    /// Events that are not printed yet; none if they never are.
    events: Option<Mutex<Vec<Value>>>,
}

/// A log that is read.
#[derive(Debug)]
struct Reading {
    name: String,
    url: String,
    /// Knows the pause that the log asked for, and the pace of its host.
    client: Arc<Client>,
    failure: Option<Failure>,
}

/// A request that failed.
#[derive(Debug)]
struct Failure {
    /// The time of the next attempt.
    until: Instant,
    reason: String,
}

/// A log that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// The log.
    pub(super) log: String,
    /// The kind of reason.
    pub(super) kind: WaitKind,
    /// The reason in words.
    pub(super) text: String,
}

/// The reason why a log waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitKind {
    /// It asked for a pause.
    Paused,
    /// A request failed, and is repeated.
    Failed,
    /// Its host gets as many requests as it accepts.
    Paced,
}

impl WaitKind {
    /// Returns its name in events.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Paced => "paced",
        }
    }
}

impl Progress {
    pub(super) fn new(events: Events) -> Self {
        Self {
            wanted: AtomicU64::default(),
            proved: AtomicU64::default(),
            complete: AtomicU64::default(),
            parts: AtomicU64::default(),
            bytes: AtomicU64::default(),
            reading: Mutex::default(),
            events: (events == Events::Json).then(Mutex::default),
        }
    }

    /// Notes that a log is read by this client.
    pub(super) fn begins(&self, slug: &str, log: &Log, client: Arc<Client>) {
        let (name, url) = (log.name.clone(), log.url.clone());
        let reading = Reading { name, url, client, failure: None };
        self.reading.lock().insert(slug.to_owned(), reading);
    }

    /// Notes that a log is not read any longer.
    pub(super) fn ends(&self, slug: &str) {
        self.reading.lock().remove(slug);
    }

    /// Notes that a request failed, and will be repeated after a wait.
    pub(super) fn fails(&self, slug: &str, wait: Duration, reason: String) {
        if let Some(reading) = self.reading.lock().get_mut(slug) {
            reading.failure = Some(Failure { until: Instant::now() + wait, reason });
        }
    }

    /// Notes a complete part.
    pub(super) fn completes(&self, entries: u64, bytes: u64) {
        for (count, value) in [(&self.complete, entries), (&self.parts, 1), (&self.bytes, bytes)] {
            count.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// Notes an event.
    pub(super) fn event(&self, event: Value) {
        if let Some(events) = &self.events {
            events.lock().push(event);
        }
    }

    /// Returns the events since the last call.
    pub(super) fn take_events(&self) -> Vec<Value> {
        self.events.as_ref().map(|events| std::mem::take(&mut *events.lock())).unwrap_or_default()
    }

    /// Returns the logs that wait now: first those that asked for a pause.
    pub(super) fn waits(&self) -> Vec<Wait> {
        let reading = self.reading.lock();
        let waits = reading.values().filter_map(|reading| {
            let (kind, text) = reading.wait(Instant::now())?;
            Some(Wait { log: reading.name.clone(), kind, text })
        });
        let mut waits: Vec<_> = waits.collect();
        waits.sort_by_key(|wait| wait.kind as u8);
        waits
    }
}

impl Reading {
    fn wait(&self, now: Instant) -> Option<(WaitKind, String)> {
        if let Some(pause) = self.client.paused_for() {
            let text = format!("paused for {} s, as it asked", whole_seconds(pause));
            return Some((WaitKind::Paused, text));
        }
        if let Some(Failure { until, reason }) = self.failure.as_ref().filter(|it| it.until > now) {
            let wait = whole_seconds(until.saturating_duration_since(now));
            return Some((WaitKind::Failed, format!("trying again in {wait} s: {reason}")));
        }
        let rate = self.client.rate_of(&self.url)?;
        let text = format!("paced at {rate:.1} requests a second, which its host accepts");
        Some((WaitKind::Paced, text))
    }
}

/// Returns a time in seconds, rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

/// Returns what the user reads of logs that wait: the first, and the number of the others.
pub(super) fn in_words(waits: &[Wait]) -> String {
    let Some(Wait { log, text, .. }) = waits.first() else { return String::new() };
    let log = client::text::shown(log);
    match waits.len() {
        1 => format!("{log}: {text}"),
        2 => format!("{log}: {text} (and another log waits)"),
        all => format!("{log}: {text} (and {} other logs wait)", all - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shown_until_the_next_attempt() {
        let progress = Progress::new(Events::None);
        let client = Client::new("collector-tests/1", Duration::from_secs(1)).unwrap();
        let client = Arc::new(client);
        for name in ["one", "two"] {
            let url = format!("https://{name}.example/");
            let log = Log::configured(ctclient::Protocol::Rfc6962, name, &url, None, None).unwrap();
            progress.begins(name, &log, Arc::clone(&client));
        }
        assert_eq!(progress.waits(), []);
        progress.fails("two", Duration::from_millis(1_500), "status 500".to_owned());
        let waits = progress.waits();
        assert_eq!(in_words(&waits), "two: trying again in 2 s: status 500");
        assert_eq!(waits[0].kind.name(), "failed");
        progress.fails("one", Duration::from_secs(1), "status 500".to_owned());
        let text = in_words(&progress.waits());
        assert_eq!(text, "one: trying again in 1 s: status 500 (and another log waits)");
        tokio::time::advance(Duration::from_millis(1_400)).await;
        assert_eq!(in_words(&progress.waits()), "two: trying again in 1 s: status 500");
        progress.ends("two");
        assert_eq!(progress.waits(), []);
        progress.event(serde_json::json!({}));
        assert!(progress.take_events().is_empty(), "nothing prints them");
    }
}
