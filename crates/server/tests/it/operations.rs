//! Operating the program: commands, start and stop, reload, TLS, logs, migration.

mod damaged_journal;
mod index;
mod journal;
mod kills;
mod lifecycle;
mod log_output;
mod migration;
pub(crate) mod process;
mod reload;
mod tail;
mod tls;
mod validate;
