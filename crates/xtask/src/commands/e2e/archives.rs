//! Archives end to end: `certstream-arrow backfill` of simulated logs, and the programs that analysts read
//! its files with.

use anyhow::Context as _;
use serde_json::Value;

use xtask::collect::{analysts, empty_folder, script};
use xtask::process::{binary, complete, start_logs};
use xtask::root;

/// The simulated logs, which do not grow: each has two parts and a half.
const LOGS: [&str; 8] = [
    "--port=0",
    "--rfc6962=1",
    "--static-ct=1",
    "--rate=0",
    "--initial-size=1300",
    "--copies=1",
    "--hosts=1",
    "--seed=7",
];

/// Both protocols and zips of tiles: row count, order and columns against what the logs serve, read by
/// pandas, pyarrow, Polars and DuckDB with its views; then the notebook of the documentation.
pub(crate) fn run() -> anyhow::Result<()> {
    let python = analysts()?;
    let here = empty_folder("archives")?;
    let (_logs, ready) = start_logs(&LOGS)?;
    let list = ready.get("list_url").and_then(Value::as_str).context("ctsim names no list")?;
    let program = binary("certstream-arrow").get_program().to_owned();
    let notebook = root().join("docs/examples/archive.ipynb");
    complete(script(&python, "archives.py").arg(program).arg(list).arg(&here).arg(notebook))
}
