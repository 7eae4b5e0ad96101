//! Operating the program: commands, start and stop, reload, TLS, logs, migration.

mod alerts;
mod backfill;
mod damaged_journal;
mod index;
mod journal;
pub(crate) mod kills;
mod lifecycle;
mod log_output;
mod migration;
pub(crate) mod process;
mod reload;
mod tail;
mod tls;
mod validate;
