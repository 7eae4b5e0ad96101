//! The budgets of late work and of replays: in each one piece at a time, owner after owner.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time;

use super::contention::Contention;

/// The owner of a reader, such as a network address: a number that the caller chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner(pub u128);

/// The rest after a piece of work, in times the work took: three parts of four.
const REST: u32 = 3;

/// The lanes of a hub. Only one piece of work of both is under way at a time, so late work waits for
/// one piece of a replay at most, and has its quarter of a core beside any number of replays.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// For readers within the ring.
    pub(crate) late: RenderBudget,
    /// For readers of the history.
    pub(crate) replays: RenderBudget,
}

/// Locked while a piece of work is under way.
type Core = Arc<tokio::sync::Mutex<()>>;

/// The rule for rests after work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rests {
    /// After each piece.
    #[default]
    Always,
    /// After a piece for which the thread had to wait for a core: others need them.
    UnderContention,
}

/// A lane: one permit at a time, and rests, so that all of its work together never takes more than a
/// quarter of one core; of replays, never while other threads need the cores.
///
/// Owners take turns; the work of one owner is done first come, first served. Work that several
/// owners wait for stands in each one's queue, and is done when the first of them has its turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct RenderBudget(Arc<Lane>);

#[derive(Debug, Default)]
struct Lane {
    queues: Mutex<Queues>,
    core: Core,
    rests: Rests,
}

/// The tickets that wait.
#[derive(Debug, Default)]
struct Queues {
    /// The permit is given out.
    taken: bool,
    /// The end of the rest; none before the first work.
    rests_until: Option<time::Instant>,
    /// Each owner's queue; never empty.
    by_owner: HashMap<Owner, VecDeque<Arc<Ticket>>>,
    /// These owners, the next first.
    order: VecDeque<Owner>,
}

/// A place in the queues for one piece of work.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// The way to send its permit; none once it was sent.
    grant: Mutex<Option<oneshot::Sender<Permit>>>,
    /// The owners in whose queues it stands.
    owners: Mutex<HashSet<Owner>>,
}

/// The receiving side of a [`Ticket`].
#[derive(Debug)]
pub(crate) struct Granted(oneshot::Receiver<Permit>);

/// The right to work. Given back unused, it costs no rest.
#[derive(Debug)]
pub(crate) struct Permit {
    /// None when it was passed on.
    lane: Option<Arc<Lane>>,
    /// Held since the work may begin.
    core: Option<OwnedMutexGuard<()>>,
}

/// Work under way; also work that panics is followed by a rest.
struct Work {
    permit: Permit,
    since: Instant,
    contention: Contention,
}

impl Default for Lanes {
    fn default() -> Self {
        let core = Core::default();
        let lane = |rests| {
            let core = Arc::clone(&core);
            RenderBudget(Arc::new(Lane { core, rests, ..Lane::default() }))
        };
        Self { late: lane(Rests::Always), replays: lane(Rests::UnderContention) }
    }
}

impl Ticket {
    /// Makes a ticket that stands in no queue yet.
    pub(crate) fn new() -> (Arc<Self>, Granted) {
        let (sender, receiver) = oneshot::channel();
        let ticket = Self { grant: Mutex::new(Some(sender)), owners: Mutex::default() };
        (Arc::new(ticket), Granted(receiver))
    }

    /// Reports whether its permit is still waited for.
    fn waits(&self) -> bool {
        self.grant.lock().as_ref().is_some_and(|grant| !grant.is_closed())
    }
}

impl RenderBudget {
    /// Puts a ticket at the end of an owner's queue, unless it stands there already.
    pub(crate) fn join(&self, ticket: &Arc<Ticket>, owner: Owner) {
        let is_done = ticket.grant.lock().is_none();
        if is_done || !ticket.owners.lock().insert(owner) {
            return;
        }
        let is_free = {
            let mut queues = self.0.queues.lock();
            queues.join(Arc::clone(ticket), owner);
            !std::mem::replace(&mut queues.taken, true)
        };
        if is_free {
            pass_on(&self.0);
        }
    }
}

impl Queues {
    fn join(&mut self, ticket: Arc<Ticket>, owner: Owner) {
        let queue = self.by_owner.entry(owner).or_default();
        if queue.is_empty() {
            self.order.push_back(owner);
        }
        queue.push_back(ticket);
    }

    /// Returns the first ticket of the owner whose turn it is, who then waits for all others to have
    /// theirs. Tickets that are no longer waited for, as another owner's turn served them, cost none.
    fn next(&mut self) -> Option<Arc<Ticket>> {
        while let Some(owner) = self.order.pop_front() {
            let Some(queue) = self.by_owner.get_mut(&owner) else { continue };
            while queue.front().is_some_and(|ticket| !ticket.waits()) {
                queue.pop_front();
            }
            let ticket = queue.pop_front();
            if queue.is_empty() {
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

/// Gives the permit to the next ticket that is still waited for; without one the lane is free.
fn pass_on(lane: &Arc<Lane>) {
    loop {
        let next = {
            let mut queues = lane.queues.lock();
            let next = queues.next();
            queues.taken = next.is_some();
            next
        };
        let Some(ticket) = next else { return };
        let Some(waiting) = ticket.grant.lock().take() else { continue };
        match waiting.send(Permit { lane: Some(Arc::clone(lane)), core: None }) {
            Ok(()) => return,
            // One that is given up is passed over.
            Err(mut permit) => permit.lane = None,
        }
    }
}

impl Granted {
    /// Waits for the permit, for the rest to end, and for the work of the other lane. None if the
    /// ticket is gone.
    pub(crate) async fn permit(self) -> Option<Permit> {
        let mut permit = self.0.await.ok()?;
        let rests_until = permit.lane.as_ref().and_then(|lane| lane.queues.lock().rests_until);
        if let Some(until) = rests_until
            && until > time::Instant::now()
        {
            time::sleep_until(until).await;
        }
        if let Some(core) = permit.lane.as_ref().map(|lane| Arc::clone(&lane.core)) {
            permit.core = Some(core.lock_owned().await);
        }
        Some(permit)
    }
}

impl Permit {
    /// Does the work, in the calling thread.
    pub(crate) fn spend<T>(self, work: impl FnOnce() -> T) -> T {
        let (since, contention) = (Instant::now(), Contention::begin());
        let _under_way = Work { permit: self, since, contention };
        work()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.core = None;
        if let Some(lane) = self.lane.take() {
            pass_on(&lane);
        }
    }
}

impl Lane {
    /// Returns the rest after work that took so long.
    fn rest(&self, work: Duration, contention: &Contention) -> Duration {
        match self.rests {
            Rests::UnderContention if !contention.is_felt(work) => Duration::ZERO,
            Rests::Always | Rests::UnderContention => work.saturating_mul(REST),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(lane) = &self.permit.lane {
            let rest = lane.rest(self.since.elapsed(), &self.contention);
            let now = time::Instant::now();
            lane.queues.lock().rests_until = Some(now.checked_add(rest).unwrap_or(now));
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

    async fn permit(budget: &RenderBudget) -> Permit {
        let (ticket, granted) = Ticket::new();
        budget.join(&ticket, ME);
        granted.permit().await.expect("the ticket is there")
    }

    /// Returns the wait for the next permit, after the last was used for this.
    async fn wait_after(budget: &RenderBudget, used: impl FnOnce(Permit)) -> Duration {
        used(permit(budget).await);
        let start = time::Instant::now();
        drop(permit(budget).await);
        time::Instant::now() - start
    }

    // Time is paused: it passes by itself, and only, while the lane rests.

    #[tokio::test(start_paused = true)]
    async fn rests_three_times_as_long_as_it_worked() {
        let budget = RenderBudget::default();
        let rest = wait_after(&budget, |permit| permit.spend(|| thread::sleep(WORK))).await;
        assert!(rest >= 3 * WORK, "{rest:?}");
        let unused = wait_after(&budget, drop).await;
        assert_eq!(unused, Duration::ZERO);
        let panicked = wait_after(&budget, |permit| {
            let fail = || {
                thread::sleep(WORK);
                panic!("work that fails");
            };
            assert!(catch_unwind(AssertUnwindSafe(|| permit.spend(fail))).is_err());
        });
        assert!(panicked.await >= 3 * WORK);
    }

    /// Returns the order in which tickets get the permit that join these owners' queues while it is
    /// taken, those of `leave` excepted, which give up waiting.
    async fn order(owners: &[&[u128]], leave: &[usize]) -> Vec<usize> {
        let budget = RenderBudget::default();
        let busy = permit(&budget).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for (number, owners) in owners.iter().enumerate() {
            let (ticket, granted) = Ticket::new();
            owners.iter().for_each(|owner| budget.join(&ticket, Owner(*owner)));
            let order = Arc::clone(&order);
            waiting.push(tokio::spawn(async move {
                let permit = granted.permit().await.expect("the ticket is there");
                permit.spend(|| order.lock().push(number));
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
        assert!(!budget.0.queues.lock().taken && budget.0.queues.lock().by_owner.is_empty());
        let order = order.lock();
        order.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_is_served_in_order_and_a_ticket_given_up_is_passed_over() {
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
