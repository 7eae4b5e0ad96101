//! The cost of filters, and their correctness: each client gets exactly the certificates that it
//! requested.

mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::clients::delivery::Delivery;
use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::record::{self, Received};
use crate::figures::report::Report;
use crate::harness::folder;
use crate::harness::pause;
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};
use terms::Filter;

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "filters", cases: &["filters"], is_long: false, run };

const LOGS: usize = 4;
/// Certificates a second, all logs together.
const RATE: f64 = 4000.0;
const INTERVAL: Duration = Duration::from_millis(200);
const CLIENTS: usize = 5000;
const TERMS_EACH: usize = 2;
/// Clients whose messages are compared with what they should get.
const SAMPLED: usize = 100;
/// The time for a filter that nothing passes, to see that the server filters at all.
const TRY: Duration = Duration::from_secs(2);
/// Those who filter begin before the unfiltered client and end so much after it.
const MARGIN: Duration = Duration::from_secs(8);

fn run(plan: &Plan, _case: &str, report: &mut Report) -> anyhow::Result<()> {
    let logs = Logs::start(&LogGroup {
        rfc6962: LOGS,
        static_ct: 0,
        initial_size: 2000,
        rate: RATE / LOGS as f64,
        publish_interval: INTERVAL,
    })?;
    let interval = INTERVAL.as_millis().to_string();
    // Heartbeats to 5,000 clients to whom little is sent would count as the filters' cost.
    let settings = [("ct_log.poll_interval_ms", interval.as_str()), ("heartbeat.mode", "off")];
    let server = Server::start(&logs, &settings)?;
    pause(Duration::from_secs(2));
    for parameter in ["domain", "match"] {
        ensure_filters(&server, parameter)?;
    }
    let time = plan.time(15);
    let (without, before) = unfiltered(&server, &[logs.id()], time)?;
    let filters = Filter::from_seen(&before, CLIENTS, TERMS_EACH)?;
    let file = folder()?.join("filters.filtered");
    let mut crowd = Program::load(&crowd(&server, &filters, time + MARGIN, &file)?)?;
    let connected = crowd.wait_for("connected")?;
    crowd.wait_for("measuring")?;
    let (with, during) = unfiltered(&server, &[logs.id(), crowd.id()], time)?;
    let done = crowd.wait_for("done")?;
    let comparison = Comparison::of(&filters, &during, &record::read(&file)?)?;

    let each = |delivery: &Delivery| delivery.spent.cpu.as_secs_f64() * 1e6 / delivery.messages();
    let matches = number(&done, "messages") / (time + MARGIN).as_secs_f64() / with.rate();
    report.add(
        format!("{CLIENTS} clients with {TERMS_EACH} of {} terms each", CLIENTS * TERMS_EACH),
        format!(
            "{:.1} µs CPU a certificate ({:.1} without them, {:.1} with) at {:.0} certificates/s \
             of which one client gets all, {matches:.3} matches each; all connected within {:.0} \
             ms; of {} messages for {SAMPLED} of them {} missing, {} too many; {}",
            each(&with) - each(&without),
            each(&without),
            each(&with),
            with.rate(),
            number(&connected, "max_ms"),
            comparison.expected,
            comparison.missing,
            comparison.unexpected,
            with.spent.disturbance(),
        ),
        "≤ 20 µs, exactly the matches",
        json!({
            "without": without.raw(),
            "with": with.raw(),
            "matches_each": matches,
            "filtered_clients": { "connected": connected, "received": done },
            "expected": comparison.expected,
            "missing": comparison.missing,
            "unexpected": comparison.unexpected,
        }),
    );
    comparison.check()
}

fn number(said: &Value, name: &str) -> f64 {
    said.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// Fails unless a filter that nothing passes lets nothing pass.
fn ensure_filters(server: &Server, parameter: &str) -> anyhow::Result<()> {
    let path = format!("/?{parameter}=nothing.invalid");
    let options = LoadOptions { path, warmup: Duration::ZERO, ..LoadOptions::lite(server, 1, TRY) };
    let mut client = Program::load(&options)?;
    let said = client.wait_for("done").with_context(|| format!("with ?{parameter}="))?;
    let got = number(&said, "messages");
    ensure!(got == 0.0, "the server does not filter: ?{parameter}=nothing.invalid got {got}");
    Ok(())
}

/// Returns the CPU that the server uses while one client without a filter, and `others`, are
/// connected; and the messages which that client got.
fn unfiltered(
    server: &Server,
    others: &[u32],
    time: Duration,
) -> anyhow::Result<(Delivery, Vec<Received>)> {
    let file = folder()?.join("filters.unfiltered");
    let record = Some(file.clone());
    let warmup = Duration::from_secs(1);
    let options = LoadOptions { record, warmup, ..LoadOptions::lite(server, 1, time) };
    let delivery = Delivery::measure(server.id(), others, &options)?;
    let (lost, repeated) = (delivery.number("lost"), delivery.number("repeated"));
    ensure!(lost == 0.0, "the client without a filter lost {lost} messages");
    ensure!(repeated == 0.0, "the client without a filter got {repeated} messages twice");
    Ok((delivery, record::read(&file)?))
}

/// The clients that filter, some of which record what they get in `file`.
fn crowd(
    server: &Server,
    filters: &[Filter],
    time: Duration,
    file: &Path,
) -> anyhow::Result<LoadOptions> {
    let paths: PathBuf = folder()?.join("filters.paths");
    let lines: Vec<String> = filters.iter().map(Filter::path).collect();
    std::fs::write(&paths, lines.join("\n"))?;
    Ok(LoadOptions {
        path: format!("@{}", paths.display()),
        sampled: SAMPLED,
        record: Some(file.to_owned()),
        ..LoadOptions::lite(server, filters.len(), time)
    })
}

/// The messages that sampled clients received, beside those that they should receive.
#[derive(Debug, PartialEq, Eq)]
struct Comparison {
    expected: usize,
    missing: usize,
    /// Of others, or twice.
    unexpected: usize,
}

impl Comparison {
    /// Over the certificates that the client without a filter got, `all`.
    fn of(filters: &[Filter], all: &[Received], filtered: &[Received]) -> anyhow::Result<Self> {
        let first = all.first().context("no certificates went by")?.offset;
        let last = all.last().map_or(first, |last| last.offset);
        let mut got: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for message in filtered.iter().filter(|it| (first..=last).contains(&it.offset)) {
            got.entry(message.client).or_default().push(message.offset);
        }
        let (mut expected, mut missing, mut unexpected) = (0, 0, 0);
        for (client, filter) in filters.iter().enumerate().take(SAMPLED) {
            let should = terms::passing(filter, all);
            let got = got.remove(&client).unwrap_or_default();
            let right: BTreeSet<u64> =
                got.iter().copied().filter(|offset| should.contains(offset)).collect();
            expected += should.len();
            missing += should.len() - right.len();
            unexpected += got.len() - right.len();
        }
        Ok(Self { expected, missing, unexpected })
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.expected > 0, "nothing matched: there was nothing to compare");
        ensure!(self.missing == 0, "{} messages did not come", self.missing);
        ensure!(self.unexpected == 0, "{} messages came that should not", self.unexpected);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_unexpected_messages_are_counted() {
        let message = |client, offset, name: &str| Received {
            at: 0,
            client,
            offset,
            index: 0,
            submitted: 0,
            log: String::new(),
            domains: vec![name.to_owned()],
        };
        let domain = |name: &str| Filter::Domain(vec![name.to_owned()]);
        let filters = [domain("a.com"), domain("b.com")];
        let names = [(5, "a.com"), (6, "b.com"), (7, "x.a.com"), (8, "c.com"), (9, "a.com")];
        let all = names.map(|(offset, name)| message(0, offset, name));
        let filtered = [(0, 4), (0, 5), (0, 7), (0, 7), (1, 6), (1, 8), (1, 10)]
            .map(|(client, offset)| message(client, offset, ""));
        let comparison = Comparison::of(&filters, &all, &filtered).expect("certificates");
        assert_eq!(comparison, Comparison { expected: 4, missing: 1, unexpected: 2 });
        assert!(comparison.check().is_err());
        assert!(Comparison::of(&filters, &[], &filtered).is_err());
    }
}
