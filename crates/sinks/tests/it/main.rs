//! Outputs to a broker in this process that speaks Kafka's protocol over sockets, and to real servers of
//! NATS.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod cluster;
mod cursors;
mod fixture;
mod nats;
mod outages;
mod refusals;
