//! The certstream server: configuration, routes, metrics, and the wiring of the crates that do the
//! work.

pub mod app;
pub mod dedup;
mod demo;
mod gather;
pub mod healthcheck;
pub mod http;
pub mod index;
pub mod live;
pub mod logs;
pub mod metrics;
pub mod publish;
pub mod recent;
pub mod reload;
mod resume;
mod save;
pub mod service;
mod sources;
mod throughput;
#[cfg(target_os = "linux")]
pub mod trim;
pub mod validate;
pub mod vitals;
