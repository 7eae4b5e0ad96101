//! Tests of the encoding and of the fold, over generated streams.
#![allow(clippy::unwrap_used)] // in the helpers of tests

mod encoding;
mod fill;
mod fold;
mod golden_files;
mod log_table;
mod stream;
