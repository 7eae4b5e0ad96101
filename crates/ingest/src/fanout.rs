//! The seam at which committed batches become visible.

use record::Batch;

/// A committed batch, with what came with its pages.
#[derive(Debug)]
pub struct Committed<T> {
    /// The batch.
    pub batch: Batch,
    /// For each page in it, the ticket and the position after the page.
    pub tickets: Vec<(T, u64)>,
    /// Certificates in the dedup window; `None` without one.
    pub remembered: Option<usize>,
}

/// Shows committed batches to readers.
pub trait Fanout {
    /// Something that comes with a page and is returned once the page is committed. Dropped if the
    /// page is refused or not committed.
    type Ticket: Send;

    /// Makes a batch visible. Returns `false` if nobody can read it any more: then ingest stops.
    fn show(&mut self, committed: Committed<Self::Ticket>) -> bool;

    /// Returns how many clients read what is shown.
    fn readers(&self) -> usize;
}
