//! The commands of the program besides serving: each reads the configuration, prints and exits.

pub mod alerts;
pub mod backfill;
pub mod create_index;
pub mod healthcheck;
pub mod journal;
pub mod logs;
pub mod search;
pub mod tail;
pub mod validate;
