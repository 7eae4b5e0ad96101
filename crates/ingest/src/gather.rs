//! Gathering: under load, pages that come close after each other go out together.
//!
//! To send something to a client costs about as much for one message as for fifty: the system call
//! and waking the connection are most of it. So after each publish the next one is delayed by an
//! interval that grows with the number of readers, and whatever comes in that interval goes out with
//! it. With few readers the interval is too short to matter, and a page that comes after a pause is
//! published at once, for any number of readers.
//!
//! The length of the interval also depends on how often pages come. Where the next page is expected
//! within it, waiting for it saves every reader a write. Where it is not, waiting would only delay,
//! and the interval is no longer than it takes to write the last page to everybody.

use std::ops::AddAssign;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::heartbeat::Heartbeat;
use crate::sequencer::Stopped;
use crate::{MAX_ENTRIES, park};

/// The time that each reader adds to the interval where no page is expected in it: about what it takes to wake
/// it and write to its socket.
const PER_READER: Duration = Duration::from_micros(10);
/// The most that comes to, for any number of readers.
const UNEXPECTED: Duration = Duration::from_millis(5);
/// The time that each reader adds to the interval where more pages are expected in it.
const PER_READER_EXPECTING: Duration = Duration::from_micros(200);
/// Number of pages that the time between pages is averaged over.
const AVERAGED: u32 = 16;
/// The longest time between pages that counts, and what is assumed at the start.
const SELDOM: Duration = Duration::from_secs(1);
/// Gathered pages go out when they are this large; more would not make writes cheaper.
const ENOUGH_BYTES: usize = 256 * 1024;
/// The same in entries.
const ENOUGH_ENTRIES: usize = MAX_ENTRIES;

/// The size of a page or of what has gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes of the entries.
    pub(crate) bytes: usize,
    /// Number of entries.
    pub(crate) entries: usize,
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.entries += other.entries;
    }
}

/// The source of pages, and the clock.
pub(crate) trait Intake {
    /// A page.
    type Page;

    /// Waits for the next page, but not past `until`. Calls `poll` before each wait, with a context
    /// that ends it.
    fn next(
        &mut self,
        until: Option<Instant>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Result<(), Stopped>,
    ) -> Result<Next<Self::Page>, Stopped>;

    /// Returns the time.
    fn now(&self) -> Instant;
}

/// Outcome of [`Intake::next`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<P> {
    /// A page.
    Page(P),
    /// None came in time.
    TimeUp,
    /// None will come any more.
    End,
}

/// The place where pages gather and go out.
pub(crate) trait Outlet<P> {
    /// Reports whether a page may join what has gathered.
    fn fits(&self, page: &P) -> bool;

    /// Adds a page to what has gathered. Returns what of it is to be published.
    fn take(&mut self, page: P) -> Size;

    /// Publishes what has gathered.
    fn publish(&mut self) -> Result<(), Stopped>;

    /// Completes what was published before and could not be completed then. Wakes the context when
    /// there may be more to do.
    fn poll(&mut self, context: &mut Context<'_>) -> Result<(), Stopped>;

    /// Waits until everything published is complete.
    fn finish(&mut self) -> Result<(), Stopped>;

    /// Returns the number of clients that read what is published.
    fn readers(&self) -> usize;
}

/// Moves pages from `intake` to `outlet` until there are no more or the outlet stops. None waits
/// longer than `most`, nor longer than the readers are worth.
pub(crate) fn run<I: Intake>(
    most: Duration,
    intake: &mut I,
    outlet: &mut impl Outlet<I::Page>,
) -> Result<(), Stopped> {
    let mut gate = Gate::new(most);
    loop {
        match intake.next(gate.due(), &mut |context| outlet.poll(context))? {
            Next::Page(page) => {
                if gate.pages > 0 && !outlet.fits(&page) {
                    outlet.publish()?;
                    gate.published(intake.now(), outlet.readers());
                }
                gate.add(outlet.take(page), intake.now());
            }
            Next::TimeUp => {}
            Next::End => break,
        }
        if gate.is_open(intake.now()) {
            outlet.publish()?;
            gate.published(intake.now(), outlet.readers());
        }
    }
    if gate.pages > 0 {
        outlet.publish()?;
    }
    outlet.finish()
}

/// Decides when what has gathered goes out.
#[derive(Debug)]
struct Gate {
    most: Duration,
    /// Nothing goes out before, unless enough has gathered; none before the first publish.
    opens: Option<Instant>,
    /// The time between pages with entries, on average.
    between: Duration,
    /// The time at which the last of them came.
    last: Option<Instant>,
    gathered: Size,
    /// Pages gathered, those without an entry included: their position is to be published too.
    pages: usize,
}

impl Gate {
    const fn new(most: Duration) -> Self {
        let gathered = Size { bytes: 0, entries: 0 };
        Self { most, opens: None, between: SELDOM, last: None, gathered, pages: 0 }
    }

    fn add(&mut self, size: Size, now: Instant) {
        self.pages += 1;
        self.gathered.bytes += size.bytes;
        self.gathered.entries += size.entries;
        if size.entries > 0 {
            let last = self.last.replace(now).unwrap_or(now);
            let passed = now.saturating_duration_since(last).min(SELDOM);
            self.between = (self.between * (AVERAGED - 1) + passed) / AVERAGED;
        }
    }

    /// Returns when to publish what has gathered; none while there is nothing.
    const fn due(&self) -> Option<Instant> {
        if self.pages > 0 { self.opens } else { None }
    }

    fn is_open(&self, now: Instant) -> bool {
        let enough = self.gathered.bytes >= ENOUGH_BYTES
            || self.gathered.entries.max(self.pages) >= ENOUGH_ENTRIES;
        self.pages > 0 && (enough || self.opens.is_none_or(|opens| now >= opens))
    }

    fn published(&mut self, now: Instant, readers: usize) {
        // Without an entry nobody was written to.
        if self.gathered.entries > 0 || self.opens.is_none() {
            self.opens = Some(now + self.window(readers));
        }
        (self.gathered, self.pages) = (Size::default(), 0);
    }

    /// Returns how long what comes next may wait.
    fn window(&self, readers: usize) -> Duration {
        let readers = u32::try_from(readers).unwrap_or(u32::MAX);
        let expecting = PER_READER_EXPECTING.saturating_mul(readers).min(self.most);
        if self.between <= expecting {
            return expecting;
        }
        PER_READER.saturating_mul(readers).min(UNEXPECTED).min(self.most)
    }
}

/// Pages from a channel, waited for by blocking the thread.
///
/// The channel is tokio's because its senders are asynchronous. A runtime's timer counts in
/// milliseconds, which is too coarse here, so the thread itself does the waiting.
#[derive(Debug)]
pub(crate) struct Channel<S, R> {
    pages: mpsc::Receiver<S>,
    /// Makes a page of what the channel brings.
    read: R,
    waker: Waker,
    heartbeat: Arc<Heartbeat>,
}

impl<S, R> Channel<S, R> {
    /// Creates an intake that only the calling thread may use. It shows that the thread is alive.
    pub(crate) fn new(pages: mpsc::Receiver<S>, read: R, heartbeat: Arc<Heartbeat>) -> Self {
        Self { pages, read, waker: park::waker(), heartbeat }
    }
}

impl<S, P, R: FnMut(S) -> P> Intake for Channel<S, R> {
    type Page = P;

    fn next(
        &mut self,
        until: Option<Instant>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Result<(), Stopped>,
    ) -> Result<Next<P>, Stopped> {
        let mut context = Context::from_waker(&self.waker);
        loop {
            self.heartbeat.tick();
            poll(&mut context)?;
            match self.pages.poll_recv(&mut context) {
                Poll::Ready(Some(page)) => return Ok(Next::Page((self.read)(page))),
                Poll::Ready(None) => return Ok(Next::End),
                Poll::Pending => {}
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return Ok(Next::TimeUp),
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests;
