//! Live clients alone, and beside many searches at a time.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use serde_json::json;

use super::{COMMON, Found, NONE, RARE, of_domain};
use crate::cases::journal::filled::{Filled, live_logs};
use crate::cases::journal::wait_for_indexes;
use crate::clients::delivery::Delivery;
use crate::clients::load::LoadOptions;
use crate::figures::median;
use crate::figures::report::Report;
use crate::harness::proc;
use crate::harness::site::{Logs, Server};
use crate::plan::Plan;

/// Searches at a time.
const SEARCHES: usize = 20;
/// Live clients, and the entries a second that each of them gets.
const CLIENTS: usize = 100;
const RATE: f64 = 100.0;
/// Measurements with searches, and without, in turn.
const ROUNDS: usize = 3;
/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let filled = Filled::provide(plan.entries)?;
    let logs = live_logs(RATE)?;
    let server = Server::start(&logs, &filled.settings())?;
    wait_for_indexes(&server)?;
    let live = LoadOptions::lite(&server, plan.clients(CLIENTS), plan.time(10));
    let (mut alone, mut beside, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    let (mut before, mut most, mut done) = (0.0, 0.0_f64, 0);
    for round in 0..ROUNDS {
        let without = Delivery::measure(server.id(), &[logs.id()], &live)?;
        if round == 0 {
            before = proc::memory(server.id())?.anonymous;
        }
        let (with, searches, memory) = with_searches(&logs, &server, &live)?;
        ensure!(with.number("lost") == 0.0, "live clients lost messages beside searches");
        alone.push(without.number("p99_ms"));
        beside.push(with.number("p99_ms"));
        raw.push(json!({ "without": without.raw(), "with": with.raw() }));
        (most, done) = (most.max(memory), done + searches);
    }
    ensure!(done > 0, "no search came to its end beside the live clients");
    let (alone, beside) = (median(&alone), median(&beside));
    report.add(
        format!("{} live clients at {RATE} msg/s beside {SEARCHES} searches at a time", live.clients),
        format!(
            "live p99 {beside:.1} ms, {alone:.1} ms without searches ({:.2}×), medians of {ROUNDS}; \
             {done} searches; {:.1} MB anonymous memory more at most ({before:.1} without)",
            beside / alone,
            most - before,
        ),
        "live p99 < 2×, ≤ 40 MB",
        json!({ "p99_ms": [alone, beside], "searches": done, "anonymous_mb": [before, most], "rounds": raw }),
    );
    Ok(())
}

/// Measures live clients while searches run. Returns also the number of searches that came to their end,
/// and the most memory.
fn with_searches(
    logs: &Logs,
    server: &Server,
    live: &LoadOptions,
) -> anyhow::Result<(Delivery, u64, f64)> {
    let (is_over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut most = 0.0_f64;
    let (measured, searched) = thread::scope(|scope| {
        let threads: Vec<_> = (0..SEARCHES)
            .map(|number| {
                let (is_over, done) = (&is_over, &done);
                scope.spawn(move || search(server, number, is_over, done))
            })
            .collect();
        let measured = Delivery::measure_with(server.id(), &[logs.id()], live, LOOK, || {
            most = most.max(proc::memory(server.id())?.anonymous);
            Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        let searched = threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| anyhow!("a thread that searches panicked"))?
        });
        (measured, searched)
    });
    searched?;
    Ok((measured?, done.into_inner(), most))
}

/// Searches again and again, with queries of each kind in turn. Each has a client of its own: one client gets
/// a part of the places only.
fn search(
    server: &Server,
    number: usize,
    is_over: &AtomicBool,
    done: &AtomicU64,
) -> anyhow::Result<()> {
    let queries = [COMMON.to_owned(), of_domain(), NONE.to_owned(), RARE.to_owned()];
    let client = Ipv4Addr::new(127, 0, 1, u8::try_from(number)?);
    let get = |path: &str| server.get_from(client, path);
    for query in queries.iter().cycle().skip(number) {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        Found::page_until(get, query, || is_over.load(Ordering::Relaxed))?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
