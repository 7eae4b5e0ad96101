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
        let (page, oldest, next) = {
            let ring = self.shared.ring.lock();
            let page = (!ring.has_evicted_since(time)).then(|| ring.page_seen(time));
            (page, ring.oldest(), ring.next())
        };
        let before = |offset: u64| offset.checked_sub(1);
        let Some(page) = page else { return self.older_moment(time, oldest) };
        let seen = page.and_then(|page| {
            let seen = |(_, entry): &(u64, &S::Entry)| self.shared.stream.seen(entry) >= time;
            page.entries().find(seen).map(|(offset, _)| offset)
        });
        Moment { since: before(seen.unwrap_or(next)), missing: None }
    }

    /// Finds an entry that is older than the ring, which begins at `oldest`.
    fn older_moment(&self, time: u64, oldest: u64) -> Moment {
        let history = self.shared.past.as_ref().map(|past| &past.history);
        let first = history.and_then(|history| history.first_seen(time));
        let first = first.unwrap_or(FirstSeen { offset: oldest, is_oldest: true });
        let missing = first.is_oldest.then_some(GapReason::Evicted);
        Moment { since: first.offset.checked_sub(1), missing }
    }
}
