//! From the pages of logs to committed batches.
//!
//! A [`Sequencer`], a single thread, takes pages in the order in which they come, recognises
//! certificates that were published before ([`Window`]), gives every other one its offset, and appends
//! batches to a [`CommitLog`]. A committed batch is applied to the fold of the stream
//! ([`record::State`]) and becomes visible through a [`Fanout`].
//!
//! Invariants:
//! * Positions, offsets, the log table and the dedup window change only when a batch is committed.
//!   What is staged in between is discarded if the commit log fails, and leaves no trace.
//! * Every index of a log is accounted for once. A page that overlaps the position of its log is
//!   trimmed; one that leaves a hole is refused.
//! * A batch has whole pages only, at most [`MAX_ENTRIES`] entries and [`MAX_BYTES`] of them, a single
//!   larger page excepted.
//! * The sequencer waits for pages and for the commit log, and for nothing else.

mod commit_log;
mod dedup;
mod fanout;
mod first_seen;
mod gather;
mod heartbeat;
mod page;
mod park;
mod sequencer;

pub use commit_log::{CommitError, CommitLog, MemoryLog};
pub use dedup::{Window, remembered};
pub use fanout::{Committed, Fanout};
pub use first_seen::FirstSeen;
pub use heartbeat::Heartbeat;
pub use page::{Notice, Page};
pub use sequencer::{Sequencer, Stopped};

/// Entries of a batch at most, records and sightings together.
pub const MAX_ENTRIES: usize = 256;
/// Bytes of the certificates of a batch at most.
pub const MAX_BYTES: usize = 512 * 1024;
