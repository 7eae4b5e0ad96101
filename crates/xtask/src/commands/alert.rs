//! `cargo xtask alert`: the alert of `docs/clients.md`, over restarts of either side.
//!
//! The program is taken out of the page as the documentation's test does. It watches one domain,
//! which is in two certificates of what the simulated logs bring meanwhile. The server is restarted
//! three times (twice by `kill -9`), the alert five times; one certificate comes while the alert is
//! down, the other while the server is. Each has to be announced once, and no gap may be.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command as Cli, value_parser};

use xtask::process::{self, Process, answers, binary, complete, free_port, wait_for};
use xtask::root;

use crate::commands::clients;
use crate::commands::docs::file_of_page;

pub(crate) const NAME: &str = "alert";

/// The domain that the alert watches, and the names in the certificates.
const DOMAIN: &str = "example.org";
const NAMES: [&str; 2] = ["login.example.org", "shop.example.org"];
/// Entries a second of each of two logs: together what all logs of the internet bring.
const RATE: f64 = 175.0;
/// Entries of each log at the start.
const BEFORE: u64 = 2_000;
/// The time for which a side is down.
const DOWN: Duration = Duration::from_secs(3);
/// From the end of the last pause to the end of the run, for what is still under way.
const AFTER: Duration = Duration::from_secs(10);

/// The events, each after so many hundredths of the time.
const EVENTS: [(u32, Event); 8] = [
    (8, Event::Client),
    (20, Event::Kill),
    (32, Event::Client),
    (44, Event::Client),
    (52, Event::Stop),
    (60, Event::Client),
    (72, Event::Kill),
    (84, Event::Client),
];
/// The events during which the certificates come: the alert is down, the server is down.
const MATCHES: [usize; 2] = [2, 6];

#[derive(Debug, Clone, Copy)]
enum Event {
    /// The alert is killed and started again.
    Client,
    /// The server is killed and started again.
    Kill,
    /// The server is stopped as an operator would, and started again.
    Stop,
}

pub(crate) fn command_line() -> Cli {
    let minutes = Arg::new("minutes").long("minutes").value_name("N").default_value("60");
    let minutes = minutes.value_parser(value_parser!(u64).range(2..=1440));
    let no_build = Arg::new("no-build").long("no-build").action(ArgAction::SetTrue);
    Cli::new(NAME)
        .about("The documented alert over restarts of server and client: two alerts, no false gap")
        .arg(minutes.help("How long it runs"))
        .arg(no_build.help("Take the programs as they lie in the target folder"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    if !arguments.get_flag("no-build") {
        process::build_programs()?;
    }
    let minutes = arguments.get_one::<u64>("minutes").copied().unwrap_or(60);
    let time = Duration::from_secs(60 * minutes);
    let mut run = Run::start(time)?;
    let start = Instant::now();
    let wait_until = |at: Duration| std::thread::sleep(at.saturating_sub(start.elapsed()));
    for (hundredth, event) in EVENTS {
        wait_until(time * hundredth / 100);
        println!("alert: {:?} after {} s", event, start.elapsed().as_secs());
        run.act(event)?;
    }
    wait_until(time);
    std::thread::sleep(AFTER);
    run.check()
}

/// The programs, and where their files are.
struct Run {
    folder: PathBuf,
    python: PathBuf,
    port: u16,
    /// The server's flags for the simulated logs.
    flags: Vec<String>,
    server: Option<Process>,
    alert: Option<Process>,
    _logs: Process,
}

impl Run {
    fn start(time: Duration) -> anyhow::Result<Self> {
        let folder = root().join("target/alert");
        if folder.try_exists()? {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let python = clients::python()?;
        let port = free_port()?;
        let page = root().join("docs/clients.md");
        let program = file_of_page(&page, "alert.py")?;
        ensure!(program.contains(&format!("domain={DOMAIN}")), "alert.py watches another domain");
        fs::write(folder.join("alert.py"), program.replace("8080", &port.to_string()))?;
        let (logs, flags) = start_logs(&folder, time)?;
        let mut run = Self { folder, python, port, flags, server: None, alert: None, _logs: logs };
        run.server = Some(run.start_server()?);
        run.alert = Some(run.start_alert()?);
        Ok(run)
    }

    fn act(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Client => drop(self.alert.take()), // SIGKILL
            Event::Kill => drop(self.server.take()),
            Event::Stop => {
                let server = self.server.take().context("no server runs")?;
                let (status, _) = server.terminate()?;
                ensure!(status.success(), "the server stopped with {status}");
            }
        }
        std::thread::sleep(DOWN);
        match event {
            Event::Client => self.alert = Some(self.start_alert()?),
            Event::Kill | Event::Stop => self.server = Some(self.start_server()?),
        }
        Ok(())
    }

    /// With everything at its default but what the logs and a state file take.
    fn start_server(&self) -> anyhow::Result<Process> {
        let log = File::options().create(true).append(true).open(self.folder.join("server.log"))?;
        let mut command = binary("certstream-server");
        command.args(&self.flags).arg(format!("--port={}", self.port));
        command.arg(format!("--ct-log-state-file={}", self.folder.join("state.json").display()));
        command.current_dir(&self.folder).stdout(log.try_clone()?).stderr(log);
        let server = Process::start(&mut command)?;
        wait_for(&format!("http://127.0.0.1:{}/health", self.port))?;
        Ok(server)
    }

    fn start_alert(&self) -> anyhow::Result<Process> {
        let said = File::options().create(true).append(true).open(self.said())?;
        let mut command = Command::new(&self.python);
        command.arg("alert.py").current_dir(&self.folder).stdin(Stdio::null());
        Process::start(command.stdout(said.try_clone()?).stderr(said))
    }

    fn said(&self) -> PathBuf {
        self.folder.join("said")
    }

    /// Both certificates were announced, each once, and nothing else was but lost connections.
    fn check(mut self) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/health", self.port);
        ensure!(answers(&url)?, "the server does not answer in the end");
        let alert = self.alert.as_mut().context("no alert runs")?;
        ensure!(alert.ended()?.is_none(), "the alert has ended");
        let said = fs::read_to_string(self.said())?;
        println!("{said}");
        for name in NAMES {
            let count = said.lines().filter(|line| line.contains(name)).count();
            ensure!(count == 1, "{name} was announced {count} times");
        }
        for line in said.lines() {
            let known = line.starts_with("new certificate:") || line.starts_with("reconnecting:");
            ensure!(known, "it said {line:?}");
        }
        println!("alert: two alerts, no false gap");
        Ok(())
    }
}

/// Simulated logs that bring the certificates while the sides are down, and the flags that turn the
/// server to them.
fn start_logs(folder: &Path, time: Duration) -> anyhow::Result<(Process, Vec<String>)> {
    let mut arguments: Vec<String> = ["--rfc6962=1", "--static-ct=1", "--port=0"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("--rate={RATE}"), format!("--initial-size={BEFORE}")])
        .collect();
    for (event, name) in MATCHES.into_iter().zip(NAMES) {
        let (hundredth, _) = EVENTS.get(event).copied().context("no such event")?;
        let at = (time * hundredth / 100 + DOWN / 2).as_secs_f64();
        let index = BEFORE + (at * RATE) as u64;
        arguments.push(format!("--plant={index}={name}"));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (logs, said) = process::start_logs(&arguments)?;
    let text = |key: &str| {
        let value = said.get(key).and_then(serde_json::Value::as_str);
        value.map(str::to_owned).with_context(|| format!("ctsim does not say {key}"))
    };
    let key = folder.join("log_list_key.pem");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--output"]).arg(&key).arg(text("list_key_url")?);
    complete(&mut curl)?;
    let flags = [
        "--host=127.0.0.1".to_owned(),
        "--log-level=warn".to_owned(),
        format!("--ct-log-log-list-url={}", text("list_url")?),
        format!("--ct-log-log-list-key-file={}", key.display()),
    ];
    Ok((logs, flags.into()))
}
