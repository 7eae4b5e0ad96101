//! The position from which a log is resumed after a restart: that which was published a few seconds ago.
//!
//! Each position has the tree of the entries below it, if there is one. The publisher reports positions
//! once they are committed.

use std::collections::VecDeque;
use std::time::Duration;

use record::Tree;
use tokio::time::Instant;

/// Published positions are remembered at this grain; the resume overlap is exact to it.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// A position and the tree of the entries below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The next index to read.
    pub(crate) index: u64,
    pub(crate) tree: Option<Tree>,
}

/// One log's positions between emitting and saving.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The end of the last page that was sent to the publisher.
    emitted: u64,
    /// Published; oldest first.
    published: VecDeque<Mark>,
    /// Trees that are published from now on and must not be resumed from.
    distrusted: Option<Distrusted>,
}

/// Trees of pages that were on their way when the entries read turned out to contradict a head.
#[derive(Debug, Clone, Copy)]
struct Distrusted {
    /// They are larger than this, the largest tree that a head has proved.
    above: u64,
    /// The end of the last of these pages.
    until: u64,
}

/// A published position.
#[derive(Debug)]
struct Mark {
    at: Instant,
    resume: Resume,
    /// The newest offset published with it or before it. So every entry of the log below the
    /// position has an offset up to this one. 0 where the follower began.
    offset: u64,
}

impl Marks {
    /// Notes where the follower begins, unless it has begun before.
    pub(crate) fn begin(&mut self, resume: Resume) {
        if self.published.is_empty() {
            self.published.push_back(Mark { at: Instant::now(), resume, offset: 0 });
        }
    }

    /// Notes that everything below `end` has been sent to the publisher.
    pub(crate) fn emitting(&mut self, end: u64) {
        self.emitted = end;
    }

    /// Notes that everything below a position has been published, with offsets up to `offset`.
    pub(crate) fn published(&mut self, mut resume: Resume, offset: u64, overlap: Duration) {
        let now = Instant::now();
        if let Some(Distrusted { above, until }) = self.distrusted {
            if resume.index <= until {
                resume.tree.take_if(|tree| tree.read.size() > above);
            } else {
                self.distrusted = None;
            }
        }
        // The newest mark is moved forward until it is old enough to stand for its moment.
        let recent = self.published.len() > 1
            && self.published.iter().rev().nth(1).is_some_and(|mark| now - mark.at < MARK_EVERY);
        if recent {
            self.published.pop_back();
        }
        self.published.push_back(Mark { at: now, resume, offset });
        self.forget(now, overlap);
    }

    /// Forgets the trees beyond `size`, which are not those that the log has signed: their positions
    /// are resumed without one.
    pub(crate) fn reset_proof(&mut self, size: u64) {
        for mark in &mut self.published {
            mark.resume.tree.take_if(|tree| tree.read.size() > size);
        }
        self.distrusted = Some(Distrusted { above: size, until: self.emitted });
    }

    /// Returns the position published `overlap` ago, with the offset that all entries below it are up
    /// to; `None` until the follower began.
    pub(crate) fn saved(&mut self, overlap: Duration) -> Option<(Resume, u64)> {
        self.forget(Instant::now(), overlap);
        self.published.front().map(|mark| (mark.resume.clone(), mark.offset))
    }

    /// Returns the offset that all entries published are up to.
    pub(crate) fn newest_offset(&self) -> u64 {
        self.published.back().map_or(0, |mark| mark.offset)
    }

    /// Reports whether a position is known to be emitted and not published.
    pub(crate) fn has_unpublished(&self) -> bool {
        self.published.back().is_some_and(|mark| mark.resume.index < self.emitted)
    }

    /// Drops the marks that are too old to be saved, except the newest of those.
    fn forget(&mut self, now: Instant, overlap: Duration) {
        while self.published.get(1).is_some_and(|mark| now - mark.at >= overlap) {
            self.published.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use ct::merkle::CompactRange;
    use record::Proved;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(index: u64) -> Resume {
        let mut range = CompactRange::new();
        (0..index).for_each(|_| range.push([0; 32]));
        let proved = Proved::default();
        Resume { index, tree: Some(Tree { read: range, from: 0, proved }) }
    }

    fn saved(marks: &mut Marks, overlap: Duration) -> Option<Resume> {
        marks.saved(overlap).map(|(resume, _)| resume)
    }

    #[tokio::test(start_paused = true)]
    async fn the_saved_position_trails_publishing_by_the_overlap() {
        let mut marks = Marks::default();
        assert_eq!(marks.saved(10 * SECOND), None);
        marks.begin(at(100));
        for second in 1..=60 {
            tokio::time::advance(SECOND).await;
            marks.published(at(100 + second), 7000 + second, 10 * SECOND);
        }
        assert_eq!(marks.saved(10 * SECOND), Some((at(150), 7050)));
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(marks.saved(10 * SECOND), Some((at(160), 7060)));
    }

    #[tokio::test(start_paused = true)]
    async fn marks_are_thinned_but_never_run_ahead() {
        let mut marks = Marks::default();
        marks.begin(at(0));
        for tick in 1..=1000 {
            tokio::time::advance(SECOND / 100).await;
            marks.published(Resume { index: tick, tree: None }, 7000 + tick, 5 * SECOND);
        }
        assert!(marks.published.len() < 8);
        let (saved, offset) = marks.saved(5 * SECOND).expect("began");
        assert!((300..=500).contains(&saved.index), "{saved:?}");
        assert_eq!((offset, marks.newest_offset()), (7000 + saved.index, 8000));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_emitted_is_unpublished_until_its_position_is_committed() {
        let mut marks = Marks::default();
        assert!(!marks.has_unpublished());
        marks.begin(at(10));
        assert!(!marks.has_unpublished());
        marks.emitting(20);
        marks.emitting(30);
        marks.published(at(20), 0, SECOND);
        assert!(marks.has_unpublished());
        marks.published(at(30), 0, SECOND);
        assert!(!marks.has_unpublished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_tree_beyond_the_proved_one_is_not_saved_after_a_mismatch() {
        let mut marks = Marks::default();
        marks.begin(at(10));
        [20, 30].into_iter().for_each(|end| marks.emitting(end));
        marks.published(at(20), 0, SECOND);
        marks.reset_proof(10);
        assert_eq!(saved(&mut marks, SECOND), Some(at(10)));
        // The second was on its way.
        for (index, expected) in [(20, None), (30, None), (40, at(40).tree)] {
            marks.emitting(index.max(30));
            marks.published(at(index), 0, SECOND);
            tokio::time::advance(SECOND).await;
            assert_eq!(saved(&mut marks, SECOND), Some(Resume { index, tree: expected }));
        }
    }
}
