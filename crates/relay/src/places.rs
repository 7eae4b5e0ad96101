//! The checkpoints that a node has passed: places of a stream at which reading can begin.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::protocol::Totals;

/// Places that are kept: half a megabyte. If there are more, every second one is dropped.
const MOST: usize = 16_384;

/// A checkpoint in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The sequence after which a reader begins with it.
    pub(crate) after: u64,
    /// The totals of the stream there.
    pub(crate) totals: Totals,
}

/// Checkpoints of a stream, ascending, which readers of it share. They are hints: a place may be gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<Vec<Place>>>);

impl Places {
    /// Adds a place.
    pub(crate) fn note(&self, place: Place) {
        let mut places = self.0.lock();
        let at = places.partition_point(|known| known.after < place.after);
        match places.get_mut(at).filter(|known| known.after == place.after) {
            Some(known) => *known = place,
            None => places.insert(at, place),
        }
        if places.len() > MOST {
            let mut is_kept = false;
            places.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
    }

    /// Drops a place.
    pub(crate) fn forget(&self, after: u64) {
        self.0.lock().retain(|place| place.after != after);
    }

    /// Drops the places from a sequence on: the stream has lost its end.
    pub(crate) fn cut(&self, after: u64) {
        self.0.lock().retain(|place| place.after < after);
    }

    /// Drops the places before the first sequence that is kept.
    pub(crate) fn drop_before(&self, first: u64) {
        self.0.lock().retain(|place| place.after.saturating_add(1) >= first);
    }

    /// Returns the last place that lies before something, and the one after that.
    pub(crate) fn around(
        &self,
        is_before: impl Fn(&Totals) -> bool,
    ) -> (Option<Place>, Option<Place>) {
        let places = self.0.lock();
        let next = places.partition_point(|place| is_before(&place.totals));
        let last = next.checked_sub(1).and_then(|last| places.get(last));
        (last.copied(), places.get(next).copied())
    }

    /// Returns the first place at a sequence or after it.
    pub(crate) fn from(&self, sequence: u64) -> Option<Place> {
        let places = self.0.lock();
        let at = places.partition_point(|place| place.after.saturating_add(1) < sequence);
        places.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(after: u64) -> Place {
        Place { after, totals: Totals { entries: after, end: after * 10, newest: after } }
    }

    fn places(after: impl IntoIterator<Item = u64>) -> Places {
        let places = Places::default();
        after.into_iter().for_each(|after| places.note(place(after)));
        places
    }

    #[test]
    fn places_lie_around_an_offset_in_whatever_order_they_come() {
        let places = places([9, 3, 20, 9]);
        let around = |offset| places.around(|totals| totals.end <= offset);
        assert_eq!(around(29), (None, Some(place(3))));
        assert_eq!(around(30), (Some(place(3)), Some(place(9))));
        assert_eq!(around(500), (Some(place(20)), None));
        assert_eq!(places.from(10), Some(place(9)));
        assert_eq!(places.from(11), Some(place(20)));
    }

    #[test]
    fn places_that_are_gone_are_dropped() {
        let places = places([3, 9, 20, 30]);
        places.cut(20);
        places.drop_before(5);
        assert_eq!(places.around(|_| true), (Some(place(9)), None));
        places.forget(9);
        assert_eq!(places.from(0), None);
    }

    #[test]
    fn of_too_many_places_every_second_one_stays() {
        let places = places(0..=MOST as u64);
        assert_eq!(places.0.lock().len(), MOST / 2 + 1);
        assert_eq!(places.from(2), Some(place(2)));
        assert_eq!(places.around(|_| true).0, Some(place(MOST as u64)));
    }
}
