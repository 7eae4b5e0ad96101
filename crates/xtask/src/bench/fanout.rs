//! What it costs to deliver to many clients, beside plain writes of as many bytes.

use std::time::Duration;

use serde_json::json;

use super::client::{Delivery, disturbance};
use super::load::LoadOptions;
use super::report::Report;
use super::system::{LogGroup, Logs, Server};
use super::writer::WriterOptions;
use super::{Plan, pause};

const LOGS: usize = 4;
/// Batches whose plain writes are measured, besides the one the server came to.
const BATCHES: [usize; 3] = [1, 10, 100];
/// Before and while the plain writes are measured.
const YARDSTICK_WARMUP: Duration = Duration::from_secs(1);
const YARDSTICK: Duration = Duration::from_secs(5);
/// While what the server costs without the crowd is measured.
const ALONE: Duration = Duration::from_secs(5);

/// How messages come.
struct Case {
    name: &'static str,
    /// Messages a second, all logs together.
    rate: usize,
    /// How often logs publish and the server polls, milliseconds.
    interval: u64,
    /// Whether plain writes come at the same rate, or as fast as they are read.
    paced: bool,
    target: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        name: "default polling",
        rate: 100,
        interval: 1000,
        paced: true,
        target: "≤ 0.7 CPU-s per million, mean ≤ 8 ms, p50 ≤ 10 ms, p99 ≤ 30 ms, ≤ 5 % of a core",
    },
    Case {
        name: "spread out",
        rate: 100,
        interval: 100,
        paced: true,
        target: "p50 ≤ 3 ms, p99 ≤ 25 ms",
    },
    Case {
        name: "overload",
        rate: 2000,
        interval: 200,
        paced: false,
        target: "the server keeps up with the logs",
    },
    Case {
        name: "saturated",
        rate: 4000,
        interval: 100,
        paced: false,
        target: "≤ 0.4 CPU-s per million, ≥ 1,500,000 msg/s",
    },
];

pub(super) fn run(plan: &Plan) -> anyhow::Result<Report> {
    let mut report = Report::new("fanout");
    for case in CASES.iter().filter(|case| plan.wants(case.name)) {
        let delivery = served(case, plan, &mut report)?;
        plain_writes(case, plan, &delivery, &mut report)?;
    }
    Ok(report)
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
    let server = Server::start(&logs, &[("CT_LOG_POLL_INTERVAL_MS", &interval)])?;
    pause(Duration::from_secs(2));
    let alone = Delivery::measure(server.id(), &[logs.id()], &server.lite(1, ALONE))?;
    let options = server.lite(plan.clients, plan.time);
    let published = server.metric("certstream_certificates_total")?;
    let delivery = Delivery::measure(server.id(), &[logs.id()], &options)?;
    let took_in = server.metric("certstream_certificates_total")? - published;
    let told_lost = server.metric("certstream_messages_lost_total").unwrap_or(0.0);
    let behind = server.metric("certstream_log_lag_entries")?;

    let cpu = delivery.cpu_per_million();
    let ingest = alone.spent.load() / delivery.rate() * 1e6;
    report.add(
        format!("fan-out, {} clients × {} msg/s, {}", plan.clients, case.rate, case.name),
        format!(
            "{cpu:.2} CPU-s per million (reading the logs for one client {ingest:.2} of it), \
             {:.1} % of a core at {:.0} msg/s, {:.1} messages a read; delay mean {:.1} ms, \
             p50 {:.1} ms, p99 {:.1} ms; lost {:.1} %; {}",
            delivery.spent.load() * 100.0,
            delivery.rate(),
            delivery.messages_per_read(),
            delivery.number("mean_ms"),
            delivery.number("p50_ms"),
            delivery.number("p99_ms"),
            lost_share(&delivery) * 100.0,
            disturbance(&delivery.spent),
        ),
        case.target,
        json!({
            "delivery": delivery.raw(),
            "one_client": alone.raw(),
            "published_meanwhile": took_in,
            "lost_by_all_clients": told_lost,
            "entries_behind_the_logs": behind,
        }),
    );
    Ok(delivery)
}

fn lost_share(delivery: &Delivery) -> f64 {
    let (lost, got) = (delivery.number("lost"), delivery.number("looked_at"));
    lost / (lost + got).max(1.0)
}

/// The same number of clients and bytes, without a server.
fn plain_writes(
    case: &Case,
    plan: &Plan,
    delivery: &Delivery,
    report: &mut Report,
) -> anyhow::Result<()> {
    let equal = (delivery.messages_per_read().round() as usize).clamp(1, 1000);
    let batches = BATCHES.into_iter().filter(|batch| *batch != equal);
    for batch in std::iter::once(equal).chain(batches) {
        let writer = WriterOptions {
            clients: plan.clients,
            bytes: delivery.message_bytes() as usize,
            batch,
            rate: if case.paced { case.rate } else { 0 },
        };
        let plain = yardstick(&writer)?;
        let cpu = plain.cpu_per_million();
        let ratio = delivery.cpu_per_million() / cpu;
        let (ours, target) = if batch == equal {
            (format!("{cpu:.2} CPU-s per million: the server takes {ratio:.2}×"), "≤ 1.5×")
        } else {
            (format!("{cpu:.2} CPU-s per million"), "-")
        };
        report.add(
            format!("plain writes of {batch}, {}", case.name),
            format!("{ours}, {:.0} msg/s; {}", plain.rate(), disturbance(&plain.spent)),
            target,
            json!({ "batch": batch, "ratio": ratio, "delivery": plain.raw() }),
        );
    }
    Ok(())
}

fn yardstick(writer: &WriterOptions) -> anyhow::Result<Delivery> {
    let (process, address) = writer.start()?;
    let options = LoadOptions {
        address,
        path: "/".to_owned(),
        clients: writer.clients,
        sampled: 0,
        warmup: YARDSTICK_WARMUP,
        time: YARDSTICK,
        record: None,
        reconnect: false,
    };
    Delivery::measure(process.id(), &[], &options)
}
