//! `certstream-server`: follows Certificate Transparency logs and streams every certificate.
//!
//! Exit status: 0 after SIGTERM or Ctrl-C, 1 when the server cannot start, its publisher has ended or a
//! command fails, 64 when the command line, an environment variable or the configuration file is wrong.

use std::io::{self, IsTerminal as _};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use config::{Config, ConfigError, Invocation, LogFormat, SearchCommand, Setup, TailCommand};
use logging::causes::in_full;
use server::app::reload::{self, SetLevel};
use server::app::{self, Mode, Server};
use server::commands::{
    alerts, backfill, create_index, healthcheck, journal, logs, search, tail, validate,
};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The allocator. The server runs for months under churn; jemalloc returns memory to the system where
/// the C library's allocator keeps it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The settings of jemalloc; `_RJEM_MALLOC_CONF` in the environment overrides them.
///
/// Free memory returns to the system after a second, by a background thread of the allocator: without
/// one an idle server would keep the memory of its start. By default there are four arenas a core, each
/// with free memory of its own; two are enough where little is allocated while messages are sent.
/// Each thread caches freed blocks of up to 32 KiB by default: an idle server would keep more than a
/// megabyte of them.
///
/// A reference to an array is one pointer, which is what the allocator reads; one to a slice or a
/// `CStr` is two, in an order that the language does not promise.
#[allow(unsafe_code, reason = "the allocator finds its settings by the name of a symbol")]
#[allow(non_upper_case_globals, reason = "the name is the allocator's")]
// SAFETY: no other symbol has this name, and jemalloc reads a pointer to a C string here, which this is.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static malloc_conf: &[u8; 111] =
    b"narenas:2,tcache_max:4096,background_thread:true,max_background_threads:1,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    let _last_lines = logging::start();
    match read() {
        Ok(Invocation::Serve(setup)) => serve(*setup),
        Ok(Invocation::ValidateConfig(setup)) => match validate::run(&setup).report(&setup) {
            Ok(text) => print(&text),
            Err(text) => refuse(text.trim_end()),
        },
        Ok(Invocation::Logs(setup, command)) => answer(logs::run(&setup.config, &command)),
        Ok(Invocation::Alerts(setup, command)) => {
            let (config, variables) = (&setup.config, std::env::vars_os().collect());
            let printed = |line: &str| drop(logging::print(line));
            match alerts::run(config, &command, &variables, printed) {
                Ok(text) if text.is_empty() => ExitCode::SUCCESS,
                outcome => answer(outcome),
            }
        }
        Ok(Invocation::Backfill(setup, command)) => {
            answer(backfill::run(&setup.config, &command, |line| drop(logging::print(line))))
        }
        Ok(Invocation::Journal(setup, directory, command)) => {
            match journal::run(&setup.config, directory.as_deref(), &command) {
                // It has printed everything.
                Ok(text) if text.is_empty() => ExitCode::SUCCESS,
                outcome => answer(outcome),
            }
        }
        Ok(Invocation::Search(setup, command)) => search_journal(setup.as_deref(), &command),
        Ok(Invocation::CreateIndex(setup, command)) => {
            answer(create_index::run(&setup.config, &command))
        }
        Ok(Invocation::Healthcheck(setup, url)) => {
            answer(healthcheck::run(&setup.config, url.as_deref()))
        }
        Ok(Invocation::Tail(setup, command)) => print_stream(setup.as_deref(), &command),
        Ok(Invocation::PrintConfig(text) | Invocation::Help(text) | Invocation::Version(text)) => {
            print(&text)
        }
        Err(error) => refuse(&error.to_string()),
    }
}

/// Reads the command line, the environment and the configuration file.
fn read() -> Result<Invocation, ConfigError> {
    config::parse(std::env::args_os(), std::env::vars_os())
}

/// Reads the configuration again, for a reload.
fn read_again() -> Result<Setup, ConfigError> {
    match read()? {
        Invocation::Serve(setup) => without_warnings(*setup),
        other => Err(ConfigError::Usage(format!("not a configuration to serve with: {other:?}"))),
    }
}

/// Refuses warnings about what the configuration names, such as files, where warnings are errors.
fn without_warnings(setup: Setup) -> Result<Setup, ConfigError> {
    let warnings = if setup.strict { app::warnings(&setup.config) } else { Vec::new() };
    if warnings.is_empty() { Ok(setup) } else { Err(ConfigError::Strict { warnings }) }
}

/// Reports an invalid configuration.
fn refuse(problem: &str) -> ExitCode {
    logging::print_error(problem);
    ExitCode::from(ConfigError::EXIT_STATUS)
}

/// Prints the outcome of a command.
fn answer(outcome: anyhow::Result<String>) -> ExitCode {
    match outcome {
        Ok(text) => print(&text),
        Err(error) => {
            logging::print_error(&in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Prints the stream of a server.
fn print_stream(setup: Option<&Setup>, command: &TailCommand) -> ExitCode {
    let config = setup.map(|setup| &setup.config);
    let settings = match tail::settings(config, command, &std::env::vars_os().collect()) {
        Ok(settings) => settings,
        Err(error) => return refuse(&in_full(error.as_ref())),
    };
    match tail::run(settings, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::print_error(&in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Prints what a search finds.
fn search_journal(setup: Option<&Setup>, command: &SearchCommand) -> ExitCode {
    let config = setup.map(|setup| &setup.config);
    let settings = match search::settings(config, command, &std::env::vars_os().collect()) {
        Ok(settings) => settings,
        Err(error) => return refuse(&in_full(error.as_ref())),
    };
    match search::run(settings, config, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::print_error(&in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match logging::print(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::print_error(&format!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(setup: Setup) -> ExitCode {
    let set_level = match log_to_stderr(&setup.config) {
        Ok(set_level) => set_level,
        Err(error) => return refuse(&in_full(error.as_ref())),
    };
    let problems = app::check(&setup.config);
    if !problems.is_empty() {
        let problems: Vec<String> = problems.iter().map(|error| in_full(error.as_ref())).collect();
        return refuse(&problems.join("\n"));
    }
    let setup = match without_warnings(setup) {
        Ok(setup) => setup,
        Err(error) => return refuse(&error.to_string()),
    };
    for warning in &setup.warnings {
        tracing::warn!("{warning}");
    }
    if !setup.demo {
        tracing::info!("messages: profile {}", setup.profile());
    }
    match run(setup, set_level) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(setup: Setup, set_level: SetLevel) -> anyhow::Result<()> {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "could not raise the open-file limit"),
    }
    let runtime = runtime(&setup.config)?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        // Where files are limited in size (`ulimit -f`), a write fails instead of ending the process.
        let _file_size = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
        let scheme = if setup.config.tls_cert.is_some() { "https" } else { "http" };
        // It may wait for the servers of a cluster.
        let server = tokio::select! {
            server = Server::start(setup.config, mode(setup.demo, setup.dry_run)) => server?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let address = server.address().context("cannot determine the listening address")?;
        let url = format!("{scheme}://{}/", healthcheck::reachable(address));
        tracing::info!(
            %address,
            file = setup.file.as_ref().map(|path| path.display().to_string()),
            "listening on {url}"
        );
        if setup.demo {
            tracing::info!("demo: open {url} (simulated certificates)");
        }
        let reloads = server.reloads(set_level);
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = reload::run(reloads, Arc::new(read_again), setup.file, hangup) => {}
            }
        };
        server.run(stop).await
    });
    // A name lookup may still hang in a thread that nothing can interrupt.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

fn runtime(config: &Config) -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Ok(threads @ 1..) = usize::try_from(config.worker_threads) {
        builder.worker_threads(threads);
    } else {
        builder.worker_threads(available_parallelism().map_or(1, NonZero::get));
    }
    builder.enable_all().build()
}

const fn mode(demo: bool, dry_run: bool) -> Mode {
    match (demo, dry_run) {
        (true, _) => Mode::Demo,
        (_, true) => Mode::DryRun,
        _ => Mode::Serve,
    }
}

/// Begins to log, and returns the function that changes the log level.
fn log_to_stderr(config: &Config) -> anyhow::Result<SetLevel> {
    // The clients of brokers log each attempt to connect; the server logs the outage.
    let filter = |level: &str| {
        EnvFilter::try_new(format!("async_nats=off,krafka=off,{level}"))
            .with_context(|| format!("log_level {level:?} is not a filter"))
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(&config.log_level)?)
        .with_writer(logging::stderr().clone())
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    Ok(match config.log_format {
        LogFormat::Text => {
            let lines = lines.with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Arc::new(move |level| Ok(handle.reload(filter(level)?)?))
        }
        LogFormat::Json => {
            let lines = lines.json().with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Arc::new(move |level| Ok(handle.reload(filter(level)?)?))
        }
    })
}

#[cfg(test)]
mod tests {
    use tikv_jemalloc_ctl::opt;

    #[test]
    fn the_allocator_uses_these_settings() {
        assert_eq!(opt::narenas::read().expect("readable"), 2);
        assert!(opt::background_thread::read().expect("readable"));
    }
}
