//! Figures from what clients received and what logs published, and the report of them.

pub(crate) mod counts;
pub(crate) mod delays;
pub(crate) mod heads;
pub(crate) mod record;
pub(crate) mod report;
