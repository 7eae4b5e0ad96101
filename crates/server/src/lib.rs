//! The certstream server: routes, guard, health, metrics, and the wiring of the crates that do the
//! work.

pub mod app;
pub mod commands;
mod demo;
mod fanout;
pub mod http;
pub mod issuers;
pub mod liveness;
pub mod messages;
pub mod metrics;
pub mod operations;
mod options;
mod pages;
pub mod recent;
pub mod reload;
mod resume;
mod save;
