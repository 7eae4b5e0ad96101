//! The thread that keeps the set: it writes what is in memory, merges files, and builds the set from the
//! journal where it has to.

use std::time::{Duration, Instant};

use super::{Failure, FirstSeen, Phase, begin};

/// The time between two writes. A start reads again what the journal got since the last one.
const EVERY: Duration = Duration::from_secs(60);

/// The work that is due.
enum Due {
    Build,
    Write,
    Stop,
}

/// Keeps the set until the server stops.
pub(super) fn run(shared: &FirstSeen) {
    let mut next = Instant::now() + EVERY;
    let mut has_failed = false;
    loop {
        let outcome = match wait(shared, next) {
            Due::Stop => break,
            Due::Build => build(shared),
            Due::Write => shared.write().and_then(|()| shared.tidy()),
        };
        match outcome {
            Ok(()) => {
                if has_failed {
                    tracing::info!("the set of domains can be written again");
                }
                (has_failed, next) = (false, Instant::now() + EVERY);
            }
            Err(failure) if failure.damaged_file().is_some() => {
                shared.rebuild(&mut shared.state.lock(), &failure);
            }
            Err(failure) => {
                if !has_failed {
                    tracing::error!(error = %failure, "the set of domains cannot be written; trying again");
                }
                has_failed = true;
                shared.count_failure();
                // What failed is due at once, after a pause.
                next = Instant::now();
                shared.state.lock().pauses.fail(next);
            }
        }
    }
    if let Err(failure) = shared.write() {
        shared.count_failure();
        tracing::warn!(
            error = %failure,
            "the set of domains was not written: the next start reads the end of the journal again"
        );
    }
}

/// Waits until something is due. Nothing is while a pause after a failure lasts.
fn wait(shared: &FirstSeen, next: Instant) -> Due {
    let mut state = shared.state.lock();
    loop {
        if shared.is_stopping() {
            return Due::Stop;
        }
        let now = Instant::now();
        let until = match state.pauses.until(now) {
            Some(until) => until,
            None if state.phase == Phase::Building => return Due::Build,
            None if state.is_full || now >= next => {
                state.is_full = false;
                return Due::Write;
            }
            None => next,
        };
        shared.changed.wait_until(&mut state, until);
    }
}

/// Applies what the journal has and the set has not.
fn build(shared: &FirstSeen) -> Result<(), Failure> {
    let start = Instant::now();
    let damaged = shared.state.lock().damaged.clone();
    if let Some(path) = damaged {
        shared.set.clear(begin(&shared.journal), Some(&path))?;
        shared.state.lock().damaged = None;
    }
    loop {
        if !shared.catch_up(shared.journal.head().next_offset, None, true)? {
            // The server stops.
            return Ok(());
        }
        // What was committed meanwhile. Nothing is decided until the set has it.
        let mut state = shared.state.lock();
        if shared.catch_up(shared.journal.head().next_offset, None, false)? {
            shared.enter(&mut state, Phase::Deciding);
            break;
        }
        if shared.is_stopping() {
            return Ok(());
        }
    }
    let (domains, seconds) = (shared.set.stats().domains, start.elapsed().as_secs());
    tracing::info!(domains, seconds, "the set of domains is complete");
    Ok(())
}
