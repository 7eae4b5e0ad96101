//! CPU and bytes that the journal adds where everything is new: the server reads all logs from zero,
//! with a journal and without, in turn.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{data_dir, delete, figure, filled, wait_for_indexes};
use crate::figures::median;
use crate::figures::report::Report;
use crate::harness::proc;
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::Plan;

const LOGS: usize = 4;
/// Measurements with a journal, and without.
const ROUNDS: usize = 5;

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let group = LogGroup {
        rfc6962: LOGS / 2,
        static_ct: LOGS / 2,
        initial_size: plan.entries / LOGS as u64,
        rate: 0.0,
        publish_interval: Duration::from_secs(1),
    };
    let logs = Logs::start(&group)?;
    let entries = group.initial_size * LOGS as u64;
    let dir = data_dir("cost")?;
    let (mut without, mut with, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let server = filled(&logs, entries, &[])?;
        without.push(proc::cpu(server.id())?.as_secs_f64());
        drop(server);
        delete(&dir)?;
        let server = with_journal(&logs, entries, &dir)?;
        with.push(proc::cpu(server.id())?.as_secs_f64());
        threads.push(proc::cpu_of_threads(server.id())?);
        drop(server);
    }
    let (bytes, records) = size(&logs, &dir)?;
    delete(&dir)?;
    let each = |cpu: f64| cpu / entries as f64 * 1e6;
    let added = each(median(&with) - median(&without));
    let index = threads.iter().map(|cpu| seconds(cpu, "index")).collect::<Vec<_>>();
    report.add(
        format!("journal, {entries} entries, {records} records"),
        format!(
            "{added:.1} µs CPU per entry more ({:.1} with, {:.1} without; the index takes {:.1}), {:.0} \
             bytes per record",
            each(median(&with)),
            each(median(&without)),
            each(median(&index)),
            bytes / records,
        ),
        "≤ 3 µs, ≤ 650 bytes",
        json!({
            "with_s": with,
            "without_s": without,
            "index_s": index,
            "bytes": bytes,
            "records": records,
        }),
    );
    Ok(())
}

fn with_journal(logs: &Logs, entries: u64, dir: &Path) -> anyhow::Result<Server> {
    let dir = dir.display().to_string();
    let server = filled(logs, entries, &[("data_dir", &dir), ("protocols.api", "true")])?;
    wait_for_indexes(&server)?;
    Ok(server)
}

/// Returns the bytes of all files and the number of records. A start closes the last segment, which has
/// its index after that.
fn size(logs: &Logs, dir: &Path) -> anyhow::Result<(f64, f64)> {
    let dir = dir.display().to_string();
    let server = Server::start(logs, &[("data_dir", &dir), ("protocols.api", "true")])?;
    wait_for_indexes(&server)?;
    Ok((figure(&server, "bytes")?, figure(&server, "entries")?))
}

fn seconds(threads: &BTreeMap<String, Duration>, name: &str) -> f64 {
    threads.get(name).copied().unwrap_or_default().as_secs_f64()
}
