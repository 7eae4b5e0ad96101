//! The crate as its users see it.

#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod fixture;
mod hub;
mod model;
mod socket;
