//! Reports to those who operate the server: its state to systemd, and a line a minute to the log.

pub mod systemd;
pub(crate) mod throughput;
