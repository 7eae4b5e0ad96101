//! Gathering against a clock that moves only by waiting and publishing.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::MAX_BYTES;

/// A clock that moves only by waiting and publishing.
#[derive(Debug, Clone)]
struct Clock(Rc<Cell<Instant>>);

impl Clock {
    fn advance_to(&self, to: Instant) {
        self.0.set(self.0.get().max(to));
    }
}

/// A page of one log, with when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    log: usize,
    index: usize,
    comes: Instant,
    size: Size,
}

struct Script {
    clock: Clock,
    pages: VecDeque<Page>,
}

impl Intake for Script {
    type Page = Page;

    fn next(
        &mut self,
        until: Option<Instant>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Result<(), Stopped>,
    ) -> Result<Next<Page>, Stopped> {
        poll(&mut Context::from_waker(Waker::noop()))?;
        let Some(page) = self.pages.front() else { return Ok(Next::End) };
        // A page that is there already is taken even if the time is up.
        if page.comes > self.now() && until.is_some_and(|until| page.comes > until) {
            self.clock.advance_to(until.expect("just seen"));
            return Ok(Next::TimeUp);
        }
        self.clock.advance_to(page.comes);
        Ok(self.pages.pop_front().map_or(Next::End, Next::Page))
    }

    fn now(&self) -> Instant {
        self.clock.0.get()
    }
}

/// Notes what is published and when.
struct Notes {
    clock: Clock,
    readers: usize,
    /// The duration of a publish.
    takes: Duration,
    /// Publishes until the stream is closed.
    open_for: usize,
    gathered: Vec<(Page, Instant)>,
    published: Vec<Publish>,
    polls: usize,
    is_finished: bool,
}

struct Publish {
    at: Instant,
    pages: Vec<(Page, Instant)>,
}

impl Notes {
    fn gathered(&self) -> Size {
        let sizes = self.gathered.iter().map(|(page, _)| page.size);
        sizes.fold(Size::default(), |sum, size| Size {
            bytes: sum.bytes + size.bytes,
            entries: sum.entries + size.entries,
        })
    }
}

impl Outlet<Page> for Notes {
    fn fits(&self, page: &Page) -> bool {
        let Size { bytes, entries } = self.gathered();
        bytes + page.size.bytes <= MAX_BYTES && entries + page.size.entries <= MAX_ENTRIES
    }

    fn take(&mut self, page: Page) -> Size {
        let size = page.size;
        self.gathered.push((page, self.clock.0.get()));
        size
    }

    fn publish(&mut self) -> Result<(), Stopped> {
        if self.published.len() == self.open_for {
            return Err(Stopped::Closed);
        }
        let at = self.clock.0.get();
        self.published.push(Publish { at, pages: std::mem::take(&mut self.gathered) });
        self.clock.advance_to(at + self.takes);
        Ok(())
    }

    fn poll(&mut self, _context: &mut Context<'_>) -> Result<(), Stopped> {
        self.polls += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stopped> {
        self.is_finished = true;
        Ok(())
    }

    fn readers(&self) -> usize {
        self.readers
    }
}

const fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

const SMALL: Size = Size { bytes: 2_000, entries: 1 };

/// Pages that come after these pauses, of two logs in turn.
fn script(start: Instant, pauses: &[(u64, Size)]) -> VecDeque<Page> {
    let mut comes = start;
    let page = |(at, &(pause, size)): (usize, &(u64, Size))| {
        comes += micros(pause);
        Page { log: at % 2, index: at / 2, comes, size }
    };
    pauses.iter().enumerate().map(page).collect()
}

fn publish(most: Duration, readers: usize, takes: Duration, pauses: &[(u64, Size)]) -> Notes {
    let start = Instant::now();
    let clock = Clock(Rc::new(Cell::new(start)));
    let mut notes = Notes {
        clock: clock.clone(),
        readers,
        takes,
        open_for: usize::MAX,
        gathered: Vec::new(),
        published: Vec::new(),
        polls: 0,
        is_finished: false,
    };
    run(most, &mut Script { clock, pages: script(start, pauses) }, &mut notes).expect("open");
    assert!(notes.is_finished && notes.polls > pauses.len(), "polled before each wait");
    notes
}

fn pages_each(notes: &Notes) -> Vec<usize> {
    notes.published.iter().map(|publish| publish.pages.len()).collect()
}

#[test]
fn what_comes_close_together_goes_out_together() {
    let most = micros(5_000);
    let every = |micros: u64| vec![(micros, SMALL); 10];
    type Case = (&'static str, usize, Vec<(u64, Size)>, &'static [usize]);
    let cases: &[Case] = &[
        ("no readers", 0, every(100), &[1; 10]),
        ("few readers", 9, every(100), &[1; 10]),
        ("500 readers, with pauses", 500, every(5_000), &[1; 10]),
        ("500 readers, every millisecond", 500, every(1_000), &[1, 5, 4]),
        ("any number of readers", usize::MAX, every(1_000), &[1, 5, 4]),
        ("50 readers, every 200 us", 50, every(200), &[1, 2, 3, 2, 2]),
        ("at once", 500, every(0), &[1, 9]),
        (
            "enough bytes",
            500,
            [vec![(0, SMALL); 3], vec![(0, Size { bytes: 256 << 10, entries: 1 }); 2]].concat(),
            &[1, 3, 1],
        ),
        ("enough entries", 500, vec![(0, Size { bytes: 1, entries: 128 }); 6], &[1, 2, 2, 1]),
        ("too many together", 500, vec![(0, Size { bytes: 1, entries: 150 }); 4], &[1, 1, 1, 1]),
        (
            "too large together",
            500,
            vec![(0, Size { bytes: 200 << 10, entries: 1 }); 5],
            &[1, 2, 2],
        ),
        ("too large alone", 500, vec![(0, Size { bytes: 700 << 10, entries: 1 }); 3], &[1, 1, 1]),
        ("many pages without entries", 500, vec![(0, Size::default()); 518], &[1, 256, 256, 5]),
    ];
    for (name, readers, pauses, expected) in cases {
        let notes = publish(most, *readers, Duration::ZERO, pauses);
        assert_eq!(pages_each(&notes), *expected, "{name}");
    }
    assert_eq!(pages_each(&publish(Duration::ZERO, 500, Duration::ZERO, &every(0))), [1; 10]);
}

/// Returns publishes in the last second, and the longest wait of a page, once pages have come this
/// often for some seconds.
fn steady(most: Duration, readers: usize, every: Duration, size: Size) -> (usize, Duration) {
    let start = Instant::now();
    let clock = Clock(Rc::new(Cell::new(start)));
    let mut gate = Gate::new(most);
    let end = start + Duration::from_secs(4);
    let warm = start + Duration::from_secs(3);
    let (mut publishes, mut longest) = (0, Duration::ZERO);
    let mut waiting: Vec<Instant> = Vec::new();
    let mut comes = start;
    while clock.0.get() < end {
        let next = gate.due().map_or(comes, |due| due.min(comes));
        clock.advance_to(next);
        let now = clock.0.get();
        if now >= comes {
            gate.add(size, now);
            waiting.push(now);
            comes += every;
        }
        if gate.is_open(now) {
            gate.published(now, readers);
            let waits = waiting.drain(..).map(|came| now - came);
            if now >= warm && size.entries > 0 {
                publishes += 1;
                longest = waits.fold(longest, Duration::max);
            } else {
                waits.for_each(drop);
            }
        }
    }
    (publishes, longest)
}

#[test]
fn waiting_follows_the_readers_and_the_rate_of_pages() {
    let most = micros(20_000);
    let box_of_logs = micros(1_000_000 / 65);
    // With one client, or few, nothing waits.
    for readers in [1, 10, 50] {
        let (publishes, longest) = steady(most, readers, box_of_logs, SMALL);
        assert!(publishes >= 65 && longest.is_zero(), "{readers}: {publishes}, {longest:?}");
    }
    // With many, pages go out together where the next is expected in time.
    for readers in [100, 500, 10_000] {
        let (publishes, longest) = steady(most, readers, box_of_logs, SMALL);
        assert!(publishes <= 51 && longest <= most, "{readers}: {publishes}, {longest:?}");
    }
    let (publishes, longest) = steady(most, 500, micros(2_000), SMALL);
    assert!(publishes <= 50 && longest <= most, "{publishes}, {longest:?}");
    // Where it is not, they do not wait for it.
    let (publishes, longest) = steady(most, 500, micros(25_000), SMALL);
    assert!(publishes >= 40 && longest.is_zero(), "{publishes}, {longest:?}");
    // And never longer than is allowed.
    let (_, longest) = steady(micros(3_000), 500, micros(1_000), SMALL);
    assert!(longest <= micros(3_000), "{longest:?}");
    assert!(steady(Duration::ZERO, 500, micros(1_000), SMALL).1.is_zero());
}

#[test]
fn a_page_of_duplicates_makes_nothing_wait() {
    let mut gate = Gate::new(micros(20_000));
    let start = Instant::now();
    gate.add(SMALL, start);
    gate.published(start, 500);
    let opened = gate.opens;
    gate.add(Size::default(), start + micros(6_000));
    gate.published(start + micros(6_000), 500);
    assert_eq!(gate.opens, opened);
}

#[test]
fn a_closed_stream_ends_gathering() {
    let start = Instant::now();
    let clock = Clock(Rc::new(Cell::new(start)));
    let pages = script(start, &[(10_000, SMALL); 5]);
    let mut notes = Notes {
        clock: clock.clone(),
        readers: 0,
        takes: Duration::ZERO,
        open_for: 2,
        gathered: Vec::new(),
        published: Vec::new(),
        polls: 0,
        is_finished: false,
    };
    let mut intake = Script { clock, pages };
    let stopped = run(micros(5_000), &mut intake, &mut notes);
    assert!(matches!(stopped, Err(Stopped::Closed)), "{stopped:?}");
    assert_eq!((pages_each(&notes), intake.pages.len()), (vec![1, 1], 2));
}

#[test]
fn a_channel_gives_what_it_has_waits_and_ends() {
    let (sender, pages) = mpsc::channel(4);
    let mut channel = Channel::new(pages, |page: i32| page, Arc::default());
    let mut polls = 0;
    let mut next = |until| {
        let next = channel.next(until, &mut |_| {
            polls += 1;
            Ok(())
        });
        next.expect("nothing stops")
    };
    let past = Instant::now();
    assert_eq!(next(Some(past)), Next::TimeUp);
    sender.blocking_send(1).expect("room");
    sender.blocking_send(2).expect("room");
    assert_eq!(next(Some(past)), Next::Page(1), "what is there is taken");
    assert_eq!(next(None), Next::Page(2));
    let until = Instant::now() + Duration::from_millis(2);
    assert_eq!(next(Some(until)), Next::TimeUp);
    assert!(Instant::now() >= until);
    let sending = thread::spawn(move || sender.blocking_send(3));
    assert_eq!(next(None), Next::Page(3), "woken by the sender");
    sending.join().expect("no panic").expect("received");
    assert_eq!(next(None), Next::<i32>::End);
    assert!(polls >= 6, "{polls}");
}

fn size() -> impl Strategy<Value = Size> {
    let small = (0..40_000_usize, 0..64_usize);
    let large = (0..600_000_usize, 0..600_usize);
    prop_oneof![4 => small, 1 => large].prop_map(|(bytes, entries)| Size { bytes, entries })
}

proptest! {
    #[test]
    fn nothing_is_lost_reordered_or_delayed_too_long(
        most in 0..20_000_u64,
        readers in 0..3_000_usize,
        takes in 0..8_000_u64,
        pauses in vec((prop_oneof![Just(0), 0..300_u64, 0..9_000_u64], size()), 0..120),
    ) {
        let (most, takes) = (micros(most), micros(takes));
        let notes = publish(most, readers, takes, &pauses);
        let all: Vec<&Page> = notes.published.iter()
            .flat_map(|publish| publish.pages.iter().map(|(page, _)| page))
            .collect();
        prop_assert_eq!(all.len(), pauses.len());
        for log in 0..2 {
            let indexes = all.iter().filter(|page| page.log == log).map(|page| page.index);
            prop_assert!(indexes.eq(0..all.iter().filter(|page| page.log == log).count()));
        }
        let window = most.min(PER_READER_EXPECTING * readers as u32);
        for publish in &notes.published {
            prop_assert!(!publish.pages.is_empty());
            for (_, taken) in &publish.pages {
                prop_assert!(publish.at - *taken <= window);
            }
            let sum = |pages: &[(Page, Instant)]| {
                let bytes: usize = pages.iter().map(|(page, _)| page.size.bytes).sum();
                (bytes, pages.iter().map(|(page, _)| page.size.entries).sum::<usize>())
            };
            let (bytes, entries) = sum(&publish.pages);
            let fits = bytes <= MAX_BYTES && entries <= MAX_ENTRIES;
            prop_assert!(publish.pages.len() == 1 || fits, "{bytes} {entries}");
            // Without its last page it was not enough.
            let (_, before) = publish.pages.split_last().expect("not empty");
            let bytes: usize = before.iter().map(|(page, _)| page.size.bytes).sum();
            let entries: usize = before.iter().map(|(page, _)| page.size.entries).sum();
            prop_assert!(bytes < ENOUGH_BYTES && entries.max(before.len()) < ENOUGH_ENTRIES);
        }
    }
}
