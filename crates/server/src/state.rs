//! The state file: the positions to resume from, how they are saved, and how they are exported for
//! another server.

pub(crate) mod export;
pub(crate) mod resume;
pub(crate) mod save;
