//! The way from a follower's page to messages in the feed: pages for the sequencer, and what happens to
//! a batch once it is committed.

pub(crate) mod entries;
pub(crate) mod fanout;
pub mod issuers;
pub mod messages;
pub(crate) mod pages;
pub(crate) mod reading;
pub mod recent;
pub(crate) mod thread;

/// Pages that wait for the publisher at most. With 256 entries a page this is a second's reading
/// of a fast catch-up.
pub(crate) const WAITING_PAGES: usize = 64;
