//! The progress of a backfill: a bar on a terminal, a line every 30 seconds otherwise, or JSON events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ctclient::Client;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::status::{LogLines, in_place};

/// The interval of updates of the bar.
const UPDATE: Duration = Duration::from_millis(500);
/// The interval of lines.
const LINE: Duration = Duration::from_secs(30);
/// The time over which the rate is measured.
const WINDOW: Duration = Duration::from_secs(30);

/// The progress of all logs together.
#[derive(Debug, Default)]
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
    /// The logs that are read, with what knows whether they asked for a pause.
    reading: Mutex<Vec<(String, Arc<Client>)>>,
    /// The reason why a log waits, by log.
    waiting: Mutex<BTreeMap<String, String>>,
    /// Events that are not shown yet.
    events: Mutex<Vec<Value>>,
}

/// Reports whether events are printed as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They are printed to standard output, one a line.
    Json,
    /// There is only the bar, or lines.
    None,
}

impl Progress {
    pub(super) fn add(&self, count: &AtomicU64, value: u64) {
        let _before = self;
        count.fetch_add(value, Ordering::Relaxed);
    }

    /// Notes the reason why a log waits, or that it does not.
    pub(super) fn waits(&self, log: &str, reason: Option<String>) {
        let mut waiting = self.waiting.lock();
        match reason {
            Some(reason) => waiting.insert(log.to_owned(), reason),
            None => waiting.remove(log),
        };
    }

    /// Notes an event.
    pub(super) fn event(&self, event: Value) {
        self.events.lock().push(event);
    }

    /// Notes that a log is read by this client.
    pub(super) fn reads(&self, log: &str, client: Arc<Client>) {
        self.reading.lock().push((log.to_owned(), client));
    }

    fn waiting_text(&self) -> String {
        let mut waiting = self.waiting.lock().clone();
        for (log, client) in &*self.reading.lock() {
            if let Some(pause) = client.paused_for() {
                let seconds = pause.as_secs() + 1;
                let reason = format!("paused for {seconds} s after too many requests");
                waiting.entry(log.clone()).or_insert(reason);
            }
        }
        let mut texts = waiting.iter().map(|(log, reason)| format!("{log}: {reason}"));
        let Some(first) = texts.next() else { return String::new() };
        match texts.count() {
            0 => first,
            more => format!("{first} (and {more} more logs wait)"),
        }
    }
}

/// A display of the progress.
#[derive(Debug)]
pub struct ProgressDisplay {
    bar: Option<ProgressBar>,
    events: Events,
    ticks: Option<Interval>,
    /// Numbers of proved entries at times, for the rate.
    samples: Vec<(Instant, u64)>,
}

impl ProgressDisplay {
    /// Returns a display that updates a bar in place, or logs lines.
    #[must_use]
    pub fn new(is_terminal: bool, events: Events) -> Self {
        let bar = is_terminal.then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            in_place(Some(0), style)
        });
        Self { bar, events, ticks: None, samples: Vec::new() }
    }

    /// Returns the output for log lines.
    #[must_use]
    pub fn log_lines(&self) -> LogLines {
        LogLines::above(self.bar.clone())
    }

    /// Waits until it is time to show the progress.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn due(&mut self) {
        let every = match (&self.bar, self.events) {
            (None, Events::None) => LINE,
            _ => UPDATE,
        };
        let ticks = self.ticks.get_or_insert_with(|| {
            let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ticks.tick().await;
    }

    /// Shows the progress.
    pub(super) fn show(&mut self, progress: &Progress) {
        let now = Instant::now();
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (wanted, proved) = (count(&progress.wanted), count(&progress.proved));
        self.samples.retain(|(then, _)| now.saturating_duration_since(*then) <= WINDOW);
        let rate = self.samples.first().map_or(0.0, |(then, before)| {
            let passed = now.saturating_duration_since(*then).as_secs_f64().max(0.001);
            proved.saturating_sub(*before) as f64 / passed
        });
        self.samples.push((now, proved));
        let left = wanted.saturating_sub(proved) as f64;
        let eta = (rate > 0.0).then(|| Duration::from_secs((left / rate).min(1e9) as u64));
        let (parts, bytes) = (count(&progress.parts), count(&progress.bytes));
        let waiting = progress.waiting_text();
        if self.events == Events::Json {
            self.print_events(progress);
            self.print(&json!({
                "event": "progress", "entries": proved, "wanted": wanted, "parts": parts,
                "bytes": bytes, "entries_per_second": rate.round(),
                "eta_seconds": eta.map(|eta| eta.as_secs()),
                "waiting": (!waiting.is_empty()).then_some(&waiting),
            }));
        }
        let mb = bytes as f64 / 1e6;
        let eta = eta.map_or_else(|| "unknown".to_owned(), in_words);
        match &self.bar {
            Some(bar) => {
                let waiting =
                    if waiting.is_empty() { String::new() } else { format!(" · {waiting}") };
                bar.set_length(wanted);
                bar.set_position(proved);
                bar.set_message(format!(
                    "{proved}/{wanted} · {rate:.0}/s · {mb:.1} MB · {eta} left{waiting}"
                ));
            }
            None if self.events == Events::None => tracing::info!(
                entries = proved,
                wanted,
                entries_per_second = rate.round() as u64,
                parts,
                bytes,
                left = eta,
                waiting,
                "progress"
            ),
            None => {}
        }
    }

    fn print_events(&self, progress: &Progress) {
        for event in std::mem::take(&mut *progress.events.lock()) {
            self.print(&event);
        }
    }

    fn print(&self, event: &Value) {
        if self.events == Events::Json
            && let Err(error) = logging::print(&event.to_string())
        {
            tracing::debug!(%error, "an event cannot be printed");
        }
    }

    /// Shows the end of the run.
    pub(super) fn end(&mut self, progress: &Progress, is_complete: bool) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (entries, parts) = (count(&progress.complete), count(&progress.parts));
        let bytes = count(&progress.bytes);
        self.print_events(progress);
        self.print(&json!({
            "event": "end", "complete": is_complete, "entries": entries, "parts": parts, "bytes": bytes,
        }));
        let what = if is_complete { "complete" } else { "not complete" };
        tracing::info!(entries, parts, bytes, "{what}");
    }
}

/// Returns a duration in words, in its two largest units.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}
