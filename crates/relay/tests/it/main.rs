//! Tests of the crate.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // in the helpers of tests

mod batches;
mod cluster;
mod damage;
mod fences;
mod losses;
mod model;
mod nats;
mod opening;
mod proxy;
mod random;
mod reading;
mod replay;
mod replicas;
mod shown;
