//! The server as its clients see it, against simulated logs.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

mod alarms;
mod api;
mod bounds;
mod compression;
mod corpus;
mod dashboards;
mod descriptors;
mod duplicates;
mod effects;
mod faults;
mod filters;
mod gaps;
mod generated;
mod guard;
mod harness;
mod heartbeats;
mod hostile;
mod index;
mod large_entries;
mod lifecycle;
mod log_output;
mod memory;
mod metrics_document;
mod migration;
mod page;
mod pending;
mod process;
mod program;
mod raw;
mod reload;
mod reporting;
mod requests;
mod resume;
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod validate;
mod violations;
