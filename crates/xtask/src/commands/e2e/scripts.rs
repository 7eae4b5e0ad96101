//! The client scripts of `crates/xtask/e2e`, each with a library that others wrote.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use xtask::python::folder;
use xtask::root;

use crate::commands::clients;

/// Seconds after which a script is ended.
const PATIENCE: &str = "240";

/// A script, and how it is run.
#[derive(Clone, Copy)]
pub(super) struct Script {
    pub(super) name: &'static str,
    by: Interpreter,
    /// True if `NAME stay` reports with one byte that it is connected, and then succeeds if the
    /// server takes leave as it should.
    pub(super) stays: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interpreter {
    Python,
    Node,
    /// Node, with a browser to steer.
    Browser,
    Shell,
    /// A program made of it, with gorilla/websocket.
    Gorilla,
}

const fn script(name: &'static str, by: Interpreter, stays: bool) -> Script {
    Script { name, by, stays }
}

pub(super) const CERTSTREAM_CLI: Script = script("certstream_cli.py", Interpreter::Python, false);
const CERTSTREAM_LIBRARY: Script = script("certstream_library.py", Interpreter::Python, false);
const CERTSTREAM_NPM: Script = script("certstream.mjs", Interpreter::Node, false);

/// The clients that most users have.
pub(super) const OLD_CLIENTS: [Script; 3] = [CERTSTREAM_CLI, CERTSTREAM_LIBRARY, CERTSTREAM_NPM];

/// All of them.
pub(super) const SCRIPTS: [Script; 19] = [
    CERTSTREAM_CLI,
    CERTSTREAM_LIBRARY,
    CERTSTREAM_NPM,
    script("pypi_websockets.py", Interpreter::Python, true),
    script("pypi_websocket_client.py", Interpreter::Python, true),
    script("pypi_aiohttp.py", Interpreter::Python, true),
    script("npm_ws.mjs", Interpreter::Node, true),
    script("npm_eventsource.mjs", Interpreter::Node, true),
    script("gorilla.go", Interpreter::Gorilla, true),
    script("chromium.mjs", Interpreter::Browser, true),
    script("page.mjs", Interpreter::Browser, false),
    script("history.mjs", Interpreter::Browser, false),
    script("alerts.mjs", Interpreter::Browser, false),
    script("profiles.py", Interpreter::Python, false),
    script("http.sh", Interpreter::Shell, false),
    script("openapi.py", Interpreter::Python, false),
    script("search.py", Interpreter::Python, false),
    script("crtsh.py", Interpreter::Python, false),
    script("metrics.py", Interpreter::Python, false),
];

/// The address and the programs with which scripts run.
pub(super) struct Runner<'a> {
    /// The server, as `HOST:PORT`.
    pub(super) address: &'a str,
    /// The server with a journal, as `HOST:PORT`.
    pub(super) history: &'a str,
    pub(super) chromium: Option<&'a Path>,
    /// The program made of `gorilla.go`.
    pub(super) gorilla: Option<&'a Path>,
}

impl Runner<'_> {
    /// Returns the reason why the script cannot run, if there is one.
    pub(super) const fn missing(&self, script: Script) -> Option<&'static str> {
        match script.by {
            Interpreter::Browser if self.chromium.is_none() => {
                Some("there is no Chromium (apt-get install chromium)")
            }
            Interpreter::Gorilla if self.gorilla.is_none() => Some(
                "there is no Go with gorilla/websocket \
                 (apt-get install golang-go golang-github-gorilla-websocket-dev)",
            ),
            _ => None,
        }
    }

    /// Runs the script to its end; how long it took. What it says is an error's text.
    pub(super) fn run(&self, script: Script) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let output = self.command(script)?.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("{}\n{}", output.status, String::from_utf8_lossy(&said));
        }
        Ok(start.elapsed())
    }

    /// Has clients stay connected while `leave` ends the server.
    pub(super) fn stay(&self, leave: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut clients = Vec::new();
        for script in
            SCRIPTS.into_iter().filter(|script| script.stays && self.missing(*script).is_none())
        {
            let mut command = self.command(script)?;
            clients.push((script.name, command.arg("stay").stdout(Stdio::piped()).spawn()?));
        }
        for (name, client) in &mut clients {
            connected(client).with_context(|| format!("{name} does not get connected"))?;
        }
        leave()?;
        for (name, client) in &mut clients {
            ensure!(client.wait()?.success(), "{name} saw another end than it should");
        }
        Ok(())
    }

    fn command(&self, script: Script) -> anyhow::Result<Command> {
        let folder = folder()?;
        let program = match script.by {
            Interpreter::Python => folder.join("venv/bin/python"),
            Interpreter::Node | Interpreter::Browser => PathBuf::from("node"),
            Interpreter::Shell => PathBuf::from("bash"),
            Interpreter::Gorilla => self.gorilla.context("it was not built")?.to_owned(),
        };
        let path = root().join("crates/xtask/e2e").join(script.name);
        ensure!(path.try_exists()?, "{} is missing", path.display());
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).arg(program).current_dir(&folder);
        if script.by != Interpreter::Gorilla {
            command.arg(path);
        }
        command.env("PATH", clients::path()?).env("NODE_PATH", "node_modules");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("ADDRESS", self.address);
        command.env("HISTORY_ADDRESS", self.history);
        if let Some(chromium) = self.chromium {
            command.env("CHROMIUM", chromium);
        }
        Ok(command)
    }
}

/// Waits for the byte that says so.
fn connected(client: &mut Child) -> anyhow::Result<()> {
    let stdout = client.stdout.as_mut().context("no standard output")?;
    Ok(stdout.read_exact(&mut [0])?)
}
