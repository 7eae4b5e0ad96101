//! Logs that say the truth.

use std::sync::Arc;
use std::time::Duration;

use ctsim::fault::{Fault, HeadFault, Scope, Times};
use ctsim::{Endpoint, LogHandle};
use follow::position::State;
use follow::{FollowOptions, Start, Verification};

use super::{both, count, enforcing, flip, proofs_asked, proved};
use crate::harness::{Followed, eventually, options, simulate, still, url_of};

#[tokio::test(flavor = "multi_thread")]
async fn every_start_is_proved() {
    // (entries there, where to begin): around tiles, levels and powers of two, and at the head.
    let cases = [
        (1, Some(0)),
        (1, Some(1)),
        (255, Some(254)),
        (256, Some(256)),
        (257, Some(256)),
        (1_000, Some(777)),
        (1_000, None),
        (66_000, Some(65_537)),
        (70_001, None),
    ];
    for (size, start) in cases {
        let sim = simulate(still(size)).await;
        let begin = start.map_or(Start::Head, Start::Index);
        let follow = FollowOptions { start: begin, ..options() };
        let mut followed = Followed::start(&sim, follow, State::default());
        let from = start.unwrap_or(size);
        let began = |log: &LogHandle| {
            followed.fleet.logs().iter().any(|status| {
                status.log.url == url_of(log) && status.snapshot().next_index.is_some()
            })
        };
        for log in sim.logs() {
            eventually("the log begins", || began(log)).await;
            log.grow(3).expect("grows");
        }
        followed.read_to(2, size + 3).await;
        for (log, status) in both(&sim, &followed) {
            proved(&status, from, size + 3).await;
            assert_eq!(count(&status.counters.proof_errors), 0, "{size} from {from}");
            if from == 0 {
                assert_eq!(proofs_asked(log), 0, "from nothing nothing needs to be asked");
            }
        }
        followed.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_get_entry_and_proof_a_start_is_proved_by_hash() {
    let sim = simulate(ctsim::Config { static_ct: 0, ..still(700) }).await;
    let log = &sim.logs()[0];
    let gone = Fault::Status { code: 404, retry_after: None };
    log.faults().inject(Scope::Only(Endpoint::GetEntryAndProof), gone, Times::UntilCleared);
    let start = FollowOptions { start: Start::Index(333), ..options() };
    let mut followed = Followed::start(&sim, start, State::default());
    followed.read_to(1, 700).await;
    proved(&followed.status(&url_of(log)), 333, 700).await;
    assert!(log.stats().requests(Endpoint::GetProofByHash) > 0);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_proofs_is_read_and_proved_later() {
    let sim = simulate(still(600)).await;
    let gone = || Fault::Status { code: 501, retry_after: None };
    for log in sim.logs() {
        log.faults().inject(Scope::Proofs, gone(), Times::UntilCleared);
    }
    let start = FollowOptions { start: Start::Index(100), ..options() };
    let mut followed = Followed::start(&sim, start, State::default());
    followed.read_to(2, 600).await;
    for (log, status) in both(&sim, &followed) {
        let snapshot = status.snapshot();
        assert_eq!(snapshot.proved, None);
        assert!(snapshot.unproved.is_some_and(|why| why.contains("501")));
        log.faults().clear();
        proved(&status, 600, 600).await;
        log.grow(20).expect("grows");
    }
    followed.read_to(2, 620).await;
    for (_, status) in both(&sim, &followed) {
        proved(&status, 600, 620).await;
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proving_resumes_after_a_restart() {
    let sim = simulate(still(500)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 500).await;
    for (_, status) in both(&sim, &followed) {
        proved(&status, 0, 500).await;
    }
    let state = followed.fleet.state(None);
    followed.fleet.stop().await;
    // As it is read from a file.
    let state: State = serde_json::from_str(&serde_json::to_string(&state).expect("JSON"))
        .expect("what was written");
    let before: u64 = sim.logs().iter().map(proofs_asked).sum();
    for log in sim.logs() {
        let tree = state.logs[&url_of(log)].tree.as_ref().expect("a tree is saved");
        assert_eq!((tree.size, tree.from, tree.proved_size), (500, 0, 500));
        log.grow(300).expect("grows");
    }
    let mut followed = Followed::start(&sim, options(), state.clone());
    followed.read_to(2, 800).await;
    for (_, status) in both(&sim, &followed) {
        proved(&status, 0, 800).await;
    }
    assert_eq!(sim.logs().iter().map(proofs_asked).sum::<u64>(), before, "nothing was asked");
    followed.fleet.stop().await;

    // Another server has moved the position and knows nothing of trees.
    let mut moved = state;
    moved.logs.values_mut().for_each(|position| position.current_index = 640);
    let mut followed = Followed::start(&sim, options(), moved);
    followed.read_to(2, 800).await;
    for (_, status) in both(&sim, &followed) {
        proved(&status, 640, 800).await;
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_tail_pages_are_proved_before_they_are_published() {
    let sim = simulate(still(700)).await;
    // Of a partial tile that is left to fill, the end of the full tile before is no head's size.
    let slow_tiles = FollowOptions { partial_tile_wait: Duration::from_millis(300), ..options() };
    let mut followed = Followed::start(&sim, slow_tiles, State::default());
    followed.read_to(2, 700).await;
    for growth in [1, 60, 10, 200, 55, 256] {
        for log in sim.logs() {
            log.grow(growth).expect("grows");
        }
        let size = sim.logs()[0].size();
        let fleet = Arc::clone(&followed.fleet);
        followed
            .read_until(|this| {
                let ends = fleet.logs().into_iter().map(|status| {
                    let last = this.entries[&status.log.url].last();
                    let end = last.map_or(0, |entry| entry.index + 1);
                    let proved = status.snapshot().proved.map_or(0, |proved| proved.end);
                    assert!(end <= proved, "{} are read, {proved} proved", status.log.name);
                    end
                });
                ends.min() == Some(size)
            })
            .await;
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_delivered_once_proved_with_enforce() {
    let sim = simulate(still(5_000)).await;
    let start = FollowOptions { start: Start::Index(77), ..enforcing() };
    let mut followed = Followed::start(&sim, start, State::default());
    followed.read_to(2, 5_000).await;
    for growth in [1, 300, 256] {
        for log in sim.logs() {
            log.grow(growth).expect("grows");
        }
        followed.read_to(2, sim.logs()[0].size()).await;
    }
    for (_, status) in both(&sim, &followed) {
        proved(&status, 77, 5_557).await;
        assert_eq!(count(&status.counters.proof_errors), 0);
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_heads_are_audited() {
    let sim = simulate(still(600)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 600).await;
    for (log, status) in both(&sim, &followed) {
        let stale = HeadFault::Stale { behind: 123, age: Duration::from_secs(60) };
        log.faults().inject(Scope::Heads, Fault::Head(stale), Times::Next(2));
        let audited = || count(&status.counters.audited_heads) > 0;
        eventually("the stale head is audited", audited).await;
        assert_eq!(count(&status.counters.unaudited_heads), 0);
        proved(&status, 0, 600).await;
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_log_has_no_leaf_mismatches() {
    let sim = simulate(still(2_000)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 2_000).await;
    for (_, status) in both(&sim, &followed) {
        let counters = &status.counters;
        let foreign = [
            &counters.foreign_issuers,
            &counters.foreign_precertificates,
            &counters.forged_issuers,
            &counters.wrong_leaf_indexes,
            &counters.alarms,
        ];
        assert_eq!(foreign.map(count), [0; 5]);
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_verified_if_verification_is_off() {
    let sim = simulate(still(300)).await;
    for log in sim.logs() {
        flip(log, 123);
        let head = Fault::Head(HeadFault::BadSignature);
        log.faults().inject(Scope::Heads, head, Times::UntilCleared);
    }
    let follow = FollowOptions { verification: Verification::Off, ..options() };
    let mut followed = Followed::start(&sim, follow, State::default());
    followed.read_to(2, 300).await;
    for (log, status) in both(&sim, &followed) {
        let snapshot = status.snapshot();
        assert_eq!((snapshot.proved, snapshot.unproved), (None, None));
        assert!(!status.has_alarms());
        assert_eq!(proofs_asked(log), 0);
    }
    followed.fleet.stop().await;
}
