//! How things stand: a line that stays in place on a terminal, log lines otherwise.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use parking_lot::Mutex;
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
            let target = ProgressDrawTarget::term_like(Box::<Terminal>::default());
            let bar = ProgressBar::with_draw_target(None, target);
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
            (counters.doubles, "duplicates"),
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
    pub fn end(&mut self, end: &End<'_>) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        tracing::info!("{end}");
    }
}

/// What a run comes to, in a sentence: what is not as it should be only where there is some.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// What came.
    pub counters: Counters,
    /// Where the rows are.
    pub output: &'a str,
    /// Whether there were rows before the run.
    pub is_resumed: bool,
    /// Whether all that came is written.
    pub is_written: bool,
}

impl std::fmt::Display for End<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { counters, output, .. } = self;
        let not_all = if self.is_written { "" } else { "not all of " };
        let more = if self.is_resumed { "more " } else { "" };
        let plural = if counters.rows == 1 { "" } else { "s" };
        write!(f, "stopped: {not_all}{} {more}certificate{plural} in {output}", counters.rows)?;
        let (doubles, gaps) = ([" duplicate", " duplicates"], [" gap", " gaps"]);
        for (count, [one, many]) in [(counters.doubles, doubles), (counters.gaps, gaps)] {
            write!(f, ", {count}{}", if count == 1 { one } else { many })?;
        }
        for (count, what) in [
            (counters.malformed, "unreadable messages"),
            (counters.unknown, "messages of types without rows here"),
            (counters.unread, "unreadable values"),
            (counters.unidentified, "certificates without log and index"),
            (counters.beyond_window, "certificates too far back to know duplicates"),
            (counters.filtered, "certificates left out by the filter"),
            (counters.truncated, "truncated messages"),
            (logging::lost(), "lost log lines"),
        ] {
            if count > 0 {
                write!(f, ", {what}: {count}")?;
            }
        }
        Ok(())
    }
}

impl Write for Lines {
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

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The terminal at standard error, drawn on in the order of the log lines and by the same thread: a
/// terminal that is stopped delays nobody.
#[derive(Debug, Default)]
struct Terminal {
    /// What was drawn since it was flushed.
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
    fn the_last_line_says_what_came_and_only_the_troubles_there_were() {
        let counters = Counters { rows: 144, messages: 150, bytes: 9, ..Counters::default() };
        let mut end =
            End { counters, output: "certs.feather", is_resumed: false, is_written: true };
        let expected = "stopped: 144 certificates in certs.feather, 0 duplicates, 0 gaps";
        assert_eq!(end.to_string(), expected);
        end.counters = Counters { rows: 1, doubles: 1, gaps: 2, malformed: 3, ..end.counters };
        (end.is_resumed, end.is_written) = (true, false);
        let expected = "stopped: not all of 1 more certificate in certs.feather, 1 duplicate, \
             2 gaps, unreadable messages: 3";
        assert_eq!(end.to_string(), expected);
    }
}
