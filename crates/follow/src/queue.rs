//! The way of pages to the publisher, bounded in pages and in bytes.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::budget::Budget;
use crate::entry::{Entry, Page};

/// The end at which followers put their pages in. A page holds its bytes until it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    pages: mpsc::Sender<Page>,
    bytes: Arc<Budget>,
}

/// Nobody takes pages any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Pages {
    /// `bytes` of entries may wait, and one page more.
    pub(crate) fn new(pages: mpsc::Sender<Page>, bytes: usize) -> Self {
        Self { pages, bytes: Arc::new(Budget::new(bytes)) }
    }

    /// Waits for room and puts a page in.
    pub(crate) async fn send(&self, mut page: Page) -> Result<(), Closed> {
        let weight = page.entries.iter().map(Entry::weight).sum();
        page.held = Some(self.bytes.reserve(weight).await);
        self.pages.send(page).await.map_err(|_| Closed)
    }

    /// Waits until there is room for something: downloads that cannot be taken need not begin.
    pub(crate) async fn room(&self) {
        drop(self.bytes.reserve(1).await);
    }

    /// Whether nobody takes pages any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.pages.is_closed()
    }

    /// Bytes of entries waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.used()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use ct::leaf::EntryType;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::log::{Log, Protocol};
    use crate::status::LogStatus;

    fn page(bytes: usize) -> Page {
        let log = Log::by_hand(Protocol::Rfc6962, "a", "http://a.example", None, None);
        let status = LogStatus::new(log.expect("usable"), Duration::ZERO);
        let entry = Entry {
            index: 0,
            timestamp: 0,
            entry_type: EntryType::X509,
            certificate: Bytes::from(vec![0; bytes]),
            chain: Vec::new(),
            tbs_id: None,
        };
        Page { log: Arc::new(status), entries: vec![entry], held: None }
    }

    #[tokio::test]
    async fn pages_wait_for_room_in_bytes() {
        let (sender, mut receiver) = mpsc::channel(8);
        let pages = Pages::new(sender, 10_000);
        pages.send(page(6_000)).now_or_never().expect("there is room").expect("open");
        pages.room().now_or_never().expect("there is some");
        assert!(pages.send(page(6_000)).now_or_never().is_none(), "too much together");
        let taken = receiver.recv().await.expect("a page");
        assert!(pages.waiting() >= 6_000, "held until it is dropped");
        drop(taken);
        assert_eq!(pages.waiting(), 0);
        pages.send(page(50_000)).now_or_never().expect("one page may be larger").expect("open");
        assert!(pages.room().now_or_never().is_none());
        drop(receiver);
        assert_eq!(pages.send(page(1)).await, Err(Closed), "what waited is gone");
        assert!(pages.is_closed());
    }
}
