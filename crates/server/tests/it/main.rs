//! The server as its clients see it, against simulated logs.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

mod alarms;
mod api;
mod compression;
mod corpus;
mod duplicates;
mod faults;
mod filters;
mod gaps;
mod generated;
mod guard;
mod harness;
mod hostile;
mod lifecycle;
mod metrics_document;
mod pending;
mod process;
mod raw;
mod reporting;
mod requests;
mod resume;
mod slow;
mod tls;
mod violations;
