//! The certstream server: routes, guard, health, metrics, and the wiring of the crates that do the
//! work.

pub mod app;
pub mod commands;
pub mod dedup;
mod demo;
mod gather;
pub mod http;
pub mod metrics;
pub mod operations;
mod options;
pub mod publish;
pub mod recent;
pub mod reload;
mod resume;
mod save;
pub mod vitals;
