//! Proving what logs say: from any start, across restarts, and when they lie.

mod dishonest;
mod honest;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ctsim::fault::{Fault, PageFault, Scope, Times};
use ctsim::{Endpoint, LogHandle, Sim};
use follow::{AlarmKind, FollowOptions, LogStatus, Verification};

use crate::harness::{Followed, eventually, options, url_of};

fn enforcing() -> FollowOptions {
    FollowOptions { verification: Verification::Enforce, ..options() }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn kinds(status: &LogStatus) -> Vec<AlarmKind> {
    status.snapshot().alarms.iter().map(|alarm| alarm.kind).collect()
}

/// Waits until the log has raised an alarm, of this kind and nothing else.
async fn alarmed(status: &LogStatus, kind: AlarmKind) {
    eventually("an alarm is raised", || status.has_alarms()).await;
    assert_eq!(kinds(status), [kind], "{:?}", status.snapshot().alarms);
}

/// Waits until everything from `from` to `through` is proved, with nothing to complain of.
async fn proved(status: &LogStatus, from: u64, through: u64) {
    let snapshot = || status.snapshot();
    eventually("everything is proved", || snapshot().proved == Some(from..through)).await;
    assert_eq!((snapshot().unproved, snapshot().alarms), (None, Vec::new()));
}

fn flip(log: &LogHandle, index: u64) {
    let fault = Fault::Page(PageFault::FlipLeaf { index: Some(index) });
    log.faults().inject(Scope::Entries, fault, Times::UntilCleared);
}

/// Requests for proofs of any kind.
fn proofs_asked(log: &LogHandle) -> u64 {
    use Endpoint::{GetEntryAndProof, GetProofByHash, GetSthConsistency, HashTile};
    let all = [GetEntryAndProof, GetProofByHash, GetSthConsistency, HashTile];
    all.into_iter().map(|endpoint| log.stats().requests(endpoint)).sum()
}

/// Both logs of a simulator with what followers say of them.
fn both<'a>(sim: &'a Sim, followed: &Followed) -> Vec<(&'a LogHandle, Arc<LogStatus>)> {
    sim.logs().iter().map(|log| (log, followed.status(&url_of(log)))).collect()
}
