//! The crate as its users see it.

#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod compress;
mod entries;
mod filter;
mod fixture;
mod history;
mod holes;
mod hub;
mod late;
mod model;
mod socket;
mod storage;
