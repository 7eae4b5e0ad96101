//! The state kept across restarts: the journal, or the state file with the positions to resume from.

pub(crate) mod acknowledgements;
pub(crate) mod backfill;
pub(crate) mod export;
pub(crate) mod journal_log;
pub(crate) mod persistent;
pub(crate) mod resume;
pub(crate) mod save;
pub(crate) mod stream;
pub(crate) mod window;
