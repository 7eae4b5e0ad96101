//! The server as its clients see it, against simulated logs.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

mod alerts;
mod clients;
mod cluster;
mod effects;
mod entries;
mod harness;
mod limits;
mod operations;
mod program;
mod raw;
mod reports;
#[path = "../support/running.rs"]
mod support;
