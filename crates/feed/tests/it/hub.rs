//! Publishing, joining, memory and loss.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use feed::{
    Batch, Framing, Gap, GapReason, Limits, Owner, PublishError, Reader, Ready, Request,
    Subscription,
};

use crate::fixture::*;

#[test]
fn what_is_published_together_has_contiguous_offsets_and_is_one_page() {
    let (hub, _) = hub(ROOMY);
    assert_eq!(hub.head(), None);
    assert_eq!(publish(&hub, notes(["a", "b"])), FIRST..FIRST + 2);
    assert_eq!(publish(&hub, vec![]), FIRST + 2..FIRST + 2);
    // However many bytes they have, what is published together is one page.
    assert_eq!(publish(&hub, vec!["x".repeat(60_000); 4]), FIRST + 2..FIRST + 6);
    assert_eq!(hub.head(), Some(FIRST + 5));
    let stats = hub.stats();
    assert_eq!((stats.published, stats.entries, stats.pages), (6, 6, 2));
}

#[test]
fn an_entry_is_read_once_and_rendered_once_per_rendering() {
    let (hub, counts) = hub(ROOMY);
    publish(&hub, notes(["nobody", "reads"]));
    assert_eq!(counts.counts(), (0, 0), "no feed, no work");
    let _readers: Vec<_> = RENDERINGS
        .into_iter()
        .flat_map(|rendering| FRAMINGS.map(|framing| join(&hub, rendering, framing, None)))
        .collect();
    publish(&hub, notes(["a", "b", "c"]));
    assert_eq!(counts.counts(), (3, 9));
}

#[tokio::test(start_paused = true)]
async fn late_readers_get_the_same_bytes_rendered_once() {
    for rendering in RENDERINGS {
        for framing in FRAMINGS {
            let (hub, counts) = hub(ROOMY);
            let mut early = join(&hub, rendering, framing, None).reader;
            let mut elsewhere = join(&hub, Rendering::Plain, Framing::Sse, None).reader;
            publish(&hub, notes(["a", "b"]));
            publish(&hub, vec!["x".repeat(70_000); 5]);
            let eager = drain(&mut early).await;
            drop(early);
            drain(&mut elsewhere).await;

            let (late_hub, late_counts) = crate::fixture::hub(ROOMY);
            publish(&late_hub, notes(["a", "b"]));
            publish(&late_hub, vec!["x".repeat(70_000); 5]);
            let since = Some(FIRST - 1);
            let mut late = join(&late_hub, rendering, framing, since).reader;
            let mut later = join(&late_hub, rendering, framing, since).reader;
            assert_eq!(drain(&mut late).await, eager, "{rendering:?} {framing:?}");
            assert_eq!(drain(&mut later).await, eager);
            assert_eq!(late_counts.counts(), (7, 7), "rendered for both");

            // And a second reader of the first hub needs nothing rendered at all.
            let before = counts.counts();
            let mut again = join(&hub, rendering, framing, since).reader;
            assert_eq!(drain(&mut again).await, eager);
            assert_eq!(counts.counts(), before);
        }
    }
}

#[test]
fn a_feed_lingers_after_its_last_reader() {
    for (linger, feeds, reads) in [(Duration::ZERO, 0, 1), (Duration::from_secs(3600), 1, 2)] {
        let (hub, counts) = hub(Limits { linger, ..ROOMY });
        let first = join(&hub, Rendering::Plain, Framing::Sse, None).reader;
        let second = join(&hub, Rendering::Plain, Framing::Sse, None).reader;
        drop(first);
        publish(&hub, notes(["a"]));
        assert_eq!((hub.stats().feeds, hub.stats().readers), (1, 1), "one reader is left");
        drop(second);
        publish(&hub, notes(["b"]));
        let stats = hub.stats();
        assert_eq!((stats.feeds, stats.chunks, stats.readers), (feeds, 2 * feeds, 0));
        assert_eq!(counts.counts().0, reads, "{linger:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_panics_has_not_happened() {
    let (hub, _) = hub(ROOMY);
    let mut readers = FRAMINGS.map(|framing| {
        let plain = join(&hub, Rendering::Plain, framing, None).reader;
        (framing, plain, join(&hub, Rendering::Odd, framing, None).reader)
    });
    let before = hub.stats();
    let entries = vec!["x".repeat(100_000), "x".repeat(100_000), UNSPEAKABLE.into()];
    let panicked = catch_unwind(AssertUnwindSafe(|| publish(&hub, entries)));
    assert!(panicked.is_err());
    assert_eq!(hub.stats(), before);
    assert_eq!(publish(&hub, notes(["a", "b"])), FIRST..FIRST + 2);
    for (framing, plain, odd) in &mut readers {
        assert_eq!(messages(plain, *framing).await.len(), 2);
        assert_eq!(messages(odd, *framing).await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_are_bounded_and_rendered_again() {
    let limits = Limits { chunk_bytes: 540, ..ROOMY };
    let (hub, counts) = hub(limits);
    let subscribe = || join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let (mut slow, mut slower) = (subscribe(), subscribe());
    for i in 10..30 {
        publish(&hub, vec![format!("note number {i}")]);
        assert!(hub.stats().chunk_bytes <= 540, "{:?}", hub.stats());
    }
    let live = hub.stats().chunks;
    assert_eq!((counts.counts(), live), ((20, 20), 9));
    // Two readers side by side: what is rendered again for one serves the other too.
    let mut taken = 0;
    let budget = 1; // one message at a time
    while more(&mut slow).await {
        let (bytes, _) = slow.next_bytes(budget).unwrap();
        assert!(more(&mut slower).await);
        assert_eq!(slower.next_bytes(budget).map(|(bytes, _)| bytes), Some(bytes));
        assert!(hub.stats().chunk_bytes <= 540 + 135);
        taken += 1;
    }
    assert_eq!(taken, 20);
    // Three pages have their turn at once, as one more than can be held is noticed too late.
    let late = hub.stats().late_chunks;
    assert_eq!((20 - live, late), (11, 16));
    assert_eq!(counts.counts().1 as u64, 20 + late);
}

#[tokio::test(start_paused = true)]
async fn old_chunks_are_dropped_and_rendered_again() {
    let (hub, counts) = hub(Limits { chunk_time: Duration::ZERO, ..ROOMY });
    let mut slow = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    for i in 0..10 {
        publish(&hub, vec![format!("note {i}")]);
    }
    assert_eq!((hub.stats().chunks, counts.counts().1), (1, 10));
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages, written.lost), (10, 0));
    assert!(hub.stats().late_chunks > 0);
}

#[tokio::test(start_paused = true)]
async fn chunks_are_dropped_with_their_pages() {
    let (hub, _) = hub(Limits { ring_bytes: 100, ..ROOMY });
    let mut early = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    for _ in 0..10 {
        publish(&hub, vec!["x".repeat(25)]);
    }
    // Where each message lies counts too.
    const MARK: usize = 16;
    let (held, _) = drain(&mut early).await;
    let held = held.len() + 4 * MARK;
    assert_eq!((hub.stats().chunks, hub.stats().chunk_bytes), (4, held));
    // Those rendered late are counted too, and leave too.
    let mut late = join(&hub, Rendering::Plain, Framing::Sse, Some(0)).reader;
    let (held_too, _) = drain(&mut late).await;
    let held_too = held_too.len() + 4 * MARK;
    assert_eq!((hub.stats().chunks, hub.stats().chunk_bytes), (8, held + held_too));
    for _ in 0..2 {
        publish(&hub, vec!["x".repeat(500)]);
    }
    let newest = drain(&mut early).await.0.len() + drain(&mut late).await.0.len();
    assert_eq!((hub.stats().chunks, hub.stats().chunk_bytes), (4, newest + 4 * MARK));
}

#[tokio::test(start_paused = true)]
async fn one_chunk_is_kept_even_if_it_is_too_big() {
    let (hub, counts) = hub(Limits { chunk_bytes: 0, ..ROOMY });
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    publish(&hub, notes(["a"]));
    assert_eq!(messages(&mut reader, Framing::WebSocket).await.len(), 1);
    assert_eq!((counts.counts(), hub.stats().chunks), ((1, 1), 1));
}

#[test]
fn the_ring_is_bounded_in_bytes_however_few_messages_that_is() {
    for (length, entries) in [(100, 5), (500, 2), (5_000, 2)] {
        let (hub, _) = hub(Limits { ring_bytes: 550, ..ROOMY });
        let note = "x".repeat(length);
        for _ in 0..20 {
            publish(&hub, vec![note.clone()]);
        }
        let stats = hub.stats();
        assert_eq!((stats.entries, stats.bytes), (entries, entries as usize * length), "{length}");
    }
    // What the last two publishes brought stays, or nobody could read it.
    let (hub, _) = hub(Limits { ring_bytes: 0, ..ROOMY });
    for _ in 0..3 {
        publish(&hub, notes(["a", "b"]));
        publish(&hub, notes(["c"]));
    }
    assert_eq!((hub.stats().entries, hub.stats().pages), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_publish_larger_than_the_ring_costs_readers_that_are_up_to_date_nothing() {
    for chunk_bytes in [0, ROOMY.chunk_bytes] {
        let (hub, notes) = hub(Limits { ring_bytes: 1000, chunk_bytes, ..ROOMY });
        let filter = Some(notes.filter(1, 0));
        notes.compile();
        let owner = Owner::default();
        let framings = FRAMINGS.map(|framing| (framing, None));
        let mut readers: Vec<_> = framings
            .into_iter()
            .chain([(Framing::WebSocket, filter)])
            .map(|(framing, filter)| {
                let rendering = Rendering::Plain;
                subscribe(&hub, Request { rendering, framing, since: None, filter, owner }).reader
            })
            .collect();
        // The readers are woken, and the next publish comes before they have written this one.
        publish(&hub, vec!["x".repeat(300)]);
        for reader in &mut readers {
            assert!(more(reader).await);
        }
        publish(&hub, [25, 25, 500_000, 25].map(|length| "x".repeat(length)).to_vec());
        assert_eq!(hub.stats().entries, 5);
        for reader in &mut readers {
            let (_, written) = drain(reader).await;
            assert_eq!((written.messages, written.lost), (5, 0), "{reader:?}");
        }
        // In the long run the bound holds.
        for _ in 0..2 {
            publish(&hub, vec!["x".repeat(300)]);
        }
        assert!(hub.stats().bytes <= 1000, "{:?}", hub.stats());
        assert_eq!(hub.stats().dropped, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_joins_after_the_offset_it_has_or_with_a_gap() {
    // Pages of 2: 1000-1001 and 1002-1003 are evicted, 1004-1005 and 1006-1007 are held.
    let (hub, _) = hub(Limits { ring_bytes: 100, ..ROOMY });
    for _ in 0..4 {
        publish(&hub, vec!["x".repeat(25); 2]);
    }
    assert_eq!((hub.stats().entries, hub.head()), (4, Some(1007)));
    let gap = |dropped, reason| Some(Gap { dropped, reason });
    for (since, offset, expected) in [
        (None, 1008, None),
        (Some(1007), 1008, None),
        (Some(1006), 1007, None),
        (Some(1003), 1004, None),
        (Some(1002), 1004, gap(Some(1), GapReason::Evicted)),
        (Some(999), 1004, gap(Some(4), GapReason::Evicted)),
        (Some(998), 1004, gap(None, GapReason::BeforeStart)),
        (Some(0), 1004, gap(None, GapReason::BeforeStart)),
        (Some(1008), 1004, gap(None, GapReason::Ahead)),
        (Some(u64::MAX), 1004, gap(None, GapReason::Ahead)),
    ] {
        let Subscription { mut reader, gap } =
            join(&hub, Rendering::Plain, Framing::WebSocket, since);
        assert_eq!((reader.offset(), gap), (offset, expected), "since {since:?}");
        let got = messages(&mut reader, Framing::WebSocket).await;
        let wanted: Vec<_> =
            (offset..1008).filter_map(|o| json(Rendering::Plain, o, &"x".repeat(25))).collect();
        assert_eq!(got, wanted, "since {since:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn entries_published_again_after_a_restart_are_no_gap() {
    let limits = Limits { ring_bytes: 100, ..ROOMY };
    let hub = feed::Hub::resumed(Notes::default(), limits, FIRST, Some(FIRST - 100));
    let gap = |since| {
        let joined = join(&hub, Rendering::Plain, Framing::WebSocket, Some(since));
        (joined.reader.offset(), joined.gap.map(|gap| (gap.dropped, gap.reason)))
    };
    let before = Some((None, GapReason::BeforeStart));
    for published in [0, 2] {
        publish(&hub, vec!["x".repeat(25); published]);
        assert_eq!(gap(FIRST - 101), (FIRST, before));
        for since in [FIRST - 100, FIRST - 50, FIRST - 1] {
            assert_eq!(gap(since), (FIRST, None), "since {since}");
        }
    }
    for _ in 0..3 {
        publish(&hub, vec!["x".repeat(25); 2]);
    }
    assert_eq!(gap(FIRST - 101), (1004, before));
    assert_eq!(gap(FIRST - 100), (1004, Some((None, GapReason::Evicted))));
    assert_eq!(gap(FIRST - 1), (1004, Some((Some(4), GapReason::Evicted))));
}

#[tokio::test(start_paused = true)]
async fn a_loss_can_be_announced_before_what_follows() {
    let (hub, _) = hub(Limits { ring_bytes: 100, ..ROOMY });
    let mut slow = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    assert_eq!((slow.searched(), slow.take_lost()), (Some(FIRST - 1), 0));
    for _ in 0..10 {
        publish(&hub, vec!["x".repeat(25)]);
    }
    assert_eq!(slow.searched(), Some(FIRST - 1), "not the head of the hub");
    assert!(more(&mut slow).await);
    assert_eq!((slow.take_lost(), slow.searched()), (6, Some(FIRST + 5)));
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages, written.lost), (4, 0), "it is reported once");
}

#[tokio::test(start_paused = true)]
async fn a_reader_can_join_before_anything_is_published() {
    for (since, gap) in [
        (None, None),
        (Some(FIRST - 1), None),
        (Some(FIRST - 2), Some(GapReason::BeforeStart)),
        (Some(FIRST), Some(GapReason::Ahead)),
    ] {
        let (hub, _) = hub(ROOMY);
        let mut subscription = join(&hub, Rendering::Plain, Framing::Sse, since);
        assert_eq!(subscription.gap.map(|gap| gap.reason), gap);
        publish(&hub, notes(["a"]));
        assert_eq!(messages(&mut subscription.reader, Framing::Sse).await.len(), 1, "{since:?}");
    }
    let zero = feed::Hub::new(Notes::default(), ROOMY, 0);
    assert_eq!(zero.head(), None);
    assert_eq!(join(&zero, Rendering::Plain, Framing::Sse, None).reader.offset(), 0);
    assert_eq!((publish(&zero, notes(["a"])), zero.head()), (0..1, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_counts_what_it_lost() {
    let (hub, _) = hub(Limits { ring_bytes: 100, ..ROOMY });
    let mut slow = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let mut taking = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    for _ in 0..10 {
        publish(&hub, vec!["x".repeat(25)]);
    }
    assert_eq!(slow.next_bytes(1000), None, "what it comes to is no longer at hand");
    // Told once, though the first attempt to write came to nothing.
    assert!(more(&mut slow).await);
    slow.fill(&mut Batch::default(), 1000);
    assert!(more(&mut slow).await);
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages, written.lost), (4, 6));
    assert!(more(&mut taking).await);
    let (_, written) = taking.next_bytes(1000).unwrap();
    assert_eq!((written.messages, written.lost), (1, 6), "a page at a time");
    assert_eq!(drain(&mut taking).await.1.lost, 0);
    assert_eq!(hub.stats().dropped, 12);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_message_survives_its_page() {
    let (hub, _) = hub(Limits { ring_bytes: 50, ..ROOMY });
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let mut inbox = Inbox::new(Framing::WebSocket);
    let mut batch = Batch::default();
    publish(&hub, notes(["first of a page", "and second"]));
    reader.fill(&mut batch, 1000);
    inbox.receive(Framing::WebSocket, &batch.slices().next().unwrap()[..10]);
    assert_eq!(reader.advance(&mut batch, 10).messages, 0);
    assert!(!reader.at_boundary());
    assert_eq!(reader.offset(), FIRST + 1);
    for _ in 0..5 {
        publish(&hub, vec!["x".repeat(25)]);
    }
    assert!(reader.interject(&own_frame(Framing::WebSocket, 1)));
    let (bytes, written) = drain(&mut reader).await;
    inbox.receive(Framing::WebSocket, &bytes);
    // Entry 1001 and the first three of the five are gone.
    assert_eq!((written.messages, written.lost), (3, 4));
    let kinds: Vec<bool> =
        inbox.items.iter().map(|item| matches!(item, Item::Message(_))).collect();
    assert_eq!(kinds, [true, false, true, true], "the own frame comes at the next boundary");
    assert_eq!(
        inbox.messages().next(),
        json(Rendering::Plain, FIRST, "first of a page").as_deref()
    );
}

#[test]
fn a_batch_keeps_to_its_budget() {
    let (hub, _) = hub(ROOMY);
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    for _ in 0..100 {
        publish(&hub, notes(["a", "b"]));
    }
    let message = json(Rendering::Plain, FIRST, "a").unwrap().len() + 2;
    let mut batch = Batch::default();
    for (budget, messages, slices) in [
        (0, 1, 1),
        (1, 1, 1),
        (message, 1, 1),
        (3 * message - 1, 2, 1),
        (3 * message, 3, 2),
        (usize::MAX, 124, 62),
    ] {
        reader.fill(&mut batch, budget);
        assert_eq!((batch.len(), batch.slices().count()), (messages * message, slices), "{budget}");
    }
    batch.clear();
    assert!(batch.is_empty());
    assert_eq!(reader.advance(&mut batch, 1000), feed::Written::default());
    assert_eq!(reader.offset(), FIRST, "nothing was filled, nothing is passed");
}

#[tokio::test(start_paused = true)]
async fn own_frames_are_bounded() {
    let (hub, _) = hub(ROOMY);
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let frame = feed::frame::pong(&[7; 125]);
    let taken = (0..1000).take_while(|_| reader.interject(&frame)).count();
    assert_eq!(taken, feed::MAX_INTERJECTED / frame.len());
    assert_eq!(drain(&mut reader).await.0, frame.repeat(taken));
    assert!(reader.interject(&frame), "and there is room again");
}

#[test]
fn the_latest_messages_are_the_newest_first() {
    let (hub, _) = hub(Limits { ring_bytes: 150, ..ROOMY });
    assert!(hub.latest(Rendering::Plain, 3).is_empty());
    for page in [["a", "b"], ["c", "d"], ["e", "f"]] {
        publish(&hub, page.map(|note| note.repeat(25)).to_vec());
    }
    let message =
        |offset, note: &str| json(Rendering::Plain, offset, &note.repeat(25)).unwrap().into_bytes();
    let [d, e, f] = [(1003, "d"), (1004, "e"), (1005, "f")].map(|(o, note)| message(o, note));
    assert_eq!(hub.latest(Rendering::Plain, 3), [f.clone(), e, d.clone()]);
    assert_eq!(hub.latest(Rendering::Odd, 2), [f, d], "those without a message do not count");
    assert_eq!(hub.latest(Rendering::Plain, 100).len(), 6, "no more than the ring has");
    assert_eq!(hub.stats().chunks, 0);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_woken_once_per_publish() {
    let (hub, _) = hub(ROOMY);
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut cx = Context::from_waker(&waker);
    let mut ready = pin!(reader.ready());
    assert_eq!(ready.as_mut().poll(&mut cx), Poll::Pending);
    assert_eq!(publish(&hub, vec!["x".repeat(100_000); 5]).count(), 5);
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
    assert_eq!(ready.as_mut().poll(&mut cx), Poll::Ready(Ready::More));
}

#[tokio::test(start_paused = true)]
async fn closing_lets_readers_finish() {
    let (hub, _) = hub(ROOMY);
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let mut idle = join(&hub, Rendering::Odd, Framing::Sse, None).reader;
    let waiting = tokio::spawn(async move { idle.ready().await });
    publish(&hub, notes(["even"]));
    hub.close();
    assert_eq!(hub.publish(FIRST + 1, notes(["too late"])), Err(PublishError::Closed));
    assert_eq!(reader.ready().await, Ready::More);
    assert_eq!(messages(&mut reader, Framing::WebSocket).await.len(), 1);
    assert_eq!(reader.ready().await, Ready::Closed);
    // The last words still go out.
    assert!(reader.interject(&feed::frame::close(1001, "")));
    assert_eq!(reader.ready().await, Ready::More);
    assert_eq!(drain(&mut reader).await.0, feed::frame::close(1001, ""));
    assert_eq!(reader.ready().await, Ready::Closed);
    // A reader without a message may see more before it sees the end.
    assert!(matches!(waiting.await.unwrap(), Ready::More | Ready::Closed));
    // One that joins now gets what is left, and ends.
    let mut late = join(&hub, Rendering::Plain, Framing::WebSocket, Some(FIRST - 1)).reader;
    assert_eq!(messages(&mut late, Framing::WebSocket).await.len(), 1);
    assert_eq!(late.ready().await, Ready::Closed);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_hub_closes_the_stream() {
    let (hub, _) = hub(ROOMY);
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let waiting = tokio::spawn(async move { reader.ready().await });
    drop(hub);
    assert_eq!(waiting.await.unwrap(), Ready::Closed);
}

#[test]
fn a_reader_is_small() {
    // There may be tens of thousands.
    assert!(size_of::<Reader<Notes>>() <= 320, "{}", size_of::<Reader<Notes>>());
}
