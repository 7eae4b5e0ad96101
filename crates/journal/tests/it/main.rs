//! Tests of the journal: its model under crashes, damage, errors, reading, the files of each version.
#![allow(clippy::unwrap_used)] // in the helpers of tests

mod clean;
mod damage;
mod errors;
mod golden_files;
mod model;
mod reading;
mod stream;
mod tools;
