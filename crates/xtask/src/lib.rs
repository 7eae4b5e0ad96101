//! Programs of this workspace as processes, for the developer's commands and for the benchmarks.
//!
//! The dependencies are few and small on purpose: every `cargo xtask` builds this crate first, with
//! other features than the tests.

#![allow(clippy::print_stdout, reason = "a command for people")]

pub mod cluster;
pub mod collect;
pub mod logs;
pub mod nats;
pub mod process;
pub mod python;

use std::path::{Path, PathBuf};

/// Returns the root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
