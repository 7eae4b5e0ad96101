//! The cost of delivery to many clients, beside plain writes of as many bytes.

mod cases;
mod plain;

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use crate::clients::delivery::Delivery;
use crate::clients::load::LoadOptions;
use crate::figures::report::Report;
use crate::harness::pause;
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};
use cases::{CASES, Case};

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "fanout", cases: &NAMES, is_long: false, run };

/// The cases, and plain writes in several batches.
const NAMES: [&str; CASES.len() + 1] = {
    let mut names = [plain::NAME; CASES.len() + 1];
    let mut number = 0;
    while number < CASES.len() {
        names[number] = CASES[number].name;
        number += 1;
    }
    names
};

const LOGS: usize = 4;
/// Before what the server costs without the crowd is measured, and while it is.
const SETTLE: Duration = Duration::from_secs(1);
const ALONE: Duration = Duration::from_secs(3);

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    let Some(case) = CASES.iter().find(|it| it.name == case) else {
        return plain::batches(plan, report);
    };
    let delivery = served(case, plan, report)?;
    plain::equal(case, plan, &delivery, report)
}

fn served(case: &Case, plan: &Plan, report: &mut Report) -> anyhow::Result<Delivery> {
    let logs = Logs::start(&LogGroup {
        rfc6962: LOGS,
        static_ct: 0,
        initial_size: 2000,
        rate: case.rate as f64 / LOGS as f64,
        publish_interval: Duration::from_millis(case.interval),
    })?;
    let interval = case.interval.to_string();
    let settings = [&[("ct_log.poll_interval_ms", interval.as_str())], case.settings].concat();
    let start = if case.tls { Server::start_tls } else { Server::start };
    let server = start(&logs, &settings)?;
    pause(SETTLE);
    let alone = LoadOptions { warmup: SETTLE, ..case.load(&server, 1, ALONE) };
    let alone = Delivery::measure(server.id(), &[logs.id()], &alone)?;
    let options = case.load(&server, plan.crowd(), plan.time(12));
    let published = server.metric("certstream_certificates_total")?;
    let delivery = Delivery::measure(server.id(), &[logs.id()], &options)?;
    let took_in = server.metric("certstream_certificates_total")? - published;
    report.add(
        format!("fan-out, {} clients × {} msg/s, {}", plan.crowd(), case.rate, case.what),
        words(&delivery, &alone),
        case.target,
        json!({
            "delivery": delivery.raw(),
            "one_client": alone.raw(),
            "published_meanwhile": took_in,
            "lost_by_all_clients": server.metric("certstream_messages_lost_total").unwrap_or(0.0),
            "entries_behind_the_logs": server.metric("certstream_log_lag_entries")?,
        }),
    );
    let compressed = !case.is_compressed() || delivery.compression() > 1.5;
    ensure!(compressed, "the server agreed to compress and did not");
    Ok(delivery)
}

fn words(delivery: &Delivery, alone: &Delivery) -> String {
    let compression = match delivery.compression() {
        ratio @ 1.1.. => format!(" ({ratio:.1}× fewer than uncompressed)"),
        _ => String::new(),
    };
    format!(
        "{:.2} CPU-s per million (reading the logs for one client {:.2} of it), {:.1} % of a core \
         at {:.0} msg/s, {:.1} messages a read, {:.0} bytes a message{compression}; delay mean \
         {:.1} ms, p50 {:.1} ms, p99 {:.1} ms; lost {:.1} %; {}",
        delivery.cpu_per_million(),
        alone.spent.load() / delivery.rate() * 1e6,
        delivery.spent.load() * 100.0,
        delivery.rate(),
        delivery.messages_per_read(),
        delivery.message_bytes(),
        delivery.number("mean_ms"),
        delivery.number("p50_ms"),
        delivery.number("p99_ms"),
        delivery.lost_share() * 100.0,
        delivery.spent.disturbance(),
    )
}
