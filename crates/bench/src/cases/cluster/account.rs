//! The account of what the clients received: every entry of every log once, in one order for all.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::figures::counts::Counts;
use crate::figures::heads::log_stats;
use crate::figures::record;
use crate::harness::site::Logs;

/// The announcement of a hole in the offsets behind which nothing is missing.
const RENUMBERED: &str = "\"renumbered\", 0 dropped";

/// Totals of a run in which nothing was lost.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) clients: usize,
    pub(super) records: u64,
    /// Announced holes of all clients together.
    pub(super) holes: u64,
    /// Connections that ended.
    pub(super) ended: u64,
    /// Requests that an edge refused because it was busy.
    pub(super) refused: u64,
    /// Responses of logs that were faulty.
    pub(super) faults: u64,
}

/// Checks what clients report, and the records of the first one, which are in a file.
pub(super) fn check(
    received: &Value,
    file: &Path,
    logs: &Logs,
    expected: u64,
) -> anyhow::Result<Account> {
    let stats = log_stats(logs)?;
    let size: u64 = stats.iter().map(|log| log.size).sum();
    ensure!(size == expected, "the logs have {size} entries instead of {expected}");
    let sequences = &received["sequences"];
    let clients = sequences["clients"].as_array().context("no clients")?;
    let notices = sequences["notices"].as_object().context("no announcements")?;
    println!("   announcements: {}", sequences["notices"]);
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for client in clients {
        *groups.entry(client.to_string()).or_default() += 1;
    }
    println!("   clients by what they received: {groups:?}");
    let mut counts = Counts::default();
    record::for_each(file, |message| counts.add(&message))?;
    let (lost, repeated) = (counts.lost(), counts.repeated());
    println!("   the first client: {} received, {lost} lost, {repeated} repeated", counts.received);
    ensure!(lost == 0 && repeated == 0, "{lost} entries were lost, and {repeated} came again");
    let behind = stats.iter().find(|log| counts.next_index(&log.url) != log.size);
    ensure!(behind.is_none(), "a log was not received to its end: {behind:?}");
    ensure!(counts.different() as u64 == size, "the beginning of a log is missing");
    ensure!(groups.len() == 1, "the clients did not receive the same: {groups:?}");
    let first = clients.first().context("no client")?;
    ensure!(first["count"] == size, "the clients have {} records of {size}", first["count"]);
    ensure!(first["disordered"] == 0, "offsets did not grow: {first}");
    let others: Vec<_> = notices.keys().filter(|text| *text != RENUMBERED).collect();
    ensure!(others.is_empty(), "clients were notified of losses: {others:?}");
    Ok(Account {
        clients: clients.len(),
        records: size,
        holes: notices.get(RENUMBERED).and_then(Value::as_u64).unwrap_or(0),
        ended: received["ended"].as_u64().unwrap_or(0),
        refused: received["refused"].as_u64().unwrap_or(0),
        faults: stats.iter().map(|log| log.faults).sum(),
    })
}
