//! The delay from a log to a client.

use std::time::Duration;

use serde_json::json;

use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::delays::Delays;
use crate::figures::heads::{Heads, log_stats};
use crate::figures::record;
use crate::figures::report::Report;
use crate::harness::folder;
use crate::harness::pause;
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};

const PUBLISH: Duration = Duration::from_millis(200);
/// The interval at which the logs' heads are read: the error of the figure.
const LOOK: Duration = Duration::from_millis(5);
/// After the start, before idling is measured.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(30);

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "freshness", cases: &["rfc6962", "static-ct", "idle"], is_long: false, run };

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    let (protocol, rfc6962, static_ct) = match case {
        "idle" => return idle(report),
        "rfc6962" => ("RFC 6962", 2, 0),
        _ => ("static-ct", 0, 2),
    };
    let group =
        LogGroup { rfc6962, static_ct, initial_size: 2000, rate: 50.0, publish_interval: PUBLISH };
    let (from_head, from_sct) = one_protocol(plan, &group)?;
    let words = |delays: &Delays| {
        let [p50, p99] = [0.5, 0.99].map(|share| delays.quantile(share).unwrap_or(f64::NAN));
        let raw = json!({ "p50_ms": p50, "p99_ms": p99 });
        (format!("median {p50:.0} ms, p99 {p99:.0} ms"), raw)
    };
    let (text, raw) = words(&from_head);
    let what = format!("freshness, {protocol}: head published by the log → read by the client");
    report.add(what, text, "median ≤ 300 ms", raw);
    let (text, raw) = words(&from_sct);
    let what = format!("the same from the SCT's time: with the log's {PUBLISH:?} interval");
    report.add(what, text, "-", raw);
    Ok(())
}

/// Measures the rate of head requests to logs without new entries, with default settings.
fn idle(report: &mut Report) -> anyhow::Result<()> {
    let group = LogGroup {
        rfc6962: 4,
        static_ct: 4,
        initial_size: 2000,
        rate: 0.0,
        publish_interval: Duration::from_secs(1),
    };
    let logs = Logs::start(&group)?;
    let server = Server::start(&logs, &[])?;
    pause(SETTLE);
    let asked = || -> anyhow::Result<Vec<u64>> {
        let mut stats = log_stats(&logs)?;
        stats.sort_by(|one, other| one.url.cmp(&other.url));
        Ok(stats.iter().map(|log| log.head_requests).collect())
    };
    let before = asked()?;
    pause(IDLE);
    let after = asked()?;
    drop(server);
    let rates: Vec<f64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| (after - before) as f64 / IDLE.as_secs_f64())
        .collect();
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    let most = rates.iter().copied().fold(0.0, f64::max);
    report.add(
        format!("head requests to a log without new entries, {} logs", rates.len()),
        format!("{mean:.2} a second, at most {most:.2}"),
        "≤ 1 a second",
        json!({ "requests_per_s": rates }),
    );
    Ok(())
}

/// The delays from the head that first covered an entry, and from the entry's SCT.
fn one_protocol(plan: &Plan, group: &LogGroup) -> anyhow::Result<(Delays, Delays)> {
    let logs = Logs::start(group)?;
    let settings = [("ct_log.poll_interval_ms", "100"), ("ct_log.partial_tile_wait_ms", "100")];
    let server = Server::start(&logs, &settings)?;
    let file = folder()?.join("freshness.received");
    let mut options = LoadOptions::lite(&server, 1, plan.time(15));
    options.record = Some(file.clone());
    let mut load = Program::load(&options)?;
    load.wait_for("connected")?;
    let mut heads = Heads::default();
    load.wait_with("done", LOOK, || heads.look(&logs))?;
    let (mut from_head, mut from_sct) = (Delays::default(), Delays::default());
    for received in record::read(&file)? {
        if let Some(published) = heads.published(&received) {
            from_head.add(received.at.saturating_sub(published));
            from_sct.add(received.at.saturating_sub(received.submitted * 1000));
        }
    }
    Ok((from_head, from_sct))
}
