//! Processes of a cluster that are killed again and again while clients follow the stream.

use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::account::{self, Account};
use super::chaos::{Chaos, Killed, Kind};
use super::silence;
use super::{empty_folder, schedule, server};
use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::report::Report;
use crate::harness::folder;
use crate::harness::site::{LogGroup, Logs};
use crate::plan::Plan;
use xtask::cluster::{Cluster, Size};

/// Logs of each protocol.
const LOGS: usize = 10;
/// The logs' hosts, and faults: one response in twenty.
const FAULTS: [&str; 2] = ["--hosts=4", "--fault-per-mille=50"];
const CLIENTS: usize = 100;
const SETTINGS: &[(&str, &str)] = &[
    ("ct_log.start", "zero"),
    ("ct_log.partial_tile_wait_ms", "500"),
    // Without it an entry that two logs have would count as lost.
    ("dedup.enabled", "false"),
    // Clients that move to another edge find in its ring what they miss, also after an election.
    ("feed.ring_bytes", "128MiB"),
];
/// Growth of the logs after the last kill.
const AFTER: Duration = Duration::from_secs(5);
/// The wait for all records after the logs' growth.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at what is due.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let seed = plan.seed.unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
    let kills = schedule::kills(seed, plan.kills);
    let growing = kills.last().map(|kill| kill.at).unwrap_or_default() + AFTER;
    let rate = plan.rate as f64 / (2 * LOGS) as f64;
    let each = (rate * growing.as_secs_f64()) as u64;
    let expected = each * 2 * LOGS as u64;
    println!("   --seed {seed}: {} kills in {growing:.0?}, {expected} entries", kills.len());
    let group = LogGroup {
        rfc6962: LOGS,
        static_ct: LOGS,
        initial_size: 0,
        rate,
        publish_interval: Duration::from_millis(500),
    };
    let most = format!("--max-size={each}");
    let logs = Rc::new(Logs::start_with(&group, &[&FAULTS[..], &[&most]].concat())?);
    let size = Size { nats: plan.nats, ingest: 2, edges: 2 };
    let cluster = Cluster::start(&empty_folder()?, size, server(&logs, SETTINGS))?;
    let file = folder()?.join("cluster.received");
    let clients = plan.clients(CLIENTS);
    let mut options = LoadOptions::new(cluster.edges().join(","), clients, growing + PATIENCE);
    options.sampled = clients;
    options.warmup = Duration::ZERO;
    options.record = Some(file.clone());
    (options.reconnect, options.from_oldest) = (true, true);
    options.expect = Some(expected);
    let mut load = Program::load(&options)?;
    load.wait_for("measuring")?;
    let mut chaos = Chaos::new(cluster, kills);
    let received = load.wait_with("done", LOOK, || chaos.step())?;
    let unreadable = &received["unreadable"];
    ensure!(*unreadable == 0, "{unreadable} messages could not be read");
    silences(report, &chaos.killed, &received["sequences"]);
    let account = account::check(&received, &file, &logs, expected)?;
    all(plan, report, seed, &account);
    chaos.recover()
}

fn all(plan: &Plan, report: &mut Report, seed: u64, account: &Account) {
    let Account { clients, records, holes, ended, refused, faults } = account;
    report.add(
        format!(
            "cluster of {} NATS servers, 2 ingest nodes, 2 edges; {} kills, {clients} clients, {} entries/s, \
             {faults} faults of logs (--seed {seed})",
            plan.nats, plan.kills, plan.rate
        ),
        format!(
            "each of {records} records once for every client, in one order; {ended} connections ended, \
             {refused} requests were refused and repeated (status 503), {:.1} holes in offsets \
             announced to each client",
            *holes as f64 / (*clients).max(1) as f64
        ),
        "each once, one order",
        json!({
            "seed": seed,
            "kills": plan.kills,
            "clients": clients,
            "records": records,
            "holes": holes,
            "ended": ended,
            "refused": refused,
            "faults": faults,
        }),
    );
}

fn silences(report: &mut Report, killed: &[Killed], sequences: &Value) {
    let silences = silence::read(sequences);
    let (kinds, without) = silence::by_kind(killed, &silences);
    for (kind, of_kind) in &kinds {
        let recovery = match of_kind.recovery() {
            Some((median, longest)) => format!(
                "; {} times a pause: next record after {median:.1} s (median), {longest:.1} s (longest)",
                of_kind.recoveries.len()
            ),
            None => String::new(),
        };
        let with_others = match of_kind.with_others {
            0 => String::new(),
            longest => format!("; with other kills meanwhile {:.1} s", longest as f64 / 1e6),
        };
        report.add(
            format!("cluster, {} kills: {kind}", of_kind.kills),
            format!(
                "longest silence of a client {:.1} s{recovery}{with_others}",
                of_kind.longest as f64 / 1e6
            ),
            if matches!(kind, Kind::Edge) { "-" } else { "stated" },
            json!({
                "kills": of_kind.kills,
                "longest_us": of_kind.longest,
                "recoveries_us": of_kind.recoveries,
                "with_others_us": of_kind.with_others,
            }),
        );
    }
    report.add(
        "cluster, without a kill",
        format!("longest silence {:.1} s", without as f64 / 1e6),
        "-",
        json!({ "longest_us": without }),
    );
}
