//! The run of the collector: messages become rows, and rows that are numerous or old enough are
//! written, until it is stopped.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow_schema::ArrowError;
use client::log_limit::LogLimit;
use client::{Client, Event, Failure, Resume, tls};
use columns::Rows;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::intake::Intake;
use crate::output::{Copier, CopyError, Opened, Output, OutputError};
use crate::settings::Settings;
use crate::state::State;
use crate::status::{Status, StatusDisplay, Summary};
use crate::writer::Writer;

/// The interval of checks for what is due.
const TICK: Duration = Duration::from_millis(100);
/// The interval at which written rows are synced to the disk, and parts are maintained.
const MAINTENANCE: Duration = Duration::from_secs(1);
/// The number of batches in a file beyond which twice as many rows make one batch, and so on: the
/// footer, which is written again with each batch, lists them all.
const BATCHES: usize = 10_000;
/// Most rows of a batch, however many batches there are.
const MAX_ROWS: usize = 100_000;

/// The reason why collecting ends, other than a stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing can be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The server refuses the request, and would refuse it again.
    #[error("{server}: {failure}")]
    Refused {
        /// The server.
        server: String,
        /// The refusal.
        failure: Failure,
    },
    /// Rows do not fit their columns.
    #[error("rows cannot be made: {0}")]
    Rows(#[from] ArrowError),
    /// The system refuses a thread.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The object store cannot be used.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// Collects until `stop` is done. Everything received is then on the disk.
///
/// # Errors
///
/// If the output or the server refuses, or nothing can be written any more. Everything written so far
/// can be read.
pub async fn run(
    settings: Settings,
    display: StatusDisplay,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let tls = tls::client_config(settings.ca_file.as_deref())?;
    report_limits_as_errors();
    let copier = Copier::prepare(&settings.output.target).await?;
    let (output, opened) = Output::open(&settings.output, settings.rows)?;
    let (closed, parts) = mpsc::unbounded_channel();
    let writer = Writer::start(output, closed)?;
    let copying = copier.start(parts);
    let Opened { schema, state, window } = opened;
    let is_resumed = state.rows > 0;
    let place = settings.output.target.place();
    let intake = Intake::new(settings.rows, &schema);
    let resume = resume(&settings, state);
    let proxy = settings.proxy.clone();
    if let Some(proxy) = &proxy {
        tracing::info!("connecting through the proxy {}", proxy.name());
    }
    let address = settings.address.clone();
    let mut client = Client::new(client::Settings { address, proxy, tls, resume, window });
    let mut collector = Collector {
        maintained: Instant::now(),
        waiting_since: None,
        was_connected: false,
        log_limit: LogLimit::default(),
        settings,
        display,
        intake,
        writer,
    };
    let outcome = collector.collect(&mut client, stop).await;
    let Collector { writer, mut intake, mut display, .. } = collector;
    let flushed = if outcome.is_ok() && (intake.waiting() > 0 || client.has_progress()) {
        let batch = intake.take()?;
        writer.append(batch, client.take_progress()).await
    } else {
        true
    };
    let received = client.counters();
    client.close().await;
    let finished = writer.finish().await;
    copying.finish().await;
    let is_written = finished.is_ok();
    let kept = intake.counters();
    display.end(&Summary { received, kept, output: &place, is_resumed, is_written });
    finished?;
    debug_assert!(flushed, "a writer that has ended returns the reason");
    outcome
}

/// Makes a write beyond the limit on the size of files (RLIMIT_FSIZE) fail, as on a full disk. Without
/// a handler, the signal that comes with it ends the program without a message.
pub(crate) fn report_limits_as_errors() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Err(error) = signal(SignalKind::from_raw(libc::SIGXFSZ)) {
        tracing::warn!(%error, "a limit on file sizes would end the program without a message");
    }
}

/// Returns the state to resume from.
fn resume(settings: &Settings, state: State) -> Resume {
    let address = &settings.address;
    let server = address.name();
    // A stream id is the identity of a server; an address only where there is none.
    let is_other_address = state.server.as_ref().is_some_and(|known| *known != server);
    let is_other_server = state.stream.is_none() && is_other_address;
    if is_other_server {
        tracing::warn!(
            before = state.server,
            now = server,
            "the offsets in the output belong to another server: messages since then are not \
             requested"
        );
    }
    Resume {
        offset: state.offset,
        stream: state.stream,
        has_entries: state.rows > 0,
        is_other_server,
        server,
        open: state.open,
        // A domains-only stream leaves out certificates without names.
        is_filtered: address.is_filtered() || settings.rows == Rows::Domains,
        from_oldest: settings.from_oldest,
    }
}

struct Collector {
    settings: Settings,
    display: StatusDisplay,
    intake: Intake,
    writer: Writer,
    /// The time of the oldest row, or progress, that is not written.
    waiting_since: Option<Instant>,
    maintained: Instant,
    was_connected: bool,
    /// The limit on lines about connections.
    log_limit: LogLimit,
}

impl Collector {
    async fn collect(
        &mut self,
        client: &mut Client,
        stop: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let mut stop = pin!(stop);
        let mut ticks = tokio::time::interval(TICK.min(self.settings.flush_interval));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                now = ticks.tick() => self.tick(client, now).await?,
                event = client.next() => self.event(event)?,
            }
            if self.intake.is_full(self.rows_of_a_batch()) {
                self.write(client).await?;
            } else if self.waiting_since.is_none() && self.has_unwritten(client) {
                self.waiting_since = Some(Instant::now());
            }
            if self.writer.is_gone() {
                return Ok(());
            }
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), RunError> {
        match event {
            Event::Message(message) => self.intake.message(&message),
            Event::Connected { since, .. } => {
                if let Some(permit) = self.log_limit.permit(unix_ms()) {
                    let since = since.as_ref().map(tracing::field::display);
                    let server = self.settings.address.name();
                    tracing::info!(since, suppressed = permit.suppressed, "connected to {server}");
                }
                self.was_connected = true;
                self.display.connected(true);
            }
            Event::Disconnected { failure, retry } => {
                self.display.connected(false);
                let server = self.settings.address.name();
                if failure.is_final() && !self.was_connected {
                    return Err(RunError::Refused { server, failure });
                }
                if let Some(permit) = self.log_limit.permit(unix_ms()) {
                    let (seconds, suppressed) = (retry.as_secs_f64(), permit.suppressed);
                    tracing::warn!(
                        suppressed,
                        "{server}: {failure}; trying again in {seconds:.1} s"
                    );
                }
            }
        }
        Ok(())
    }

    /// Reports whether there is something to write, perhaps progress without rows.
    fn has_unwritten(&self, client: &Client) -> bool {
        self.intake.waiting() > 0 || client.has_progress()
    }

    async fn tick(&mut self, client: &mut Client, now: Instant) -> Result<(), RunError> {
        let is_due =
            |since: Instant| now.saturating_duration_since(since) >= self.settings.flush_interval;
        if self.waiting_since.is_some_and(is_due) {
            self.write(client).await?;
        }
        if now.saturating_duration_since(self.maintained) >= MAINTENANCE {
            self.maintained = now;
            self.writer.maintain();
        }
        let lag = client.newest().map(|newest| unix_ms().saturating_sub(newest));
        let status = Status {
            received: client.counters(),
            kept: self.intake.counters(),
            size: self.writer.size(),
            waiting: self.intake.waiting(),
            lag,
        };
        self.display.tick(now, &status);
        Ok(())
    }

    async fn write(&mut self, client: &mut Client) -> Result<(), RunError> {
        self.waiting_since = None;
        let batch = self.intake.take()?;
        // The loop notices a writer that has ended, and returns its error.
        let _taken = self.writer.append(batch, client.take_progress()).await;
        Ok(())
    }

    fn rows_of_a_batch(&self) -> usize {
        let rows = self.settings.buffer_size;
        let factor = 1 + self.writer.size().batches / BATCHES;
        rows.saturating_mul(factor).min(MAX_ROWS.max(rows))
    }
}

/// Returns the time in milliseconds since the Unix epoch.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
