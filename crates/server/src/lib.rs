//! The certstream server: configuration, routes, metrics, and the wiring of the crates that do the
//! work.

pub mod app;
pub mod config;
mod dedup;
mod demo;
mod gather;
pub mod healthcheck;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod publish;
pub mod recent;
mod save;
pub mod service;
mod sources;
pub mod vitals;
