//! A history in memory, in place of a journal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use feed::{Archive, Fetch, Fetched, FirstSeen, History, HistoryPage};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::fixture::*;

/// Pages in memory, which can expire and be damaged.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    pages: Mutex<Vec<HistoryPage<String>>>,
    /// The first offsets of all pages there have been, with the hole before them and without it.
    begun: Mutex<BTreeSet<u64>>,
    /// No page can be read at present.
    pub(crate) fails: AtomicBool,
    /// Pages are on another machine, which takes a permit to respond.
    pub(crate) remote: Mutex<Option<Arc<Semaphore>>>,
    /// The threads that read pages.
    pub(crate) readers: Mutex<Vec<ThreadId>>,
}

impl Storage {
    /// Appends a page before it is published.
    pub(crate) fn append(&self, page: HistoryPage<String>) {
        self.begun.lock().extend([page.from, page.first]);
        self.pages.lock().push(page);
    }

    /// Drops the oldest pages.
    pub(crate) fn expire(&self, count: usize) {
        let mut pages = self.pages.lock();
        let count = count.min(pages.len());
        pages.drain(..count);
    }

    /// Makes one page unreadable; what lies before the next one is then unknown.
    pub(crate) fn damage(&self, index: usize) {
        let mut pages = self.pages.lock();
        pages.remove(index);
        if let Some(next) = pages.get_mut(index) {
            next.from = next.first;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pages.lock().len()
    }

    /// Reports whether an entry can be read.
    pub(crate) fn has(&self, offset: u64) -> bool {
        self.pages.lock().iter().any(|page| (page.first..end(page)).contains(&offset))
    }

    /// Reports whether a page began here, even if it is gone by now.
    pub(crate) fn has_begun(&self, offset: u64) -> bool {
        self.begun.lock().contains(&offset)
    }

    /// Returns the first offsets of all pages.
    pub(crate) fn firsts(&self) -> Vec<u64> {
        self.pages.lock().iter().map(|page| page.first).collect()
    }
}

fn end(page: &HistoryPage<String>) -> u64 {
    page.first + page.entries.len() as u64
}

impl History<Notes> for Storage {
    fn oldest(&self) -> Option<u64> {
        self.pages.lock().first().map(|page| page.from)
    }

    fn pages(&self, offset: u64, before: u64, bytes: usize) -> Vec<HistoryPage<String>> {
        self.readers.lock().push(thread::current().id());
        if self.fails.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let pages = self.pages.lock();
        let mut taken = 0;
        let wanted = pages.iter().filter(|page| end(page) > offset && page.first < before);
        let fits = |page: &&HistoryPage<String>| {
            let first = taken == 0;
            taken += page.entries.iter().map(|note| note.len().max(1)).sum::<usize>();
            first || taken <= bytes
        };
        wanted.take_while(fits).cloned().collect()
    }

    fn fetch(self: Arc<Self>, offset: u64, end: u64, bytes: usize) -> Option<Fetch<String>> {
        let remote = self.remote.lock().clone()?;
        Some(Box::pin(async move {
            remote.acquire().await.expect("it is not closed").forget();
            Fetched { pages: self.pages(offset, end, bytes), time: Duration::ZERO }
        }))
    }

    /// Skips pages none of whose notes passes.
    fn skip(&self, filter: &Filter, offset: u64, before: u64) -> u64 {
        let pages = self.pages.lock();
        let mut skipped = offset;
        for page in pages.iter().filter(|page| end(page) > offset) {
            let passes = |(at, note): (u64, &String)| filter.pattern().passes(at, note);
            if page.from > skipped || (page.first..).zip(page.entries.iter()).any(passes) {
                break;
            }
            skipped = end(page).min(before);
        }
        skipped
    }

    fn first_seen(&self, time: u64) -> Option<FirstSeen> {
        let pages = self.pages.lock();
        let mut notes =
            pages.iter().flat_map(|page| (page.first..).zip(page.entries.iter())).enumerate();
        let (older, (offset, _)) = notes.find(|(_, (_, note))| note.len() as u64 >= time)?;
        Some(FirstSeen { offset, is_oldest: older == 0 })
    }
}

/// A hub with a history, in which its caller puts every page before it publishes it.
pub(crate) struct Archived {
    pub(crate) hub: feed::Hub<Notes>,
    pub(crate) notes: Notes,
    pub(crate) storage: Arc<Storage>,
    entries: u64,
}

impl Archived {
    /// Makes an empty one, that so many readers may read at a time.
    pub(crate) fn new(limits: feed::Limits, readers: usize) -> Self {
        let storage = Arc::new(Storage::default());
        let archive =
            Archive { history: storage.clone(), end: FIRST, next: FIRST, entries: 0, readers };
        let notes = Notes::default();
        let hub = feed::Hub::with_archive(notes.clone(), limits, archive);
        Self { hub, notes, storage, entries: 0 }
    }

    /// Publishes notes after a hole of so many offsets.
    pub(crate) fn publish(&mut self, hole: u64, notes: Vec<String>) {
        let from = self.hub.next_offset();
        let (first, before) = (from + hole, self.entries);
        self.entries += notes.len() as u64;
        self.storage.append(HistoryPage { from, first, before, entries: notes.clone().into() });
        publish_at(&self.hub, first, notes);
    }
}
