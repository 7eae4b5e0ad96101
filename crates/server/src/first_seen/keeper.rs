//! The thread that keeps the set: it writes what is in memory, merges files, and builds the set from the
//! journal where it has to.

use std::time::{Duration, Instant};

use super::{Failure, FirstSeen, Phase, begin};

/// The time between two writes. A start reads again what the journal got since the last one.
const EVERY: Duration = Duration::from_secs(60);
/// Pause after a failure, before the next attempt.
const RETRY: Duration = Duration::from_secs(5);

/// The work that is due.
enum Due {
    Build { is_damaged: bool },
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
            Due::Build { is_damaged } => build(shared, is_damaged),
            Due::Write => keep(shared),
        };
        match outcome {
            Ok(()) => {
                if has_failed {
                    tracing::info!("the set of domains can be written again");
                }
                (has_failed, next) = (false, Instant::now() + EVERY);
            }
            Err(failure) if failure.is_damage() => {
                shared.rebuild(&mut shared.state.lock(), &failure);
            }
            Err(failure) => {
                if !has_failed {
                    tracing::error!(error = %failure, "the set of domains cannot be written; trying again");
                }
                has_failed = true;
                next = Instant::now() + RETRY;
                pause(shared, next);
            }
        }
    }
    if let Err(failure) = shared.write() {
        tracing::warn!(
            error = %failure,
            "the set of domains was not written: the next start reads the end of the journal again"
        );
    }
}

/// Waits until something is due.
fn wait(shared: &FirstSeen, next: Instant) -> Due {
    let mut state = shared.state.lock();
    loop {
        if shared.is_stopping() {
            return Due::Stop;
        }
        if let Phase::Building { is_damaged } = state.phase {
            return Due::Build { is_damaged };
        }
        if state.is_full || Instant::now() >= next {
            state.is_full = false;
            return Due::Write;
        }
        shared.changed.wait_until(&mut state, next);
    }
}

/// Waits after a failure, unless the server stops.
fn pause(shared: &FirstSeen, until: Instant) {
    let mut state = shared.state.lock();
    while !shared.is_stopping() && !shared.changed.wait_until(&mut state, until).timed_out() {}
}

/// Applies what the journal has and the set has not.
fn build(shared: &FirstSeen, is_damaged: bool) -> Result<(), Failure> {
    let start = Instant::now();
    if is_damaged {
        shared.set.clear(begin(&shared.journal))?;
        let mut state = shared.state.lock();
        shared.enter(&mut state, Phase::Building { is_damaged: false });
    }
    if !shared.catch_up(shared.journal.head().next_offset, None, true)? {
        // The server stops.
        return Ok(());
    }
    let mut state = shared.state.lock();
    shared.enter(&mut state, Phase::Built);
    drop(state);
    let (domains, seconds) = (shared.set.stats().domains, start.elapsed().as_secs());
    tracing::info!(domains, seconds, "the set of domains is complete");
    Ok(())
}

/// Writes what is in memory, and keeps the files within their limit.
fn keep(shared: &FirstSeen) -> Result<(), Failure> {
    shared.write()?;
    let forgotten = shared.set.tidy(&|| shared.is_stopping())?;
    if forgotten > 0 {
        tracing::info!(
            forgotten,
            "domains that were not seen for longest are forgotten, and count as new again \
             (journal.first_seen_max_bytes)"
        );
    }
    Ok(())
}
