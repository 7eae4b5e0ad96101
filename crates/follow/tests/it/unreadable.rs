//! Tiles that cannot be taken apart: as little as possible is left out, and reading goes past it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ctsim::fault::{Fault, PageFault, Scope, Times};
use follow::position::State;
use follow::{Alarm, AlarmKind, FollowOptions};

use crate::harness::{Followed, eventually, options, simulate, still, url_of};

fn impatient() -> FollowOptions {
    FollowOptions { unreadable_wait: Duration::ZERO, ..options() }
}

fn gaps(alarms: &[Alarm]) -> Vec<(AlarmKind, u64, u64)> {
    alarms.iter().map(|alarm| (alarm.kind, alarm.first, alarm.end)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_failure_of_the_hash_tile_skips_no_entry() {
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(512) }).await;
    let log = &sim.logs()[0];
    let unknown = || Fault::Page(PageFault::UnknownType { index: Some(256 + 100) });
    log.faults().inject(Scope::Entries, unknown(), Times::UntilCleared);
    let broken = Fault::Status { code: 500, retry_after: None };
    log.faults().inject(Scope::Proofs, broken, Times::UntilCleared);
    let mut followed = Followed::start(&sim, impatient(), State::default());
    followed.read_to(1, 356).await;
    let status = followed.status(&url_of(log));
    let errors = || status.counters.errors.load(Ordering::Relaxed);
    let before = errors();
    eventually("attempts enough to leave entries out", || errors() > before + 20).await;
    assert_eq!(status.counters.unreadable.load(Ordering::Relaxed), 0);
    log.faults().clear();
    log.faults().inject(Scope::Entries, unknown(), Times::UntilCleared);
    followed.read_to(1, 512).await;
    assert_eq!(gaps(&status.snapshot().alarms), [(AlarmKind::Gap, 356, 357)]);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_tile_with_a_wrong_number_of_entries_does_not_stop_its_log() {
    let short = PageFault::Short { most: 255 };
    for (fault, gap) in [(short, 255..256), (PageFault::Long { by: 1 }, 0..256)] {
        let sim = simulate(ctsim::Config { rfc6962: 0, ..still(256) }).await;
        let log = &sim.logs()[0];
        log.faults().inject(Scope::Entries, Fault::Page(fault), Times::UntilCleared);
        let mut followed = Followed::start(&sim, impatient(), State::default());
        eventually("the log is known", || followed.fleet.logs().len() == 1).await;
        let status = followed.status(&url_of(log));
        // Also the position to save is behind them.
        followed.read_until_quiet(|| status.resume_position() == Some(256)).await;
        let entries = followed.entries.get(&url_of(log)).map_or(0, Vec::len);
        assert_eq!(entries as u64, gap.start);
        assert_eq!(gaps(&status.snapshot().alarms), [(AlarmKind::Gap, gap.start, gap.end)]);
        followed.fleet.stop().await;
    }
}
