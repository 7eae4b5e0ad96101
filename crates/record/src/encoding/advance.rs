//! Positions and trees: whole in a checkpoint, as what changed in a batch.

use ct::Hash;
use ct::merkle::CompactRange;

use super::bytes::{Reader, Writer};
use super::context::Context;
use super::{DecodeError, EncodeError};
use crate::entry::LogNumber;
use crate::position::{Advance, Position, Proved, Tree};

const FIRST_KNOWN: u8 = 1;
const HEAD_KNOWN: u8 = 1 << 1;
const TREE: u8 = 1 << 2;
const HASHES_KNOWN: u8 = 1 << 3;
const FROM_KNOWN: u8 = 1 << 4;
const PROVED_KNOWN: u8 = 1 << 5;
const PROVED_WHOLE: u8 = 1 << 6;
const UNUSED: u8 = 1 << 7;

/// Writes an advance as its difference from the known position.
pub(super) fn write(
    advance: &Advance,
    context: &Context,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    let Advance { log, first, position } = advance;
    let contradiction = EncodeError::Position(log.0);
    let count = position.next.checked_sub(*first).ok_or(contradiction)?;
    if position.tree.as_ref().is_some_and(|tree| !tree.is_consistent(position.next)) {
        return Err(contradiction);
    }
    let known = context.position(*log);
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let mut flags = flag(known.is_some_and(|known| known.next == *first), FIRST_KNOWN)
        | flag(known.is_some_and(|known| known.largest_head == position.largest_head), HEAD_KNOWN);
    let known_tree = known.and_then(|known| known.tree.as_ref());
    if let Some(tree) = &position.tree {
        flags |= TREE | tree_flags(tree, known_tree);
    }
    writer.uint(log.0.into());
    writer.byte(flags);
    if flags & FIRST_KNOWN == 0 {
        writer.uint(*first);
    }
    writer.uint(count);
    if flags & HEAD_KNOWN == 0 {
        writer.uint(position.largest_head);
    }
    if let Some(tree) = &position.tree {
        write_tree(tree, known_tree, flags, writer);
    }
    Ok(())
}

/// Decides what of a tree the known one has too.
fn tree_flags(tree: &Tree, known: Option<&Tree>) -> u8 {
    let mut flags = 0;
    if let Some(known) = known {
        let shared = shared_hashes(known.read.size(), tree.read.size());
        let (old, new) = (known.read.hashes(), tree.read.hashes());
        if shared > 0 && old.get(..shared) == new.get(..shared) {
            flags |= HASHES_KNOWN;
        }
        if known.from == tree.from {
            flags |= FROM_KNOWN;
        }
        if known.proved == tree.proved {
            return flags | PROVED_KNOWN;
        }
    }
    if tree.proved == (Proved { size: tree.read.size(), root: tree.read.root() }) {
        flags |= PROVED_WHOLE;
    }
    flags
}

fn write_tree(tree: &Tree, known: Option<&Tree>, flags: u8, writer: &mut Writer<'_>) {
    let shared = match known {
        Some(known) if flags & HASHES_KNOWN != 0 => {
            shared_hashes(known.read.size(), tree.read.size())
        }
        _ => 0,
    };
    tree.read.hashes().iter().skip(shared).for_each(|hash| writer.raw(hash));
    if flags & FROM_KNOWN == 0 {
        writer.uint(tree.from);
    }
    if flags & (PROVED_KNOWN | PROVED_WHOLE) == 0 {
        writer.uint(tree.proved.size);
        writer.raw(&tree.proved.root);
    }
}

/// Reads an advance and adds it to the known position.
pub(super) fn read(context: &Context, reader: &mut Reader<'_>) -> Result<Advance, DecodeError> {
    let log = read_log(reader)?;
    let flags = reader.byte("the flags of an advance")?;
    let is_tree = flags & TREE != 0;
    if flags & UNUSED != 0 || !is_tree && flags >= TREE {
        return Err(DecodeError::Unknown { what: "the flags of an advance", value: flags });
    }
    let known = context.position(log);
    let known_position = || known.ok_or(DecodeError::NoBasis(log.0));
    let first = match flags & FIRST_KNOWN {
        0 => reader.uint("the first index of an advance")?,
        _ => known_position()?.next,
    };
    let count = reader.uint("the length of an advance")?;
    let next = first.checked_add(count).ok_or(DecodeError::Position(log.0))?;
    let largest_head = match flags & HEAD_KNOWN {
        0 => reader.uint("the largest head of an advance")?,
        _ => known_position()?.largest_head,
    };
    let tree = if is_tree {
        let known = known.and_then(|known| known.tree.as_ref());
        Some(read_tree(log, next, known, flags, reader)?)
    } else {
        None
    };
    Ok(Advance { log, first, position: Position { next, largest_head, tree } })
}

fn read_tree(
    log: LogNumber,
    size: u64,
    known: Option<&Tree>,
    flags: u8,
    reader: &mut Reader<'_>,
) -> Result<Tree, DecodeError> {
    let known_tree = || known.ok_or(DecodeError::NoBasis(log.0));
    let mut hashes = Vec::new();
    if flags & HASHES_KNOWN != 0 {
        let known = known_tree()?;
        let shared = shared_hashes(known.read.size(), size);
        hashes.extend(known.read.hashes().iter().take(shared));
    }
    let read = read_range(log, size, hashes, reader)?;
    let from = match flags & FROM_KNOWN {
        0 => reader.uint("the first entry of a tree")?,
        _ => known_tree()?.from,
    };
    let proved = match (flags & PROVED_KNOWN != 0, flags & PROVED_WHOLE != 0) {
        (true, true) => {
            return Err(DecodeError::Unknown { what: "the flags of an advance", value: flags });
        }
        (true, false) => known_tree()?.proved,
        (false, true) => Proved { size, root: read.root() },
        (false, false) => read_proved(reader)?,
    };
    consistent(log, size, Tree { read, from, proved })
}

/// Writes the whole position of a log.
pub(super) fn write_position(
    log: LogNumber,
    position: &Position,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    writer.uint(position.next);
    writer.uint(position.largest_head);
    let Some(tree) = &position.tree else {
        writer.byte(0);
        return Ok(());
    };
    if !tree.is_consistent(position.next) {
        return Err(EncodeError::Position(log.0));
    }
    writer.byte(1);
    write_tree(tree, None, 0, writer);
    Ok(())
}

/// Reads the whole position of a log.
pub(super) fn read_position(
    log: LogNumber,
    reader: &mut Reader<'_>,
) -> Result<Position, DecodeError> {
    let next = reader.uint("a position")?;
    let largest_head = reader.uint("the largest head of a log")?;
    let tree = match reader.byte("a tree")? {
        0 => None,
        1 => {
            let read = read_range(log, next, Vec::new(), reader)?;
            let from = reader.uint("the first entry of a tree")?;
            let proved = read_proved(reader)?;
            Some(consistent(log, next, Tree { read, from, proved })?)
        }
        value => return Err(DecodeError::Unknown { what: "a tree", value }),
    };
    Ok(Position { next, largest_head, tree })
}

/// Reads the hashes of a compact range after those that are known.
fn read_range(
    log: LogNumber,
    size: u64,
    mut hashes: Vec<Hash>,
    reader: &mut Reader<'_>,
) -> Result<CompactRange, DecodeError> {
    for _ in hashes.len()..size.count_ones() as usize {
        hashes.push(reader.array("the hashes of a tree")?);
    }
    CompactRange::from_hashes(size, hashes).map_err(|_| DecodeError::Position(log.0))
}

fn read_proved(reader: &mut Reader<'_>) -> Result<Proved, DecodeError> {
    let size = reader.uint("the size of a proved tree")?;
    Ok(Proved { size, root: reader.array("the root of a proved tree")? })
}

fn consistent(log: LogNumber, next: u64, tree: Tree) -> Result<Tree, DecodeError> {
    if tree.is_consistent(next) { Ok(tree) } else { Err(DecodeError::Position(log.0)) }
}

pub(super) fn read_log(reader: &mut Reader<'_>) -> Result<LogNumber, DecodeError> {
    let number = reader.uint("a log number")?;
    let too_large =
        DecodeError::TooLarge { what: "a log number", length: number, most: u32::MAX.into() };
    u32::try_from(number).map(LogNumber).map_err(|_| too_large)
}

/// Counts the hashes that compact ranges of two sizes of one tree have in common: those of the one-bits
/// above the highest bit in which the sizes differ.
fn shared_hashes(old: u64, new: u64) -> usize {
    let differing = 64_u32.saturating_sub((old ^ new).leading_zeros());
    new.checked_shr(differing).unwrap_or(0).count_ones() as usize
}
