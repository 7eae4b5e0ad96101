//! The server as its clients see it, against simulated logs.

mod corpus;
mod generated;
mod harness;
mod lifecycle;
