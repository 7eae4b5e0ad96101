//! The status of a run: a line that stays in place on a terminal, log lines otherwise.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

use crate::intake;
use crate::output::Size;

/// The interval at which the line on a terminal is updated.
const UPDATE: Duration = Duration::from_millis(500);

/// The status at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// The numbers of messages received.
    pub received: client::Counters,
    /// The numbers of rows kept.
    pub kept: intake::Counters,
    /// The size of the open file.
    pub size: Size,
    /// The number of rows that are not written yet.
    pub waiting: usize,
    /// The time since the server saw the newest entry, ms.
    pub lag: Option<u64>,
}

/// A display of the status.
#[derive(Debug)]
pub struct StatusDisplay {
    bar: Option<ProgressBar>,
    every: Option<Duration>,
    /// The time of the last display, and the number of rows at that time.
    shown: Option<(Instant, u64)>,
    is_connected: bool,
}

/// The output of log lines: standard error, above the line that stays in place.
#[derive(Clone, Debug)]
pub struct LogLines(Option<ProgressBar>);

impl LogLines {
    /// Returns an output above a bar, if there is one.
    pub(crate) const fn above(bar: Option<ProgressBar>) -> Self {
        Self(bar)
    }
}

/// Returns a bar that stays in place on the terminal.
pub(crate) fn in_place(length: Option<u64>, style: ProgressStyle) -> ProgressBar {
    let target = ProgressDrawTarget::term_like(Box::<Terminal>::default());
    let bar = ProgressBar::with_draw_target(length, target);
    bar.set_style(style);
    bar
}

impl StatusDisplay {
    /// Returns a display that updates a line in place, or logs a line at an interval.
    #[must_use]
    pub fn new(in_place: bool, every: Option<Duration>) -> Self {
        let bar = in_place.then(|| self::in_place(None, ProgressStyle::default_spinner()));
        let every = if in_place { Some(UPDATE) } else { every };
        Self { bar, every, shown: None, is_connected: false }
    }

    /// Returns the output for log lines.
    #[must_use]
    pub fn log_lines(&self) -> LogLines {
        LogLines(self.bar.clone())
    }

    /// Sets whether there is a connection.
    pub const fn connected(&mut self, is_connected: bool) {
        self.is_connected = is_connected;
    }

    /// Shows the status, if it is time.
    pub fn tick(&mut self, now: Instant, status: &Status) {
        let Some(every) = self.every else { return };
        let Some((then, before)) = self.shown else {
            self.shown = Some((now, status.kept.rows));
            return;
        };
        let passed = now.saturating_duration_since(then);
        if passed < every {
            return;
        }
        self.shown = Some((now, status.kept.rows));
        let rate = (status.kept.rows - before) as f64 / passed.as_secs_f64();
        match &self.bar {
            Some(bar) => bar.set_message(self.line(rate, status)),
            None => self.log(rate, status),
        }
        if let Some(bar) = &self.bar {
            bar.tick();
        }
    }

    fn line(&self, rate: f64, status: &Status) -> String {
        let Status { received, kept, size, lag, .. } = status;
        let state = if self.is_connected { "" } else { "not connected · " };
        let lag =
            lag.map_or_else(String::new, |lag| format!(" · {:.1} s behind", lag as f64 / 1e3));
        let troubles = [
            (received.gaps, "gaps"),
            (received.duplicates, "duplicates"),
            (received.malformed + kept.unknown + kept.unread, "oddities"),
        ];
        let troubles = troubles.into_iter().filter(|(count, _)| *count > 0);
        let troubles: String = troubles.map(|(count, what)| format!(" · {count} {what}")).collect();
        let mb = size.bytes as f64 / 1e6;
        format!("{state}{rate:.0}/s · {} rows · {mb:.1} MB{lag}{troubles}", kept.rows)
    }

    fn log(&self, rate: f64, status: &Status) {
        let Status { received, kept, size, waiting, lag } = status;
        tracing::info!(
            connected = self.is_connected,
            rows_per_second = rate.round() as u64,
            rows = kept.rows,
            waiting,
            file_bytes = size.bytes,
            lag_ms = lag,
            gaps = received.gaps,
            doubles = received.duplicates,
            filtered = received.filtered,
            malformed = received.malformed,
            unknown = kept.unknown,
            unread = kept.unread,
            "stats"
        );
    }

    /// Logs the summary, and removes the line that stays in place.
    pub fn end(&mut self, summary: &Summary<'_>) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        tracing::info!("{summary}");
    }
}

/// The summary of a run, in a sentence. Faults are listed only if there were any.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// The numbers of messages received.
    pub received: client::Counters,
    /// The numbers of rows kept.
    pub kept: intake::Counters,
    /// The place of the rows.
    pub output: &'a str,
    /// True if there were rows before the run.
    pub is_resumed: bool,
    /// True if everything received is written.
    pub is_written: bool,
}

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { received, kept, output, .. } = self;
        let not_all = if self.is_written { "" } else { "not all of " };
        let more = if self.is_resumed { "more " } else { "" };
        let plural = if kept.rows == 1 { "" } else { "s" };
        write!(f, "stopped: {not_all}{} {more}certificate{plural} in {output}", kept.rows)?;
        let (duplicates, gaps) = ([" duplicate", " duplicates"], [" gap", " gaps"]);
        for (count, [one, many]) in [(received.duplicates, duplicates), (received.gaps, gaps)] {
            write!(f, ", {count}{}", if count == 1 { one } else { many })?;
        }
        for (count, what) in [
            (received.malformed, "unreadable messages"),
            (kept.unknown, "messages of types that are not stored"),
            (kept.unread, "unreadable values"),
            (received.unidentified, "certificates without log and index"),
            (received.beyond_window, "certificates too far back to detect duplicates"),
            (received.filtered, "certificates left out by the filter"),
            (kept.truncated, "truncated messages"),
            (logging::lost(), "lost log lines"),
        ] {
            if count > 0 {
                write!(f, ", {what}: {count}")?;
            }
        }
        Ok(())
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(bar) => bar.suspend(|| logging::stderr().line(line)),
            None => logging::stderr().line(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The terminal at standard error. The thread that writes log lines draws on it too, in the same
/// order, so a terminal that is stopped delays nothing.
#[derive(Debug, Default)]
struct Terminal {
    /// The output since the last flush.
    drawn: Mutex<String>,
}

impl Terminal {
    fn draw(&self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        // Writing to a string cannot fail.
        let _infallible = self.drawn.lock().write_fmt(text);
        Ok(())
    }

    /// Moves the cursor (ECMA-48, CUU to CUB).
    fn move_cursor(&self, count: usize, direction: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.draw(format_args!("\x1b[{count}{direction}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        console::Term::stderr().size().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.draw(format_args!("{line}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(format_args!("{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(format_args!("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock());
        logging::stderr().draw(drawn.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_lists_only_faults_that_occurred() {
        let received = client::Counters { messages: 150, bytes: 9, ..Default::default() };
        let kept = intake::Counters { rows: 144, ..Default::default() };
        let output = "certs.feather";
        let mut summary = Summary { received, kept, output, is_resumed: false, is_written: true };
        let expected = "stopped: 144 certificates in certs.feather, 0 duplicates, 0 gaps";
        assert_eq!(summary.to_string(), expected);
        (summary.received.duplicates, summary.received.gaps) = (1, 2);
        (summary.received.malformed, summary.kept.rows) = (3, 1);
        (summary.is_resumed, summary.is_written) = (true, false);
        let expected = "stopped: not all of 1 more certificate in certs.feather, 1 duplicate, \
             2 gaps, unreadable messages: 3";
        assert_eq!(summary.to_string(), expected);
    }
}
