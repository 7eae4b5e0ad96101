//! The indexes of a large journal, made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cases::journal::filled::{Filled, live_logs};
use crate::cases::journal::{figure, wait_for_indexes};
use crate::figures::report::Report;
use crate::harness::proc;
use crate::harness::site::Server;
use crate::plan::Plan;

/// The thread of the server that makes indexes.
const THREAD: &str = "index";

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let filled = Filled::provide(plan.entries)?;
    for path in indexes(Path::new(&filled.path))? {
        fs::remove_file(path)?;
    }
    let logs = live_logs(0.0)?;
    let server = Server::start(&logs, &filled.settings())?;
    let since = Instant::now();
    wait_for_indexes(&server)?;
    let took = since.elapsed();
    let threads = proc::cpu_of_threads(server.id())?;
    let cpu = threads.get(THREAD).copied().unwrap_or_default();
    let memory = proc::memory(server.id())?.anonymous;
    let records = figure(&server, "entries")?;
    let mut bytes = 0;
    for path in indexes(Path::new(&filled.path))? {
        bytes += fs::metadata(path)?.len();
    }
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / records;
    report.add(
        format!("all indexes of {records} records made again"),
        format!(
            "{:.1} µs CPU and {:.0} bytes per record; {:.0} s; {memory:.1} MB anonymous memory",
            each(cpu),
            bytes as f64 / records,
            took.as_secs_f64(),
        ),
        "-",
        json!({
            "cpu_s": cpu.as_secs_f64(),
            "wall_s": took.as_secs_f64(),
            "bytes": bytes,
            "records": records,
            "anonymous_mb": memory,
        }),
    );
    Ok(())
}

/// Returns the files of all indexes in a directory, and of those in it.
fn indexes(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(indexes(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "index") {
            found.push(path);
        }
    }
    Ok(found)
}
