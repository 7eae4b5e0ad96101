use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time;

use crate::subscription::Owner;

/// How long the lane rests, in times the work took: three parts of four.
const REST: u32 = 3;

/// The one lane for late work: one turn at a time, and after each a rest, so that all of it together
/// never takes more than a quarter of one core.
///
/// Owners take turns; the work of one owner is done first come, first served. Work that several
/// owners wait for stands in each one's line, and is done when the first of them has its turn.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    lines: Arc<Mutex<Lines>>,
}

/// Who waits.
#[derive(Debug, Default)]
struct Lines {
    /// Somebody has the turn.
    taken: bool,
    /// When the lane has rested; none before the first work.
    rested: Option<time::Instant>,
    /// Each owner's line; never empty.
    by_owner: HashMap<Owner, VecDeque<Arc<Ticket>>>,
    /// These owners, the next first.
    order: VecDeque<Owner>,
}

/// A place in the lane for one piece of work.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Where its turn is sent; none when it has been.
    grant: Mutex<Option<oneshot::Sender<Turn>>>,
    /// In whose lines it stands.
    owners: Mutex<HashSet<Owner>>,
}

/// Where the turn of a [`Ticket`] comes.
#[derive(Debug)]
pub(crate) struct Granted(oneshot::Receiver<Turn>);

/// The right to work. Given back unused, it costs no rest.
#[derive(Debug)]
pub(crate) struct Turn {
    /// None when it was passed on.
    lines: Option<Arc<Mutex<Lines>>>,
}

/// Work under way; also work that panics is followed by a rest.
struct Work {
    turn: Turn,
    since: Instant,
}

impl Ticket {
    /// A ticket that stands in nobody's line yet.
    pub(crate) fn new() -> (Arc<Self>, Granted) {
        let (sender, receiver) = oneshot::channel();
        let ticket = Self { grant: Mutex::new(Some(sender)), owners: Mutex::default() };
        (Arc::new(ticket), Granted(receiver))
    }

    /// Returns whether somebody still waits for its turn.
    fn waits(&self) -> bool {
        self.grant.lock().as_ref().is_some_and(|grant| !grant.is_closed())
    }
}

impl Lane {
    /// Puts a ticket at the end of an owner's line, unless it stands there already.
    pub(crate) fn join(&self, ticket: &Arc<Ticket>, owner: Owner) {
        let is_done = ticket.grant.lock().is_none();
        if is_done || !ticket.owners.lock().insert(owner) {
            return;
        }
        let is_free = {
            let mut lines = self.lines.lock();
            lines.join(Arc::clone(ticket), owner);
            !std::mem::replace(&mut lines.taken, true)
        };
        if is_free {
            pass_on(&self.lines);
        }
    }
}

impl Lines {
    fn join(&mut self, ticket: Arc<Ticket>, owner: Owner) {
        let line = self.by_owner.entry(owner).or_default();
        if line.is_empty() {
            self.order.push_back(owner);
        }
        line.push_back(ticket);
    }

    /// Returns the first ticket of the owner whose turn it is, who then waits for all others to have
    /// theirs. Tickets that nobody waits for any more, as another owner's turn served them, cost none.
    fn next(&mut self) -> Option<Arc<Ticket>> {
        while let Some(owner) = self.order.pop_front() {
            let Some(line) = self.by_owner.get_mut(&owner) else { continue };
            while line.front().is_some_and(|ticket| !ticket.waits()) {
                line.pop_front();
            }
            let ticket = line.pop_front();
            if line.is_empty() {
                self.by_owner.remove(&owner);
            } else {
                self.order.push_back(owner);
            }
            if ticket.is_some() {
                return ticket;
            }
        }
        None
    }
}

/// Gives the turn to the next who still waits; without one the lane is free.
fn pass_on(lines: &Arc<Mutex<Lines>>) {
    loop {
        let next = {
            let mut lines = lines.lock();
            let next = lines.next();
            lines.taken = next.is_some();
            next
        };
        let Some(ticket) = next else { return };
        let Some(waiting) = ticket.grant.lock().take() else { continue };
        match waiting.send(Turn { lines: Some(Arc::clone(lines)) }) {
            Ok(()) => return,
            // Whoever gives up waiting is passed over.
            Err(mut turn) => turn.lines = None,
        }
    }
}

impl Granted {
    /// Waits for the turn, and for the lane to have rested. None if the ticket is gone.
    pub(crate) async fn turn(self) -> Option<Turn> {
        let turn = self.0.await.ok()?;
        let rested = turn.lines.as_ref().and_then(|lines| lines.lock().rested);
        if let Some(rested) = rested.filter(|rested| *rested > time::Instant::now()) {
            time::sleep_until(rested).await;
        }
        Some(turn)
    }
}

impl Turn {
    /// Does the work, in the calling thread.
    pub(crate) fn work<T>(self, work: impl FnOnce() -> T) -> T {
        let _under_way = Work { turn: self, since: Instant::now() };
        work()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lines) = self.lines.take() {
            pass_on(&lines);
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let rest = self.since.elapsed().saturating_mul(REST);
        let now = time::Instant::now();
        if let Some(lines) = &self.turn.lines {
            lines.lock().rested = Some(now.checked_add(rest).unwrap_or(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Duration;

    use super::*;

    const WORK: Duration = Duration::from_millis(5);
    const ME: Owner = Owner(1);

    async fn turn(lane: &Lane) -> Turn {
        let (ticket, granted) = Ticket::new();
        lane.join(&ticket, ME);
        granted.turn().await.expect("the ticket is there")
    }

    /// When the next turn comes, after the last was used for this.
    async fn wait_after(lane: &Lane, used: impl FnOnce(Turn)) -> Duration {
        used(turn(lane).await);
        let start = time::Instant::now();
        drop(turn(lane).await);
        time::Instant::now() - start
    }

    // Time is paused: it passes by itself, and only, where the lane rests.

    #[tokio::test(start_paused = true)]
    async fn rests_three_times_as_long_as_it_worked() {
        let lane = Lane::default();
        let rest = wait_after(&lane, |turn| turn.work(|| thread::sleep(WORK))).await;
        assert!(rest >= 3 * WORK, "{rest:?}");
        let unused = wait_after(&lane, drop).await;
        assert_eq!(unused, Duration::ZERO);
        let panicked = wait_after(&lane, |turn| {
            let fail = || {
                thread::sleep(WORK);
                panic!("work that fails");
            };
            assert!(catch_unwind(AssertUnwindSafe(|| turn.work(fail))).is_err());
        });
        assert!(panicked.await >= 3 * WORK);
    }

    /// The order in which tickets get their turns that join these owners' lines while the lane is
    /// busy, those of `leave` excepted, which give up waiting.
    async fn order(owners: &[&[u128]], leave: &[usize]) -> Vec<usize> {
        let lane = Arc::new(Lane::default());
        let busy = turn(&lane).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for (number, owners) in owners.iter().enumerate() {
            let (ticket, granted) = Ticket::new();
            owners.iter().for_each(|owner| lane.join(&ticket, Owner(*owner)));
            let order = Arc::clone(&order);
            waiting.push(tokio::spawn(async move {
                let turn = granted.turn().await.expect("the ticket is there");
                turn.work(|| order.lock().push(number));
            }));
            tokio::task::yield_now().await;
        }
        for number in leave {
            waiting[*number].abort();
        }
        tokio::task::yield_now().await;
        drop(busy);
        for task in waiting {
            assert!(task.await.map_or_else(|error| error.is_cancelled(), |()| true));
        }
        assert!(!lane.lines.lock().taken && lane.lines.lock().by_owner.is_empty());
        let order = order.lock();
        order.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_of_one_owner_come_in_order_and_whoever_gives_up_is_passed_over() {
        assert_eq!(order(&[&[1], &[1], &[1], &[1], &[1]], &[2]).await, [0, 1, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_with_much_work_does_not_keep_others_waiting() {
        let greedy = [&[1_u128][..]; 20];
        let all = [&greedy[..], &[&[2], &[3], &[2]]].concat();
        let order = order(&all, &[]).await;
        assert_eq!(order[..6], [0, 20, 21, 1, 22, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_two_owners_wait_for_is_done_with_the_first_turn_of_either() {
        let order = order(&[&[1], &[1], &[1, 2], &[2]], &[]).await;
        assert_eq!(order, [0, 2, 1, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_or_given_up_costs_its_owners_no_turn() {
        let owners: [&[u128]; 5] = [&[1, 2], &[1], &[2], &[3], &[3]];
        assert_eq!(order(&owners, &[]).await, [0, 2, 3, 1, 4]);
        let owners: [&[u128]; 5] = [&[1], &[2], &[2], &[3], &[3]];
        assert_eq!(order(&owners, &[1]).await, [0, 2, 3, 4]);
    }
}
