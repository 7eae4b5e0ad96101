//! `certstream-arrow`: collects the stream of a certstream server into Arrow Feather or Parquet.
//!
//! Exit status: 0 after SIGTERM or Ctrl-C, 1 if it cannot continue or a backfill is not complete, 2 if a
//! log contradicts itself or `verify` finds a changed file, 64 if the command line is invalid or the
//! output is refused.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use collector::archive::compact::{self, Compacted};
use collector::archive::verify::{self, VerifyError};
use collector::backfill::{self, BackfillError, BackfillSettings, Events, ProgressDisplay};
use collector::cli::{self, Invocation};
use collector::inspect;
use collector::run::{RunError, run};
use collector::settings::Settings;
use collector::status::{LogLines, StatusDisplay};
use logging::causes::in_full;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let _last_lines = logging::start();
    let outcome = match cli::parse(std::env::args_os(), std::env::vars_os()) {
        Ok(Invocation::Collect { settings, log_level }) => collect(*settings, &log_level),
        Ok(Invocation::Inspect { path, json }) => inspect::inspect(&path)
            .map_err(Into::into)
            .and_then(|report| print(&if json { report.json() } else { report.to_string() })),
        Ok(Invocation::Repair { path }) => {
            inspect::repair(&path).map_err(Into::into).and_then(|summary| print(&summary))
        }
        Ok(Invocation::Backfill { settings, events, log_level }) => {
            backfill(*settings, events, &log_level)
        }
        Ok(Invocation::Compact { folder, entries, by_name }) => compact(&folder, entries, by_name),
        Ok(Invocation::Verify { paths, json }) => return verify(&paths, json),
        Ok(Invocation::Print(text)) => print(&text),
        Err(error) => return fail(cli::EXIT_STATUS, &anyhow::anyhow!(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(status(&error), &error),
    }
}

/// Returns the exit status of an error. A refused output counts as an invalid command line.
fn status(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<BackfillError>() {
        return error.status();
    }
    match error.downcast_ref::<RunError>() {
        Some(RunError::Output(error)) if error.is_refusal() => cli::EXIT_STATUS,
        Some(RunError::Tls(_)) => cli::EXIT_STATUS,
        _ => 1,
    }
}

fn fail(status: u8, error: &anyhow::Error) -> ExitCode {
    logging::print_error(&in_full(error.as_ref()));
    ExitCode::from(status)
}

fn print(text: &str) -> anyhow::Result<()> {
    logging::print(text).context("cannot write to standard output")
}

fn collect(settings: Settings, log_level: &str) -> anyhow::Result<()> {
    let in_place = settings.stats.is_some() && io::stderr().is_terminal();
    let display = StatusDisplay::new(in_place, settings.stats);
    log_to(display.log_lines(), log_level)?;
    // One thread reads, decodes and fills columns; another one compresses and writes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
        };
        Ok(run(settings, display, stop).await?)
    })
}

fn backfill(settings: BackfillSettings, events: Events, log_level: &str) -> anyhow::Result<()> {
    let display = ProgressDisplay::new(io::stderr().is_terminal(), events);
    log_to(display.log_lines(), log_level)?;
    // Logs are read and proved by the runtime; threads of their own make rows and files.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Ok(backfill::run(settings, display, stop).await?)
    });
    runtime.shutdown_background();
    outcome
}

fn compact(folder: &Path, entries: u64, by_name: bool) -> anyhow::Result<()> {
    let Compacted { replaced, made } = compact::compact(folder, entries, by_name, &[])?;
    print(&format!("{}: replaced {replaced} parts, wrote {made}", folder.display()))
}

/// Verifies files, and reports the outcome of each. The status is that of the worst.
fn verify(paths: &[PathBuf], json: bool) -> ExitCode {
    let files = match verify::files(paths) {
        Ok(files) if files.is_empty() => {
            return fail(1, &anyhow::anyhow!("there are no files to verify"));
        }
        Ok(files) => files,
        Err(error) => return fail(1, &error.into()),
    };
    let mut worst = 0;
    for path in files {
        let (text, status) = match (verify::verify(&path), json) {
            (Ok(verified), false) => (format!("{}: {verified}", path.display()), 0),
            (Ok(verified), true) => (verified.json(&path).to_string(), 0),
            (Err(error), false) => {
                let verdict = if error.is_io() { "not read" } else { "WRONG" };
                (format!("{}: {verdict}: {error}", path.display()), failure(&error))
            }
            (Err(error), true) => {
                let text = serde_json::json!({
                    "path": path.to_string_lossy(), "verified": false, "error": error.to_string(),
                });
                (text.to_string(), failure(&error))
            }
        };
        worst = worst.max(status);
        if let Err(error) = print(&text) {
            return fail(1, &error);
        }
    }
    ExitCode::from(worst)
}

fn failure(error: &VerifyError) -> u8 {
    if error.is_io() { 1 } else { 2 }
}

fn log_to(lines: LogLines, level: &str) -> anyhow::Result<()> {
    // Log lines of libraries at these levels are about their internals.
    let ours = ["certstream_arrow", "client", "collector", "columns", "ctclient"];
    let filter = ours.map(|name| format!(",{name}={level}")).concat();
    let filter = format!("warn{filter}");
    let filter = if level == "trace" { "trace".to_owned() } else { filter };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(lines)
        .log_internal_errors(false);
    lines.try_init().map_err(|error| anyhow::anyhow!("cannot log: {error}"))
}
