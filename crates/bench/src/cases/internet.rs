//! The internet in a box: as many logs as there are, each certificate in several of them.
//!
//! The cost of the server for one client, for a hundred and for five hundred, with everything at
//! its default. What counts is the steady state, so each case begins to measure once the ring is
//! full.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::delivery::Delivery;
use crate::clients::load::{Encoding, LoadOptions};
use crate::figures::report::Report;
use crate::harness::proc;
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};

pub(crate) const BENCHMARK: Benchmark = Benchmark {
    name: "internet",
    cases: &["1", "100", "500", "1-deflated", "100-deflated", "500-deflated"],
    is_long: true,
    run,
};

const RFC6962: usize = 35;
const STATIC_CT: usize = 30;
/// In how many logs a certificate is, about.
const COPIES: usize = 6;
const HOSTS: usize = 8;
/// Entries a second, all logs together.
const RATE: f64 = 2_500.0;
const HEADS: Duration = Duration::from_secs(1);
/// Longer than the about 25 seconds that it takes to fill the ring.
const WARMUP: Duration = Duration::from_secs(45);
/// The interval at which the memory is read.
const LOOK: Duration = Duration::from_millis(500);

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    let (clients, is_deflated) = match case.split_once('-') {
        Some((clients, _)) => (clients, true),
        None => (case, false),
    };
    let clients: usize = clients.parse()?;
    let encoding = if is_deflated { Encoding::WebSocketDeflate } else { Encoding::WebSocket };
    let logs = logs()?;
    let server = Server::start(&logs, &[])?;
    let load = LoadOptions {
        encoding,
        warmup: WARMUP,
        ..LoadOptions::lite(&server, clients, plan.time(30))
    };
    let mut memory = Vec::new();
    let look = || {
        memory.push(proc::memory(server.id())?.anonymous);
        Ok(())
    };
    let delivery = Delivery::measure_with(server.id(), &[logs.id()], &load, LOOK, look)?;
    let counted = Counted::read(&server)?;
    let how = if is_deflated { ", deflated" } else { "" };
    report.add(
        format!("internet in a box, {clients} clients{how}"),
        words(&delivery, &memory, &counted),
        target(clients, is_deflated),
        json!({ "delivery": delivery.raw(), "anonymous_mb": memory, "counted": counted.raw() }),
    );
    Ok(())
}

/// Starts the logs of the internet in a box.
pub(super) fn logs() -> anyhow::Result<Logs> {
    let group = LogGroup {
        rfc6962: RFC6962,
        static_ct: STATIC_CT,
        initial_size: 2_000,
        rate: RATE / (RFC6962 + STATIC_CT) as f64,
        publish_interval: HEADS,
    };
    let [hosts, copies] = [("hosts", HOSTS), ("copies", COPIES)].map(|(k, v)| format!("--{k}={v}"));
    Logs::start_with(&group, &[&hosts, &copies])
}

/// The sizes that the server reports.
struct Counted {
    ring_mb: f64,
    ring_s: f64,
    chunk_mb: f64,
    duplicates: f64,
}

impl Counted {
    fn read(server: &Server) -> anyhow::Result<Self> {
        Ok(Self {
            ring_mb: server.metric("certstream_ring_bytes")? / 1e6,
            ring_s: server.metric("certstream_ring_seconds")?,
            chunk_mb: server.metric("certstream_chunk_bytes")? / 1e6,
            duplicates: server.metric("certstream_duplicates_total")?,
        })
    }

    fn raw(&self) -> Value {
        let Self { ring_mb, ring_s, chunk_mb, duplicates } = self;
        json!({
            "ring_mb": ring_mb,
            "ring_s": ring_s,
            "chunk_mb": chunk_mb,
            "duplicates": duplicates,
        })
    }
}

fn words(delivery: &Delivery, memory: &[f64], counted: &Counted) -> String {
    let most = memory.iter().copied().fold(0.0, f64::max);
    let last = memory.last().copied().unwrap_or(f64::NAN);
    let reads = delivery.number("reads") / delivery.spent.wall.as_secs_f64();
    format!(
        "{:.3} core, {last:.1} MB anonymous (at most {most:.1}), p50 {:.1}, p99 {:.1} ms; {:.0} writes/s \
         of {:.1} messages, {:.0} msg/s; ring {:.1} MB, {:.0} s; chunks {:.1} MB; {}",
        delivery.spent.load(),
        delivery.number("p50_ms"),
        delivery.number("p99_ms"),
        reads,
        delivery.messages_per_read(),
        delivery.rate(),
        counted.ring_mb,
        counted.ring_s,
        counted.chunk_mb,
        delivery.spent.disturbance(),
    )
}

const fn target(clients: usize, is_deflated: bool) -> &'static str {
    match (clients, is_deflated) {
        (1, false) => "≤ 0.035 core, ≤ 34 MB",
        (100, false) => "≤ 0.06 core, ≤ 36 MB",
        (500, false) => "≤ 0.12 core, ≤ 40 MB, p50 ≤ 15, p99 ≤ 30 ms",
        _ => "-",
    }
}
