//! The trial of one row of the table: three logs of one protocol on one host.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ctsim::fault::{Fault, Scope, Times};
use ctsim::{Endpoint, LogHandle, Protocol, Sim};
use follow::position::State;
use follow::{Client, Fleet, FleetOptions, FollowOptions, Health, LogStatus, Page, Start};
use record::Record;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lines::Lines;
use super::table::{FIRST_NEW, Noticed, Row, Trouble};
use crate::harness::{catalogue, check_page, commit_notices, options, simulate, still, url_of};

/// The longest wait on a slow machine before the row has failed.
const PATIENCE: Duration = Duration::from_secs(40);
/// Shorter than the faults that take too long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// While something is waited for, logs grow this often.
const GROW_EVERY: Duration = Duration::from_millis(100);

/// The compared parts of an entry: certificate, time, chain.
type Content = (Bytes, u64, Vec<[u8; 32]>);

/// A fleet and what it emits.
pub(super) struct Followers {
    fleet: Arc<Fleet>,
    /// By log URL and index.
    came: Arc<Mutex<Came>>,
}

#[derive(Default)]
struct Came {
    logs: BTreeMap<String, BTreeMap<u64, Content>>,
    /// Entries out of order or repeated.
    wrong: Vec<String>,
}

impl Came {
    fn take(&mut self, page: &Page) {
        check_page(page);
        let url = page.log.log.url.clone();
        let entries = self.logs.entry(url.clone()).or_default();
        for entry in &page.entries {
            let expected = entries.last_key_value().map_or(0, |(last, _)| last + 1);
            if entry.index != expected {
                self.wrong.push(format!("{url}: {} after {expected} entries", entry.index));
            }
            entries.insert(entry.index, content(entry));
        }
        page.log.published(page.end, page.tree.clone(), 0);
    }
}

fn content(entry: &Record) -> Content {
    let chain = entry.chain.iter().map(|issuer| issuer.fingerprint);
    (entry.certificate.clone(), entry.submitted, chain.collect())
}

impl Followers {
    pub(super) fn start(sim: &Sim, unreadable_wait: Duration) -> Self {
        let (sender, emitted) = mpsc::channel(1);
        let (forward, mut pages) = mpsc::channel(4);
        tokio::spawn(commit_notices(emitted, forward));
        let client = Client::new("follow-tests/1", REQUEST_TIMEOUT).expect("a client");
        let follow = FollowOptions { start: Start::Index(0), unreadable_wait, ..options() };
        let (catalogue, saved) = (Some(catalogue(sim)), State::default());
        let options = FleetOptions { follow, configured: Vec::new(), catalogue, saved };
        let fleet = Fleet::start(Arc::new(client), options, sender);
        let came = Arc::<Mutex<Came>>::default();
        let taker = Arc::clone(&came);
        tokio::spawn(async move {
            while let Some(page) = pages.recv().await {
                taker.lock().expect("no panic").take(&page);
            }
        });
        Self { fleet, came }
    }

    pub(super) fn status(&self, log: &LogHandle) -> Option<Arc<LogStatus>> {
        let url = url_of(log);
        self.fleet.logs().into_iter().find(|status| status.log.url == url)
    }

    /// Returns the number of entries received from a log.
    pub(super) fn count(&self, log: &LogHandle) -> u64 {
        let came = self.came.lock().expect("no panic");
        came.logs.get(&url_of(log)).map_or(0, |entries| entries.len() as u64)
    }

    /// Entries out of order or repeated.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.came.lock().expect("no panic").wrong.clone()
    }

    pub(super) async fn stop(&self) {
        self.fleet.stop().await;
    }

    fn entries(&self, log: &LogHandle) -> BTreeMap<u64, Content> {
        let came = self.came.lock().expect("no panic");
        came.logs.get(&url_of(log)).cloned().unwrap_or_default()
    }

    fn describe(&self, log: &LogHandle) -> String {
        let Some(status) = self.status(log) else { return "is not followed".to_owned() };
        let (came, size) = (self.count(log), log.size());
        format!("{came} of {size} entries came; {:?}; {:?}", status.snapshot(), status.counters)
    }
}

/// Waits for `done` while `logs` grow.
pub(super) async fn eventually(
    what: &str,
    logs: &[&LogHandle],
    mut done: impl FnMut() -> bool,
) -> Result<(), String> {
    let start = Instant::now();
    let mut grown = start;
    while !done() {
        let now = Instant::now();
        if now > start + PATIENCE {
            return Err(format!("never happened: {what}"));
        }
        if now > grown + GROW_EVERY {
            grown = now;
            grow(logs, 10);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

pub(super) fn grow(logs: &[&LogHandle], count: u64) {
    for log in logs {
        log.grow(count).expect("the log grows");
    }
}

/// Tries a row: the fault meets one log from the start on and another that is being followed, and a
/// third has nothing to do with it.
pub(super) async fn try_row(row: &Row, protocol: Protocol, lines: &Lines) -> Result<(), String> {
    let [rfc6962, static_ct] = match protocol {
        Protocol::Rfc6962 => [3, 0],
        Protocol::StaticCt => [0, 3],
    };
    // A host that is away takes all its logs along.
    let hosts = if matches!(row.trouble, Trouble::Away) { 3 } else { 1 };
    let sim = simulate(ctsim::Config { rfc6962, static_ct, hosts, ..still(FIRST_NEW) }).await;
    let [new, known, well] = sim.logs() else { return Err("three logs".to_owned()) };
    make(row, &sim, new);
    if row.is_of_issuers() {
        // Issuers are shared: what an honest log has first, the other is not asked for.
        let slow = Fault::Delay(Duration::from_secs(1));
        for honest in [known, well] {
            honest.faults().inject(
                Scope::Only(Endpoint::Issuer),
                slow.clone(),
                Times::UntilCleared,
            );
        }
    }
    let followers = Followers::start(&sim, row.unreadable_wait);
    let explain = |error: String| {
        let told: Vec<_> =
            [new, known, well].map(|log| format!("  {}", followers.describe(log))).into();
        format!("{error}\n{}\n{}", told.join("\n"), indent(&lines.text()))
    };
    run(row, &sim, &followers, lines).await.map_err(explain)?;
    // What honest logs say now is what should have come.
    let again = Followers::start(&sim, row.unreadable_wait);
    let whole = |log| again.count(log) == log.size();
    eventually("the logs are read again", &[], || sim.logs().iter().all(whole)).await?;
    for log in sim.logs() {
        let (came, holds) = (followers.entries(log), again.entries(log));
        let differs = came.iter().filter(|(index, entry)| holds.get(index) != Some(entry)).count();
        if differs > 0 && (!row.altered || log.name() == well.name()) {
            return Err(explain(format!("{}: {differs} altered entries came", log.name())));
        }
    }
    followers.stop().await;
    again.stop().await;
    Ok(())
}

async fn run(row: &Row, sim: &Sim, followers: &Followers, lines: &Lines) -> Result<(), String> {
    let [new, known, well] = sim.logs() else { return Err("three logs".to_owned()) };
    let whole = |log| followers.count(log) == log.size();
    eventually("the logs without fault are read", &[], || whole(known) && whole(well)).await?;
    make(row, sim, known);
    if row.is_of_heads() {
        let happened = || known.stats().faults() > 0;
        eventually("a head of the size known is asked for", &[], happened).await?;
    }
    let growing = [new, known, well];
    grow(&growing, 300);
    if row.noticed != Noticed::Starting {
        let seen = || is_noticed(row, followers, known, lines);
        eventually("it is noticed where the log is followed", &growing, seen).await?;
    }
    if row.noticed != Noticed::Following {
        let seen = || is_noticed(row, followers, new, lines);
        eventually("it is noticed from the start on", &growing, seen).await?;
    }
    eventually("another log has all its entries meanwhile", &[], || whole(well)).await?;
    let status = followers.status(well).ok_or("the other log is not followed")?;
    let shared = matches!(row.trouble, Trouble::HostLimit(_));
    if !shared && status.snapshot().health != Health::Healthy {
        return Err("the other log suffers".to_owned());
    }

    clear(sim);
    // Beyond what any head has promised.
    grow(&growing, 400);
    let all = || sim.logs().iter().all(whole);
    eventually("all entries came after the fault", &[], all).await?;
    let healthy =
        |log| followers.status(log).is_some_and(|s| s.snapshot().health == Health::Healthy);
    eventually("all logs are healthy", &growing, || sim.logs().iter().all(healthy)).await?;
    eventually("new entries come", &[], all).await?;
    let wrong = followers.wrong();
    if !wrong.is_empty() {
        return Err(format!("out of order: {wrong:?}"));
    }
    for log in sim.logs() {
        let panics = followers.status(log).map(|s| s.counters.panics.load(Ordering::Relaxed));
        if panics != Some(0) {
            return Err(format!("{}: panics: {panics:?}", log.name()));
        }
    }
    Ok(())
}

fn make(row: &Row, sim: &Sim, log: &LogHandle) {
    let host = || sim.hosts().iter().find(|host| log.url().starts_with(&host.base_url()));
    match &row.trouble {
        Trouble::Faults(make) => {
            for (scope, fault, times) in make() {
                log.faults().inject(scope, fault, times);
            }
        }
        Trouble::LogLimit(limit) => log.limiter().set(Some(*limit)),
        Trouble::HostLimit(limit) => host().expect("a host").limiter().set(Some(*limit)),
        // The first one has the log list.
        Trouble::Away if log.name() != sim.logs()[0].name() => {
            host().expect("a host").set_away(true);
        }
        Trouble::Away => {}
    }
}

fn clear(sim: &Sim) {
    for log in sim.logs() {
        log.faults().clear();
        log.limiter().set(None);
    }
    for host in sim.hosts() {
        host.limiter().set(None);
        host.set_away(false);
    }
}

/// Reports whether the row's fault has happened to this log with all its documented effects.
fn is_noticed(row: &Row, followers: &Followers, log: &LogHandle, lines: &Lines) -> bool {
    let Some(status) = followers.status(log) else { return false };
    let happened = match &row.trouble {
        Trouble::Faults(_) => log.stats().faults() > 0,
        // What is seen of them is all there is to see.
        Trouble::LogLimit(_) | Trouble::HostLimit(_) | Trouble::Away => true,
    };
    happened
        && row.line.is_none_or(|line| lines.say(line, &status.log.name))
        && row.metric.is_none_or(|metric| metric.of(&status) > 0)
        && row.status.is_none_or(|shown| shown.is_shown(&status))
}

fn indent(text: &str) -> String {
    let last = text.lines().rev().take(30).map(|line| format!("    {line}\n"));
    let mut last: Vec<_> = last.collect();
    last.reverse();
    last.concat()
}
