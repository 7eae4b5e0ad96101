//! Finding the offset of a time.

use record::encoding::Message;

use crate::damage::Damage;
use crate::error::ReadError;
use crate::read::blocks;
use crate::read::walk::Step;
use crate::segment::Store;

/// Returns the lowest offset of an entry seen at `time` or later. The newest time seen up to a place
/// never decreases, whatever the clock did, so the place at which it reaches `time` can be searched.
pub(crate) fn find(
    store: &Store,
    limit: u64,
    time: u64,
    note: impl Fn(&Damage),
) -> Result<Option<u64>, ReadError> {
    let Some(mut walk) = blocks::start(store, |block| block.totals.newest < time)? else {
        return Ok(None);
    };
    while let Some(step) = walk.step(store, limit)? {
        let batch = match step {
            Step::Message(Message::Batch(batch), frame) if frame.newest >= time => batch,
            Step::Message(..) => continue,
            Step::Damage(damage) => {
                note(&damage);
                continue;
            }
        };
        let mut records = (batch.first_offset..).zip(&batch.records);
        if let Some((offset, _)) = records.find(|(_, record)| record.seen >= time) {
            return Ok(Some(offset));
        }
    }
    Ok(None)
}
