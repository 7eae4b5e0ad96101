//! The collector end to end: simulated logs, the server, `certstream-arrow`, and the programs that
//! analysts read its files with.

mod kills;
mod site;
mod store;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::clients::{analysts, folder};
use crate::command::complete;
use crate::processes::{Process, binary};
pub(crate) use kills::{Kills, run as kills};
use site::Site;
pub(crate) use store::run as store;

/// Which build of the programs is used.
pub(crate) type Programs = fn(&str) -> Command;

/// Entries of each of the logs.
const ENTRIES: u64 = 700;

/// What is collected at once from one server.
const VARIANTS: [(&str, &[&str]); 5] = [
    ("none", &["--compression", "none"]),
    ("lz4", &["--compression", "lz4", "-b", "77"]),
    ("zstd", &["--with-der"]),
    ("parts", &["--rotate", "150kB", "-b", "100"]),
    ("parquet", &["--format", "parquet", "--rotate", "300kB", "-b", "500", "--with-der"]),
];

/// Every format: row count, order and every column against what the server sent and the logs hold,
/// read by pandas, pyarrow, Polars and DuckDB; then the examples of the documentation.
pub(crate) fn formats() -> anyhow::Result<()> {
    let python = analysts()?;
    let here = fresh("collect")?;
    let site = Site::start(binary, &here, &[("initial-size", ENTRIES), ("rate", 0)], &[])?;
    let truth = here.join("truth.jsonl");
    let total = site.entries(ENTRIES);
    let mut record = script(&python, "record.py");
    record.arg(site.url()).arg(total.to_string()).arg(&truth);
    let mut collectors = Vec::new();
    for (name, arguments) in VARIANTS {
        let within = here.join(name);
        std::fs::create_dir(&within)?;
        let mut command = binary("certstream-arrow");
        command.current_dir(&within).args(["--url", &site.url(), "--from-oldest"]);
        command.args(["--flush-interval", "200ms", "--log-level", "warn"]).args(arguments);
        collectors.push(Process::start(&mut command)?);
    }
    complete(&mut record)?;
    for (collector, (name, _)) in collectors.into_iter().zip(VARIANTS) {
        site.wait_for_rows(&here.join(name), total)?;
        let (status, _) = collector.terminate()?;
        ensure!(status.success(), "the collector of {name} ended with {status}");
    }
    let docs = crate::root().join("docs/arrow.md");
    complete(script(&python, "tables.py").arg(&here).arg(&truth).args(site.log_urls()))?;
    complete(script(&python, "examples.py").arg(&here).arg(&truth).arg(docs))
}

/// A script of `crates/xtask/e2e/collect`.
fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new("timeout");
    let path = crate::root().join("crates/xtask/e2e/collect").join(name);
    command.arg("300").arg(python).arg("-B").arg(path);
    command
}

/// An empty folder.
fn fresh(name: &str) -> anyhow::Result<PathBuf> {
    let path = folder()?.join(name);
    if path.try_exists()? {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir(&path)?;
    Ok(path)
}

/// What `certstream-arrow inspect` says of a file.
fn inspect(programs: Programs, path: &Path) -> anyhow::Result<Value> {
    let output = programs("certstream-arrow").args(["inspect", "--json"]).arg(path).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", path.display());
    serde_json::from_slice(&output.stdout).context("inspect --json")
}
