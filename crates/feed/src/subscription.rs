//! Joining the stream: the request, and the reader with what it missed.

use crate::late::budget::Owner;
use crate::protocol::framing::Framing;
use crate::reader::Reader;
use crate::stream::Stream;

/// The options of a reader.
#[derive(Debug)]
pub struct Request<S: Stream> {
    /// The form of the messages.
    pub rendering: S::Rendering,
    /// The protocol that they are framed for.
    pub framing: Framing,
    /// The last entry the reader has; without it, it begins with the next entry published.
    pub since: Option<u64>,
    /// The filter of its messages; it gets all without one. Filtered messages are not compressed.
    pub filter: Option<S::Filter>,
    /// The owner. What has to be rendered again is rendered for one owner after the other.
    pub owner: Owner,
}

/// As many readers read the history as can: a reader that resumes there has to try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many clients read the past as can at a time; try again later")]
pub struct Busy;

/// A reader, and what it has missed already.
#[derive(Debug)]
pub struct Subscription<S: Stream> {
    /// The reader, at the first entry that it can get.
    pub reader: Reader<S>,
    /// Set if that is not the entry it asked for.
    pub gap: Option<Gap>,
}

/// The difference between the entry a reader asked for and the one it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Entries it misses, where that is known; of those gone it is not known which passed a filter.
    pub dropped: Option<u64>,
    /// The cause.
    pub reason: GapReason,
}

/// The reasons why a reader cannot continue at the offset it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// It fell off the ring, or out of the history. The reader continues with the oldest entry.
    Evicted,
    /// It is older than this process, which cannot tell what was published before it and does not
    /// publish all of it [again](crate::Hub::resumed). The reader continues with the oldest entry.
    BeforeStart,
    /// It has not been published yet: it is another server's, or the clock was set back. The reader
    /// continues with the oldest entry of the ring, as what it misses is somewhere in there.
    Ahead,
}

impl GapReason {
    /// Returns a short name in lower case, for clients and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::BeforeStart => "before_start",
            Self::Ahead => "ahead",
        }
    }
}
