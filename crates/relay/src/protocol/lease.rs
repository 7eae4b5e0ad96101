//! The lease of the leader: a reason to try to lead, never a permission to publish.

use std::time::Duration;

/// The lease as a waiting node sees it. It is over when its revision has not changed for a time, on
/// the waiting node's own clock that never steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    seen: Option<(u64, Duration)>,
}

/// The right of a node to try to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eligibility {
    /// The leader has this node's configuration, or there is none.
    Equal,
    /// The leader has another configuration: nodes with an equal one come first.
    Unequal,
}

impl Lease {
    /// Notes the revision of the lease, 0 if there is none, as read at `now`.
    pub fn note(&mut self, revision: u64, now: Duration) {
        if self.seen.is_none_or(|(seen, _)| seen != revision) {
            self.seen = Some((revision, now));
        }
    }

    /// Notes that the lease could not be read at `now`, because the servers did not respond: renewals may
    /// have been missed, so its time begins anew.
    pub fn note_unreadable(&mut self, now: Duration) {
        if let Some((_, since)) = &mut self.seen {
            *since = now;
        }
    }

    /// Reports whether the lease is over: it was read, and has not changed for `time`; a node of another
    /// configuration waits three times as long.
    #[must_use]
    pub fn is_over(&self, time: Duration, eligibility: Eligibility, now: Duration) -> bool {
        let factor = match eligibility {
            Eligibility::Equal => 1,
            Eligibility::Unequal => 3,
        };
        self.seen.is_some_and(|(_, since)| now.saturating_sub(since) >= time.saturating_mul(factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_when_its_revision_rests() {
        let (time, second) = (Duration::from_secs(4), Duration::from_secs(1));
        let mut lease = Lease::default();
        assert!(!lease.is_over(time, Eligibility::Equal, second * 100), "it was never read");
        lease.note(7, second);
        lease.note(8, second * 4);
        lease.note(8, second * 7);
        assert!(!lease.is_over(time, Eligibility::Equal, second * 7));
        assert!(lease.is_over(time, Eligibility::Equal, second * 8));
        assert!(!lease.is_over(time, Eligibility::Unequal, second * 15));
        assert!(lease.is_over(time, Eligibility::Unequal, second * 16));
    }

    #[test]
    fn time_in_which_the_lease_cannot_be_read_does_not_count() {
        let (time, second) = (Duration::from_secs(4), Duration::from_secs(1));
        let mut lease = Lease::default();
        lease.note_unreadable(second);
        assert!(!lease.is_over(time, Eligibility::Equal, second * 100), "it was never read");
        lease.note(7, second);
        lease.note_unreadable(second * 60);
        lease.note(7, second * 61);
        assert!(!lease.is_over(time, Eligibility::Equal, second * 63));
        assert!(lease.is_over(time, Eligibility::Equal, second * 64));
    }
}
