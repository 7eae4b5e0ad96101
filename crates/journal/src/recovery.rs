//! Recovery: what an earlier process left, folded to the state to continue with. Nothing is written
//! here.

mod fold;
mod list;
mod tail;

use std::io;
use std::ops::Range;
use std::time::Duration;

use record::{State, StreamId, SyncMode};

pub(crate) use self::fold::Fold;
use self::fold::Folded;
pub(crate) use self::list::Listing;
use self::tail::Tail;
use crate::damage::Damage;
use crate::error::ReadError;
use crate::format::{SegmentHeader, SegmentName, Totals};
use crate::host::Host;
use crate::segment::Store;

/// Age of the last frame beyond which nothing is proved: the journal may be a copy of one that was
/// continued elsewhere.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// Steps back of the clock that are nothing unusual.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// The result of recovery.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) totals: Totals,
    /// Number of the last message that is kept. That of the state, unless messages do not fit.
    pub(crate) kept: u64,
    /// No offset above the next one can have been shown.
    pub(crate) is_lossless: bool,
    /// The largest next offset found anywhere, also in what is not used.
    pub(crate) highest: u64,
    pub(crate) damage: Vec<Damage>,
    /// No segment can be used.
    pub(crate) is_unusable: bool,
    /// The place of what is used and not known to be durable.
    pub(crate) unsynced: Option<(SegmentName, Range<u64>)>,
}

/// Recovers the segments of a stream. Beside a process that writes them (`is_running`), the last frame
/// does not count until another one follows it.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn recover(
    store: &Store,
    stream: StreamId,
    host: &dyn Host,
    is_running: bool,
) -> Result<Recovered, ReadError> {
    let Some(last) = store.last() else { return Ok(Recovered::nothing(stream)) };
    let boot = host.boot();
    let is_same_boot = boot != [0; 16] && boot == last.header.boot;
    let file = store.open(last.name())?;
    let mut tail = Tail::examine(&*file, &last.header, is_same_boot || is_running)
        .map_err(|source| store.error(last.name(), source))?;
    if is_running {
        tail.leave_out_last();
    }
    let folded = fold::fold(store, &tail)?;
    let highest = store
        .list()
        .iter()
        .map(|segment| segment.header.totals.next_offset)
        .chain([tail.highest])
        .filter(|offset| *offset <= record::MAX_OFFSET)
        .max()
        .unwrap_or_default();
    let mut damage = tail.damage.clone();
    let Some(Folded { state, totals, damage: found }) = folded else {
        let nothing = Recovered::nothing(stream);
        return Ok(Recovered { highest, damage, is_unusable: true, is_lossless: false, ..nothing });
    };
    let is_known = |found: &Damage| {
        tail.damage.iter().any(|known| (&known.file, known.at) == (&found.file, found.at))
    };
    damage.extend(found.into_iter().filter(|found| !is_known(found)));
    let is_proved = state.number() == tail.kept
        && tail.is_complete(&last.header, is_same_boot)
        && is_recent(host.now(), &last.header, &tail, &totals);
    let highest = highest.max(state.next_offset());
    let unsynced = tail.unsynced.map(|range| (last.name(), range));
    let (is_lossless, is_unusable, kept) = (is_proved, false, tail.kept);
    Ok(Recovered { state, totals, kept, is_lossless, highest, damage, is_unusable, unsynced })
}

impl Recovered {
    const fn nothing(stream: StreamId) -> Self {
        Self {
            state: State::new(stream),
            totals: Totals { next_offset: 0, entries_end: 0, entries: 0, newest: 0 },
            kept: 0,
            is_lossless: true,
            highest: 0,
            damage: Vec::new(),
            is_unusable: false,
            unsynced: None,
        }
    }
}

/// Reports whether the last frame is so new that the journal cannot have been continued elsewhere.
fn is_recent(now: Duration, header: &SegmentHeader, tail: &Tail, totals: &Totals) -> bool {
    let stopped = tail.end.as_ref().map_or(0, |end| end.time);
    let last = Duration::from_millis(header.created.max(totals.newest).max(stopped));
    now.saturating_add(CLOCK_SLACK) >= last && now.saturating_sub(last) < MAX_AGE
}

/// Writes what is used and not known to be durable again, the same bytes to the same place, and syncs
/// it: nothing follows it before. A sync alone is not enough, because after one that has failed the
/// system takes what it could not write for written.
///
/// # Errors
/// If that fails.
pub(crate) fn make_durable(store: &Store, recovered: &Recovered) -> io::Result<()> {
    let Some((name, range)) = &recovered.unsynced else { return Ok(()) };
    let file = store.storage.reopen(&store.path(*name))?;
    let length = usize::try_from(range.end.saturating_sub(range.start));
    let mut bytes = vec![0; length.map_err(io::Error::other)?];
    let count = file.read_at(&mut bytes, range.start)?;
    file.write_at(bytes.get(..count).unwrap_or_default(), range.start)?;
    file.sync()?;
    store.storage.sync_dir(store.dir())
}

/// Returns the first offset of a term: the one after the last where nothing can be lost, otherwise one
/// that cannot have been given.
pub(crate) fn first_offset(recovered: &Recovered, now: Duration, min_offset: u64) -> u64 {
    let next = recovered.state.next_offset();
    if recovered.is_lossless && recovered.state.number() > 0 {
        return next.max(min_offset);
    }
    let newest = Duration::from_millis(recovered.totals.newest);
    let is_plausible = now >= newest && now < Duration::from_secs(YEAR_2100);
    let micros = u64::try_from(now.as_micros()).unwrap_or_default();
    let by_clock = if is_plausible { micros } else { 0 };
    let after = recovered.highest.max(next).saturating_add(MAX_UNSYNCED);
    after.max(by_clock).max(min_offset).min(record::MAX_OFFSET)
}

/// Entries that may be shown and not synced, at most.
pub(crate) const MAX_UNSYNCED: u64 = 1 << 24;
/// Seconds from 1970 to 2100.
const YEAR_2100: u64 = 4_102_444_800;

/// Returns whether a segment's mode shows only what is synced.
const fn is_batch(header: &SegmentHeader) -> bool {
    matches!(header.sync, SyncMode::Batch)
}
