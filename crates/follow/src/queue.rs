//! The queue of pages to the publisher, bounded in pages, and in bytes by each page's part of the
//! budget of all responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ctclient::Lease;
use tokio::sync::mpsc;

use crate::options::FirstPosition;
use crate::page::{Hold, Notice, Page};
use crate::saves::Saves;
use crate::status::LogStatus;

/// The followers' end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    pages: mpsc::Sender<Page>,
    waiting: Arc<AtomicUsize>,
    saves: Option<Saves>,
    /// A log's first position is published in a page of its own.
    publishes_first: bool,
}

/// The publisher has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Pages {
    pub(crate) fn new(pages: mpsc::Sender<Page>) -> Self {
        Self { pages, waiting: Arc::default(), saves: None, publishes_first: false }
    }

    /// Sets how a log's first position is kept.
    pub(crate) fn keeping_first(self, first: FirstPosition, saves: Option<Saves>) -> Self {
        Self { saves, publishes_first: first == FirstPosition::Published, ..self }
    }

    /// Keeps a log's first position, where positions are kept: no page of it is to be published before.
    pub(crate) async fn begin(&self, log: &Arc<LogStatus>, first: u64) -> Result<(), Closed> {
        if self.publishes_first {
            log.emitting(first);
            let page = Page::of_entries(Arc::clone(log), first, Vec::new(), first);
            return self.send(page, None).await;
        }
        if let Some(saves) = &self.saves
            && !saves.save().await
        {
            tracing::warn!(
                log = log.log.name,
                "the log's first position could not be saved in time: after a crash before the next \
                 save, entries may be missing"
            );
        }
        Ok(())
    }

    /// Publishes a notice, and waits until it is committed.
    pub(crate) async fn notify(&self, log: &Arc<LogStatus>, notice: Notice) -> Result<(), Closed> {
        let (page, committed) = Page::of_notice(Arc::clone(log), notice);
        self.send(page, None).await?;
        committed.await.map_err(|_| Closed)
    }

    /// Waits for room and puts a page in, with what it holds of the budget.
    pub(crate) async fn send(&self, mut page: Page, lease: Option<Lease>) -> Result<(), Closed> {
        page.held = lease.map(|lease| Hold::new(lease, Arc::clone(&self.waiting)));
        self.pages.send(page).await.map_err(|_| Closed)
    }

    /// Reports whether the publisher has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.pages.is_closed()
    }

    /// Returns the bytes of waiting pages.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ctclient::{Budget, Log, Protocol};

    use super::*;

    fn page() -> Page {
        let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
        let status = LogStatus::new(log.expect("usable"), Duration::ZERO);
        Page::of_entries(Arc::new(status), 0, Vec::new(), 0)
    }

    #[tokio::test]
    async fn a_page_holds_its_bytes_until_the_publisher_is_done_with_it() {
        let budget = Budget::new(10_000);
        let (sender, mut receiver) = mpsc::channel(8);
        let pages = Pages::new(sender);
        let lease = budget.reserve(6_000, None).await;
        pages.send(page(), Some(lease)).await.expect("open");
        let taken = receiver.recv().await.expect("a page");
        assert_eq!((pages.waiting(), budget.used()), (6_000, 6_000), "held until it is dropped");
        drop(taken);
        assert_eq!((pages.waiting(), budget.used()), (0, 0));
        drop(receiver);
        let lease = budget.reserve(1, None).await;
        assert_eq!(pages.send(page(), Some(lease)).await, Err(Closed));
        assert!(pages.is_closed());
        assert_eq!((pages.waiting(), budget.used()), (0, 0));
    }
}
