//! Logs that grow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ct::leaf::Leaf;
use ctsim::{Config, Protocol, Sim};
use tokio::net::TcpListener;

use super::{get_ok, head, one, start};

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Waits until `done`.
async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn growing(protocol: Protocol) -> Config {
    Config { rate: 2_000.0, publish_interval: Duration::from_millis(10), ..one(protocol) }
}

#[tokio::test]
async fn logs_grow_and_stop_at_their_largest_size() {
    for protocol in [Protocol::Rfc6962, Protocol::StaticCt] {
        let sim = start(Config { max_size: Some(1_300), ..growing(protocol) }).await;
        let log = &sim.logs()[0];
        let mut before = head(log).await.head;
        let mut heads = 1;
        while before.size < 1_300 {
            let next = head(log).await.head;
            assert!(next.size >= before.size && next.timestamp >= before.timestamp);
            heads += u64::from(next.size > before.size);
            before = next;
        }
        assert!(heads > 1);
        log.grow(50).unwrap();
        assert_eq!(log.size(), 1_300);
    }
}

#[tokio::test]
async fn new_entries_carry_the_time_at_which_they_come() {
    let started = now_ms();
    let sim = start(growing(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    until(|| log.size() >= 1_200).await;
    let url = format!("{}ct/v1/get-entries?start=1000&end=1199", log.url());
    let entries = ct::entries::parse_get_entries(&get_ok(&url).await).unwrap();
    let ended = now_ms();
    let mut last = started;
    for entry in &entries {
        let timestamp = Leaf::parse(&entry.leaf_input).unwrap().timestamp;
        assert!((last..=ended).contains(&timestamp));
        last = timestamp;
    }
}

#[tokio::test]
async fn a_log_without_new_entries_signs_anew() {
    let sim =
        start(Config { publish_interval: Duration::from_millis(5), ..one(Protocol::StaticCt) });
    let sim = sim.await;
    let log = &sim.logs()[0];
    let first = log.head();
    until(|| log.head().head.timestamp > first.head.timestamp).await;
    let second = head(log).await;
    assert_eq!((second.head.size, second.head.root), (first.head.size, first.head.root));
}

#[tokio::test]
async fn a_run_can_be_repeated_exactly() {
    for protocol in [Protocol::Rfc6962, Protocol::StaticCt] {
        let config = Config { epoch: Some(1_780_000_000_000), ..one(protocol) };
        let mut runs = Vec::new();
        for seed in [5, 5, 6] {
            let sim = start(Config { seed, ..config.clone() }).await;
            let log = &sim.logs()[0];
            log.grow(300).unwrap();
            let path = match protocol {
                Protocol::Rfc6962 => "ct/v1/get-entries?start=1000&end=1255",
                Protocol::StaticCt => "tile/data/004",
            };
            runs.push((get_ok(&format!("{}{path}", log.url())).await, log.head().head.root));
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
    }
}

#[tokio::test]
async fn explicit_growth_adds_to_the_rate() {
    let sim = start(growing(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let before = log.size();
    log.grow(40_000).unwrap();
    assert!(log.size() >= before + 40_000);
    let after = log.size();
    until(|| log.size() > after).await;
}

#[tokio::test]
async fn the_port_is_free_after_a_shutdown() {
    let sim = start(growing(Protocol::Rfc6962)).await;
    let url = sim.base_url();
    let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    head(&sim.logs()[0]).await;
    sim.shutdown().await;
    let listener = TcpListener::bind(&address).await.unwrap();
    let again = Sim::start(one(Protocol::StaticCt), listener).await.unwrap();
    assert_eq!(again.base_url(), url);
    head(&again.logs()[0]).await;
}

#[tokio::test]
async fn a_wrong_configuration_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error =
        Sim::start(Config { page_limit: 0, ..Config::default() }, listener).await.unwrap_err();
    assert_eq!(error.to_string(), "page_limit must be 1 to 10000, not 0");
}

/// The certificates of a log's entries from 768 to 999.
async fn certificates(log: &ctsim::LogHandle) -> Vec<Vec<u8>> {
    let Protocol::Rfc6962 = log.protocol() else {
        let tile = get_ok(&format!("{}tile/data/003.p/232", log.url())).await;
        let leaves = ct::tile::TileLeaf::iter(&tile).map(Result::unwrap);
        return leaves.map(|it| super::certificate(&it.leaf, it.precertificate)).collect();
    };
    let url = format!("{}ct/v1/get-entries?start=768&end=999", log.url());
    let entries = ct::entries::parse_get_entries(&get_ok(&url).await).unwrap();
    let certificate = |entry: &ct::entries::RawEntry| {
        let leaf = Leaf::parse(&entry.leaf_input).unwrap();
        let [_, a, b, rest @ ..] = &entry.extra_data[..] else { panic!("no extra data") };
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        super::certificate(&leaf, rest.get(..length))
    };
    entries.iter().map(certificate).collect()
}

#[tokio::test]
async fn each_certificate_is_in_as_many_logs_as_asked_for() {
    let config = Config { copies: 2, rfc6962: 3, static_ct: 2, ..super::still() };
    let sim = start(config).await;
    let mut logs = Vec::new();
    for log in sim.logs() {
        logs.push(certificates(log).await);
    }
    let same =
        |number: usize| (0..5).filter(|other| logs[*other] == logs[number]).collect::<Vec<_>>();
    // Of five logs two of each of two groups and the one that is left.
    assert_eq!([0, 1, 2].map(same), [vec![0, 3], vec![1, 4], vec![2]]);
    let apart = |one: usize, other: usize| !logs[one].iter().any(|it| logs[other].contains(it));
    assert!(apart(0, 1) && apart(0, 2) && apart(1, 2));
    let alone = start(Config { copies: 1, rfc6962: 2, static_ct: 0, ..super::still() }).await;
    let [one, other] = [&alone.logs()[0], &alone.logs()[1]];
    assert_ne!(certificates(one).await, certificates(other).await);
}
