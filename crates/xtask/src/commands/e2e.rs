//! `cargo xtask e2e`: the server, simulated logs, and clients that others wrote.

mod alerts;
mod archives;
mod cluster;
mod collector;
mod outputs;
mod proxies;
mod scripts;
mod search;
mod store;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command as Cli};
use serde_json::Value;

use xtask::collect::{self, Kills};
use xtask::nats;
use xtask::process::{
    Process, Programs, binary, build_programs, complete, free_port, start_logs, wait_for,
};
use xtask::python::folder;

use crate::commands::clients;
use scripts::{CERTSTREAM_CLI, OLD_CLIENTS, Runner, SCRIPTS, Script};

/// Many of them are `cargo xtask bench collect-kill`.
const FEW_KILLS: Kills =
    Kills { programs: binary, collector: 15, server: 3, entries: 4_000, rate: 400 };

/// Kills of the brokers of outputs. The check with `--outputs` makes ten.
const FEW_BROKER_KILLS: u64 = 3;
const BROKER_KILLS: u64 = 10;

/// The outcomes of the checks so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    fn report(&mut self, name: &str, outcome: anyhow::Result<Duration>) {
        match outcome {
            Ok(took) => {
                self.passed += 1;
                println!("e2e: {name}: ok, {:.1} s", took.as_secs_f64());
            }
            Err(error) => {
                self.failed += 1;
                println!("e2e: {name}: FAILED: {error:#}");
            }
        }
    }

    const fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        println!("e2e: {name}: skipped: {why}");
    }
}

pub(crate) const NAME: &str = "e2e";

pub(crate) fn command_line() -> Cli {
    let collector = Arg::new("collector").long("collector").action(ArgAction::SetTrue);
    let no_build = Arg::new("no-build").long("no-build").action(ArgAction::SetTrue);
    let proxies = Arg::new("proxies").long("proxies").action(ArgAction::SetTrue);
    let outputs = Arg::new("outputs").long("outputs").action(ArgAction::SetTrue);
    let alerts = Arg::new("alerts").long("alerts").action(ArgAction::SetTrue);
    let cluster = Arg::new("cluster").long("cluster").action(ArgAction::SetTrue);
    let search = Arg::new("search").long("search").action(ArgAction::SetTrue);
    let script = Arg::new("script").value_name("SCRIPT").num_args(0..);
    Cli::new(NAME)
        .about("The programs against simulated logs and clients that others wrote")
        .arg(collector.help("Only what is about certstream-arrow"))
        .arg(proxies.help("Only the reverse proxies of docs/hosting.md"))
        .arg(outputs.help("Only the outputs to NATS and Kafka, with more kills"))
        .arg(alerts.help("Only the alerts of a server that is killed ALERTS_KILLS times"))
        .arg(cluster.help("Only the collector that moves between edges of a cluster"))
        .arg(
            search.help(
                "Only searches of 500,000 generated and all real certificates (release build)",
            ),
        )
        .arg(no_build.help("With the programs that are there"))
        .arg(script.help("Only these scripts of crates/xtask/e2e"))
}

pub(crate) fn run_some(arguments: &ArgMatches) -> anyhow::Result<()> {
    let is_search = arguments.get_flag("search");
    if !arguments.get_flag("no-build") {
        if is_search { search::build() } else { build_programs() }?;
    }
    let only: Vec<_> = arguments.get_many::<String>("script").into_iter().flatten().collect();
    let mut tally = Tally::default();
    if is_search {
        tally.report("searches", timed(search::run));
    } else if arguments.get_flag("collector") {
        check_collector(&mut tally);
    } else if arguments.get_flag("proxies") {
        check_proxies(&mut tally)?;
    } else if arguments.get_flag("outputs") {
        check_outputs(&mut tally, BROKER_KILLS);
    } else if arguments.get_flag("alerts") {
        check_alerts(&mut tally);
    } else if arguments.get_flag("cluster") {
        check_cluster(&mut tally);
    } else if only.is_empty() {
        run_checks(&mut tally)?;
    } else {
        let find = |name: &String| {
            let script = SCRIPTS.into_iter().find(|script| script.name == name);
            script.with_context(|| format!("there is no script {name}"))
        };
        let scripts = only.into_iter().map(find).collect::<anyhow::Result<Vec<_>>>()?;
        let (setup, _server) = Setup::start()?;
        run_scripts(&scripts, &setup.runner(), &mut tally);
    }
    finish(&tally)
}

pub(crate) fn run() -> anyhow::Result<()> {
    run_some(&command_line().get_matches_from([NAME]))
}

fn finish(tally: &Tally) -> anyhow::Result<()> {
    let Tally { passed, failed, skipped } = tally;
    println!("e2e: {passed} passed, {failed} failed, {skipped} skipped");
    ensure!(*failed == 0, "{failed} end-to-end checks failed");
    Ok(())
}

/// Everything that scripts need besides the server.
struct Setup {
    _logs: Process,
    /// The addresses of the logs.
    addresses: Value,
    /// The server, as `HOST:PORT`.
    address: String,
    /// A server with a journal, and its address.
    history: (Process, String),
    /// The server's state file.
    state: PathBuf,
    chromium: Option<PathBuf>,
    gorilla: Option<PathBuf>,
}

impl Setup {
    /// Starts all of it, and the server. The clients are installed under `target/e2e`.
    fn start() -> anyhow::Result<(Self, Process)> {
        let chromium = clients::chromium();
        let gorilla = clients::gorilla()?;
        clients::python()?;
        clients::install_node()?;

        let logs = ["--port", "0", "--rfc6962", "2", "--static-ct", "2", "--rate", "20"];
        let (logs, said) = start_logs(&logs)?;
        let state = folder()?.join("state.json");
        if state.try_exists()? {
            std::fs::remove_file(&state)?;
        }
        let port = free_port()?;
        let server = Process::start(&mut server(&said, port, &state, binary)?)?;
        let address = format!("127.0.0.1:{port}");
        wait_for(&format!("http://{address}/health/deep"))?;
        let history = with_journal(&said)?;
        let setup =
            Self { _logs: logs, addresses: said, address, history, state, chromium, gorilla };
        Ok((setup, server))
    }

    fn runner(&self) -> Runner<'_> {
        Runner {
            address: &self.address,
            history: &self.history.1,
            chromium: self.chromium.as_deref(),
            gorilla: self.gorilla.as_deref(),
        }
    }
}

fn run_checks(tally: &mut Tally) -> anyhow::Result<()> {
    let (setup, server) = Setup::start()?;
    let runner = setup.runner();
    // The collector's checks have servers of their own, and wait as much as the scripts.
    let of_collector = std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut tally = Tally::default();
            check_collector(&mut tally);
            tally
        });
        run_scripts(&SCRIPTS, &runner, tally);
        collector.join()
    });
    tally.add(&of_collector.map_err(|_| anyhow::anyhow!("the collector's checks panicked"))?);
    tally.report("stop", timed(|| stop(server, &runner)));
    tally.report("state", timed(|| check_state(&setup.state)));
    tally.report("demo", timed(demo));
    tally.report("old clients of a journal", timed(|| old_clients(&setup.addresses)));
    let of_alerts = std::thread::scope(|scope| {
        let alerts = scope.spawn(|| {
            let mut tally = Tally::default();
            check_alerts(&mut tally);
            tally
        });
        check_outputs(tally, FEW_BROKER_KILLS);
        alerts.join()
    });
    tally.add(&of_alerts.map_err(|_| anyhow::anyhow!("the checks of alerts panicked"))?);
    check_cluster(tally);
    check_proxies(tally)?;
    Ok(())
}

fn check_alerts(tally: &mut Tally) {
    tally.report("alerts: kills of the server", timed(alerts::run));
}

fn check_cluster(tally: &mut Tally) {
    let name = "cluster: collector between edges";
    match nats::program() {
        Ok(_) => tally.report(name, timed(cluster::collector)),
        Err(error) => tally.skip(name, &format!("nats-server cannot be installed: {error:#}")),
    }
}

fn check_proxies(tally: &mut Tally) -> anyhow::Result<()> {
    for (name, outcome) in proxies::run()? {
        match outcome {
            Ok(outcome) => tally.report(&name, outcome),
            Err(why) => tally.skip(&name, &why),
        }
    }
    Ok(())
}

/// Checks outputs, all at the same time: most of theirs passes with waiting.
fn check_outputs(tally: &mut Tally, kills: u64) {
    type Check = fn(&Path, u64) -> anyhow::Result<()>;
    let checks: [(&str, Check); 4] = [
        ("outputs: kills of brokers", outputs::kills),
        ("outputs: TLS and SASL", |python, _| outputs::secured(python)),
        ("outputs: mistakes", |python, _| outputs::mistakes(python)),
        ("outputs: kills of nodes of a cluster", |python, kills| {
            outputs::cluster(python, kills.div_ceil(4))
        }),
    ];
    let python = match outputs::brokers() {
        Ok(python) => python,
        Err(error) => {
            let why = format!("the brokers cannot be installed from PyPI: {error:#}");
            return checks.into_iter().for_each(|(name, _)| tally.skip(name, &why));
        }
    };
    std::thread::scope(|scope| {
        let run = |check: Check| {
            let python = &python;
            scope.spawn(move || timed(|| check(python, kills)))
        };
        let running: Vec<_> = checks.into_iter().map(|(name, check)| (name, run(check))).collect();
        for (name, thread) in running {
            let outcome = thread.join();
            tally.report(name, outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("panicked"))));
        }
    });
}

fn check_collector(tally: &mut Tally) {
    tally.report("collector: formats", timed(collector::formats));
    tally.report("collector: archives", timed(archives::run));
    tally.report("collector: object store", timed(store::run));
    tally.report("collector: kills", timed(|| collect::kills(FEW_KILLS).map(drop)));
}

/// Runs scripts at the same time: most of theirs passes with waiting.
fn run_scripts(scripts: &[Script], runner: &Runner<'_>, tally: &mut Tally) {
    let (runnable, skipped): (Vec<_>, Vec<_>) =
        scripts.iter().copied().partition(|script| runner.missing(*script).is_none());
    for script in skipped {
        tally.skip(script.name, runner.missing(script).unwrap_or_default());
    }
    std::thread::scope(|scope| {
        let run = |script| scope.spawn(move || runner.run(script));
        let running: Vec<_> = runnable.iter().map(|script| (script.name, run(*script))).collect();
        for (name, thread) in running {
            let outcome = thread.join();
            tally.report(name, outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("panicked"))));
        }
    });
}

fn timed(check: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    check()?;
    Ok(start.elapsed())
}

/// The server has saved where it stands in each of the four logs.
fn check_state(state: &Path) -> anyhow::Result<()> {
    let saved = std::fs::read_to_string(state).context("no state file was written")?;
    let saved: Value = serde_json::from_str(&saved)?;
    let positions = saved.get("logs").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    ensure!(positions == 4, "the state file has {positions} logs instead of 4");
    Ok(())
}

/// The server configured by the environment alone, as a container would be.
fn server(logs: &Value, port: u16, state: &Path, programs: Programs) -> anyhow::Result<Command> {
    let text = |key: &str| {
        let value = logs.get(key).and_then(Value::as_str);
        value.map(str::to_owned).with_context(|| format!("ctsim does not say {key}"))
    };
    let key = folder()?.join("log_list_key.pem");
    let url = text("list_key_url")?;
    complete(Command::new("curl").args(["--silent", "--fail", "--output"]).arg(&key).arg(url))?;
    let mut server = programs("certstream-server");
    server
        .env("CERTSTREAM_HOST", "127.0.0.1")
        .env("CERTSTREAM_PORT", port.to_string())
        .env("CERTSTREAM_LOG_LEVEL", "warn")
        .env("CERTSTREAM_SSE_ENABLED", "true")
        .env("CERTSTREAM_API_ENABLED", "true")
        .env("CERTSTREAM_METRICS_COMPAT", "go,rust")
        // Room for all that is published meanwhile: clients begin with the oldest.
        .env("CERTSTREAM_FEED_RING_BYTES", (64 << 20).to_string())
        // Half of it is for clients that still read all of that when the server stops.
        .env("CERTSTREAM_SHUTDOWN_GRACE_MS", "5000")
        .env("CERTSTREAM_CT_LOG_LOG_LIST_URL", text("list_url")?)
        .env("CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE", &key)
        .env("CERTSTREAM_CT_LOG_POLL_INTERVAL_MS", "200")
        .env("CERTSTREAM_CT_LOG_STATE_FILE", state);
    Ok(server)
}

/// Starts a server with a journal; its address.
fn with_journal(logs: &Value) -> anyhow::Result<(Process, String)> {
    let data_dir = folder()?.join("history");
    if data_dir.try_exists()? {
        std::fs::remove_dir_all(&data_dir)?;
    }
    let port = free_port()?;
    let state = folder()?.join("history-state.json");
    let mut command = server(logs, port, &state, binary)?;
    command
        .env_remove("CERTSTREAM_CT_LOG_STATE_FILE")
        .env("CERTSTREAM_CT_LOG_START", "zero")
        .env("CERTSTREAM_DATA_DIR", &data_dir);
    let server = Process::start(&mut command)?;
    let address = format!("127.0.0.1:{port}");
    wait_for(&format!("http://{address}/health/deep"))?;
    Ok((server, address))
}

/// The README's first command, on a machine without CA certificates.
fn demo() -> anyhow::Result<()> {
    let port = free_port()?;
    let mut command = binary("certstream-server");
    command.args(["--demo", "--host", "127.0.0.1", "--log-level", "error", "--port"]);
    let no_certificates = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let server = Process::start(command.arg(port.to_string()).envs(no_certificates))?;
    let address = format!("127.0.0.1:{port}");
    wait_for(&format!("http://{address}/health/deep"))?;
    Runner { address: &address, history: "", chromium: None, gorilla: None }.run(CERTSTREAM_CLI)?;
    let (status, _) = server.terminate()?;
    ensure!(status.success(), "the demo ended with {status}");
    Ok(())
}

/// The clients of other servers notice nothing of a journal, neither a new one nor one that a restart
/// continues.
fn old_clients(logs: &Value) -> anyhow::Result<()> {
    let (data, state) = (folder()?.join("data"), folder()?.join("no-state.json"));
    if data.try_exists()? {
        std::fs::remove_dir_all(&data)?;
    }
    for _start in 0..2 {
        let port = free_port()?;
        let mut command = server(logs, port, &state, binary)?;
        let server = Process::start(command.env("CERTSTREAM_DATA_DIR", &data))?;
        let address = format!("127.0.0.1:{port}");
        wait_for(&format!("http://{address}/health/deep"))?;
        let runner = Runner { address: &address, history: "", chromium: None, gorilla: None };
        for script in OLD_CLIENTS {
            runner.run(script).with_context(|| script.name)?;
        }
        let (status, _) = server.terminate()?;
        ensure!(status.success(), "the server ended with {status}");
    }
    Ok(())
}

/// SIGTERM: every client sees the end its protocol has for this (WebSocket: close code 1001), and
/// the process ends with status 0 in time.
fn stop(server: Process, runner: &Runner<'_>) -> anyhow::Result<()> {
    runner.stay(|| {
        let (status, took) = server.terminate()?;
        ensure!(status.success(), "the server ended with {status}");
        ensure!(took.as_secs() < 5, "the server took {took:?} to end");
        Ok(())
    })
}
