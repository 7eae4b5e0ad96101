//! Reading logs that behave.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ct::leaf::EntryType;
use follow::position::{Position, State};
use follow::{FleetOptions, Health, Log, Protocol, Start};
use record::Record;

use crate::harness::{Followed, eventually, options, simulate, still, url_of};

#[tokio::test(flavor = "multi_thread")]
async fn whole_logs_of_both_protocols_are_read_in_order_and_then_followed() {
    let sim = simulate(still(1_000)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 1_000).await;
    // Growth by less, exactly and more than what is left of a tile.
    for growth in [1, 23, 256, 700] {
        for log in sim.logs() {
            log.grow(growth).expect("grows");
        }
        let size = sim.logs()[0].size();
        followed.read_to(2, size).await;
    }
    for (url, entries) in &followed.entries {
        assert_eq!(entries[0].index, 0, "{url}");
        assert!(entries.iter().all(|entry| !entry.chain.is_empty()), "{url}: chains");
        assert!(entries.iter().any(|entry| entry.kind == EntryType::Precert), "{url}");
        assert!(entries.iter().any(|entry| entry.kind == EntryType::X509), "{url}");
        assert!(entries.iter().all(|entry| entry.certificate[0] == 0x30), "{url}: DER");
        check_links(entries);
        let status = followed.status(url);
        let at_end = || status.snapshot().next_index == Some(1_980);
        eventually("the position is that after the last entry", at_end).await;
        let snapshot = status.snapshot();
        assert_eq!((snapshot.tree_size, snapshot.health), (1_980, Health::Healthy));
    }
    // The same authorities stand above both logs: their certificates are kept once per protocol.
    assert!(followed.fleet.issuers().len() < 60);
    followed.fleet.stop().await;
}

/// The simulator's final certificates repeat the precertificate 97 entries before them, where that
/// entry is one; both have the same id, and nothing else has.
fn check_links(entries: &[Record]) {
    let mut pairs = 0;
    let mut seen = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.link.is_some()) {
        if let Some((index, entry_type)) = seen.insert(&entry.link, (entry.index, entry.kind)) {
            assert_eq!((index + 97, entry_type), (entry.index, EntryType::Precert));
            assert_eq!(entry.kind, EntryType::X509);
            pairs += 1;
        }
    }
    assert!(pairs > 100, "only {pairs} pairs");
}

#[tokio::test(flavor = "multi_thread")]
async fn short_and_aligned_pages_lose_nothing() {
    for (page_limit, page_aligned) in [(32, true), (1, false), (100, false), (1_000, true)] {
        let config = ctsim::Config { page_limit, page_aligned, static_ct: 0, ..still(700) };
        let sim = simulate(config).await;
        let start = follow::FollowOptions { start: Start::Index(7), ..options() };
        let mut followed = Followed::start(&sim, start, State::default());
        followed.read_to(1, 700).await;
        let entries = &followed.entries[&url_of(&sim.logs()[0])];
        assert_eq!((entries[0].index, entries.len()), (7, 693), "pages of {page_limit}");
        followed.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_start_is_at_the_head() {
    let sim = simulate(still(1_000)).await;
    let at_head = follow::FollowOptions { start: Start::Head, start_overlap: 300, ..options() };
    let mut followed = Followed::start(&sim, at_head, State::default());
    let began = |url: &str| {
        followed
            .fleet
            .logs()
            .iter()
            .any(|log| log.log.url == url && log.snapshot().next_index.is_some())
    };
    for log in sim.logs() {
        let url = url_of(log);
        eventually("the log begins", || began(&url)).await;
        log.grow(10).expect("grows");
    }
    followed.read_to(2, 1_010).await;
    let first = |log: &ctsim::LogHandle| followed.entries[&url_of(log)][0].index;
    let [rfc6962, tiled] = sim.logs() else { panic!("two logs") };
    assert_eq!((first(rfc6962), first(tiled)), (1_000, 700));
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_position_wins_and_is_saved_again() {
    let sim = simulate(still(500)).await;
    let position = |index| Position { current_index: index, ..Position::default() };
    let mut saved = State::default();
    for log in sim.logs() {
        saved.logs.insert(url_of(log), position(321));
    }
    saved.logs.insert("https://elsewhere.example/log".to_owned(), position(5));
    let trailing = follow::FollowOptions { resume_overlap: Duration::from_secs(3600), ..options() };
    let mut followed = Followed::start(&sim, trailing, saved.clone());
    followed.read_to(2, 500).await;
    // Nothing has been published for as long as the overlap: a restart begins where this one did.
    let state = followed.fleet.state(None);
    assert_eq!(state.logs[&url_of(&sim.logs()[0])].current_index, 321);
    followed.fleet.stop().await;

    let mut followed = Followed::start(&sim, options(), saved);
    followed.read_to(2, 500).await;
    for entries in followed.entries.values() {
        assert_eq!(entries[0].index, 321);
    }
    let state = followed.fleet.state(Some(99));
    assert_eq!(state.last_offset, 99);
    for log in sim.logs() {
        assert_eq!(state.logs[&url_of(log)].current_index, 500);
        assert_eq!(state.logs[&url_of(log)].tree_size, 500);
    }
    assert_eq!(state.logs["https://elsewhere.example/log"].current_index, 5);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_logs_need_no_list() {
    let sim = simulate(still(300)).await;
    let configured = sim.logs().iter().map(|log| {
        let protocol = match log.protocol() {
            ctsim::Protocol::Rfc6962 => Protocol::Rfc6962,
            ctsim::Protocol::StaticCt => Protocol::StaticCt,
        };
        let key = base64_simd::STANDARD.encode_to_string(log.key());
        let id = log.log_id().to_string();
        let hand = Log::configured(protocol, log.name(), log.url(), Some(&key), Some(&id));
        // The origin of a tiled log is learned from its checkpoint.
        hand.expect("usable")
    });
    let configured = configured.collect();
    let saved = State::default();
    let options = FleetOptions { follow: options(), configured, catalogue: None, saved };
    let mut followed = Followed::with(options);
    followed.read_to(2, 300).await;
    assert_eq!(followed.fleet.reason(), None);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_signed_by_another_key_is_never_used() {
    let sim = simulate(still(300)).await;
    let [first, second] = sim.logs() else { panic!("two logs") };
    let key = base64_simd::STANDARD.encode_to_string(second.key());
    let forged = Log::configured(Protocol::Rfc6962, "forged", first.url(), Some(&key), None);
    let configured = vec![forged.expect("usable")];
    let saved = State::default();
    let options = FleetOptions { follow: options(), configured, catalogue: None, saved };
    let followed = Followed::with(options);
    let status = followed.status(&url_of(first));
    let refused = |status: &Arc<follow::LogStatus>| {
        status.counters.refused_heads.load(std::sync::atomic::Ordering::Relaxed)
    };
    eventually("three heads are refused", || refused(&status) >= 3).await;
    let snapshot = status.snapshot();
    assert_eq!((snapshot.next_index, snapshot.tree_size), (None, 0));
    assert_eq!(snapshot.health, Health::Unhealthy);
    assert!(snapshot.last_error.is_some_and(|error| error.contains("not signed by the log's key")));
    assert_eq!(status.counters.entries.load(std::sync::atomic::Ordering::Relaxed), 0);
    followed.fleet.stop().await;
}
