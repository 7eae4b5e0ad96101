//! The journal: what it adds to ingest, how fast it is replayed and searched, and how long a start
//! takes with it.

mod cost;
pub(super) mod filled;
mod internet;
mod large;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::figures::report::Report;
use crate::harness::folder;
use crate::harness::site::{Logs, Server, wait_for};
use crate::plan::{Benchmark, Plan};

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "journal", cases: &["cost", "internet", "large"], is_long: true, run };

/// Between two looks at the server's counters, each of which costs it a little.
const LOOK: Duration = Duration::from_millis(100);
/// The longest wait for entries to be read, and for indexes to be made of them.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The look-up of a certificate that does not exist: not found once everything is indexed, unavailable
/// before.
const NOTHING: &str = "api/cert/0000000000000000000000000000000000000000000000000000000000000000";
const NOT_FOUND: &str = "404";

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    match case {
        "cost" => cost::run(plan, report),
        "internet" => internet::run(plan, report),
        _ => large::run(plan, report),
    }
}

/// Returns the directory of a case.
fn data_dir(case: &str) -> anyhow::Result<PathBuf> {
    Ok(folder()?.join(format!("journal-{case}")))
}

/// Deletes a directory with all its files, if it is there.
fn delete(dir: &Path) -> anyhow::Result<()> {
    if dir.try_exists()? {
        std::fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    Ok(())
}

/// Starts a server that reads everything, and returns it once it has.
fn filled(logs: &Logs, entries: u64, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
    let server = Server::start(logs, &[&[("ct_log.start", "zero")], settings].concat())?;
    wait_for("all entries", PATIENCE, LOOK, || {
        let published = server.metric("certstream_certificates_total").unwrap_or(0.0);
        let left_out = server.metric("certstream_duplicates_total").unwrap_or(0.0);
        Ok((published + left_out >= entries as f64).then_some(()))
    })?;
    Ok(server)
}

/// Waits until everything is indexed.
pub(super) fn wait_for_indexes(server: &Server) -> anyhow::Result<()> {
    wait_for("the indexes", PATIENCE, LOOK, || {
        let answer = server.get(NOTHING);
        Ok(answer.is_err_and(|error| format!("{error:#}").contains(NOT_FOUND)).then_some(()))
    })
}

/// Returns a figure of the journal.
pub(super) fn figure(server: &Server, name: &str) -> anyhow::Result<f64> {
    let stats: Value = serde_json::from_str(&server.get("api/stats")?)?;
    stats["journal"][name].as_f64().with_context(|| format!("/api/stats has no journal.{name}"))
}
