//! The search for the place in a stream at which an offset lies.

use record::encoding::{self, Kind};

use crate::error::UseError;
use crate::link::{Bounds, Link};
use crate::protocol::{self, Body, Message};

/// Messages read upwards in search of one that has an offset.
const MAX_PROBES: u32 = 512;
/// Messages read downwards in search of a checkpoint, before the stream is read from its beginning.
const MAX_STEPS: u64 = 4096;

/// A message with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Probe {
    sequence: u64,
    kind: Kind,
    /// The first offset of a batch or a begin, the next one of a checkpoint.
    offset: u64,
}

/// Finds the sequence after which a reader has to begin so that it reads the entries after `offset`: it
/// then begins at a checkpoint before them. If the stream does not reach back so far, that is the
/// beginning of the stream.
///
/// # Errors
/// If no server responds.
pub async fn find(link: &Link, offset: u64) -> Result<u64, UseError> {
    let Bounds { first, last } = link.bounds().await?;
    let (mut low, mut high) = (first, last.saturating_add(1));
    // All messages below `low` begin at the offset or before, all from `high` on after it.
    while low < high {
        let middle = low.midpoint(high);
        match probe(link, middle).await? {
            Some(probe) if probe.sequence < high && probe.offset <= offset => {
                low = probe.sequence.saturating_add(1);
            }
            // Nothing upwards of the middle counts, or it is too late.
            _ => high = middle,
        }
    }
    let lowest = first.max(low.saturating_sub(MAX_STEPS));
    let mut sequence = low;
    while sequence > lowest {
        sequence = sequence.saturating_sub(1);
        let found = link.get(sequence).await?.and_then(|payload| read(sequence, &payload));
        if found.is_some_and(|found| found.kind == Kind::Checkpoint && found.offset <= offset) {
            return Ok(sequence.saturating_sub(1));
        }
    }
    Ok(first.saturating_sub(1))
}

/// Reads upwards from a sequence to the first message that has an offset. Messages may be deleted, of
/// others, or parts.
async fn probe(link: &Link, from: u64) -> Result<Option<Probe>, UseError> {
    let mut from = from;
    for _ in 0..MAX_PROBES {
        let Some((sequence, payload)) = link.get_from(from).await? else { return Ok(None) };
        if let Some(probe) = read(sequence, &payload) {
            return Ok(Some(probe));
        }
        from = sequence.saturating_add(1);
    }
    Ok(None)
}

fn read(sequence: u64, payload: &bytes::Bytes) -> Option<Probe> {
    let Body::Whole(content) = Message::read(payload).ok()?.body else { return None };
    let plain = protocol::decompress(&content)?;
    let (kind, _, offset) = encoding::header_and_offset(&plain).ok()?;
    Some(Probe { sequence, kind, offset })
}
