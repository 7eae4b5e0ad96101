use crate::framing::Framing;
use crate::reader::Reader;
use crate::stream::Stream;

/// What a reader asks for.
#[derive(Debug)]
pub struct Request<S: Stream> {
    /// How messages are written.
    pub rendering: S::Rendering,
    /// How they are told apart.
    pub framing: Framing,
    /// The last entry the reader has; without it, it begins with the next entry published.
    pub since: Option<u64>,
    /// Which messages it wants; all without it. What is filtered is not compressed.
    pub filter: Option<S::Filter>,
    /// Whose reader it is. What has to be rendered again is rendered for one owner after the other.
    pub owner: Owner,
}

/// Whose a reader is, such as a network address: a number that the caller chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner(pub u128);

/// A reader, and what it has missed already.
#[derive(Debug)]
pub struct Subscription<S: Stream> {
    /// The reader, where it can go on.
    pub reader: Reader<S>,
    /// Set if that is not where it asked to go on.
    pub gap: Option<Gap>,
}

/// Why a reader does not go on exactly where it asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Entries it misses, where that is known; of those gone nobody knows which passed a filter.
    pub dropped: Option<u64>,
    /// What happened.
    pub reason: GapReason,
}

/// What happened to the offset a reader asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// It fell off the ring. The reader goes on from the oldest entry.
    Evicted,
    /// It is older than this process, which cannot tell what was published before it and does not
    /// publish all of it [again](crate::Hub::resumed). The reader goes on from the oldest entry.
    BeforeStart,
    /// It has not been published yet: it is another server's, or the clock was set back. The reader
    /// goes on from the oldest entry, as what it misses is somewhere in the ring.
    Ahead,
}

impl GapReason {
    /// A short name in lower case, for clients and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::BeforeStart => "before_start",
            Self::Ahead => "ahead",
        }
    }
}
