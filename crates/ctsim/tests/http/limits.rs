//! Limits of logs and hosts, and hosts that are away.

use std::time::Duration;

use ctsim::{Config, Endpoint, Limit, Protocol};
use serde_json::Value;

use super::{client, get, get_ok, head, one, start, still};

/// A limit whose bucket does not fill again within a test.
fn only(burst: u32) -> Option<Limit> {
    Some(Limit { rate: 1e-3, burst, retry_after: true })
}

#[tokio::test]
async fn requests_beyond_the_limit_get_429_and_are_counted() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    log.limiter().set(only(2));
    let url = format!("{}ct/v1/get-sth", log.url());
    for expected in [200, 200, 429, 429] {
        assert_eq!(get(&url).await.0, expected);
    }
    let wait = client().get(&url).send().await.unwrap().headers()["retry-after"].clone();
    assert!(wait.to_str().unwrap().parse::<u64>().unwrap() > 900);
    assert_eq!(log.limiter().violations(), 3);
    assert_eq!(log.stats().requests(Endpoint::GetSth), 5);

    let stats: Value =
        serde_json::from_slice(&get_ok(&format!("{}stats.json", sim.base_url())).await).unwrap();
    let told = &stats["logs"][0];
    assert_eq!((&told["url"], &told["violations"]), (&log.url().into(), &3.into()));
    assert_eq!(told["requests"]["get-sth"], 5);
    log.limiter().set(None);
    head(log).await;
}

#[tokio::test]
async fn logs_of_a_host_share_its_limit() {
    let sim = start(Config { hosts: 2, rfc6962: 3, static_ct: 0, ..still() }).await;
    let [first, second, third] = sim.logs() else { panic!() };
    let [one, other] = sim.hosts() else { panic!() };
    assert!(first.url().starts_with(&one.base_url()) && third.url().starts_with(&one.base_url()));
    assert!(second.url().starts_with(&other.base_url()));
    one.limiter().set(only(1));
    head(first).await;
    head(second).await;
    assert_eq!(get(&format!("{}ct/v1/get-sth", third.url())).await.0, 429);
    assert_eq!((one.limiter().violations(), other.limiter().violations()), (1, 0));
    // The list is not meant to be scarce.
    get_ok(&sim.list_url()).await;
}

#[tokio::test]
async fn a_host_goes_away_and_comes_back() {
    let sim = start(Config { hosts: 2, rfc6962: 2, static_ct: 0, ..still() }).await;
    let [away, here] = sim.logs() else { panic!() };
    let url = format!("{}ct/v1/get-sth", away.url());
    sim.hosts()[0].set_away(true);
    loop {
        match client().get(&url).send().await {
            Err(error) if error.is_connect() => break,
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    head(here).await;
    sim.hosts()[0].set_away(false);
    while client().get(&url).send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    head(away).await;
}
