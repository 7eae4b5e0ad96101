//! The model: random sequences of appends, syncs, rolls, retention, failures, crashes and recoveries.
//! An observer remembers everything ever shown.
//!
//! `JOURNAL_SEQUENCES=100000 cargo test -p journal --release model` runs more of them;
//! `JOURNAL_SEED=N` runs one.

mod checks;
mod run;

use journal::storage::simulated::Lie;

use self::run::{Accidents, Run};

const SEQUENCES: u64 = 2_000;

/// Runs one sequence; returns the broken invariant.
fn run(seed: u64, accidents: Accidents) -> Result<(), String> {
    Run::new(seed, accidents).all().map_err(|broken| format!("seed {seed}: {broken}"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_sequence_of_crashes_keeps_the_invariants() {
    if let Some(seed) = number("JOURNAL_SEED") {
        return run(seed, Accidents::of(seed)).unwrap();
    }
    let sequences = number("JOURNAL_SEQUENCES").unwrap_or(SEQUENCES);
    let failed = (0..sequences).find_map(|seed| run(seed, Accidents::of(seed)).err());
    assert_eq!(failed, None, "run it again with JOURNAL_SEED");
}

/// Runs sequences with a fault of the environment until the model notices it.
fn notices(fault: impl Fn(Accidents) -> Accidents) -> bool {
    (0..SEQUENCES).any(|seed| run(seed, fault(Accidents::of(seed))).is_err())
}

#[test]
fn the_model_notices_files_that_are_not_synced() {
    assert!(notices(|accidents| Accidents { lie: Some(Lie::FileSync), ..accidents }));
}

#[test]
fn the_model_notices_directories_that_are_not_synced() {
    assert!(notices(|accidents| Accidents { lie: Some(Lie::DirectorySync), ..accidents }));
}

#[test]
fn the_model_notices_failed_syncs_that_are_ignored() {
    assert!(notices(|accidents| Accidents { lie: Some(Lie::FailedSync), ..accidents }));
}

#[test]
fn the_model_notices_offsets_that_continue_after_a_loss_of_power() {
    assert!(notices(|accidents| Accidents { reboots_unnoticed: true, ..accidents }));
}
