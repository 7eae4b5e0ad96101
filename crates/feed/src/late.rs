//! Late work: chunks rendered again, and filters applied to pages older than they.

pub(crate) mod budget;
mod contention;
mod held;
pub(crate) mod job;
pub(crate) mod past;
pub(crate) mod registry;
pub(crate) mod replay;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::chunk::{Texts, read};
use crate::feed::feeds::FeedOf;
use crate::ring::filter::Backfilled;
use crate::ring::page::Page;
use crate::shared::Shared;
use crate::stream::Stream;
use budget::{Owner, Permit};
use job::Job;
use registry::{Key, LateWork};

/// Bytes of entries that one piece of late work takes, unless its first page alone weighs more.
const WORK_WEIGHT: usize = 128 * 1024;

type Pages<S> = Vec<Arc<Page<<S as Stream>::Entry>>>;

/// The pages in the ring that readers of a feed lack: the chunk of one, and, if they have a filter,
/// what of it passes. Some of what follows is made with it.
pub(crate) struct RenderRequest<S: Stream> {
    pub(crate) feed: Arc<FeedOf<S>>,
    /// The page's first entry.
    pub(crate) first: u64,
    /// The offset from which on nothing is needed.
    pub(crate) end: u64,
    pub(crate) filter: Option<Arc<S::Filter>>,
}

impl<S: Stream> RenderRequest<S> {
    /// Returns the work for it that others wait for already, or else begins to wait for the lane. It
    /// waits in the `owner`'s queue too.
    pub(crate) fn submit(self, shared: &Arc<Shared<S>>, owner: Owner) -> Arc<LateWork> {
        let work = shared.late.join(self.key(), || {
            let shared = Arc::clone(shared);
            Job::start(move |permit| Arc::new(self.work(&shared, permit)))
        });
        shared.lanes.late.join(work.job.ticket(), owner);
        work
    }

    fn key(&self) -> Key {
        (self.feed.id, self.first, self.filter_id())
    }

    fn filter_id(&self) -> Option<u64> {
        self.filter.as_deref().map(S::filter_id)
    }

    fn work(&self, shared: &Shared<S>, permit: Permit) -> Backfilled {
        // Some of it may have been made with something else, or the pages have left the ring.
        let pages = self.pages(shared);
        if pages.is_empty() {
            return Backfilled::default();
        }
        permit.spend(|| self.make(shared, &pages))
    }

    /// Returns the pages that something has to be done for.
    fn pages(&self, shared: &Shared<S>) -> Pages<S> {
        let mut pages = shared.ring.lock().pages(self.first, WORK_WEIGHT);
        if pages.first().is_none_or(|page| page.first() > self.first) {
            return Vec::new();
        }
        pages.retain(|page| page.first() < self.end && (self.filters(page) || self.renders(page)));
        pages
    }

    /// Reports whether the filter has not been applied to the page.
    fn filters(&self, page: &Page<S::Entry>) -> bool {
        self.filter_id().is_some_and(|filter| page.span().matches.of(filter).is_none())
    }

    /// Reports whether the chunk is missing, as far as is known before the filter is applied.
    fn renders(&self, page: &Page<S::Entry>) -> bool {
        let passes = |filter| page.span().matches.of(filter).is_none_or(|found| !found.is_empty());
        self.filter_id().is_none_or(passes) && self.feed.holds(page.first()).is_none()
    }

    /// Does what is to be done for the pages, as far as the chunks can be kept.
    fn make(&self, shared: &Shared<S>, pages: &Pages<S>) -> Backfilled {
        let first = pages.first().map_or(0, |page| page.first());
        let mut end = first;
        let mut passed = Vec::new();
        let mut chunks = Vec::new();
        let mut bytes = 0;
        let mut texts = Texts::default();
        for page in pages {
            let messages = read(&shared.stream, page);
            let filter = if self.filters(page) { self.filter.as_deref() } else { None };
            let passes = backfill(&shared.stream, filter, page, &messages, &mut passed);
            if passes && self.renders(page) {
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
        self.feed.keep_late(chunks);
        Backfilled { first, end, passed: passed.into() }
    }
}

/// Applies a filter to a page: appends the offsets that pass, and reports whether any does; all do
/// without a filter.
fn backfill<S: Stream>(
    stream: &S,
    filter: Option<&S::Filter>,
    page: &Page<S::Entry>,
    messages: &[S::Message<'_>],
    passed: &mut Vec<u64>,
) -> bool {
    let Some(filter) = filter else { return true };
    let before = passed.len();
    let entries = (page.first()..).zip(messages);
    let passing = entries.filter(|(_, message)| stream.passes(filter, message));
    passed.extend(passing.map(|(offset, _)| offset));
    passed.len() > before
}
