//! The queue of pages to the publisher, bounded in pages, and in bytes by each page's part of the
//! budget of all responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ctclient::Lease;
use tokio::sync::mpsc;

use crate::page::{Hold, Page};
use crate::saves::Saves;

/// The followers' end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    pages: mpsc::Sender<Page>,
    waiting: Arc<AtomicUsize>,
    saves: Option<Saves>,
}

/// The publisher has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Pages {
    pub(crate) fn new(pages: mpsc::Sender<Page>) -> Self {
        Self { pages, waiting: Arc::default(), saves: None }
    }

    /// Sets how positions are saved.
    pub(crate) fn with_saves(self, saves: Option<Saves>) -> Self {
        Self { saves, ..self }
    }

    /// Waits until a log's first position is saved, where positions are: no page of it is to be
    /// published before.
    pub(crate) async fn begin(&self, log: &str) {
        if let Some(saves) = &self.saves
            && !saves.save().await
        {
            tracing::warn!(
                log,
                "the log's first position could not be saved in time: after a crash before the next \
                 save, entries may be missing"
            );
        }
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
    use crate::status::LogStatus;

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
