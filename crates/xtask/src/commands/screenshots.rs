//! `cargo xtask screenshots`: the pictures of the documentation, made from the demo.
//!
//! `docs/images/page.png` is the page in Chromium. `docs/images/demo.svg` is a session in a terminal:
//! asciinema records `e2e/recording.sh`, and svg-term draws it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command as Cli};

use xtask::process::{self, Process, binary, complete, target, wait_for};
use xtask::python::{environment, folder};
use xtask::root;

use crate::commands::clients;

pub(crate) const NAME: &str = "screenshots";

/// The address in the pictures: that of the documentation.
const ADDRESS: &str = "127.0.0.1:8080";
/// The largest picture, in bytes.
const LARGEST: u64 = 300_000;
/// The program that records, from PyPI.
const ASCIINEMA: &str = "asciinema==2.4.0";
/// The program that draws, from npm.
const SVG_TERM: &str = "svg-term-cli@2.1.1";

pub(crate) fn command_line() -> Cli {
    let no_build = Arg::new("no-build").long("no-build").action(ArgAction::SetTrue);
    Cli::new(NAME)
        .about("Make docs/images: the page in Chromium, and a session in a terminal")
        .arg(no_build.help("With the programs that are there"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    if !arguments.get_flag("no-build") {
        process::build_programs()?;
    }
    let images = root().join("docs/images");
    std::fs::create_dir_all(&images)?;
    for (name, make) in
        [("page.png", page as fn(&Path) -> anyhow::Result<()>), ("demo.svg", session)]
    {
        let image = images.join(name);
        make(&image).with_context(|| name.to_owned())?;
        let size = std::fs::metadata(&image)?.len();
        println!("{}: {size} bytes", image.display());
        ensure!(size <= LARGEST, "{} is larger than {LARGEST} bytes", image.display());
    }
    Ok(())
}

/// Takes a screenshot of the demo's page.
fn page(image: &Path) -> anyhow::Result<()> {
    let chromium = clients::chromium().context("apt-get install chromium")?;
    clients::install_node()?;
    let mut demo = binary("certstream-server");
    let _demo =
        Process::start(demo.args(["--demo", "--host", "127.0.0.1", "--log-level", "error"]))?;
    wait_for(&format!("http://{ADDRESS}/health/deep"))?;
    let mut node = Command::new("node");
    node.arg(root().join("crates/xtask/e2e/screenshot.mjs")).arg(image).current_dir(folder()?);
    complete(node.env("ADDRESS", ADDRESS).env("CHROMIUM", chromium))
}

/// Records a session in a terminal.
fn session(image: &Path) -> anyhow::Result<()> {
    let folder = folder()?.join("recording");
    std::fs::create_dir_all(&folder)?;
    let python = environment("venv-recording", &[ASCIINEMA], "import asciinema")?;
    let cast = folder.join("demo.cast");
    let script = root().join("crates/xtask/e2e/recording.sh");
    let shell = format!("bash '{}'", script.display());
    let mut record = Command::new(python);
    record.args(["-m", "asciinema", "rec", "--overwrite", "--quiet"]);
    record.args(["--cols", "110", "--rows", "16", "--idle-time-limit", "3"]);
    record.args(["--command", &shell]).arg(&cast).env("PATH", with_programs()?);
    record.env("ASCIINEMA_CONFIG_HOME", &folder).env("CERTSTREAM_HOST", "127.0.0.1");
    complete(&mut record)?;
    let draw = folder.join("node_modules/.bin/svg-term");
    if !draw.is_file() {
        let npm = ["install", "--no-fund", "--no-audit", "--loglevel=error", "--prefix"];
        complete(Command::new("npm").args(npm).arg(&folder).arg(SVG_TERM))?;
    }
    let mut svg = Command::new(draw);
    svg.arg("--in").arg(cast).arg("--out").arg(image).args(["--window", "--no-cursor"]);
    complete(&mut svg)
}

/// Returns `PATH` with the programs of the debug build first.
fn with_programs() -> anyhow::Result<std::ffi::OsString> {
    let system = std::env::var_os("PATH").unwrap_or_default();
    let ours: PathBuf = target().join("debug");
    Ok(std::env::join_paths(std::iter::once(ours).chain(std::env::split_paths(&system)))?)
}
