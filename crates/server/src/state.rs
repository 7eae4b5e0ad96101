//! The state file: the positions to resume from, and how they are saved.

pub(crate) mod resume;
pub(crate) mod save;
