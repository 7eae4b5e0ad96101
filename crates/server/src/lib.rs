//! The certstream server: routes, guard, health, metrics, and the wiring of the crates that do the
//! work.

mod alerts;
pub mod app;
mod cluster;
pub mod commands;
mod first_seen;
mod history;
pub mod http;
pub mod metrics;
pub mod operations;
mod options;
mod outputs;
pub mod publish;
mod state;
