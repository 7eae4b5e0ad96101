//! Faults whose effects the table cannot express: times, counts, replacements.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ctsim::fault::{Fault, HeadFault, Scope, Times};
use follow::position::State;
use follow::{BreakerState, Health};

use crate::harness::{Followed, eventually, options, simulate, still, url_of};

fn status(code: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status { code, retry_after: retry_after.map(str::to_owned) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_log_is_isolated_and_comes_back() {
    let sim = simulate(still(600)).await;
    let [failing, well] = sim.logs() else { panic!("two logs") };
    failing.faults().inject(Scope::Every, status(500, None), Times::UntilCleared);
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(1, 600).await;
    assert_eq!(followed.entries[&url_of(well)].len(), 600);
    let status = followed.status(&url_of(failing));
    let unhealthy = || status.snapshot().health == Health::Unhealthy;
    eventually("the log is unhealthy", unhealthy).await;
    let snapshot = status.snapshot();
    assert_ne!(snapshot.breaker, BreakerState::Closed);
    assert!(snapshot.last_error.is_some_and(|error| error.contains("status 500")));
    failing.faults().clear();
    followed.read_to(2, 600).await;
    eventually("the log is healthy", || status.snapshot().health == Health::Healthy).await;
    assert_eq!(status.snapshot().breaker, BreakerState::Closed);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_pauses_the_log_for_as_long_as_it_asks() {
    let sim = simulate(ctsim::Config { static_ct: 0, ..still(400) }).await;
    let log = &sim.logs()[0];
    log.faults().inject(Scope::Every, status(429, Some("3600")), Times::Next(1));
    let followed = Followed::start(&sim, options(), State::default());
    eventually("the log is asked", || log.stats().all_requests() > 0).await;
    let logs = || followed.fleet.logs();
    let failed = || logs().iter().any(|log| log.snapshot().last_error.is_some());
    eventually("the refusal is noted", failed).await;
    // Fifty polls' worth of time: a follower that ignored the hour would have asked again.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(log.stats().all_requests(), 1);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_heads_are_counted_and_never_followed_back() {
    let sim = simulate(still(800)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 800).await;
    for log in sim.logs() {
        let stale = Fault::Head(HeadFault::Stale { behind: 500, age: Duration::from_secs(600) });
        log.faults().inject(Scope::Heads, stale, Times::Next(3));
        let status = followed.status(&url_of(log));
        let seen = || status.counters.stale_heads.load(Ordering::Relaxed) >= 3;
        eventually("stale heads are counted", seen).await;
        log.grow(5).expect("grows");
    }
    followed.read_to(2, 805).await;
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_issuer_does_not_delay_entries() {
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(256) }).await;
    let log = &sim.logs()[0];
    let issuers = Scope::Only(ctsim::Endpoint::Issuer);
    log.faults().inject(issuers, status(404, None), Times::UntilCleared);
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(1, 256).await;
    let entries = &followed.entries[&url_of(log)];
    assert!(entries.iter().all(|entry| entry.chain.is_empty()));
    let status = followed.status(&url_of(log));
    assert!(status.counters.missing_issuers.load(Ordering::Relaxed) >= 256);
    assert!(followed.fleet.issuers().counts().failed > 0);
    followed.fleet.stop().await;
}
