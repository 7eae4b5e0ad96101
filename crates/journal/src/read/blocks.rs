//! The places in segments at which reading can begin, and the search for one.

use std::io;
use std::sync::Arc;

use record::BatchHash;
use record::encoding::Message;

use crate::error::ReadError;
use crate::format::{Block, End, FRAME_HEADER, FrameKind, SegmentName};
use crate::read::scan::{Found, Window};
use crate::read::walk::{Step, Walk};
use crate::segment::{FIRST_FRAME, Segment, Store};
use crate::storage::File;

/// Begins a walk before everything for which `is_before` is false, but at the last block for which it
/// is true. `None` where there are no segments.
pub(crate) fn start(
    store: &Store,
    is_before: impl Fn(&Block) -> bool,
) -> Result<Option<Walk>, ReadError> {
    let in_order = |segment: &Segment| is_before(&first_block(segment));
    let Some(mut segment) = store.find(in_order) else { return Ok(None) };
    loop {
        let blocks = match usable(store, &segment) {
            Ok(blocks) => blocks,
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                // It was deleted meanwhile, so what is kept begins after it.
                let (Some(next), _) = store.at(after(segment.name())) else { return Ok(None) };
                return Ok(Some(Walk::new(next.name(), FIRST_FRAME, number_before(&next))));
            }
            Err(error) => return Err(error),
        };
        let end = blocks.partition_point(&is_before).max(1);
        let candidates = blocks.get(..end).unwrap_or_default();
        for block in candidates.iter().rev() {
            if is_readable(store, &segment, block)? {
                return Ok(Some(Walk::new(segment.name(), block.at, block.number)));
            }
        }
        // The segment before leads here too, around what is damaged.
        let before = store.find(|other| other.name() < segment.name());
        match before.filter(|before| before.name() < segment.name()) {
            Some(before) => segment = before,
            None => {
                return Ok(Some(Walk::new(segment.name(), FIRST_FRAME, number_before(&segment))));
            }
        }
    }
}

/// Returns the blocks of a segment that count: those before the first message of the next segment. The
/// first one is always the begin of the segment.
pub(crate) fn usable(store: &Store, segment: &Segment) -> Result<Vec<Block>, ReadError> {
    let (_, next) = store.at(segment.name());
    let end = next.map_or(u64::MAX, |next| next.name().first);
    Ok(of(store, segment)?.iter().filter(|block| block.number < end).copied().collect())
}

/// Returns the blocks of a segment: those known, those at its end, or those found by reading it. The
/// first one is always the begin of the segment.
pub(crate) fn of(store: &Store, segment: &Segment) -> Result<Arc<Vec<Block>>, ReadError> {
    if let Some(blocks) = segment.known_blocks() {
        return Ok(blocks);
    }
    let file = store.open(segment.name())?;
    let blocks = match read_end(&*file, &segment.header.marker) {
        Ok(Some(end)) if !end.blocks.is_empty() => end.blocks,
        _ => {
            let found = scan(&*file, segment);
            found.map_err(|source| store.error(segment.name(), source))?
        }
    };
    Ok(segment.set_blocks(blocks))
}

/// Begins a walk at the first block after a place in a segment; `None` where there is none.
pub(crate) fn beyond(store: &Store, name: SegmentName, at: u64) -> Option<Walk> {
    let (segment, next) = store.at(name);
    let segment = segment?;
    if segment.name() != name {
        // It was deleted meanwhile.
        return Some(Walk::new(segment.name(), FIRST_FRAME, number_before(&segment)));
    }
    let blocks = usable(store, &segment).unwrap_or_default();
    match blocks.iter().find(|block| block.at > at) {
        Some(block) => Some(Walk::new(name, block.at, block.number)),
        None => next.map(|next| Walk::new(next.name(), FIRST_FRAME, number_before(&next))),
    }
}

/// Returns the block at the begin of a segment.
pub(crate) const fn first_block(segment: &Segment) -> Block {
    Block { at: FIRST_FRAME, number: number_before(segment), totals: segment.header.totals }
}

const fn number_before(segment: &Segment) -> u64 {
    segment.name().first.saturating_sub(1)
}

const fn after(name: SegmentName) -> SegmentName {
    SegmentName { first: name.first, attempt: name.attempt.saturating_add(1) }
}

/// Returns the hash of the last message of a segment, as the segment after it names it; none where no
/// segment follows, or the first frame of that one is damaged.
pub(crate) fn last_hash(store: &Store, segment: &Segment) -> Option<BatchHash> {
    let (_, next) = store.at(segment.name());
    let next = next?;
    let mut walk = Walk::new(next.name(), FIRST_FRAME, number_before(&next));
    match walk.step(store, next.name().first).ok()?? {
        Step::Message(Message::Begin(begin), _) => Some(begin.header.prev),
        Step::Message(Message::Checkpoint(first), _) => Some(first.state.next_header().prev),
        Step::Message(Message::Batch(_), _) | Step::Damage(_) => None,
    }
}

/// Reads the frame that ends a segment, if it has one.
pub(crate) fn read_end(file: &dyn File, marker: &[u8; 8]) -> io::Result<Option<End>> {
    let bytes = file.bytes()?;
    let mut length = [0; 4];
    let Some(place) = bytes.checked_sub(length.len() as u64) else { return Ok(None) };
    file.read_at(&mut length, place)?;
    let length = u64::from(u32::from_le_bytes(length));
    if length < FRAME_HEADER as u64 {
        return Ok(None);
    }
    let Some(at) = bytes.checked_sub(length).filter(|at| *at >= FIRST_FRAME) else {
        return Ok(None);
    };
    let mut window = Window::default();
    match window.frame(file, marker, at)? {
        Found::Frame(header) if header.kind == FrameKind::End && header.frame_bytes() == length => {
            Ok(End::from_bytes(window.payload(file, at, &header)?))
        }
        _ => Ok(None),
    }
}

/// Finds the blocks of a segment by reading it.
fn scan(file: &dyn File, segment: &Segment) -> io::Result<Vec<Block>> {
    let (mut window, mut at) = (Window::default(), FIRST_FRAME);
    let mut blocks = vec![first_block(segment)];
    loop {
        match window.frame(file, &segment.header.marker, at)? {
            Found::Frame(header) => {
                if header.kind == FrameKind::Checkpoint && at > FIRST_FRAME {
                    let number = header.number;
                    blocks.push(Block { at, number, totals: header.totals() });
                }
                at = at.saturating_add(header.frame_bytes());
            }
            Found::Damaged { end, .. } => at = end,
            Found::Incomplete | Found::End => return Ok(blocks),
        }
    }
}

/// Reports whether reading can begin at a block: its checkpoint is not damaged, and can be read.
fn is_readable(store: &Store, segment: &Segment, block: &Block) -> Result<bool, ReadError> {
    let file = match store.open(segment.name()) {
        Ok(file) => file,
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut window = Window::default();
    let mut at = block.at;
    loop {
        match window.frame(&*file, &segment.header.marker, at) {
            // A begin precedes the first checkpoint of its segment.
            Ok(Found::Frame(header)) if header.kind == FrameKind::Begin => {
                at = at.saturating_add(header.frame_bytes());
            }
            Ok(Found::Frame(header)) => return Ok(header.kind == FrameKind::Checkpoint),
            _ => return Ok(false),
        }
    }
}
