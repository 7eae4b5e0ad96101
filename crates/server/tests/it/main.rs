//! The server as its clients see it, against simulated logs.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

mod alarms;
mod api;
mod corpus;
mod duplicates;
mod faults;
mod generated;
mod harness;
mod lifecycle;
