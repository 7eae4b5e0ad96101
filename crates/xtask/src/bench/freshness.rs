//! How long it takes from a log to a client.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::load::Delays;
use super::program::Program;
use super::record::{self, Received};
use super::report::{Report, folder};
use super::system::{LogGroup, Logs, Server};
use super::{Benchmark, Plan, http, now};

const PUBLISH: Duration = Duration::from_millis(200);
/// How often the logs are asked what they have published: the error of the figure.
const LOOK: Duration = Duration::from_millis(5);

pub(super) const BENCHMARK: Benchmark =
    Benchmark { name: "freshness", cases: &["rfc6962", "static-ct"], run };

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    let (protocol, rfc6962, static_ct) = match case {
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

/// The delays from the head that first covered an entry, and from the entry's SCT.
fn one_protocol(plan: &Plan, group: &LogGroup) -> anyhow::Result<(Delays, Delays)> {
    let logs = Logs::start(group)?;
    let settings = [("ct_log.poll_interval_ms", "100"), ("ct_log.partial_tile_wait_ms", "100")];
    let server = Server::start(&logs, &settings)?;
    let file = folder()?.join("freshness.received");
    let mut options = server.lite(1, plan.time(15));
    options.record = Some(file.clone());
    let mut load = Program::load(&options)?;
    load.wait_for("connected")?;
    let mut heads = Heads::of(&logs.list()?)?;
    load.wait_looking("done", LOOK, || heads.look())?;
    let (mut from_head, mut from_sct) = (Delays::default(), Delays::default());
    for received in record::read(&file)? {
        if let Some(published) = heads.published(&received) {
            from_head.add(received.at.saturating_sub(published));
            from_sct.add(received.at.saturating_sub(received.submitted * 1000));
        }
    }
    Ok((from_head, from_sct))
}

/// The heads of logs as they were seen to change.
struct Heads(HashMap<String, Vec<Head>>);

#[derive(Debug, Clone, Copy)]
struct Head {
    /// Microseconds since 1970.
    seen: u64,
    size: u64,
}

impl Heads {
    /// None yet, of the logs on a list.
    fn of(list: &Value) -> anyhow::Result<Self> {
        let mut urls = Vec::new();
        let operators = list.get("operators").and_then(Value::as_array);
        for operator in operators.context("the list has no operators")? {
            for (kind, url) in [("logs", "url"), ("tiled_logs", "monitoring_url")] {
                let logs = operator.get(kind).and_then(Value::as_array);
                let logs = logs.into_iter().flatten();
                urls.extend(logs.filter_map(|log| log.get(url)?.as_str()));
            }
        }
        let urls = urls.into_iter().map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self(urls.map(|url| (url, Vec::new())).collect()))
    }

    /// Looks at all logs.
    fn look(&mut self) -> anyhow::Result<()> {
        for (url, heads) in &mut self.0 {
            let size = tree_size(url)?;
            let grown = heads.last().is_none_or(|last| last.size < size);
            if grown {
                heads.push(Head { seen: now(), size });
            }
        }
        Ok(())
    }

    /// When the first head with this entry was seen, unless it was there already when the watch
    /// began.
    fn published(&self, entry: &Received) -> Option<u64> {
        let heads = self.0.get(&entry.log)?;
        let at = heads.partition_point(|head| head.size <= entry.index);
        (at > 0).then(|| heads.get(at)).flatten().map(|head| head.seen)
    }
}

/// The size in a log's newest head, whichever protocol it speaks.
fn tree_size(log: &str) -> anyhow::Result<u64> {
    if let Ok(sth) = http::get(&format!("{log}/ct/v1/get-sth")) {
        let sth: Value = serde_json::from_str(&sth)?;
        return sth.get("tree_size").and_then(Value::as_u64).context("get-sth: no tree_size");
    }
    let checkpoint = http::get(&format!("{log}/checkpoint"))?;
    let size = checkpoint.lines().nth(1).context("a checkpoint has no size")?;
    size.parse().with_context(|| format!("checkpoint: {size:?}"))
}
