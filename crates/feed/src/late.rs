use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};

use crate::chunk::{Texts, read};
use crate::feed::Feed;
use crate::feeds::FeedOf;
use crate::hub::Shared;
use crate::lane::{Granted, Ticket};
use crate::matches::Looked;
use crate::ring::{PAGE_WEIGHT, Page};
use crate::stream::Stream;
use crate::subscription::Owner;

type Pages<S> = Vec<Arc<Page<<S as Stream>::Entry>>>;

/// What late work is for: a page, by its first offset, and the id of a filter.
pub(crate) type Key = (u64, Option<u64>);

/// What readers of a feed miss that is not live: the chunk of a page, and, if they have a filter,
/// what of the page passes. Some of what follows is made with it, as much as one page may weigh.
pub(crate) struct Wanted<S: Stream> {
    pub(crate) feed: Arc<FeedOf<S>>,
    /// The page's first entry.
    pub(crate) first: u64,
    /// Nothing is wanted from here on.
    pub(crate) end: u64,
    pub(crate) filter: Option<Arc<S::Filter>>,
}

/// Late work that readers wait for together. It keeps its place in the lane, and is done, whether
/// anybody asks for it or not; when the last reader drops it, it ends.
#[derive(Debug)]
pub(crate) struct Late<R> {
    feed: Arc<Feed<R>>,
    key: Key,
    task: AbortHandle,
    outcome: watch::Receiver<Outcome>,
    ticket: Arc<Ticket>,
}

#[derive(Clone, Debug)]
enum Outcome {
    Pending,
    /// What was found out, besides the chunks that the feed now holds.
    Done(Arc<Looked>),
    Panicked,
}

impl<R: Copy> Late<R> {
    /// Work that others wait for already, or else begins to wait for the lane. It waits in the
    /// `owner`'s line too.
    pub(crate) fn of<S: Stream<Rendering = R>>(
        shared: &Arc<Shared<S>>,
        wanted: Wanted<S>,
        owner: Owner,
    ) -> Arc<Self>
    where
        R: Send + Sync + 'static,
    {
        let (feed, key) = (Arc::clone(&wanted.feed), wanted.key());
        let late = feed.late(key, || {
            let (sender, outcome) = watch::channel(Outcome::Pending);
            let (ticket, granted) = Ticket::new();
            let work = work(Arc::clone(shared), wanted, granted, sender);
            let task = tokio::spawn(work).abort_handle();
            Self { feed: Arc::clone(&feed), key, task, outcome, ticket }
        });
        shared.lane.join(&late.ticket, owner);
        late
    }

    /// Returns whether it is still to be done. Whoever finds something missing after that begins
    /// anew.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(*self.outcome.borrow(), Outcome::Pending)
    }

    /// Waits for it; none if the runtime shuts down. Cancel safe.
    ///
    /// # Panics
    ///
    /// If the work did.
    pub(crate) async fn done(&self) -> Option<Arc<Looked>> {
        let mut outcome = self.outcome.clone();
        let done = |outcome: &Outcome| !matches!(outcome, Outcome::Pending);
        match &*outcome.wait_for(done).await.ok()? {
            Outcome::Done(looked) => Some(Arc::clone(looked)),
            Outcome::Pending | Outcome::Panicked => panic!("rendering again panicked"),
        }
    }
}

impl<R> Drop for Late<R> {
    fn drop(&mut self) {
        self.task.abort();
        self.feed.late_ends(self.key);
    }
}

async fn work<S: Stream>(
    shared: Arc<Shared<S>>,
    wanted: Wanted<S>,
    granted: Granted,
    outcome: watch::Sender<Outcome>,
) {
    let Some(turn) = granted.turn().await else { return };
    // Some of it may have been made with something else, or the pages have left the ring.
    let pages = wanted.pages(&shared);
    let looked = if pages.is_empty() {
        Ok(Looked::default())
    } else {
        spawn_blocking(move || turn.work(|| wanted.make(&shared, &pages))).await
    };
    match looked {
        Ok(looked) => outcome.send_replace(Outcome::Done(Arc::new(looked))),
        Err(error) if error.is_panic() => outcome.send_replace(Outcome::Panicked),
        Err(_) => return, // the runtime shuts down
    };
}

impl<S: Stream> Wanted<S> {
    fn key(&self) -> Key {
        (self.first, self.filter_id())
    }

    fn filter_id(&self) -> Option<u64> {
        self.filter.as_deref().map(S::filter_id)
    }

    /// The pages that something has to be done for.
    fn pages(&self, shared: &Shared<S>) -> Pages<S> {
        let mut pages = shared.ring.lock().pages(self.first, PAGE_WEIGHT);
        if pages.first().is_none_or(|page| page.first() > self.first) {
            return Vec::new();
        }
        pages.retain(|page| page.first() < self.end && (self.looks_at(page) || self.renders(page)));
        pages
    }

    /// Whether nobody has applied the filter to the page.
    fn looks_at(&self, page: &Page<S::Entry>) -> bool {
        self.filter_id().is_some_and(|filter| page.span().matches.of(filter).is_none())
    }

    /// Whether the chunk is missing, as far as can be told before the filter is applied.
    fn renders(&self, page: &Page<S::Entry>) -> bool {
        let passes = |filter| page.span().matches.of(filter).is_none_or(|found| !found.is_empty());
        self.filter_id().is_none_or(passes) && !self.feed.holds(page.first())
    }

    /// Does what is to be done for the pages, as far as the chunks can be held.
    fn make(&self, shared: &Shared<S>, pages: &Pages<S>) -> Looked {
        let first = pages.first().map_or(0, |page| page.first());
        let mut end = first;
        let mut passed = Vec::new();
        let mut chunks = Vec::new();
        let mut bytes = 0;
        let mut texts = Texts::default();
        for page in pages {
            let messages = read(&shared.stream, page);
            let nothing_passes =
                self.looks_at(page) && !self.look(shared, page, &messages, &mut passed);
            if !nothing_passes && self.renders(page) {
                texts.render(&shared.stream, self.feed.rendering, page.first(), &messages);
                let chunk = texts.frame(self.feed.framing, page.span());
                bytes += chunk.weight();
                chunks.push(chunk);
            }
            end = page.end();
            if bytes >= self.feed.late_bytes() {
                break;
            }
        }
        shared.late_chunks.fetch_add(chunks.len() as u64, Ordering::Relaxed);
        self.feed.hold_late(chunks);
        Looked { first, end, passed: passed.into() }
    }

    /// Applies the filter: appends the offsets that pass; whether any does.
    fn look(
        &self,
        shared: &Shared<S>,
        page: &Page<S::Entry>,
        messages: &[S::Message<'_>],
        passed: &mut Vec<u64>,
    ) -> bool {
        let before = passed.len();
        if let Some(filter) = self.filter.as_deref() {
            let entries = (page.first()..).zip(messages);
            let passing = entries.filter(|(_, message)| shared.stream.passes(filter, message));
            passed.extend(passing.map(|(offset, _)| offset));
        }
        passed.len() > before
    }
}
