//! Indexing what was just committed, for a search that must not miss it.

use std::time::Instant;

use super::Indexes;
use super::searchable::Source as _;
use crate::error::ReadError;

impl Indexes {
    /// Indexes what is committed up to an offset and not indexed yet, in the calling thread: the one that
    /// follows the journal may be busy with an index that is missing. Takes at least one step, and stops at
    /// `until`. Returns false if there is more to do.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn reach(&self, offset: u64, until: Instant) -> Result<bool, ReadError> {
        while self.end() < offset {
            if self.catch_up()? {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
