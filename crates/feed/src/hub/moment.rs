//! Resuming by time: the place of the first entry that was seen at a time or later.

use super::Hub;
use crate::history::FirstSeen;
use crate::stream::Stream;
use crate::subscription::GapReason;

/// The place at which a reader resumes by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The [`since`](crate::Request::since) of that reader.
    pub since: Option<u64>,
    /// Set if other entries that were seen since then are gone.
    pub missing: Option<GapReason>,
}

impl<S: Stream> Hub<S> {
    /// Finds the first entry that was [seen](Stream::seen) at `time` or later: a reader that resumes
    /// there gets every entry seen since then, and whatever lies between. If there is none, it begins
    /// with the next one published.
    ///
    /// May block if the hub has a [history](crate::History).
    #[must_use]
    pub fn moment(&self, time: u64) -> Moment {
        let in_history = self.shared.past.as_ref().and_then(|past| past.history.first_seen(time));
        let first = in_history.or_else(|| self.first_in_ring(time));
        // The history may have what is not published yet.
        let next = self.next_offset();
        let offset = first.map_or(next, |first| first.offset.min(next));
        let is_oldest = first.is_some_and(|first| first.is_oldest);
        let missing = is_oldest.then_some(GapReason::Evicted);
        Moment { since: offset.checked_sub(1), missing }
    }

    /// Finds the same in the ring. If one that was taken out was seen since, that is the oldest.
    fn first_in_ring(&self, time: u64) -> Option<FirstSeen> {
        let page = {
            let ring = self.shared.ring.lock();
            if ring.has_evicted_since(time) {
                return Some(FirstSeen { offset: ring.oldest(), is_oldest: true });
            }
            ring.page_seen(time)?
        };
        let seen = |(_, entry): &(u64, &S::Entry)| self.shared.stream.seen(entry) >= time;
        let (offset, _) = page.entries().find(seen)?;
        Some(FirstSeen { offset, is_oldest: false })
    }
}
