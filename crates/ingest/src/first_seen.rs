//! The seam at which certificates with new registrable domains are recognised.

use record::{Batch, Record};

/// Decides which certificates have a registrable domain that the stream has not seen before.
///
/// A decision counts at once for the records after it, and lasts once its record is committed.
pub trait FirstSeen: std::fmt::Debug + Send {
    /// Reports whether a record that is about to be published at this offset has a new domain.
    fn is_new(&mut self, record: &Record, offset: u64) -> bool;

    /// Notes that a batch is committed, the next one in the order of decisions.
    fn committed(&mut self, batch: &Batch);

    /// Forgets the decisions about records that are not committed: they never will be.
    fn discard(&mut self);
}
