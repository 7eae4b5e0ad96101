//! Reports to those who operate the server: its state to systemd, its liveness, and a line a minute to
//! the log.

pub mod liveness;
pub mod systemd;
pub(crate) mod throughput;
