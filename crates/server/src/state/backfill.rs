//! Entries that are missing: which ones, and reading them later into the journal.
//!
//! `certstream-server backfill` asks for it. A running server takes the request from the data directory;
//! if none runs, the command does the same by itself. Records get new offsets, and streams leave them
//! out unless they are asked for them.

pub(crate) mod job;
pub(crate) mod missing;
pub(crate) mod requests;
