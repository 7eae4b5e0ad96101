//! Properties that hold for any input, as one function for each parser of untrusted input.
//!
//! A [`Target`] is run by a fuzzer (`cargo xtask fuzz`, with coverage to guide it) and by the tests
//! of this crate (over its seeds, mutations of them, and real data), so what is asserted is the
//! same. A property that does not hold is a panic. The seeds are made in code.
#![allow(clippy::missing_panics_doc, reason = "to panic is what the properties are for")]

mod batch;
mod certificate;
mod checkpoint;
mod decoder;
mod frame;
mod key;
mod leaf;
mod log_list;
mod logs_snapshot;
mod segment;
mod tile_leaf;

/// Certificates put together byte by byte.
#[path = "../../cert/tests/support/mod.rs"]
mod template;

pub use batch::{accepted as messages, check as batch};
pub use certificate::check as cert;
pub use checkpoint::check as checkpoint;
pub use decoder::check as decoder;
pub use frame::check as frame;
pub use leaf::check as leaf;
pub use log_list::check as log_list;
pub use logs_snapshot::{check as logs_snapshot, is_accepted as is_status_of_logs};
pub use segment::{check as segment, is_accepted as is_whole_segment};
pub use tile_leaf::check as tile_leaf;

/// A parser of untrusted input, and its property.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name, also of the file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Panics if a property does not hold for an input.
    pub check: fn(&[u8]),
    /// Inputs to begin with: each accepted, together every form there is.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets, in the order in which they are run.
pub const TARGETS: [Target; 10] = [
    Target { name: "cert", check: cert, seeds: certificate::seeds },
    Target { name: "leaf", check: leaf, seeds: leaf::seeds },
    Target { name: "tile_leaf", check: tile_leaf, seeds: tile_leaf::seeds },
    Target { name: "checkpoint", check: checkpoint, seeds: checkpoint::seeds },
    Target { name: "log_list", check: log_list, seeds: log_list::seeds },
    Target { name: "decoder", check: decoder, seeds: decoder::seeds },
    Target { name: "frame", check: frame, seeds: frame::seeds },
    Target { name: "batch", check: batch, seeds: batch::seeds },
    Target { name: "segment", check: segment, seeds: segment::seeds },
    Target { name: "logs_snapshot", check: logs_snapshot, seeds: logs_snapshot::seeds },
];
