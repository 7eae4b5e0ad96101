//! The seam to the stream: what an output reads.

use std::future::Future;

use crate::message::Message;

/// A place in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The offset of the next entry, or one in the hole before it.
    pub next: u64,
    /// Entries of the stream before it; none where that is not known.
    pub entries: Option<u64>,
}

/// Entries that are not kept any more, which an output therefore misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// None.
    #[default]
    Nothing,
    /// So many.
    Entries(u64),
    /// Some; their number is not known.
    Unknown,
}

/// Messages read in one go.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The messages, in the order of the stream. There may be none: not every entry has a message.
    pub messages: Vec<Message>,
    /// The entries that were missed before the first one.
    pub missed: Missed,
    /// The place after the last one.
    pub end: Position,
}

/// The committed stream, read in order from some place on.
pub trait Source: Send {
    /// Returns the place that it has read up to.
    fn position(&self) -> Position;

    /// Waits until there is something to read; `false` if the stream has ended and all of it was read.
    /// May be cancelled.
    fn ready(&mut self) -> impl Future<Output = bool> + Send;

    /// Reads what comes next, bounded in bytes, and moves past it.
    fn read(&mut self) -> impl Future<Output = Page> + Send;

    /// Returns the number of entries that are published and not read yet.
    fn behind(&self) -> u64;

    /// Moves to the end of what is published. Returns the number of entries passed, and the place.
    fn skip(&mut self) -> (u64, Position);
}
