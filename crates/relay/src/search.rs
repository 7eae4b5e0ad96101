//! The search for the place in a stream at which reading has to begin.

use bytes::Bytes;
use record::encoding::Kind;

use crate::error::UseError;
use crate::link::{Bounds, Extent, Link};
use crate::places::{Place, Places};
use crate::protocol::{Body, Message, MessageId, Outline, Totals};

/// Messages read upwards in search of one that has an outline.
const MAX_PROBES: u32 = 512;
/// Messages read in search of a checkpoint, before reading begins elsewhere.
const MAX_STEPS: u64 = 4096;
/// Messages between two known places that are read rather than searched.
const NEAR: u64 = 64;

/// A message that begins a content.
#[derive(Clone, Copy, Debug)]
struct Probe {
    sequence: u64,
    outline: Outline,
}

/// The place at which reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The sequence before it.
    pub(crate) after: u64,
    /// The totals of the checkpoint there; `None` at the beginning of the stream.
    pub(crate) totals: Option<Totals>,
}

/// Finds the sequence after which a reader has to begin so that it reads the entries after `offset`: it
/// then begins at a checkpoint before them. If the stream does not reach back so far, that is the
/// beginning of the stream.
///
/// # Errors
/// If no server responds.
pub async fn find(link: &Link, offset: u64) -> Result<u64, UseError> {
    let found = last_before(link, &Places::default(), |totals| totals.end <= offset).await?;
    Ok(found.after)
}

/// Finds the last checkpoint whose totals lie before something. Those of all earlier ones must, too.
pub(crate) async fn last_before(
    link: &Link,
    places: &Places,
    is_before: impl Fn(&Totals) -> bool,
) -> Result<Found, UseError> {
    let Bounds { first, last } = link.bounds().await?;
    let (known, next) = places.around(&is_before);
    let known = known.filter(|known| known.after.saturating_add(1) >= first);
    let lowest = known.map_or(first, |known| known.after.saturating_add(1));
    let highest = next.map_or(u64::MAX, |next| next.after).min(last).saturating_add(1);
    if let Some(Place { after, totals }) = known
        && highest.saturating_sub(lowest) <= NEAR
    {
        return Ok(Found { after, totals: Some(totals) });
    }
    // What lies below `low` is before it, and nothing from `high` on.
    let (mut low, mut high) = (lowest, highest.max(lowest));
    while low < high {
        let middle = low.midpoint(high);
        match probe(link, middle).await? {
            Some(probe) if probe.sequence < high && is_before(&probe.outline.before) => {
                low = probe.sequence.saturating_add(1);
            }
            // Nothing upwards of the middle counts, or it is too late.
            _ => high = middle,
        }
    }
    checkpoint_below(link, low, first, is_before).await
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
    Ok(checkpoint_below(link, start.saturating_add(1), first, |_| true).await?.after)
}

/// Finds the last checkpoint below the sequence `end` that lies before something; the beginning of the
/// stream at `first` if there is none. Void ones are left out.
pub(crate) async fn checkpoint_below(
    link: &Link,
    end: u64,
    first: u64,
    is_before: impl Fn(&Totals) -> bool,
) -> Result<Found, UseError> {
    let lowest = first.max(end.saturating_sub(MAX_STEPS));
    let mut sequence = end;
    while sequence > lowest {
        sequence = sequence.saturating_sub(1);
        let Some(payload) = link.get(sequence).await? else { continue };
        if let Some(Outline { kind: Kind::Checkpoint, before, .. }) = outline(&payload)
            && is_before(&before)
            && is_linked(link, sequence, &payload, first).await?
        {
            return Ok(Found { after: sequence.saturating_sub(1), totals: Some(before) });
        }
    }
    Ok(Found { after: first.saturating_sub(1), totals: None })
}

/// Reports whether a message was written after the last one of ours before it: then it is not void,
/// unless that is. If there is none any more, nothing speaks against it.
async fn is_linked(
    link: &Link,
    sequence: u64,
    payload: &Bytes,
    first: u64,
) -> Result<bool, UseError> {
    let Ok(Message { after, .. }) = Message::read(payload) else { return Ok(false) };
    let lowest = first.max(sequence.saturating_sub(MAX_STEPS));
    let mut before = sequence;
    while before > lowest && after != MessageId::NONE {
        before = before.saturating_sub(1);
        let Some(payload) = link.get(before).await? else { continue };
        match Message::read(&payload) {
            Err(_) | Ok(Message { body: Body::Mark, .. }) => {}
            Ok(_) => return Ok(MessageId::of(&payload) == after),
        }
    }
    Ok(true)
}

/// Finds the first checkpoint at a sequence or after it.
pub(crate) async fn checkpoint_from(link: &Link, from: u64) -> Result<Option<Place>, UseError> {
    let mut from = from;
    for _ in 0..MAX_STEPS {
        let Some((sequence, payload)) = link.get_from(from).await? else { return Ok(None) };
        if let Some(Outline { kind: Kind::Checkpoint, before, .. }) = outline(&payload) {
            return Ok(Some(Place { after: sequence.saturating_sub(1), totals: before }));
        }
        from = sequence.saturating_add(1);
    }
    Ok(None)
}

/// Reads upwards from a sequence to the first message that has an outline. Messages may be deleted, of
/// others, or later parts.
async fn probe(link: &Link, from: u64) -> Result<Option<Probe>, UseError> {
    let mut from = from;
    for _ in 0..MAX_PROBES {
        let Some((sequence, payload)) = link.get_from(from).await? else { return Ok(None) };
        if let Some(outline) = outline(&payload) {
            return Ok(Some(Probe { sequence, outline }));
        }
        from = sequence.saturating_add(1);
    }
    Ok(None)
}

/// Reads the outline of the content that begins with a message.
fn outline(payload: &Bytes) -> Option<Outline> {
    let (Body::Whole(content) | Body::Part { number: 0, piece: content, .. }) =
        Message::read(payload).ok()?.body
    else {
        return None;
    };
    Outline::read(&content).map(|(outline, _)| outline)
}
