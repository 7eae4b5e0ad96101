//! The settings of a backfill, after the command line was checked.

use std::path::PathBuf;
use std::time::Duration;

use columns::Compression;

use crate::settings::Format;

/// The settings of a backfill.
#[derive(Clone, Debug)]
pub struct BackfillSettings {
    /// The logs to read.
    pub logs: Logs,
    /// The entries to read of each.
    pub bounds: Bounds,
    /// The log list, by URL or path; none for Chrome's.
    pub list: Option<String>,
    /// The folder, or `s3://BUCKET/PREFIX`.
    pub output: String,
    /// The folder of parts that wait to be copied to a store.
    pub spool: PathBuf,
    /// The only folders in which files may be created; empty for anywhere.
    pub allowed: Vec<PathBuf>,
    /// The format of parts.
    pub format: Format,
    /// The codec of columns.
    pub compression: Compression,
    /// True if certificates and leaves are stored.
    pub with_der: bool,
    /// Requests of a log at the same time.
    pub concurrency: usize,
    /// Entries of a part.
    pub part_entries: u64,
    /// The longest time without any progress of a log.
    pub patience: Duration,
    /// The value of `User-Agent`.
    pub user_agent: String,
}

/// The logs to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Those with these names, URLs or ids.
    Named(Vec<String>),
    /// All logs in use.
    All,
}

/// The entries to read of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// From an index up to another one, or the head.
    Indexes {
        /// The first index.
        start: u64,
        /// The index after the last one; none for the head.
        end: Option<u64>,
    },
    /// All entries that were submitted in a span of time, and a few more.
    Times(TimeBound),
}

/// A span of time in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBound {
    /// The first time.
    pub since: u64,
    /// The time after the last one; none for the head.
    pub until: Option<u64>,
}
