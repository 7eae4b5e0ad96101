//! The outcome of reading a message, and places in a stream.

use record::{Batch, BatchHash, Begin, Record};
use thiserror::Error;

use super::message::{Foreign, MessageId};
#[cfg(doc)]
use super::reader::Reader;

/// A checkpoint in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The sequence after which a reader begins with it.
    pub after: u64,
    /// Its message, or the last one of its parts.
    pub end: Anchor,
}

/// A message of ours at a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// The sequence.
    pub sequence: u64,
    /// The id.
    pub id: MessageId,
}

/// The outcome of reading a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A batch or a begin was applied.
    Applied(Applied),
    /// The fold begins here, at a checkpoint.
    Adopted {
        /// The stream is another one than the reader read before: its offsets cannot be compared.
        is_other_stream: bool,
        /// Offsets from the first number on, below the second one, were not shown and cannot be read.
        missed: Option<(u64, u64)>,
    },
    /// There is nothing to show.
    Passed(Passed),
    /// The message was not read, for one of these reasons: messages between it and the position do not
    /// exist any more; it is ours and does not follow the last one, because it is void, or because the
    /// stream has lost its end and has been continued; it does follow, and the messages between the two
    /// have to be read again, because they may have been replaced. Request [`Reader::tip`] again. If it
    /// is not in its place, call [`Reader::restart`]. Otherwise call [`Reader::pass_hole`] if there are
    /// messages missing, and [`Reader::void`] if there are not.
    Doubtful,
}

impl Step {
    /// Returns the bytes of memory that its records take (by [`Record::weight`]).
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Applied(Applied { content: Content::Batch(batch), .. }) => {
                batch.records.iter().map(Record::weight).fold(0, usize::saturating_add)
            }
            _ => 0,
        }
    }
}

/// A batch or begin that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The batch or begin.
    pub content: Content,
    /// Its hash.
    pub hash: BatchHash,
    /// Reports whether it is to be shown.
    pub show: Show,
}

/// The content of an applied message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A batch.
    Batch(Batch),
    /// The begin of a term.
    Begin(Begin),
}

/// Reports whether the records of a batch are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// They are new.
    New,
    /// They were shown before the stream lost its end.
    Repeated,
    /// They are new, and their offsets are below one that was shown: this reader reports them as
    /// missed, so that no client sees offsets decrease.
    Withheld,
}

/// Kind of a message that shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// A checkpoint.
    Checkpoint,
    /// A part of a content of which more follows.
    Part,
    /// A mark.
    Mark,
    /// A handover.
    Handover,
    /// Somebody else's message.
    Foreign(Foreign),
    /// A message of ours that does not fit.
    Void,
    /// A message before the first checkpoint.
    BeforeCheckpoint,
}

/// Reason why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// A newer program wrote it.
    #[error(
        "the stream has messages of version {0} of the format, which this program cannot read: \
         update it"
    )]
    Version(u8),
}
