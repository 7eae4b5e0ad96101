//! Logs that contradict themselves.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ct::leaf::EntryType;
use ctsim::Endpoint;
use ctsim::fault::{BodyFault, Fault, HeadFault, PageFault, Scope, Times};
use follow::position::State;
use follow::{AlarmKind, FollowOptions, LogStatus};
use record::GapReason;
use serde_json::Value;

use super::{alarmed, both, count, enforcing, flip, kinds, proved};
use crate::harness::{Followed, eventually, options, simulate, still, url_of};

/// Returns the summary of the evidence of the log's only alarm, and the files beside it.
fn evidence(status: &LogStatus, folder: &Path) -> (Value, Vec<String>) {
    let alarm = status.snapshot().alarms.remove(0);
    let own = alarm.evidence.expect("evidence is kept");
    assert!(Path::new(&own).starts_with(folder));
    let files = fs::read_dir(&own).expect("a folder");
    let mut files: Vec<_> = files
        .map(|file| file.expect("readable").file_name().into_string().expect("a plain name"))
        .collect();
    files.sort();
    let summary = fs::read(Path::new(&own).join("incident.json")).expect("a summary");
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!(summary["text"], alarm.text);
    assert_eq!(summary["log_id"], status.log.id.expect("known").to_string());
    (summary, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_leaf_is_reported_and_following_continues() {
    // At the tail, and in the middle of catching up.
    for (size, growth, wrong) in [(600, 50, 620), (0, 3_000, 1_234)] {
        let sim = simulate(still(size)).await;
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Some(folder.path().join("evidence"));
        let follow = FollowOptions { evidence_dir: kept, ..options() };
        let mut followed = Followed::start(&sim, follow.clone(), State::default());
        if size > 0 {
            followed.read_to(2, size).await;
        }
        for log in sim.logs() {
            flip(log, wrong);
            log.grow(growth).expect("grows");
        }
        let end = size + growth;
        followed.read_to(2, end).await;
        for (log, status) in both(&sim, &followed) {
            alarmed(&status, AlarmKind::Mismatch).await;
            let (summary, files) = evidence(&status, folder.path());
            let text = summary["text"].as_str().expect("text");
            assert!(text.contains(&format!("entry {wrong} differs from the one")), "{text}");
            assert!(summary["entries"]["first"].as_u64() <= Some(wrong));
            assert_eq!(summary["heads"][0]["tree_size"], end);
            assert!(files.contains(&"head-1.txt".to_owned()), "{files:?}");
            assert!(files.contains(&"answer-1.bin".to_owned()), "{files:?}");
            // From the next head on entries are proved again, but for those in question.
            log.grow(10).expect("grows");
            let snapshot = || status.snapshot().proved;
            eventually("proving continues", || snapshot() == Some(end..end + 10)).await;
            assert_eq!(kinds(&status), [AlarmKind::Mismatch], "there is one alarm");
        }
        // The alarms outlast a restart, and an acknowledgement ends them.
        let state = followed.fleet.state(None);
        followed.fleet.stop().await;
        let followed = Followed::start(&sim, follow, state);
        let two = || followed.fleet.logs().len() == 2;
        eventually("both logs are followed", two).await;
        for (_, status) in both(&sim, &followed) {
            let snapshot = || status.snapshot().proved;
            eventually("proving continues", || snapshot() == Some(end..end + 10)).await;
            assert_eq!(kinds(&status), [AlarmKind::Mismatch], "it is not raised again");
            assert_eq!(followed.fleet.acknowledge("another").await, 0);
            assert_eq!(followed.fleet.acknowledge(&status.log.name.to_uppercase()).await, 1);
            assert!(!status.has_alarms());
        }
        let state = followed.fleet.state(None);
        assert!(state.logs.values().all(|position| position.alarms.is_empty()));
        followed.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_changed_in_transit_is_distinguished_from_a_served_one() {
    let sim = simulate(still(300)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 300).await;
    for log in sim.logs() {
        let fault = Fault::Page(PageFault::FlipLeaf { index: Some(310) });
        log.faults().inject(Scope::Entries, fault, Times::Next(1));
        log.grow(20).expect("grows");
    }
    followed.read_to(2, 320).await;
    for (_, status) in both(&sim, &followed) {
        alarmed(&status, AlarmKind::Mismatch).await;
        let text = status.snapshot().alarms.remove(0).text;
        assert!(text.contains("when requested again, the log returned the right ones"), "{text}");
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_contradicts_a_proof_before_a_restart_is_noticed() {
    let sim = simulate(still(600)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 600).await;
    let state = followed.fleet.state(None);
    followed.fleet.stop().await;
    for log in sim.logs() {
        log.faults().inject(Scope::Heads, Fault::Fork { shared: 500 }, Times::UntilCleared);
    }
    let followed = Followed::start(&sim, options(), state);
    let two = || followed.fleet.logs().len() == 2;
    eventually("both logs are followed", two).await;
    for (_, status) in both(&sim, &followed) {
        alarmed(&status, AlarmKind::Equivocation).await;
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_leaf_is_never_delivered_with_enforce() {
    for (size, growth, wrong) in [(600, 50, 620), (0, 20_000, 11_111)] {
        let sim = simulate(still(size)).await;
        let mut followed = Followed::start(&sim, enforcing(), State::default());
        if size > 0 {
            followed.read_to(2, size).await;
        }
        for log in sim.logs() {
            flip(log, wrong);
            log.grow(growth).expect("grows");
        }
        let statuses = both(&sim, &followed);
        let stopped = |status: &LogStatus| {
            let error = status.snapshot().last_error;
            error.is_some_and(|error| error.contains("stopped by an alarm"))
        };
        // Entries before the wrong one keep coming meanwhile, and have to be taken.
        followed.read_until_quiet(|| statuses.iter().all(|(_, status)| stopped(status))).await;
        for (log, status) in &statuses {
            alarmed(status, AlarmKind::Mismatch).await;
            let entries = followed.entries.get(&url_of(log)).map_or(0, Vec::len) as u64;
            assert!(entries <= wrong, "{entries} were delivered");
            assert!(size == 0 || entries == size);
            log.faults().clear();
            assert_eq!(followed.fleet.acknowledge(&url_of(log)).await, 1);
        }
        // The log serves what it has signed, so reading resumes where it stopped.
        followed.read_to(2, size + growth).await;
        for (_, status) in &statuses {
            proved(status, 0, size + growth).await;
        }
        followed.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_distinguished_from_a_changed_leaf() {
    for follow in [options(), enforcing()] {
        let sim = simulate(still(600)).await;
        let mut followed = Followed::start(&sim, follow, State::default());
        followed.read_to(2, 600).await;
        for log in sim.logs() {
            // Everything of the other branch fits together, so its heads are believed until the
            // entries proved before are looked for in it.
            log.grow(100).expect("grows");
            log.faults().inject(Scope::Every, Fault::Fork { shared: 500 }, Times::UntilCleared);
        }
        let statuses = both(&sim, &followed);
        followed.read_until_quiet(|| statuses.iter().all(|(_, s)| s.has_alarms())).await;
        for (_, status) in &statuses {
            let found = kinds(status);
            assert!(
                found
                    .iter()
                    .all(|kind| { matches!(kind, AlarmKind::Fork | AlarmKind::Equivocation) }),
                "{:?}",
                status.snapshot().alarms
            );
        }
        followed.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_heads_of_one_size_are_kept_as_evidence() {
    let sim = simulate(still(600)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let kept = Some(folder.path().to_owned());
    let follow = FollowOptions { evidence_dir: kept, ..options() };
    let mut followed = Followed::start(&sim, follow, State::default());
    followed.read_to(2, 600).await;
    for log in sim.logs() {
        log.faults().inject(Scope::Heads, Fault::Fork { shared: 500 }, Times::Next(2));
    }
    for (log, status) in both(&sim, &followed) {
        alarmed(&status, AlarmKind::Equivocation).await;
        let (summary, files) = evidence(&status, folder.path());
        let heads = summary["heads"].as_array().expect("heads");
        assert_eq!(heads.len(), 2);
        assert_eq!(heads[0]["tree_size"], heads[1]["tree_size"]);
        assert_ne!(heads[0]["root"], heads[1]["root"]);
        assert!(files.contains(&"head-2.txt".to_owned()), "{files:?}");
        eventually("the head is over", || log.faults().pending() == 0).await;
        // The head that was proved still counts, and the log is followed on.
        log.grow(40).expect("grows");
    }
    followed.read_to(2, 640).await;
    for (_, status) in both(&sim, &followed) {
        eventually("proving continues", || status.snapshot().proved == Some(0..640)).await;
        assert_eq!(kinds(&status), [AlarmKind::Equivocation]);
        assert!(count(&status.counters.refused_heads) >= 1);
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_old_is_shown_while_it_lasts() {
    let sim = simulate(still(300)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 300).await;
    for (_, status) in both(&sim, &followed) {
        assert!(!status.snapshot().overdue);
    }
    followed.fleet.stop().await;
    let days = Duration::from_secs(3 * 86_400);
    for log in sim.logs() {
        let old = Fault::Head(HeadFault::Stale { behind: 0, age: days });
        log.faults().inject(Scope::Heads, old, Times::UntilCleared);
    }
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 300).await;
    for (log, status) in both(&sim, &followed) {
        eventually("the head is too old", || status.snapshot().overdue).await;
        log.faults().clear();
        eventually("the log signs new heads again", || !status.snapshot().overdue).await;
        assert!(!status.has_alarms());
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_log_must_not_grow() {
    let sim = simulate(still(300)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 300).await;
    let freeze = |draft: &mut ctsim::ListDraft| {
        draft.logs.iter_mut().for_each(|log| log.state = Some("readonly"));
    };
    sim.edit_list(freeze).expect("signs");
    for (_, status) in both(&sim, &followed) {
        let listed = || status.listing().final_head.is_some_and(|head| head.size == 300);
        eventually("the final head is known", listed).await;
        proved(&status, 0, 300).await;
    }
    for (log, status) in both(&sim, &followed) {
        log.grow(5).expect("grows");
        alarmed(&status, AlarmKind::FinalHead).await;
    }
    followed.read_to(2, 305).await;
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_and_precertificates_are_checked_against_the_leaf() {
    for chain in [false, true] {
        let sim = simulate(still(256)).await;
        let mut honest = Followed::start(&sim, options(), State::default());
        honest.read_to(2, 256).await;
        honest.fleet.stop().await;
        for log in sim.logs() {
            // The chain of a final certificate is not what its leaf speaks of.
            let entries = &honest.entries[&url_of(log)];
            let precert = entries.iter().find(|entry| entry.kind == EntryType::Precert);
            let index = precert.map(|entry| entry.index);
            assert!(index.is_some());
            let fault = match chain {
                true => PageFault::FlipChain { index },
                false => PageFault::FlipPrecertificate { index },
            };
            log.faults().inject(Scope::Entries, Fault::Page(fault), Times::UntilCleared);
        }
        let mut followed = Followed::start(&sim, options(), State::default());
        followed.read_to(2, 256).await;
        for (log, status) in both(&sim, &followed) {
            // The tree is as it should be.
            proved(&status, 0, 256).await;
            let counters = &status.counters;
            let found = [
                &counters.foreign_precertificates,
                &counters.foreign_issuers,
                &counters.missing_issuers,
            ];
            // A static log names its issuers by their hash, so that another one is not accepted. Of
            // an entry in a partial tile that was read twice, it may be counted twice.
            let expected = match (chain, log.protocol()) {
                (false, _) => [true, false, false],
                (true, ctsim::Protocol::Rfc6962) => [false, true, false],
                (true, ctsim::Protocol::StaticCt) => [false, false, true],
            };
            assert_eq!(found.map(|counter| count(counter) > 0), expected, "{}", status.log.name);
        }
        followed.fleet.stop().await;
    }
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(256) }).await;
    let log = &sim.logs()[0];
    log.faults().inject(Scope::Only(Endpoint::Issuer), Fault::WrongIssuer, Times::UntilCleared);
    let index = Fault::Page(PageFault::WrongIndex { index: Some(100) });
    log.faults().inject(Scope::Entries, index, Times::UntilCleared);
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(1, 256).await;
    let status = followed.status(&url_of(log));
    assert!(count(&status.counters.forged_issuers) > 0);
    assert_eq!(count(&status.counters.wrong_leaf_indexes), 1);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unparsable_tile_is_skipped_with_an_alarm() {
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(600) }).await;
    let log = &sim.logs()[0];
    let nonsense = Fault::Body(BodyFault::Foreign);
    log.faults().inject(Scope::Entries, nonsense, Times::UntilCleared);
    let follow = FollowOptions { unreadable_wait: Duration::ZERO, ..options() };
    let mut followed = Followed::start(&sim, follow, State::default());
    eventually("the log is followed", || followed.fleet.logs().len() == 1).await;
    let status = followed.status(&url_of(log));
    eventually("an alarm is raised", || status.has_alarms()).await;
    log.faults().clear();
    followed.read_to(1, 600).await;
    let first = followed.entries[&url_of(log)][0].index;
    assert!([256, 512].contains(&first), "whole tiles are left out, not {first} entries");
    assert_eq!(count(&status.counters.unreadable), first);
    let gaps = &followed.gaps[&url_of(log)];
    assert_eq!(gaps.last().map(|gap| gap.range.end), Some(first), "skipped entries are a gap");
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::Unreadable));
    assert!(kinds(&status).iter().all(|kind| *kind == AlarmKind::Gap));
    eventually("the rest is proved", || status.snapshot().proved == Some(first..600)).await;
    followed.fleet.stop().await;
}
