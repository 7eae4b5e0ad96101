//! How things stand: a line that stays in place on a terminal, log lines otherwise.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

use crate::intake::Counters;
use crate::output::Size;

/// How often the line on a terminal is renewed.
const RENEW: Duration = Duration::from_millis(500);

/// How things stand at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What came so far.
    pub counters: Counters,
    /// How large the open file is.
    pub size: Size,
    /// Rows that are not written yet.
    pub waiting: usize,
    /// How long ago the server saw the newest entry, ms.
    pub lag: Option<u64>,
}

/// Shows how things stand.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    every: Option<Duration>,
    shown: Option<(Instant, Counters)>,
    is_connected: bool,
}

/// Where log lines go: to standard error, above the line that stays in place.
#[derive(Clone, Debug)]
pub struct Lines(Option<ProgressBar>);

impl Progress {
    /// Shows a line in place if that is wanted, or else a log line every so often.
    #[must_use]
    pub fn new(in_place: bool, every: Option<Duration>) -> Self {
        let bar = in_place.then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::default_spinner());
            bar
        });
        let every = if in_place { Some(RENEW) } else { every };
        Self { bar, every, shown: None, is_connected: false }
    }

    /// Where log lines are to go.
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines(self.bar.clone())
    }

    /// Whether there is a connection now.
    pub const fn connected(&mut self, is_connected: bool) {
        self.is_connected = is_connected;
    }

    /// Says how things stand, if it is time.
    pub fn tick(&mut self, now: Instant, standing: &Standing) {
        let Some(every) = self.every else { return };
        let Some((then, before)) = self.shown else {
            self.shown = Some((now, standing.counters));
            return;
        };
        let passed = now.saturating_duration_since(then);
        if passed < every {
            return;
        }
        self.shown = Some((now, standing.counters));
        let rate = (standing.counters.rows - before.rows) as f64 / passed.as_secs_f64();
        match &self.bar {
            Some(bar) => bar.set_message(self.line(rate, standing)),
            None => self.log(rate, standing),
        }
        if let Some(bar) = &self.bar {
            bar.tick();
        }
    }

    fn line(&self, rate: f64, standing: &Standing) -> String {
        let Standing { counters, size, lag, .. } = standing;
        let state = if self.is_connected { "" } else { "not connected · " };
        let lag =
            lag.map_or_else(String::new, |lag| format!(" · {:.1} s behind", lag as f64 / 1e3));
        let troubles = [
            (counters.gaps, "gaps"),
            (counters.doubles, "doubles"),
            (counters.malformed + counters.unknown + counters.unread, "oddities"),
        ];
        let troubles = troubles.into_iter().filter(|(count, _)| *count > 0);
        let troubles: String = troubles.map(|(count, what)| format!(" · {count} {what}")).collect();
        let mb = size.bytes as f64 / 1e6;
        format!("{state}{rate:.0}/s · {} rows · {mb:.1} MB{lag}{troubles}", counters.rows)
    }

    fn log(&self, rate: f64, standing: &Standing) {
        let Standing { counters, size, waiting, lag } = standing;
        tracing::info!(
            connected = self.is_connected,
            rows_per_second = rate.round() as u64,
            rows = counters.rows,
            waiting,
            file_bytes = size.bytes,
            lag_ms = lag,
            gaps = counters.gaps,
            doubles = counters.doubles,
            filtered = counters.filtered,
            malformed = counters.malformed,
            unknown = counters.unknown,
            unread = counters.unread,
            "stats"
        );
    }

    /// Says what came in all.
    pub fn end(&mut self, counters: &Counters) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let Counters { messages, bytes, rows, doubles, gaps, .. } = *counters;
        let Counters { malformed, unknown, unread, unidentified, beyond_window, .. } = *counters;
        let Counters { filtered, truncated, .. } = *counters;
        tracing::info!(
            messages,
            bytes,
            rows,
            doubles,
            gaps,
            malformed,
            unknown,
            unread,
            unidentified,
            beyond_window,
            filtered,
            truncated,
            "ended"
        );
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
