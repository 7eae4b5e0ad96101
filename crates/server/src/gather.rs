//! Gathering: under load, pages that come close after each other go out together.
//!
//! To send something to a client costs about as much for one message as for fifty: the system call
//! and waking the connection are most of it. So after each publish the next one is held for a
//! while that grows with the number of readers, and whatever comes in that while goes out with it.
//! With few readers that while is too short to matter, and a page that comes after a pause is
//! published at once however many there are.
//!
//! How long that while is depends on how often pages come too. Where the next page is expected
//! within it, waiting for it saves every reader a write. Where it is not, waiting would only delay,
//! and the while is no longer than it takes to write the last page to everybody.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::vitals::Vitals;

/// What each reader adds to the while where no page is expected in it: about what it takes to wake it
/// and write to its socket.
const PER_READER: Duration = Duration::from_micros(10);
/// The most that comes to, however many readers there are.
const UNEXPECTED: Duration = Duration::from_millis(5);
/// What each reader adds to the while where more pages are expected in it.
const PER_READER_EXPECTING: Duration = Duration::from_micros(200);
/// How many pages the time between pages is averaged over.
const AVERAGED: u32 = 16;
/// The longest time between pages that counts, and what is assumed at the start.
const SELDOM: Duration = Duration::from_secs(1);
/// What has gathered goes out when it is this large; more would not make writes cheaper.
const ENOUGH_BYTES: usize = 256 * 1024;
/// The same in entries.
const ENOUGH_ENTRIES: usize = 512;

/// How much a page adds to what has gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes of the entries.
    pub(crate) bytes: usize,
    /// Entries to publish.
    pub(crate) entries: usize,
}

/// Where pages come from, and the time.
pub(crate) trait Intake {
    /// What comes.
    type Page;

    /// Waits for the next page, but not past `until`.
    fn next(&mut self, until: Option<Instant>) -> Next<Self::Page>;

    /// The time now.
    fn now(&self) -> Instant;
}

/// What [`Intake::next`] waited for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<P> {
    /// A page.
    Page(P),
    /// None came in time.
    TimeUp,
    /// None will come any more.
    End,
}

/// Where pages gather and go out.
pub(crate) trait Outlet<P> {
    /// Adds a page to what has gathered.
    fn take(&mut self, page: P) -> Size;

    /// Publishes what has gathered. Whether the stream is still open.
    fn publish(&mut self) -> bool;

    /// How many read what is published.
    fn readers(&self) -> usize;
}

/// Moves pages from `intake` to `outlet` until there are no more or the stream is closed. None is
/// held longer than `most`, nor longer than the readers are worth.
pub(crate) fn run<I: Intake>(most: Duration, intake: &mut I, outlet: &mut impl Outlet<I::Page>) {
    let mut gate = Gate::new(most);
    loop {
        match intake.next(gate.due()) {
            Next::Page(page) => gate.add(outlet.take(page), intake.now()),
            Next::TimeUp => {}
            Next::End => break,
        }
        if gate.is_open(intake.now()) {
            if !outlet.publish() {
                return;
            }
            gate.published(intake.now(), outlet.readers());
        }
    }
    if gate.due().is_some() {
        outlet.publish();
    }
}

/// Decides when what has gathered goes out.
#[derive(Debug)]
struct Gate {
    most: Duration,
    /// Nothing goes out before, unless enough has gathered; none before the first publish.
    opens: Option<Instant>,
    /// The time between pages with entries, on average.
    between: Duration,
    /// When the last of them came.
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

    /// When to publish what has gathered; none while there is nothing.
    fn due(&self) -> Option<Instant> {
        self.opens.filter(|_| self.pages > 0)
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

    /// How long what comes next may be held.
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
pub(crate) struct Channel<P> {
    pages: mpsc::Receiver<P>,
    waker: Waker,
    vitals: Arc<Vitals>,
}

#[derive(Debug)]
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<P> Channel<P> {
    /// To be used by the thread that makes it, and by no other. Shows that the thread lives.
    pub(crate) fn new(pages: mpsc::Receiver<P>, vitals: Arc<Vitals>) -> Self {
        Self { pages, waker: Arc::new(Unpark(thread::current())).into(), vitals }
    }
}

impl<P> Intake for Channel<P> {
    type Page = P;

    fn next(&mut self, until: Option<Instant>) -> Next<P> {
        let mut context = Context::from_waker(&self.waker);
        loop {
            self.vitals.publisher.beat();
            match self.pages.poll_recv(&mut context) {
                Poll::Ready(Some(page)) => return Next::Page(page),
                Poll::Ready(None) => return Next::End,
                Poll::Pending => {}
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return Next::TimeUp,
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
