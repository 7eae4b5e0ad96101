//! The search for the place in a stream at which reading has to begin.

use bytes::Bytes;
use record::encoding::{self, Kind};

use crate::error::UseError;
use crate::link::{Bounds, Extent, Link};
use crate::protocol::{self, Assembled, Assembly, Body, Message, MessageId};

/// Messages read upwards in search of one that has an offset.
const MAX_PROBES: u32 = 512;
/// Messages read downwards in search of a checkpoint, before the stream is read from its beginning.
const MAX_STEPS: u64 = 4096;
/// Messages of others that may lie between the parts of a content.
const MAX_BETWEEN: u32 = 64;

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
    checkpoint_below(link, low, first, offset).await
}

/// Finds the sequence after which a reader has to begin so that it reads about the last `bytes` bytes of
/// messages, or more: it then begins at a checkpoint before them.
pub(crate) async fn near_end(link: &Link, bytes: u64) -> Result<u64, UseError> {
    let Extent { bounds: Bounds { first, last }, messages, bytes: stored } = link.extent().await?;
    let average = stored.checked_div(messages).unwrap_or_default().max(1);
    let wanted = bytes.div_ceil(average).max(1);
    let start = last.saturating_add(1).saturating_sub(wanted);
    if start <= first {
        return Ok(first.saturating_sub(1));
    }
    checkpoint_below(link, start.saturating_add(1), first, u64::MAX).await
}

/// Finds the last checkpoint below the sequence `end` whose offset is not above `offset`, and returns the
/// sequence before it; the one before `first` if there is none.
async fn checkpoint_below(link: &Link, end: u64, first: u64, offset: u64) -> Result<u64, UseError> {
    let lowest = first.max(end.saturating_sub(MAX_STEPS));
    let mut sequence = end;
    while sequence > lowest {
        sequence = sequence.saturating_sub(1);
        let Some(payload) = link.get(sequence).await? else { continue };
        let found = read(link, sequence, &payload).await?;
        if found.is_some_and(|found| found.kind == Kind::Checkpoint && found.offset <= offset) {
            return Ok(sequence.saturating_sub(1));
        }
    }
    Ok(first.saturating_sub(1))
}

/// Reads upwards from a sequence to the first message that has an offset. Messages may be deleted, of
/// others, or later parts.
async fn probe(link: &Link, from: u64) -> Result<Option<Probe>, UseError> {
    let mut from = from;
    for _ in 0..MAX_PROBES {
        let Some((sequence, payload)) = link.get_from(from).await? else { return Ok(None) };
        if let Some(probe) = read(link, sequence, &payload).await? {
            return Ok(Some(probe));
        }
        from = sequence.saturating_add(1);
    }
    Ok(None)
}

/// Reads the kind and the offset of the content that begins with a message.
async fn read(link: &Link, sequence: u64, payload: &Bytes) -> Result<Option<Probe>, UseError> {
    let body = Message::read(payload).ok().map(|message| message.body);
    let content = match body {
        Some(Body::Whole(content)) => Some(content),
        Some(Body::Part { number: 0, .. }) => assemble(link, sequence, payload).await?,
        _ => None,
    };
    Ok(content.and_then(|content| {
        let plain = protocol::decompress(&content)?;
        let (kind, _, offset) = encoding::header_and_offset(&plain).ok()?;
        Some(Probe { sequence, kind, offset })
    }))
}

/// Reads the content that comes in parts of which this message is the first.
async fn assemble(link: &Link, first: u64, payload: &Bytes) -> Result<Option<Bytes>, UseError> {
    let mut assembly = Assembly::default();
    let (mut sequence, mut payload) = (first, payload.clone());
    let mut last = None;
    let mut between = 0;
    while between < MAX_BETWEEN {
        match Message::read(&payload) {
            Ok(Message { after, body: Body::Part { number, count, piece } })
                if last.is_none_or(|last| last == after) =>
            {
                last = Some(MessageId::of(&payload));
                match assembly.add(sequence, number, count, &piece) {
                    Assembled::Incomplete => {}
                    Assembled::Content(content) => return Ok(Some(content)),
                    Assembled::Invalid => return Ok(None),
                }
            }
            _ => between = between.saturating_add(1),
        }
        match link.get_from(sequence.saturating_add(1)).await? {
            Some(next) => (sequence, payload) = next,
            None => return Ok(None),
        }
    }
    Ok(None)
}
