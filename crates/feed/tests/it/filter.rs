//! Readers with a filter.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use feed::{Batch, Framing, Gap, GapReason, Hub, Limits, Owner, Reader, Ready, Request};
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::fixture::*;

fn filtered(hub: &Hub<Notes>, filter: &Filter, since: Option<u64>) -> Reader<Notes> {
    let (rendering, framing) = (Rendering::Plain, Framing::WebSocket);
    let (filter, owner) = (Some(filter.clone()), Owner::default());
    subscribe(hub, Request { rendering, framing, since, filter, owner }).reader
}

/// A filter that is applied, of notes without length: those with an offset like `rest`.
fn compiled(notes: &Notes, one_in: u64, rest: u64) -> Filter {
    let filter = notes.filter(one_in, rest);
    notes.compile();
    filter
}

fn empty(count: usize) -> Vec<String> {
    vec![String::new(); count]
}

fn message(offset: u64) -> String {
    json(Rendering::Plain, offset, "").unwrap()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_filtered_reader_is_woken_only_by_what_passes() {
    let (hub, notes) = hub(ROOMY);
    publish(&hub, empty(1));
    assert_eq!(notes.matchings.load(Ordering::SeqCst), 0, "nobody filters");
    let even = compiled(&notes, 2, 0);
    let hundredth = compiled(&notes, 100, 50);
    let (mut often, mut seldom) = (filtered(&hub, &even, None), filtered(&hub, &hundredth, None));
    let alarms = [(); 2].map(|()| Arc::new(Alarm::default()));
    let wakers = [0, 1].map(|i| Waker::from(Arc::clone(&alarms[i])));
    let woken = || [0, 1].map(|i| alarms[i].0.load(Ordering::SeqCst));
    {
        let mut readies = (pin!(often.ready()), pin!(seldom.ready()));
        let mut poll = |first: bool| {
            let (waker, ready) = if first {
                (&wakers[0], readies.0.as_mut())
            } else {
                (&wakers[1], readies.1.as_mut())
            };
            ready.poll(&mut Context::from_waker(waker))
        };
        assert!(poll(true).is_pending() && poll(false).is_pending());
        publish(&hub, empty(1)); // 1001
        assert_eq!(woken(), [0, 0]);
        // Long ones, with something for it.
        publish(&hub, vec!["x".repeat(100_000); 6]); // 1002 to 1007
        assert_eq!(woken(), [1, 0]);
        assert_eq!(poll(true), Poll::Ready(Ready::More));
        publish(&hub, empty(42)); // to 1049
        assert_eq!(woken()[1], 0);
        publish(&hub, empty(1));
        assert_eq!(woken()[1], 1);
        assert_eq!(poll(false), Poll::Ready(Ready::More));
    }
    assert_eq!(seldom.next_bytes(1000).unwrap().0[2..], *message(1050).as_bytes());
    assert_eq!(notes.matchings.load(Ordering::SeqCst), 1 + 1 + 2, "once a page");
    assert_eq!(hub.stats().filters, 2);
    drop((often, seldom));
    assert_eq!(hub.stats().filters, 0);
    publish(&hub, empty(1));
    assert_eq!(notes.matchings.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_a_piece_for_each_run() {
    let (hub, notes) = hub(ROOMY);
    let filter = compiled(&notes, 3, 0);
    let everything = compiled(&notes, 1, 0);
    let (mut some, mut all) = (filtered(&hub, &filter, None), filtered(&hub, &everything, None));
    // A note's length counts too: 1002 to 1005 pass in a row, then 1008.
    let lengths = [0, 0, 0, 2, 1, 0, 0, 0, 0, 0];
    publish(&hub, lengths.map(|length| "x".repeat(length)).to_vec());
    let mut batch = Batch::default();
    for (reader, slices, count) in [(&mut some, 2, 5), (&mut all, 1, 10)] {
        assert!(more(reader).await);
        reader.fill(&mut batch, 1000);
        assert_eq!(batch.slices().count(), slices);
        let length = batch.len();
        assert_eq!(reader.advance(&mut batch, length).messages, count);
        assert!(!more(reader).await);
    }
    publish(&hub, empty(1)); // 1010 does not pass
    publish(&hub, empty(5)); // 1011 and 1014 do
    assert_eq!(messages(&mut some, Framing::WebSocket).await, [message(1011), message(1014)]);
    assert_eq!(messages(&mut all, Framing::WebSocket).await.len(), 6);
    assert_eq!(hub.stats().late_chunks, 0);
}

#[tokio::test(start_paused = true)]
async fn a_filter_is_applied_late_to_older_pages() {
    let (hub, notes) = hub(ROOMY);
    publish(&hub, empty(10)); // 1000 to 1009: nobody filters yet
    let old = compiled(&notes, 7, 0); // 1001, 1008, 1015, 1022
    let mut first = filtered(&hub, &old, Some(FIRST - 1));
    publish(&hub, empty(10)); // looked at
    let young = notes.filter(10, 5); // 1005, 1015, 1025
    let mut second = filtered(&hub, &young, Some(FIRST - 1));
    let mut third = filtered(&hub, &young, None);
    assert_eq!(third.ready().now_or_never(), None);
    publish(&hub, empty(10)); // looked at for the old filter only
    publish(&hub, vec!["x".repeat(5)]); // 1030 passes the young one, 1029 + 6
    let wanted = |offsets: &[u64]| offsets.iter().map(|o| message(*o)).collect::<Vec<_>>();
    let long = json(Rendering::Plain, 1030, "xxxxx").unwrap();
    assert_eq!(
        messages(&mut first, Framing::WebSocket).await,
        wanted(&[1001, 1008, 1015, 1022, 1029])
    );
    let all = [wanted(&[1005, 1015, 1025]), vec![long.clone()]].concat();
    assert_eq!(messages(&mut second, Framing::WebSocket).await, all);
    assert_eq!(messages(&mut third, Framing::WebSocket).await, [message(1025), long]);
    notes.compile();
    let reads = notes.counts().0;
    publish(&hub, empty(10));
    assert_eq!(messages(&mut third, Framing::WebSocket).await, [message(1035)]);
    assert_eq!(notes.counts().0, reads + 10, "nothing is read again");
}

#[tokio::test(start_paused = true)]
async fn entries_that_passed_and_fell_off_the_ring_count_as_lost() {
    // Pages of ten, of which the ring holds three: as strings, and what the filter found.
    let (hub, notes) = hub(Limits { ring_bytes: 3 * 300, chunk_bytes: 1 << 20, ..ROOMY });
    let filter = compiled(&notes, 5, 3); // two a page
    let never = compiled(&notes, 1_000_000, 0);
    let mut slow = filtered(&hub, &filter, None);
    let mut beside = filtered(&hub, &filter, None);
    let mut quiet = filtered(&hub, &never, None);
    for page in 0..10 {
        publish(&hub, empty(10));
        if page == 2 {
            // One of six.
            assert!(more(&mut slow).await);
            let (bytes, _) = slow.next_bytes(1).unwrap();
            assert_eq!(bytes[2..], *message(1003).as_bytes());
        }
    }
    let pages = hub.stats().pages;
    assert_eq!(pages, 3);
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages, written.lost), (6, 13));
    let (_, written) = drain(&mut beside).await;
    assert_eq!((written.messages, written.lost), (6, 14));
    let (_, written) = drain(&mut quiet).await;
    assert_eq!((written.messages, written.lost), (0, 0), "what does not pass cannot be lost");
    assert_eq!(hub.stats().dropped, 13 + 14);
}

#[tokio::test(start_paused = true)]
async fn entries_that_did_not_pass_are_no_loss() {
    let (hub, notes) = hub(Limits { ring_bytes: 1000, chunk_bytes: 100, ..ROOMY });
    let filter = compiled(&notes, 1000, 99); // 1099, 2099
    let mut reader = filtered(&hub, &filter, None);
    for _ in 0..130 {
        publish(&hub, empty(1));
    }
    // It is far off the ring, and what it wants is in the ring but no longer live.
    assert!(hub.stats().entries < 60 && hub.stats().chunks < 10, "{:?}", hub.stats());
    let (bytes, written) = drain(&mut reader).await;
    assert_eq!((&bytes[2..], written.lost), (message(1099).as_bytes(), 0));
}

#[tokio::test(start_paused = true)]
async fn entries_lost_before_the_filter_was_applied_count_in_full() {
    let (hub, notes) = hub(Limits { ring_bytes: 1000, chunk_bytes: 1 << 20, ..ROOMY });
    let filter = notes.filter(2, 0);
    let mut reader = filtered(&hub, &filter, None);
    publish(&hub, empty(20)); // before it is compiled
    notes.compile();
    publish(&hub, empty(20)); // 10 pass
    publish(&hub, empty(40));
    publish(&hub, empty(10)); // with those before, more than there is room for
    assert_eq!(hub.stats().entries, 50);
    let (_, written) = drain(&mut reader).await;
    assert_eq!((written.messages, written.lost), (25, 20 + 10));
}

#[tokio::test(start_paused = true)]
async fn a_filtered_reader_knows_what_was_searched() {
    // Room for about seventy notes.
    let (hub, notes) = hub(Limits { ring_bytes: 1750, ..ROOMY });
    let hundredth = compiled(&notes, 100, 50);
    let mut quiet = filtered(&hub, &hundredth, None);
    publish(&hub, empty(40));
    assert_eq!(quiet.searched(), Some(1039), "nothing passed, and nothing woke it");
    publish(&hub, empty(20)); // 1050 passes
    assert_eq!(quiet.searched(), Some(1049), "what passed is not written");
    assert!(more(&mut quiet).await);
    quiet.next_bytes(1000).unwrap();
    assert_eq!(quiet.searched(), Some(1059));
    // In the middle of a replay it is the reader's own place.
    let young = notes.filter(100, 55);
    let mut replayed = filtered(&hub, &young, Some(1009));
    assert_eq!(replayed.searched(), Some(1009));
    publish(&hub, empty(10));
    assert_eq!(replayed.searched(), Some(1009));
    assert_eq!(messages(&mut replayed, Framing::WebSocket).await, [message(1055)]);
    assert_eq!((replayed.searched(), quiet.searched()), (Some(1069), Some(1069)));
    // Nothing of what left the ring was for it.
    for _ in 0..20 {
        publish(&hub, empty(4));
    }
    assert!(hub.stats().entries < 80, "{:?}", hub.stats());
    assert_eq!(quiet.searched(), Some(1149));
    // What was for it and left the ring too is not searched until it counts as lost.
    for _ in 0..40 {
        publish(&hub, empty(4)); // 1150 and 1250 pass
    }
    assert_eq!((quiet.searched(), quiet.take_lost()), (Some(1149), 0));
    assert!(more(&mut quiet).await);
    assert_eq!((quiet.searched(), quiet.take_lost()), (Some(1249), 1));
    assert_eq!(messages(&mut quiet, Framing::WebSocket).await, [message(1250)]);
    assert_eq!(quiet.searched(), Some(1309));
}

#[tokio::test(start_paused = true)]
async fn a_gap_does_not_say_what_passed() {
    let (hub, notes) = hub(Limits { ring_bytes: 100, ..ROOMY });
    for _ in 0..20 {
        publish(&hub, empty(1));
    }
    let filter = Some(notes.filter(2, 0));
    let (rendering, framing) = (Rendering::Plain, Framing::SseGzip);
    let request =
        Request { rendering, framing, since: Some(FIRST), filter, owner: Owner::default() };
    let joined = subscribe(&hub, request);
    assert_eq!(joined.gap, Some(Gap { dropped: None, reason: GapReason::Evicted }));
    assert_eq!(joined.reader.framing(), Framing::Sse, "what is filtered is not compressed");
}

#[tokio::test]
async fn closing_the_hub_wakes_filtered_readers() {
    let (hub, notes) = hub(ROOMY);
    let filter = compiled(&notes, 2, 0);
    let mut idle = filtered(&hub, &filter, None);
    let mut behind = filtered(&hub, &filter, None);
    publish(&hub, empty(1));
    assert_eq!(idle.ready().await, Ready::More);
    idle.next_bytes(1000).unwrap();
    let waiting = tokio::spawn(async move { idle.ready().await });
    tokio::task::yield_now().await;
    hub.close();
    assert_eq!(waiting.await.unwrap(), Ready::Closed);
    assert_eq!(behind.ready().await, Ready::More);
    behind.next_bytes(1000).unwrap();
    assert_eq!(behind.ready().await, Ready::Closed);
    // A reader that joins a closed stream, with a filter that is known or not.
    for filter in [filter, compiled(&notes, 3, 0)] {
        assert_eq!(filtered(&hub, &filter, None).ready().await, Ready::Closed);
    }
}

/// In whatever order joining and publishing meet, a page is either before the reader's start or wakes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_page_is_missed_while_joining() {
    let (hub, notes) = hub(Limits { ring_bytes: 10_000, ..ROOMY });
    let hub = Arc::new(hub);
    let known = compiled(&notes, 1, 0);
    for round in 0..1500 {
        // Known to be looked at; and not, so that the page is for the lane.
        let filter = if round % 4 == 0 { notes.filter(1, 0) } else { known.clone() };
        let publisher = {
            let hub = Arc::clone(&hub);
            tokio::spawn(async move { publish(&hub, empty(1)).start })
        };
        let reader = {
            let hub = Arc::clone(&hub);
            tokio::spawn(async move { filtered(&hub, &filter, None) })
        };
        let (page, mut reader) = (publisher.await.unwrap(), reader.await.unwrap());
        if reader.offset() <= page {
            let ready = timeout(Duration::from_secs(60), reader.ready()).await;
            assert_eq!(ready, Ok(Ready::More), "round {round}");
            assert_eq!(reader.next_bytes(1000).unwrap().0[2..], *message(page).as_bytes());
        }
        assert_eq!(reader.ready().now_or_never(), None);
    }
}
