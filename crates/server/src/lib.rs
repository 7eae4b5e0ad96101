//! The certstream server: configuration, routes, metrics, and the wiring of the crates that do the
//! work.

pub mod app;
pub mod config;
mod dedup;
mod demo;
mod gather;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod publish;
mod save;
mod sources;
