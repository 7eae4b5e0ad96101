//! The feeds in use, and their readers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::feed::Feed;
use crate::limits::Limits;
use crate::protocol::framing::Framing;
use crate::stream::Stream;

/// A feed of the stream `S`.
pub(crate) type FeedOf<S> = Feed<<S as Stream>::Rendering>;

/// The feeds of one rendering, that share its text.
pub(crate) type Group<S> = (<S as Stream>::Rendering, Vec<Arc<FeedOf<S>>>);

/// The feeds in use, and their readers.
pub(crate) struct Feeds<S: Stream> {
    by_kind: HashMap<(S::Rendering, Framing), Audience<S>>,
    /// Feeds there ever were.
    begun: u64,
}

struct Audience<S: Stream> {
    feed: Arc<FeedOf<S>>,
    readers: usize,
    /// The time at which the last reader left.
    left: Option<Instant>,
}

impl<S: Stream> Default for Feeds<S> {
    fn default() -> Self {
        Self { by_kind: HashMap::new(), begun: 0 }
    }
}

impl<S: Stream> Feeds<S> {
    /// Counts a reader of a feed, which begins with it if there is none.
    pub(crate) fn join(
        &mut self,
        rendering: S::Rendering,
        framing: Framing,
        limits: &Limits,
    ) -> Arc<FeedOf<S>> {
        let audience = self.by_kind.entry((rendering, framing)).or_insert_with(|| {
            self.begun += 1;
            let Limits { chunk_bytes, chunk_time, .. } = *limits;
            let feed = Feed::new(self.begun, rendering, framing, chunk_bytes, chunk_time);
            Audience { feed: Arc::new(feed), readers: 0, left: None }
        });
        audience.readers += 1;
        audience.left = None;
        Arc::clone(&audience.feed)
    }

    /// Returns a feed for one page only: it gets no reader, and lasts as if one had just left.
    pub(crate) fn lend(
        &mut self,
        rendering: S::Rendering,
        framing: Framing,
        limits: &Limits,
    ) -> Arc<FeedOf<S>> {
        let feed = self.join(rendering, framing, limits);
        self.leave(&feed);
        feed
    }

    /// Counts a reader out.
    pub(crate) fn leave(&mut self, feed: &FeedOf<S>) {
        if let Some(audience) = self.by_kind.get_mut(&(feed.rendering, feed.framing)) {
            audience.readers -= 1;
            if audience.readers == 0 {
                audience.left = Some(Instant::now());
            }
        }
    }

    /// Takes out the feeds that have had no reader for `linger`. The caller drops them after the lock.
    pub(crate) fn retire(&mut self, linger: Duration) -> Vec<Arc<FeedOf<S>>> {
        let now = Instant::now();
        let expired = |audience: &mut Audience<S>| {
            audience.left.is_some_and(|left| now.saturating_duration_since(left) >= linger)
        };
        self.by_kind.extract_if(|_, audience| expired(audience)).map(|(_, a)| a.feed).collect()
    }

    /// Returns all feeds, by rendering.
    pub(crate) fn groups(&self) -> Vec<Group<S>> {
        let mut groups: Vec<Group<S>> = Vec::new();
        for ((rendering, _), audience) in &self.by_kind {
            let feed = Arc::clone(&audience.feed);
            match groups.iter_mut().find(|(known, _)| known == rendering) {
                Some((_, feeds)) => feeds.push(feed),
                None => groups.push((*rendering, vec![feed])),
            }
        }
        groups
    }

    /// Returns the number of readers of all feeds.
    pub(crate) fn readers(&self) -> usize {
        self.by_kind.values().map(|audience| audience.readers).sum()
    }
}
