//! Finding the offset of a time.

use record::encoding::Message;

use crate::damage::{Damage, DamageKind};
use crate::error::ReadError;
use crate::read::blocks;
use crate::read::walk::Step;
use crate::segment::Store;

/// The offset of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The lowest offset of an entry seen at the time or later.
    pub(crate) offset: u64,
    /// The lowest offset at which such an entry may have been that is lost; otherwise the same one.
    pub(crate) lowest: u64,
}

/// Returns the lowest offset of an entry seen at `time` or later. The newest time seen up to a place
/// never decreases, whatever the clock did, so the place at which it reaches `time` can be searched.
/// Skips what is damaged or cannot be read.
pub(crate) fn find(
    store: &Store,
    limit: u64,
    time: u64,
    note: impl Fn(&Damage),
) -> Result<Option<Moment>, ReadError> {
    let Some(mut walk) = blocks::start(store, |block| block.totals.newest < time)? else {
        return Ok(None);
    };
    let (mut end, mut lost): (Option<u64>, Option<u64>) = (None, None);
    loop {
        let (message, frame) = match walk.step(store, limit) {
            Ok(Some(Step::Message(message, frame))) => (message, frame),
            Ok(Some(Step::Damage(damage))) => {
                note(&damage);
                continue;
            }
            Ok(None) => return Ok(None),
            Err(error) => {
                let (segment, at) = walk.place();
                let Some(next) = blocks::beyond(store, segment, at) else { return Err(error) };
                let (file, kind) = (segment.to_string(), DamageKind::Unreadable);
                note(&Damage { file, at, end: at, kind });
                walk = next;
                continue;
            }
        };
        lost = lost.or_else(|| end.filter(|end| *end < frame.from));
        end = Some(frame.totals().entries_end);
        if frame.newest < time {
            // So was everything before it.
            lost = None;
            continue;
        }
        let Message::Batch(batch) = message else { continue };
        let mut records = (batch.first_offset..).zip(&batch.records);
        if let Some((offset, _)) = records.find(|(_, record)| record.seen >= time) {
            return Ok(Some(Moment { offset, lowest: lost.unwrap_or(offset) }));
        }
    }
}
