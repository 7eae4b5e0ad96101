//! Following one page.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::blocks::{Block, Use};
use super::environment::Environment;
use super::group::{Group, PATIENCE};
use xtask::process::{answers, free_port, is_installed, target};
use xtask::{python, root};

/// The number of lines that a stream has to print.
const LINES: usize = 3;
/// The files in the home folder with the output of the last block, and of the server.
const BLOCK: &str = ".said";
const SERVER: &str = ".server";
/// The ports that pages speak of: those of servers, of which one runs at a time, and the one the Go
/// server has for Prometheus.
const PORTS: [&str; 2] = ["8080", "4000"];
const METRICS_PORT: &str = "9090";

/// A page that is being followed.
pub(super) struct Page<'a> {
    environment: &'a Environment,
    home: PathBuf,
    /// The port of its server.
    port: String,
    ports: Vec<(&'static str, String)>,
    server: Option<Group>,
    others: Vec<Group>,
}

impl<'a> Page<'a> {
    pub(super) fn new(environment: &'a Environment, home: PathBuf) -> anyhow::Result<Self> {
        let port = free_port()?.to_string();
        let mut ports = PORTS.map(|old| (old, port.clone())).to_vec();
        ports.push((METRICS_PORT, free_port()?.to_string()));
        let modules = python::folder()?.join("node_modules");
        std::os::unix::fs::symlink(modules, home.join("node_modules"))?;
        let page = Self { environment, home, port, ports, server: None, others: Vec::new() };
        page.write_state_files()?;
        Ok(page)
    }

    /// Writes the state files of the servers that a page migrates from: the position in each log.
    fn write_state_files(&self) -> anyhow::Result<()> {
        let rust = self.environment.sizes.iter().map(|(url, size)| {
            let position = serde_json::json!({
                "current_index": size, "tree_size": size, "last_success": 1_700_000_000,
            });
            (url.clone(), position)
        });
        let rust = serde_json::json!({"version": 1, "logs": rust.collect::<BTreeMap<_, _>>()});
        fs::write(self.home.join("certstream_state.json"), rust.to_string())?;
        let go = self.environment.sizes.iter().map(|(url, size)| {
            let name = url.split_once("://").map_or(url.as_str(), |(_, name)| name);
            (name.to_owned(), size - 1)
        });
        let go = serde_json::to_string_pretty(&go.collect::<BTreeMap<_, _>>())?;
        fs::write(self.home.join("ct_index.json"), go)?;
        Ok(())
    }

    pub(super) fn run(&mut self, block: &Block) -> anyhow::Result<()> {
        if let Some(program) = block.needs.as_deref()
            && !is_installed(&[program, "version"])
        {
            println!("docs: skipped a block: {program} is not installed");
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
            Use::Stream => self.stream(&text),
            Use::Serve => self.serve(&text),
            Use::Background => self.background(&text),
            Use::Same(path) => self.example(path, &block.text),
        }
    }

    /// An example of ours: shown as it is, and it streams.
    fn example(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let ours = fs::read_to_string(root().join(path)).with_context(|| path.to_owned())?;
        // What our lints want does not concern readers.
        let (lints, rest): (Vec<_>, Vec<_>) =
            ours.split_inclusive("\n\n").partition(|part| part.starts_with("#![allow("));
        ensure!(lints.len() < 2 && rest.concat() == text, "{path} has another text");
        let name = Path::new(path).file_stem().context("a file")?;
        let program = target().join("debug/examples").join(name);
        self.stream(&format!("exec {} ws://127.0.0.1:{}/", program.display(), self.port))
    }

    /// With free ports, and a domain that the simulated logs have certificates for.
    fn on_this_machine(&self, text: &str) -> String {
        let text = text.replace("domain=example.org", "domain=com");
        let text = text.replace("--domain example.org", "--domain com");
        let replace = |text: String, (old, new): &(&str, String)| text.replace(old, new);
        self.ports.iter().fold(text, replace)
    }

    /// A shell at home, where the first command that fails ends it.
    fn shell(&self, text: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-eu", "-c", text]).current_dir(&self.home);
        command.env_clear().envs(self.environment.logs.clone());
        command.env("HOME", &self.home).env("PATH", &self.environment.path).env("LANG", "C.UTF-8");
        command
            .env("PYTHONPATH", &self.environment.python_path)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        if !self.sets_port(text) {
            command.env("CERTSTREAM_PORT", &self.port);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Reports whether the page itself sets the server's port.
    fn sets_port(&self, text: &str) -> bool {
        let config = fs::read_to_string(self.home.join("config.yaml")).unwrap_or_default();
        text.contains(&format!("PORT={}", self.port)) || config.contains(&self.port)
    }

    /// Creates the file for a block's output. A pipe could be full.
    fn output(&self, file: &str) -> anyhow::Result<fs::File> {
        Ok(fs::File::create(self.home.join(file))?)
    }

    fn read_output(&self, file: &str) -> String {
        fs::read_to_string(self.home.join(file)).unwrap_or_default()
    }

    fn complete(&self, command: &mut Command) -> anyhow::Result<()> {
        let output = self.output(BLOCK)?;
        let group = Group::start(command.stdout(output.try_clone()?).stderr(output))?;
        let status = group.wait().with_context(|| self.read_output(BLOCK))?;
        ensure!(status.success(), "{status}\n{}", self.read_output(BLOCK));
        Ok(())
    }

    fn stream(&self, text: &str) -> anyhow::Result<()> {
        let mut command = self.shell(text);
        let mut group = Group::start(command.stdout(Stdio::piped()).stderr(self.output(BLOCK)?))?;
        let stdout = group.stdout()?;
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The receiver is dropped after the lines that it needs.
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
                bail!("it printed {at} lines, {LINES} were expected\n{}", self.read_output(BLOCK));
            }
        }
        group.end()
    }

    fn background(&mut self, text: &str) -> anyhow::Result<()> {
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
            let ended = server.ended()?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "it does not serve\n{}",
                self.read_output(SERVER)
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
                ensure!(crate::commands::is_command(name), "there is no cargo xtask {name}");
            }
            [Some("cargo"), Some("build" | "fuzz" | "run" | "test"), _] | [None, ..] => {}
            _ => bail!("{line:?} is no command that CI runs"),
        }
    }
    Ok(())
}
