//! The progress on a terminal (a bar), in a log (a line every 30 seconds), or as JSON events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::progress::{self, Events, Progress};
use crate::status::{LogLines, in_place};

/// The interval of updates of the bar, and of events.
const UPDATE: Duration = Duration::from_millis(500);
/// The interval of lines.
const LINE: Duration = Duration::from_secs(30);
/// The time over which the rate is measured.
const WINDOW: Duration = Duration::from_secs(30);

/// A display of the progress.
#[derive(Debug)]
pub struct ProgressDisplay {
    bar: Option<ProgressBar>,
    events: Events,
    ticks: Option<Interval>,
    /// Numbers of proved entries at times, for the rate.
    samples: Vec<(Instant, u64)>,
}

/// The values that are shown.
struct Figures {
    wanted: u64,
    proved: u64,
    parts: u64,
    bytes: u64,
    /// Entries per second.
    rate: f64,
    eta: Option<Duration>,
}

impl ProgressDisplay {
    /// Returns a display that updates a bar in place, or logs lines.
    #[must_use]
    pub fn new(is_terminal: bool, events: Events) -> Self {
        let bar = is_terminal.then(|| {
            let style = ProgressStyle::with_template("{bar:20} {percent}% {prefix}\n{wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            // With a length of 0 it would be full.
            in_place(Some(1), style)
        });
        Self { bar, events, ticks: None, samples: Vec::new() }
    }

    /// Returns the output for log lines.
    #[must_use]
    pub fn log_lines(&self) -> LogLines {
        LogLines::above(self.bar.clone())
    }

    /// Reports whether events are printed.
    #[must_use]
    pub const fn events(&self) -> Events {
        self.events
    }

    /// Waits until it is time to show the progress. The time begins with the first call.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn due(&mut self) {
        let every = match (&self.bar, self.events) {
            (None, Events::None) => LINE,
            _ => UPDATE,
        };
        let samples = &mut self.samples;
        let ticks = self.ticks.get_or_insert_with(|| {
            let now = Instant::now();
            samples.push((now, 0));
            let mut ticks = tokio::time::interval_at(now + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ticks.tick().await;
    }

    /// Shows the progress.
    pub(super) fn show(&mut self, progress: &Progress) {
        let figures = self.figures(progress);
        let waits = progress.waits();
        self.print_events(progress);
        if self.events == Events::Json {
            let waiting = waits.iter().map(
                |wait| json!({ "log": wait.log, "reason": wait.kind.name(), "text": wait.text }),
            );
            print(&json!({
                "event": "progress", "entries": figures.proved, "wanted": figures.wanted,
                "parts": figures.parts, "bytes": figures.bytes,
                "entries_per_second": figures.rate.round() as u64,
                "eta_seconds": figures.eta.map(|eta| eta.as_secs()),
                "waiting": waiting.collect::<Vec<_>>(),
            }));
        }
        let waiting = progress::in_words(&waits);
        match &self.bar {
            Some(bar) => {
                bar.set_length(figures.wanted.max(1));
                bar.set_position(figures.proved);
                bar.set_prefix(figures.line());
                bar.set_message(waiting);
            }
            None if self.events == Events::None => figures.log(&waiting),
            None => {}
        }
    }

    fn figures(&mut self, progress: &Progress) -> Figures {
        let now = Instant::now();
        let (wanted, proved) = (count(&progress.wanted), count(&progress.proved));
        // The oldest one kept is just outside of the window, so that there is always one.
        let age = |(then, _): &(Instant, u64)| now.saturating_duration_since(*then);
        while self.samples.get(1).is_some_and(|next| age(next) >= WINDOW) {
            self.samples.remove(0);
        }
        let rate = self.samples.first().map_or(0.0, |sample| {
            let passed = age(sample).as_secs_f64().max(0.001);
            proved.saturating_sub(sample.1) as f64 / passed
        });
        self.samples.push((now, proved));
        let left = wanted.saturating_sub(proved) as f64;
        let eta = (rate > 0.0).then(|| Duration::from_secs((left / rate).min(1e9) as u64));
        let (parts, bytes) = (count(&progress.parts), count(&progress.bytes));
        Figures { wanted, proved, parts, bytes, rate, eta }
    }

    fn print_events(&self, progress: &Progress) {
        progress.take_events().iter().for_each(print);
    }

    /// Shows the end of the run.
    pub(super) fn end(&mut self, progress: &Progress, is_complete: bool) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let (entries, parts) = (count(&progress.complete), count(&progress.parts));
        let bytes = count(&progress.bytes);
        self.print_events(progress);
        if self.events == Events::Json {
            print(&json!({
                "event": "end", "complete": is_complete, "entries": entries, "parts": parts,
                "bytes": bytes,
            }));
        }
        let outcome = if is_complete { "complete" } else { "not complete" };
        tracing::info!(entries, parts, bytes, "{outcome}");
    }
}

impl Figures {
    fn eta(&self) -> String {
        self.eta.map_or_else(|| "unknown time".to_owned(), in_words)
    }

    /// Returns the text beside the bar.
    fn line(&self) -> String {
        let Self { wanted, proved, bytes, rate, .. } = self;
        let (mb, eta) = (*bytes as f64 / 1e6, self.eta());
        format!("{proved}/{wanted} · {rate:.0}/s · {eta} left · {mb:.1} MB")
    }

    fn log(&self, waiting: &str) {
        tracing::info!(
            entries = self.proved,
            wanted = self.wanted,
            entries_per_second = self.rate.round() as u64,
            parts = self.parts,
            bytes = self.bytes,
            left = self.eta(),
            waiting = (!waiting.is_empty()).then_some(waiting),
            "progress"
        );
    }
}

fn count(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn print(event: &Value) {
    if let Err(error) = logging::print(&event.to_string()) {
        tracing::debug!(%error, "an event cannot be printed");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rate_and_remaining_time_follow_from_the_last_half_minute() {
        let progress = Progress::new(Events::None);
        let mut display = ProgressDisplay::new(false, Events::None);
        progress.wanted.store(1_000_000, Ordering::Relaxed);
        display.due().await;
        progress.proved.store(3_000, Ordering::Relaxed);
        let figures = display.figures(&progress);
        assert_eq!((figures.rate.round(), figures.eta()), (100.0, "2 h 46 min".to_owned()));
        for _ in 0..3 {
            display.due().await;
        }
        let figures = display.figures(&progress);
        assert_eq!((figures.rate, figures.eta), (0.0, None), "what was long ago does not count");
        assert_eq!(figures.line(), "3000/1000000 · 0/s · unknown time left · 0.0 MB");
        assert_eq!(in_words(Duration::from_secs(90_000)), "1 d 1 h");
        assert_eq!(in_words(Duration::from_secs(61)), "1 min 1 s");
    }
}
