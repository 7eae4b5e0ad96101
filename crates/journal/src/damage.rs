//! Damage that was found, in words.

use std::collections::HashSet;
use std::fmt;

use parking_lot::Mutex;

/// A part of a journal that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// The first byte of the part.
    pub at: u64,
    /// The byte after it.
    pub end: u64,
    /// Kind of damage.
    pub kind: DamageKind,
}

/// Kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DamageKind {
    /// The header of a segment.
    Header,
    /// Bytes that are no frame, or a frame whose checksum is wrong.
    Frame,
    /// A frame in order whose message cannot be decoded, or does not fit the messages before it:
    /// usually because a frame before it is damaged.
    Message,
    /// Bytes that the system cannot read, within this part.
    Unreadable,
    /// Frames that were written but not synced when the machine stopped. They are set aside: what
    /// they contain is read from the logs again.
    Unsynced,
    /// A file whose format is not known.
    Foreign,
    /// Segments that are missing before this one.
    Missing,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, at, end, kind } = self;
        match kind {
            DamageKind::Header => write!(f, "{file}: the header is damaged"),
            DamageKind::Frame => write!(f, "{file}: bytes {at} to {end} are damaged"),
            DamageKind::Message => {
                write!(f, "{file}: bytes {at} to {end} do not fit what precedes them")
            }
            DamageKind::Unreadable => write!(f, "{file}: bytes from {at} on cannot be read"),
            DamageKind::Unsynced => write!(
                f,
                "{file}: bytes {at} to {end} were not synced when the machine stopped, and are not used"
            ),
            DamageKind::Foreign => write!(f, "{file}: not a segment"),
            DamageKind::Missing => write!(f, "{file}: the segment before it is missing"),
        }
    }
}

/// Damage found so far, each part once.
#[derive(Debug, Default)]
pub(crate) struct DamageLog {
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    places: HashSet<(String, u64)>,
    count: u64,
}

/// Places remembered; more are counted each time they are found.
const MAX_PLACES: usize = 10_000;

impl DamageLog {
    /// Counts and logs damage that was not found before.
    pub(crate) fn note(&self, damage: &Damage) {
        let mut found = self.found.lock();
        let place = (damage.file.clone(), damage.at);
        if found.places.contains(&place) {
            return;
        }
        found.count = found.count.saturating_add(1);
        if found.places.len() < MAX_PLACES {
            found.places.insert(place);
            tracing::warn!("the journal is damaged: {damage}");
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.found.lock().count
    }
}
