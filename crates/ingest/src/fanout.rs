//! The seam at which committed batches become visible.

use record::{Batch, Gap, LogNumber};

/// A committed batch, with what came with its pages.
#[derive(Debug)]
pub struct Committed<T> {
    /// The batch.
    pub batch: Batch,
    /// For each page in it, the ticket and the number of its log. The positions are in the batch.
    pub tickets: Vec<(T, LogNumber)>,
    /// Certificates in the dedup window; `None` without one.
    pub remembered: Option<usize>,
    /// The gaps of each log in which they have changed.
    pub missing: Vec<(LogNumber, Vec<Gap>)>,
}

/// Shows committed batches to readers.
pub trait Fanout {
    /// Something that comes with a page and is returned once the page is committed. Dropped if the
    /// page is not committed.
    type Ticket: Send;

    /// Makes a batch visible. Returns `false` if nobody can read it any more: then ingest stops.
    fn show(&mut self, committed: Committed<Self::Ticket>) -> bool;

    /// Returns the ticket of a page that was refused. Its log has to be read again from `position`, or
    /// nothing of it is published any more.
    fn refused(&mut self, ticket: Self::Ticket, position: u64);

    /// Returns how many clients read what is shown.
    fn readers(&self) -> usize;
}
