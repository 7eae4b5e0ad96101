//! Deleting the oldest segments: beyond the limits, or because the disk is full.

use std::io;
use std::time::Duration;

use parking_lot::Mutex;

use super::names::Names;
use crate::segment::Segment;
use crate::shared::Shared;

/// Difference between the clocks beyond which the wall clock has stepped.
const STEP: Duration = Duration::from_secs(300);
/// Time for which the clocks must agree after a step, until ages count again.
const SETTLED: Duration = Duration::from_secs(24 * 60 * 60);

/// Ages, by a wall clock that may step. After a step nothing is too old until the clock has run evenly
/// for a day.
#[derive(Debug)]
pub(crate) struct Ageing {
    clock: Mutex<Clock>,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Both clocks at one time, to compare them by.
    wall: Duration,
    monotonic: Duration,
    /// The monotonic clock's time of the last step.
    stepped: Option<Duration>,
}

impl Ageing {
    pub(crate) const fn new(wall: Duration, monotonic: Duration) -> Self {
        Self { clock: Mutex::new(Clock { wall, monotonic, stepped: None }) }
    }

    /// Returns the time in milliseconds since 1970 if the wall clock can be trusted to run evenly.
    fn now(&self, wall: Duration, monotonic: Duration) -> Option<u64> {
        let mut clock = self.clock.lock();
        let expected = clock.wall.saturating_add(monotonic.saturating_sub(clock.monotonic));
        if expected.abs_diff(wall) > STEP {
            tracing::warn!("the clock has stepped: no segment is deleted for its age for a day");
            *clock = Clock { wall, monotonic, stepped: Some(monotonic) };
        }
        let is_settled =
            clock.stepped.is_none_or(|stepped| monotonic.saturating_sub(stepped) >= SETTLED);
        is_settled.then(|| u64::try_from(wall.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Deletes segments beyond the limits, oldest first, never the last one.
pub(crate) fn enforce(shared: &Shared) {
    let mut names = shared.names.lock();
    while shared.store.bytes() > shared.settings.max_bytes {
        if !delete_aside(shared, &mut names) && !delete(shared, &mut names) {
            return;
        }
    }
    while is_oldest_too_old(shared) && delete(shared, &mut names) {}
}

/// Deletes what is set aside, or the oldest segment, because the disk is full. Returns `false` if there is
/// only one.
pub(super) fn delete_oldest(shared: &Shared) -> bool {
    let mut names = shared.names.lock();
    if delete_aside(shared, &mut names) {
        return true;
    }
    let is_deleted = delete(shared, &mut names);
    if is_deleted {
        tracing::warn!("the disk is full: the oldest segment of the journal was deleted");
    }
    is_deleted
}

/// Reports whether everything in the oldest segment was seen too long ago.
fn is_oldest_too_old(shared: &Shared) -> bool {
    let Some(max_age) = shared.settings.max_age else { return false };
    let Some(next) = shared.store.second() else { return false };
    let now = shared.ageing.now(shared.host.now(), shared.host.monotonic());
    let max_age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
    let newest = next.header.totals.newest.max(next.header.created);
    now.is_some_and(|now| newest.saturating_add(max_age) < now)
}

/// Deletes the oldest segment that was set aside: it is of no use to readers. Returns `false` if that is
/// not possible.
fn delete_aside(shared: &Shared, names: &mut Names) -> bool {
    let Some(oldest) = shared.store.oldest_aside() else { return false };
    let file = shared.store.dir().join(&oldest.name);
    let deleted = names.delete_aside(&shared.store, &oldest.name);
    let deleted = deleted.and_then(|()| names.settle(&shared.store));
    if let Err(error) = deleted {
        tracing::warn!(file = %file.display(), %error, "a damaged segment cannot be deleted");
        return false;
    }
    shared.store.remove_aside(&oldest.name);
    shared.note_deleted();
    let (file, bytes) = (file.display(), oldest.bytes);
    tracing::warn!(%file, bytes, "a damaged segment that was set aside is deleted to make room");
    true
}

/// Deletes the oldest segment. Returns `false` if that is not possible.
fn delete(shared: &Shared, names: &mut Names) -> bool {
    let Some(oldest) = shared.store.first().filter(|_| shared.store.count() > 1) else {
        return false;
    };
    let deleted = names.delete(&shared.store, oldest.name());
    if let Err(error) = deleted {
        let file = shared.store.path(oldest.name());
        tracing::warn!(file = %file.display(), %error, "a segment cannot be deleted");
        return false;
    }
    shared.store.pop_oldest();
    shared.update_oldest();
    shared.note_deleted();
    tracing::debug!(segment = %oldest.name(), "segment deleted");
    let rest = remove_sidecars(shared, &oldest).and_then(|()| names.settle(&shared.store));
    if let Err(error) = rest {
        let file = shared.store.path(oldest.name());
        tracing::warn!(file = %file.display(), %error, "the deletion of a segment is not complete");
    }
    true
}

fn remove_sidecars(shared: &Shared, segment: &Segment) -> io::Result<()> {
    let dir = shared.store.dir();
    let stem = segment.name().stem();
    for entry in shared.store.storage.list(dir)? {
        let is_sidecar = entry.name.strip_prefix(&stem).is_some_and(|rest| rest.starts_with('.'));
        if is_sidecar {
            shared.store.storage.remove(&dir.join(entry.name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_step_of_the_clock_ages_count_only_a_day_later() {
        let (wall, hour) = (Duration::from_secs(1_700_000_000), Duration::from_secs(3600));
        let ageing = Ageing::new(wall, Duration::ZERO);
        assert!(ageing.now(wall + hour, hour).is_some());
        let far = wall + hour * 1_000_000;
        assert_eq!(ageing.now(far, hour * 2), None);
        assert_eq!(ageing.now(far + hour * 23, hour * 25), None);
        assert!(ageing.now(far + hour * 24, hour * 26).is_some());
        assert_eq!(ageing.now(wall, hour * 27), None);
    }
}
