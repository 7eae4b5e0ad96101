//! Search: the time of queries over a large journal, their memory, the cost of its indexes, and live
//! clients beside many searches.

mod index;
mod live;
mod queries;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::journal::filled::DOMAIN;
use crate::figures::report::Report;
use crate::harness::site::Server;
use crate::plan::{Benchmark, Plan};

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "search", cases: &["index", "queries", "live"], is_long: true, run };

/// Results of a page.
const PAGE: usize = 100;
/// Parts of names: one that a few certificates of the journal have, one that many have, and one that none
/// has.
const RARE: &str = "match=rarelyissued";
const COMMON: &str = "match=shop";
const NONE: &str = "match=never-issued";

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    match case {
        "index" => index::run(plan, report),
        "queries" => queries::run(plan, report),
        _ => live::run(plan, report),
    }
}

/// A search until it has a page of results, or its range is searched.
struct Found {
    time: Duration,
    results: Vec<Value>,
    requests: usize,
}

impl Found {
    /// Searches, and continues where an answer is not a whole page.
    fn page(server: &Server, query: &str) -> anyhow::Result<Self> {
        Self::page_until(|path| server.get(path), query, || false)
    }

    /// Searches as [`page`](Self::page) does, with these requests, but does not continue once it is over.
    fn page_until(
        get: impl Fn(&str) -> anyhow::Result<String>,
        query: &str,
        is_over: impl Fn() -> bool,
    ) -> anyhow::Result<Self> {
        let since = Instant::now();
        let mut found = Self { time: Duration::ZERO, results: Vec::new(), requests: 0 };
        let mut cursor = String::new();
        loop {
            let left = PAGE - found.results.len();
            let path = format!("api/search?{query}&limit={left}{cursor}");
            let mut answer: Value = serde_json::from_str(&get(&path)?)?;
            found.requests += 1;
            let results = answer["results"].as_array_mut().context("an answer has no results")?;
            found.results.append(results);
            let next =
                answer["cursor"].as_str().filter(|_| found.results.len() < PAGE && !is_over());
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        found.time = since.elapsed();
        Ok(found)
    }
}

/// Returns the query for the certificates of a domain, which few have.
fn of_domain() -> String {
    format!("domain={DOMAIN}")
}
