//! Queries one after the other, with all files in the system's memory and with none.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{COMMON, Found, NONE, PAGE, RARE, of_domain};
use crate::cases::journal::filled::{DOMAIN, Filled, SETTLE, forget, live_logs};
use crate::cases::journal::{figure, wait_for_indexes};
use crate::figures::delays::Delays;
use crate::figures::report::Report;
use crate::harness::pause;
use crate::harness::proc;
use crate::harness::site::Server;
use crate::plan::Plan;

/// Searches of each kind at most, and the time after which no other begins.
const WARM: usize = 50;
const COLD: usize = 10;
const ENOUGH: Duration = Duration::from_secs(15);

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let filled = Filled::provide(plan.entries)?;
    let logs = live_logs(0.0)?;
    let server = Server::start(&logs, &filled.settings())?;
    wait_for_indexes(&server)?;
    pause(SETTLE);
    let before = proc::memory(server.id())?.anonymous;
    let (bytes, records) = (figure(&server, "bytes")?, figure(&server, "entries")?);
    let size = bytes / (1_u64 << 30) as f64;
    let planted = Found::page(&server, &of_domain())?;
    let serial = planted.results.first().and_then(|result| result["serial_number"].as_str());
    let serial = serial.with_context(|| format!("the journal has nothing of {DOMAIN}"))?;
    let queries = [
        (format!("*.{DOMAIN}"), of_domain()),
        ("a rare substring".to_owned(), RARE.to_owned()),
        ("a common substring".to_owned(), COMMON.to_owned()),
        ("a common substring, each name once".to_owned(), format!("{COMMON}&unique=name")),
        ("a substring that no name has".to_owned(), NONE.to_owned()),
        ("a serial number".to_owned(), format!("serial={serial}")),
    ];
    let dir = Path::new(&filled.path);
    for (what, query) in &queries {
        let warm = Timed::measure(&server, query, WARM, || Ok(()))?;
        let cold = Timed::measure(&server, query, COLD, || forget(dir))?;
        let target = if *query == of_domain() { "≤ 100 ms" } else { "-" };
        report.add(
            format!("{what} in {size:.2} GiB, {records} records, first {PAGE} results"),
            format!(
                "{} results: {}; no file in the system's memory: {}",
                warm.results,
                warm.text()?,
                cold.text()?
            ),
            target,
            json!({ "query": query, "warm": warm.raw()?, "cold": cold.raw()? }),
        );
    }
    let after = proc::memory(server.id())?.anonymous;
    report.add(
        "memory after these searches",
        format!("{:.1} MB anonymous memory more than before ({before:.1})", after - before),
        "≤ 40 MB",
        json!({ "anonymous_mb": [before, after], "bytes": bytes, "records": records }),
    );
    Ok(())
}

/// The times of a search that is repeated.
#[derive(Default)]
struct Timed {
    delays: Delays,
    /// CPU time of the server.
    cpu: Duration,
    searches: usize,
    results: usize,
    requests: usize,
}

impl Timed {
    /// Searches up to so many times, each time after `prepare`. Results are always the same.
    fn measure(
        server: &Server,
        query: &str,
        count: usize,
        mut prepare: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut timed = Self::default();
        // The first one only brings files into the system's memory.
        let expected = Found::page(server, query)?.results;
        timed.results = expected.len();
        let begun = Instant::now();
        while timed.searches < count && (timed.searches == 0 || begun.elapsed() < ENOUGH) {
            prepare()?;
            let before = proc::cpu(server.id())?;
            let found = Found::page(server, query)?;
            timed.cpu += proc::cpu(server.id())?.saturating_sub(before);
            ensure!(found.results == expected, "{query}: the results are not those of before");
            timed.delays.add(u64::try_from(found.time.as_micros())?);
            timed.searches += 1;
            timed.requests = timed.requests.max(found.requests);
        }
        Ok(timed)
    }

    fn quantiles(&self) -> anyhow::Result<[f64; 2]> {
        let quantile = |share| self.delays.quantile(share).context("nothing was measured");
        Ok([quantile(0.5)?, quantile(1.0)?])
    }

    fn text(&self) -> anyhow::Result<String> {
        let [median, longest] = self.quantiles()?;
        let requests = match self.requests {
            1 => String::new(),
            requests => format!(" in {requests} requests"),
        };
        let (searches, cpu) = (self.searches, self.cpu_each());
        Ok(format!(
            "median {median:.1}, longest of {searches} {longest:.1} ms{requests}, {cpu:.1} ms CPU"
        ))
    }

    /// Returns the CPU time of a search, milliseconds.
    fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / self.searches.max(1) as f64
    }

    fn raw(&self) -> anyhow::Result<Value> {
        let Self { searches, results, requests, .. } = self;
        Ok(json!({
            "ms": self.quantiles()?,
            "cpu_ms": self.cpu_each(),
            "searches": searches,
            "results": results,
            "requests": requests,
        }))
    }
}
