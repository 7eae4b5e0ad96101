//! The collector at work: what comes goes into rows, rows that are enough or old enough are written,
//! until somebody asks it to stop.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow_schema::ArrowError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::copier::Copier;
use crate::hush::Hush;
use crate::intake::{Intake, Resume};
use crate::output::{Opened, Output, OutputError};
use crate::progress::{End, Progress, Standing};
use crate::settings::Settings;
use crate::stream::{Event, Failure, Stream, tls};
use crate::table::schema::Rows;
use crate::writer::Writer;

/// How often is looked at what time brings.
const TICK: Duration = Duration::from_millis(100);
/// How often what was written is put on the disk, and parts are looked after.
const TEND: Duration = Duration::from_secs(1);
/// With so many batches in a file, twice as many rows make one, and so on: the footer, which is
/// written again with each, lists them all.
const BATCHES: usize = 10_000;
/// Most rows of a batch, however many batches there are.
const MAX_ROWS: usize = 100_000;

/// Why collecting ends otherwise than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing can be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The server refuses, and would again.
    #[error("{server}: {failure}")]
    Refused {
        /// The server.
        server: String,
        /// What it says.
        failure: Failure,
    },
    /// Rows do not fit their columns.
    #[error("rows cannot be made: {0}")]
    Rows(#[from] ArrowError),
    /// The system refuses a thread.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The object store cannot be used.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    Store(#[from] crate::output::store::StoreError),
    /// This program cannot copy to object stores.
    #[cfg(not(feature = "s3"))]
    #[error("this program was built without object stores (cargo feature s3)")]
    NoStore,
}

/// Collects until `stop` is done; then everything that came is on the disk.
///
/// # Errors
///
/// When the output or the server refuses, or nothing can be written any more. What was written can
/// be read.
pub async fn run(
    settings: Settings,
    progress: Progress,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let tls = tls::client(settings.ca_file.as_deref())?;
    report_limits_as_errors();
    let copier = Copier::prepare(&settings.output.target).await?;
    let (output, opened) = Output::open(&settings.output, settings.rows)?;
    let (closed, news) = mpsc::unbounded_channel();
    let writer = Writer::start(output, closed)?;
    let copying = copier.start(news);
    let is_resumed = opened.state.rows > 0;
    let place = settings.output.target.place();
    let intake = intake(&settings, opened);
    let proxy = settings.proxy.clone();
    if let Some(proxy) = &proxy {
        tracing::info!("connecting through the proxy {}", proxy.name());
    }
    let stream = Stream::new(settings.address.clone(), proxy, tls);
    let mut collector = Collector {
        tended: Instant::now(),
        waiting_since: None,
        was_connected: false,
        lines: Hush::default(),
        settings,
        progress,
        intake,
        stream,
        writer,
    };
    let outcome = collector.collect(stop).await;
    let Collector { stream, writer, mut intake, mut progress, .. } = collector;
    stream.close().await;
    let flushed = if outcome.is_ok() && intake.is_due() {
        let (batch, note) = intake.take()?;
        writer.append(batch, note).await
    } else {
        true
    };
    let finished = writer.finish().await;
    copying.finish().await;
    let is_written = finished.is_ok();
    let counters = intake.counters();
    progress.end(&End { counters, output: &place, is_resumed, is_written });
    finished?;
    debug_assert!(flushed, "a writer that is gone says why");
    outcome
}

/// Has a write beyond the limit on the size of files (RLIMIT_FSIZE) fail, as on a full disk. Without
/// a handler the signal that comes with it ends the program without a word.
fn report_limits_as_errors() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Err(error) = signal(SignalKind::from_raw(libc::SIGXFSZ)) {
        tracing::warn!(%error, "a limit on the size of files will end the program without a word");
    }
}

fn intake(settings: &Settings, opened: Opened) -> Intake {
    let Opened { schema, state, window } = opened;
    let address = &settings.address;
    let server = address.name();
    let is_other_server = state.server.as_ref().is_some_and(|known| *known != server);
    if is_other_server {
        tracing::warn!(
            before = state.server,
            now = server,
            "the offsets there are of another server: what came between is not asked for"
        );
    }
    let resume = Resume {
        offset: state.offset,
        stream: state.stream,
        has_rows: state.rows > 0,
        is_other_server,
        server,
        open: state.open,
        // A domains-only stream leaves out certificates without names.
        is_filtered: address.is_filtered() || settings.rows == Rows::Domains,
        from_oldest: settings.from_oldest,
    };
    Intake::new(settings.rows, &schema, window, resume).filtered_by(address.filter())
}

struct Collector {
    settings: Settings,
    progress: Progress,
    intake: Intake,
    stream: Stream,
    writer: Writer,
    /// When the oldest row that is not written came.
    waiting_since: Option<Instant>,
    tended: Instant,
    was_connected: bool,
    /// Lines about connections.
    lines: Hush,
}

impl Collector {
    async fn collect(&mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let mut stop = pin!(stop);
        let mut ticks = tokio::time::interval(TICK.min(self.settings.flush_interval));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                now = ticks.tick() => self.tick(now).await?,
                event = self.stream.next(|| self.intake.since()) => self.event(event).await?,
            }
            if self.writer.is_gone() {
                return Ok(());
            }
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Message(message) => {
                self.intake.message(&message, unix_ms());
                if self.intake.is_full(self.rows_of_a_batch()) {
                    self.write().await?;
                } else if self.waiting_since.is_none() && self.intake.is_due() {
                    self.waiting_since = Some(Instant::now());
                }
            }
            Event::Connected { since } => {
                let now = unix_ms();
                if let Some(line) = self.lines.line(now) {
                    let since = since.as_ref().map(tracing::field::display);
                    let server = self.settings.address.name();
                    tracing::info!(since, suppressed = line.suppressed, "connected to {server}");
                }
                self.was_connected = true;
                self.progress.connected(true);
                self.intake.connected(since.is_some(), now);
            }
            Event::Lost { failure, retry } => {
                self.progress.connected(false);
                let server = self.settings.address.name();
                if failure.is_final() && !self.was_connected {
                    return Err(RunError::Refused { server, failure });
                }
                if let Some(line) = self.lines.line(unix_ms()) {
                    let (seconds, suppressed) = (retry.as_secs_f64(), line.suppressed);
                    tracing::warn!(
                        suppressed,
                        "{server}: {failure}; trying again in {seconds:.1} s"
                    );
                }
            }
        }
        Ok(())
    }

    async fn tick(&mut self, now: Instant) -> Result<(), RunError> {
        let is_due =
            |since: Instant| now.saturating_duration_since(since) >= self.settings.flush_interval;
        if self.waiting_since.is_some_and(is_due) {
            self.write().await?;
        }
        if now.saturating_duration_since(self.tended) >= TEND {
            self.tended = now;
            self.writer.tend();
        }
        let counters = self.intake.counters();
        let lag = self.intake.newest().map(|newest| unix_ms().saturating_sub(newest));
        let size = self.writer.size();
        let waiting = self.intake.waiting();
        self.progress.tick(now, &Standing { counters, size, waiting, lag });
        Ok(())
    }

    async fn write(&mut self) -> Result<(), RunError> {
        self.waiting_since = None;
        let (batch, note) = self.intake.take()?;
        // A writer that is gone is noticed by the loop, and says why when it is waited for.
        let _taken = self.writer.append(batch, note).await;
        Ok(())
    }

    fn rows_of_a_batch(&self) -> usize {
        let rows = self.settings.buffer_size;
        let longer = 1 + self.writer.size().batches / BATCHES;
        rows.saturating_mul(longer).min(MAX_ROWS.max(rows))
    }
}

/// Milliseconds since the Unix epoch.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
