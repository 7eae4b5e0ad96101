//! The collector beside a server that follows simulated logs, for the end-to-end run and for the
//! benchmark that kills both.

mod kills;
mod rows;
mod site;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::process::Programs;
use crate::{python, root};
pub use kills::{Kills, Outcome, run as kills};
pub use rows::wait_for_rows;
pub use site::Site;

/// Python packages that analysts read files with, what runs notebooks, and a store that speaks S3.
const ANALYSTS: [&str; 10] = [
    "pandas>=3,<4",
    "pyarrow>=24,<28",
    "polars>=1.30,<3",
    "duckdb>=1.4,<3",
    "pytz",
    "nbclient>=0.10,<1",
    "ipykernel>=6,<8",
    "publicsuffixlist>=1,<2",
    "moto[server]>=5,<6",
    "websockets>=14,<18",
];

/// A program that fails without these packages.
const ANALYSTS_CHECK: &str = "import boto3, duckdb, flask, ipykernel, moto, nbclient, pandas, polars, publicsuffixlist, pyarrow.parquet, pytz, websockets";

/// Returns the interpreter of an environment that has the packages of analysts.
///
/// # Errors
/// If the packages cannot be installed.
pub fn analysts() -> anyhow::Result<PathBuf> {
    python::environment("venv-analysts", &ANALYSTS, ANALYSTS_CHECK)
}

/// Returns a command that runs a script of `crates/xtask/e2e/collect`, for at most five minutes.
#[must_use]
pub fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new("timeout");
    let path = root().join("crates/xtask/e2e/collect").join(name);
    command.arg("300").arg(python).arg("-B").arg(path);
    command
}

/// Returns an empty folder; whatever was in it is deleted.
///
/// # Errors
/// If the folder cannot be emptied or created.
pub fn empty_folder(name: &str) -> anyhow::Result<PathBuf> {
    let path = python::folder()?.join(name);
    if path.try_exists()? {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir(&path)?;
    Ok(path)
}

/// Returns the report of `certstream-arrow inspect` about a file.
///
/// # Errors
/// If the file cannot be read.
pub fn inspect(programs: Programs, path: &Path) -> anyhow::Result<Value> {
    let output = programs("certstream-arrow").args(["inspect", "--json"]).arg(path).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {stderr}", path.display());
    serde_json::from_slice(&output.stdout).context("inspect --json")
}
