//! Tests of the crate.

mod batches;
mod cluster;
mod model;
mod nats;
mod opening;
mod proxy;
mod random;
mod reading;
