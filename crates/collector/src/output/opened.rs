//! The state of an output when it was opened, and its size.

use arrow_schema::SchemaRef;
use client::dedup::Window;
use columns::feather::Feather;

use crate::state::State;

/// The state of an output when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The columns that rows must have.
    pub schema: SchemaRef,
    /// The offset, gaps and number of rows.
    pub state: State,
    /// The newest entries.
    pub window: Window,
}

/// The size of the open file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// The number of bytes.
    pub bytes: u64,
    /// The number of batches.
    pub batches: usize,
}

impl Size {
    /// Returns the size of a file.
    pub(super) const fn of(feather: &Feather) -> Self {
        Self { bytes: feather.length(), batches: feather.batches() }
    }
}
