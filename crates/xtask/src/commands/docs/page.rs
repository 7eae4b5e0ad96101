//! Following one page.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::blocks::{Block, Use};
use crate::clients;
use crate::command::is_installed;
use crate::processes::{answers, free_port, target};

/// How long one block may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines after which a stream is believed to flow.
const LINES: usize = 3;
/// The files at home that have what the last block said, and its server.
const BLOCK: &str = ".said";
const SERVER: &str = ".server";
/// The ports that pages speak of: those of servers, of which one runs at a time, and the one the Go
/// server has for Prometheus.
const PORTS: [&str; 2] = ["8080", "4000"];
const METRICS_PORT: &str = "9090";

/// What all pages share.
pub(super) struct Ground {
    folder: PathBuf,
    /// Variables that turn the server to the simulated logs.
    logs: Vec<(&'static str, String)>,
    /// The simulated logs: URL and size.
    pub(super) sizes: BTreeMap<String, u64>,
    path: OsString,
    /// What analysts use, for the interpreter in `path`.
    python_path: OsString,
}

impl Ground {
    /// `said` is what the simulated logs say of themselves.
    pub(super) fn new(said: &Value) -> anyhow::Result<Self> {
        let folder = crate::root().join("target/docs");
        if folder.try_exists()? {
            fs::remove_dir_all(&folder)?;
        }
        let programs = folder.join("bin");
        fs::create_dir_all(&programs)?;
        for name in ["certstream-server", "certstream-arrow"] {
            std::os::unix::fs::symlink(target().join("debug").join(name), programs.join(name))?;
        }
        let text = |key: &str| said.get(key).and_then(Value::as_str).map(str::to_owned);
        let url = text("list_url").context("ctsim does not say list_url")?;
        let key = folder.join("log_list_key.pem");
        let key_url = text("list_key_url").context("ctsim does not say list_key_url")?;
        let mut curl = Command::new("curl");
        let fetched =
            curl.args(["--silent", "--fail", "--output"]).arg(&key).arg(key_url).status()?;
        ensure!(fetched.success(), "the simulated list's key cannot be had");
        let logs = vec![
            ("CERTSTREAM_CT_LOG_LOG_LIST_URL", url),
            ("CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE", key.display().to_string()),
            ("CERTSTREAM_CT_LOG_POLL_INTERVAL_MS", "200".to_owned()),
            ("CERTSTREAM_HOST", "127.0.0.1".to_owned()),
            ("CERTSTREAM_PROMETHEUS_LISTEN_ADDR", "127.0.0.1".to_owned()),
        ];
        let sizes = said.get("logs").and_then(Value::as_array).into_iter().flatten();
        let sizes = sizes.filter_map(|log| {
            let url = log.get("url")?.as_str()?.trim_end_matches('/').to_owned();
            Some((url, log.get("size")?.as_u64()?))
        });
        let venv = clients::folder()?.join("venv/bin");
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = [programs, venv].into_iter().chain(std::env::split_paths(&system));
        let path = std::env::join_paths(path)?;
        let python_path = packages(&clients::folder()?.join("venv-analysts"))?;
        Ok(Self { folder, logs, sizes: sizes.collect(), path, python_path })
    }

    /// An empty folder for a page.
    pub(super) fn scratch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let scratch = self.folder.join(name);
        fs::create_dir_all(&scratch)?;
        Ok(scratch)
    }
}

/// Where an environment of Python has its packages.
fn packages(venv: &Path) -> anyhow::Result<OsString> {
    for entry in fs::read_dir(venv.join("lib"))? {
        let packages = entry?.path().join("site-packages");
        if packages.is_dir() {
            return Ok(packages.into());
        }
    }
    bail!("{} has no packages", venv.display())
}

/// A page that is being followed.
pub(super) struct Story<'a> {
    ground: &'a Ground,
    home: PathBuf,
    /// Where its server listens.
    port: String,
    ports: Vec<(&'static str, String)>,
    server: Option<Group>,
    others: Vec<Group>,
}

impl<'a> Story<'a> {
    pub(super) fn new(ground: &'a Ground, home: PathBuf) -> anyhow::Result<Self> {
        let port = free_port()?.to_string();
        let mut ports = PORTS.map(|old| (old, port.clone())).to_vec();
        ports.push((METRICS_PORT, free_port()?.to_string()));
        let modules = clients::folder()?.join("node_modules");
        std::os::unix::fs::symlink(modules, home.join("node_modules"))?;
        let story = Self { ground, home, port, ports, server: None, others: Vec::new() };
        story.leave_old_servers()?;
        Ok(story)
    }

    /// What the servers that are migrated from would have left behind: how far they read each log.
    fn leave_old_servers(&self) -> anyhow::Result<()> {
        let rust = self.ground.sizes.iter().map(|(url, size)| {
            let position = serde_json::json!({
                "current_index": size, "tree_size": size, "last_success": 1_700_000_000,
            });
            (url.clone(), position)
        });
        let rust = serde_json::json!({"version": 1, "logs": rust.collect::<BTreeMap<_, _>>()});
        fs::write(self.home.join("certstream_state.json"), rust.to_string())?;
        let go = self.ground.sizes.iter().map(|(url, size)| {
            let name = url.split_once("://").map_or(url.as_str(), |(_, name)| name);
            (name.to_owned(), size - 1)
        });
        let go = serde_json::to_string_pretty(&go.collect::<BTreeMap<_, _>>())?;
        fs::write(self.home.join("ct_index.json"), go)?;
        Ok(())
    }

    pub(super) fn go_on(&mut self, block: &Block) -> anyhow::Result<()> {
        if let Some(program) =
            block.needs.as_deref().filter(|name| !is_installed(&[name, "version"]))
        {
            println!("docs: skipped a block, for there is no {program}");
            return Ok(());
        }
        let text = self.on_this_machine(&block.text);
        match &block.usage {
            Use::Look => Ok(()),
            Use::File(name) => {
                let path = self.home.join(name);
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                Ok(fs::write(path, text)?)
            }
            Use::Network => self.complete(Command::new("bash").args(["-n", "-c"]).arg(text)),
            Use::Ci => check_command(&text),
            Use::Run => self.complete(&mut self.shell(&text)),
            Use::Stream => self.flows(&text),
            Use::Serve => self.serve(&text),
            Use::Background => self.begin(&text),
            Use::Same(path) => self.example(path, &block.text),
        }
    }

    /// An example of ours: shown as it is, and it streams.
    fn example(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let ours = fs::read_to_string(crate::root().join(path)).with_context(|| path.to_owned())?;
        // What our lints want does not concern readers.
        let (lints, rest): (Vec<_>, Vec<_>) =
            ours.split_inclusive("\n\n").partition(|part| part.starts_with("#![allow("));
        ensure!(lints.len() < 2 && rest.concat() == text, "{path} has another text");
        let name = Path::new(path).file_stem().context("a file")?;
        let program = target().join("debug/examples").join(name);
        self.flows(&format!("exec {} ws://127.0.0.1:{}/", program.display(), self.port))
    }

    /// With free ports, and a domain that the simulated logs have certificates for.
    fn on_this_machine(&self, text: &str) -> String {
        let text = text.replace("domain=example.org", "domain=com");
        let replace = |text: String, (old, new): &(&str, String)| text.replace(old, new);
        self.ports.iter().fold(text, replace)
    }

    /// A shell at home, where the first command that fails ends it.
    fn shell(&self, text: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-eu", "-c", text]).current_dir(&self.home);
        command.env_clear().envs(self.ground.logs.clone());
        command.env("HOME", &self.home).env("PATH", &self.ground.path).env("LANG", "C.UTF-8");
        command.env("PYTHONPATH", &self.ground.python_path).env("PYTHONDONTWRITEBYTECODE", "1");
        if !self.says_port(text) {
            command.env("CERTSTREAM_PORT", &self.port);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Whether the page itself says where the server listens; then it has to be understood.
    fn says_port(&self, text: &str) -> bool {
        let config = fs::read_to_string(self.home.join("config.yaml")).unwrap_or_default();
        text.contains(&format!("PORT={}", self.port)) || config.contains(&self.port)
    }

    /// Where what a block says goes, and what it has said. A pipe could be full.
    fn output(&self, file: &str) -> anyhow::Result<fs::File> {
        Ok(fs::File::create(self.home.join(file))?)
    }

    fn said(&self, file: &str) -> String {
        fs::read_to_string(self.home.join(file)).unwrap_or_default()
    }

    fn complete(&self, command: &mut Command) -> anyhow::Result<()> {
        let output = self.output(BLOCK)?;
        let group = Group::start(command.stdout(output.try_clone()?).stderr(output))?;
        let status = group.wait().with_context(|| self.said(BLOCK))?;
        ensure!(status.success(), "{status}\n{}", self.said(BLOCK));
        Ok(())
    }

    fn flows(&self, text: &str) -> anyhow::Result<()> {
        let mut command = self.shell(text);
        let mut group = Group::start(command.stdout(Stdio::piped()).stderr(self.output(BLOCK)?))?;
        let stdout = group.0.stdout.take().context("no standard output")?;
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody waits for more lines than are wanted.
                if line.send(text).is_err() {
                    break;
                }
            }
        });
        let deadline = Instant::now() + PATIENCE;
        for at in 0..LINES {
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.recv_timeout(left).is_err() {
                group.end()?;
                bail!("it printed {at} lines, {LINES} were expected\n{}", self.said(BLOCK));
            }
        }
        group.end()
    }

    fn begin(&mut self, text: &str) -> anyhow::Result<()> {
        let mut command = self.shell(text);
        self.others.push(Group::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?);
        Ok(())
    }

    fn serve(&mut self, text: &str) -> anyhow::Result<()> {
        if let Some(before) = self.server.take() {
            before.end()?;
        }
        let output = self.output(SERVER)?;
        let mut command = self.shell(text);
        let mut server = Group::start(command.stdout(output.try_clone()?).stderr(output))?;
        let deadline = Instant::now() + PATIENCE;
        let url = format!("http://127.0.0.1:{}/health", self.port);
        while !answers(&url)? {
            let ended = server.0.try_wait()?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "it does not serve\n{}",
                self.said(SERVER)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        self.server = Some(server);
        Ok(())
    }
}

/// The command of each line has to exist, although it is not run.
fn check_command(text: &str) -> anyhow::Result<()> {
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut words = line.split_whitespace().filter(|word| !word.contains('='));
        match [words.next(), words.next(), words.next()] {
            [Some("cargo"), Some("xtask"), Some(name)] => {
                ensure!(crate::is_command(name), "there is no cargo xtask {name}");
            }
            [Some("cargo"), Some("build" | "fuzz" | "run" | "test"), _] | [None, ..] => {}
            _ => bail!("{line:?} is no command that CI runs"),
        }
    }
    Ok(())
}

/// A shell and what it started, ended together.
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        Ok(Self(command.process_group(0).spawn()?))
    }

    fn wait(mut self) -> anyhow::Result<std::process::ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "it has not ended after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as Ctrl-C would.
    fn end(mut self) -> anyhow::Result<()> {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "it does not end after SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let group = format!("-{}", self.0.id());
        // Whoever has ended already is not there to be signalled.
        let _sent = kill.args(["-s", name, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal("KILL");
        let _reaped = self.0.wait();
    }
}
