//! The way from a follower's page to messages in the feed: pages for the sequencer, and what happens to
//! a batch once it is committed.

pub(crate) mod entries;
pub(crate) mod fanout;
pub mod issuers;
pub mod messages;
pub(crate) mod pages;
pub mod recent;
