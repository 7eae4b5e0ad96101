//! Readers that resume or are behind, and what they cost the others.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use feed::{Framing, Hub, Limits, Owner, Reader, Ready, Request};
use futures_util::FutureExt;

use crate::fixture::*;

/// A hub with pages of one entry, of which the ring holds so many and a feed about ten.
fn small_hub(pages: usize) -> (Hub<Notes>, Notes) {
    hub(Limits { ring_bytes: 100 * pages, chunk_bytes: 1400, ..ROOMY })
}

fn page(number: usize) -> Vec<String> {
    vec![format!("{number:0>100}")]
}

fn plain(hub: &Hub<Notes>, since: Option<u64>) -> Reader<Notes> {
    join(hub, Rendering::Plain, Framing::WebSocket, since).reader
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_off_the_ring_continues_with_the_live_chunks() {
    let (hub, _) = small_hub(50);
    let mut slow = plain(&hub, None);
    for number in 0..100 {
        publish(&hub, page(number));
    }
    let live = hub.stats().chunks as u64;
    assert!((5..20).contains(&live));
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages as u64, written.lost), (live, 100 - live));
    assert_eq!(hub.stats().late_chunks, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unread_page_is_rendered_for_its_first_reader() {
    let (hub, counts) = hub(ROOMY);
    for number in 0..5 {
        publish(&hub, page(number));
    }
    assert_eq!(counts.counts(), (0, 0));
    let (_, written) = drain(&mut plain(&hub, Some(FIRST))).await;
    assert_eq!((written.messages, written.lost), (4, 0));
    assert_eq!((hub.stats().late_chunks, counts.counts()), (4, (4, 4)));
}

#[tokio::test(start_paused = true)]
async fn a_reader_behind_the_live_chunks_loses_nothing() {
    let (hub, counts) = small_hub(100);
    let mut slow = plain(&hub, None);
    for number in 0..90 {
        publish(&hub, page(number));
    }
    let live = hub.stats().chunks;
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages, written.lost), (90, 0));
    assert!(hub.stats().late_chunks >= 90 - live as u64);
    // A reader right behind has less rendered for it.
    let before = counts.counts().1;
    drain(&mut plain(&hub, Some(FIRST + 90 - live as u64 - 2))).await;
    assert_eq!(counts.counts().1, before, "the last late chunk is held");
}

#[tokio::test(start_paused = true)]
async fn laggards_push_out_no_live_chunk() {
    let (hub, _) = small_hub(400);
    let mut live = plain(&hub, None);
    for number in 0..300 {
        publish(&hub, page(number));
        drain(&mut live).await;
    }
    let mut laggards: Vec<_> = (0..60).map(|i| plain(&hub, Some(FIRST + 4 * i))).collect();
    let mut total = vec![0; laggards.len()];
    for number in 300..400 {
        for (laggard, total) in laggards.iter_mut().zip(&mut total) {
            assert!(more(laggard).await);
            let written = laggard.next_bytes(1).unwrap().1;
            assert_eq!(written.lost, 0);
            *total += written.messages;
        }
        assert!(live.ready().now_or_never().is_none(), "it is up to date");
        publish(&hub, page(number));
        // At once: nothing has to be made for a reader that keeps up.
        assert_eq!(live.ready().now_or_never(), Some(Ready::More));
        assert_eq!(live.next_bytes(1000).unwrap().1.messages, 1);
    }
    assert!(hub.stats().late_chunks > 100, "{:?}", hub.stats());
    for (i, (laggard, total)) in laggards.iter_mut().zip(&total).enumerate() {
        let rest = drain(laggard).await.1;
        assert_eq!((total + rest.messages, rest.lost), (399 - 4 * i, 0));
    }
}

#[tokio::test]
async fn one_page_is_rendered_at_a_time_and_once() {
    const PAGES: usize = 40;
    let (hub, notes) = hub(ROOMY);
    for number in 0..PAGES {
        // As heavy as a page may be, so each takes a turn.
        publish(&hub, vec![format!("{number:0>1300}"); 100]);
    }
    let laggards = (0..60).map(|i| plain(&hub, Some(FIRST - 1 + 100 * (i % PAGES as u64))));
    let tasks: Vec<_> = laggards
        .map(|mut laggard| {
            tokio::spawn(async move {
                let first = laggard.offset();
                assert_eq!(laggard.ready().await, Ready::More);
                let (bytes, written) = laggard.next_bytes(1).unwrap();
                assert_eq!((written.messages, laggard.offset()), (1, first + 1));
                (laggard, bytes)
            })
        })
        .collect();
    let mut texts = HashSet::new();
    for task in tasks {
        texts.insert(task.await.unwrap().1);
    }
    assert_eq!(texts.len(), PAGES);
    assert_eq!(notes.busy.1.load(Ordering::SeqCst), 1, "one at a time");
    assert_eq!(hub.stats().late_chunks, PAGES as u64, "for all that wait for the page together");
}

#[tokio::test(start_paused = true)]
async fn readers_that_wait_for_the_same_page_share_the_work() {
    // One late chunk is held, so for one reader after the other each would be made again.
    let (hub, counts) = hub(Limits { chunk_bytes: 0, ..ROOMY });
    for number in 0..3 {
        publish(&hub, vec![format!("{number:0>1300}"); 100]);
    }
    let since = |i: u64| Some(FIRST - 1 + 100 * (i % 3));
    let mut readers: Vec<_> = (0..12).map(|i| plain(&hub, since(i))).collect();
    for reader in &mut readers {
        assert_eq!(reader.ready().now_or_never(), None);
    }
    let waiting = readers.into_iter().map(|mut reader| async move {
        assert_eq!(reader.ready().await, Ready::More);
        reader.next_bytes(1 << 20).unwrap().1.messages
    });
    let written = futures_util::future::join_all(waiting).await;
    assert_eq!((written, counts.counts()), (vec![100; 12], (300, 300)));
}

#[tokio::test(start_paused = true)]
async fn late_work_is_done_although_waiting_for_it_was_cancelled() {
    let (hub, counts) = hub(ROOMY);
    publish(&hub, page(1));
    let mut reader = plain(&hub, Some(FIRST - 1));
    assert_eq!(reader.ready().now_or_never(), None, "it has to be rendered");
    assert_eq!(reader.next_bytes(1000), None, "which writing does not");
    // A frame of the connection's own need not wait for that.
    assert!(reader.interject(b": one\n\n"));
    assert_eq!(reader.ready().now_or_never(), Some(Ready::More));
    assert_eq!(reader.next_bytes(1000).unwrap().0, b": one\n\n".as_slice());
    while hub.stats().late_chunks == 0 {
        tokio::task::yield_now().await;
    }
    assert!(more(&mut reader).await);
    assert_eq!(reader.next_bytes(1000).unwrap().1.messages, 1);
    assert_eq!(counts.counts(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_owner_with_many_filters_does_not_keep_another_waiting() {
    const PAGES: usize = 30;
    let (hub, counts) = hub(ROOMY);
    // Each page is as much as one turn does.
    let note = "x".repeat(100_000);
    for _ in 0..PAGES {
        publish(&hub, vec![note.clone()]);
    }
    let search = |owner: u128, offset: u64| {
        let filter = Some(counts.filter(u64::MAX, offset + note.len() as u64));
        let (rendering, framing) = (Rendering::Plain, Framing::WebSocket);
        let (since, owner) = (Some(FIRST - 1), Owner(owner));
        subscribe(&hub, Request { rendering, framing, since, filter, owner }).reader
    };
    let greedy: Vec<_> = (0..40)
        .map(|_| {
            let mut reader = search(1, 0);
            tokio::spawn(async move { reader.ready().await })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut other = search(2, FIRST + PAGES as u64 - 1);
    assert_eq!(other.ready().await, Ready::More);
    let (read, _) = counts.counts();
    // Of three turns the other has one at least: it may come back to the line a little late.
    assert!((PAGES..=4 * PAGES).contains(&read), "{read} pages were searched");
    for task in greedy {
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_while_waiting_costs_no_work() {
    let (hub, counts) = hub(ROOMY);
    publish(&hub, page(1));
    let mut reader = plain(&hub, Some(FIRST - 1));
    assert_eq!(reader.ready().now_or_never(), None);
    drop(reader);
    // One that waits in the same line comes after.
    let mut other = join(&hub, Rendering::Odd, Framing::Sse, Some(FIRST - 1)).reader;
    drain(&mut other).await;
    assert_eq!(counts.counts(), (1, 1), "for the other alone");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_ends_no_work_of_others() {
    let (hub, counts) = hub(ROOMY);
    publish(&hub, page(1));
    // After this the lane rests, so that what follows waits.
    assert!(more(&mut plain(&hub, Some(FIRST - 1))).await);
    let filter = counts.filter(1, 0);
    let search = || {
        let (rendering, framing) = (Rendering::Plain, Framing::WebSocket);
        let (since, owner) = (Some(FIRST - 1), Owner::default());
        let filter = Some(filter.clone());
        subscribe(&hub, Request { rendering, framing, since, filter, owner }).reader
    };
    let pause = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    let mut leaving = search();
    assert_eq!(leaving.ready().now_or_never(), None);
    pause().await;
    drop(leaving);
    // Its work ends only after another has begun in its place, which a third is to find.
    let (mut second, mut third) = (search(), search());
    let (mut second, mut third) = (pin!(second.ready()), pin!(third.ready()));
    assert_eq!(second.as_mut().now_or_never(), None);
    pause().await;
    assert_eq!(third.as_mut().now_or_never(), None);
    let (before, _) = counts.counts();
    let both = futures_util::future::join(second, third).await;
    assert_eq!(both, (Ready::More, Ready::More));
    assert_eq!(counts.counts().0 - before, 1, "searched once for both");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_late_work_reaches_the_reader() {
    let (hub, _) = hub(ROOMY);
    publish(&hub, notes(["fine"]));
    publish(&hub, notes([UNSPEAKABLE]));
    let mut reader = plain(&hub, Some(FIRST));
    let panicked = tokio::spawn(async move { reader.ready().await }).await;
    assert!(panicked.unwrap_err().is_panic());
    // And no other.
    publish(&hub, notes(["fine"]));
    assert_eq!(drain(&mut plain(&hub, Some(FIRST + 1))).await.1.messages, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_readers_get_everything_although_laggards_saturate_the_lane() {
    let (hub, _) = hub(Limits { ring_bytes: 60_000, chunk_bytes: 30_000, ..ROOMY });
    let hub = Arc::new(hub);
    let mut live = plain(&hub, None);
    for number in 0..400 {
        publish(&hub, page(number));
        while live.next_bytes(1 << 20).is_some() {}
    }
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let laggards: Vec<_> = (0..100)
        .map(|i| {
            let mut laggard = plain(&hub, Some(FIRST + 2 * i));
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let first = laggard.offset();
                let (mut messages, mut lost) = (0, 0);
                while !stop.load(Ordering::SeqCst) && laggard.ready().await == Ready::More {
                    if let Some((_, written)) = laggard.next_bytes(1) {
                        messages += written.messages as u64;
                        lost += written.lost;
                    }
                    tokio::task::yield_now().await;
                }
                let offset = laggard.offset();
                // What it lost since it last wrote has not been said yet.
                assert!(first + messages + lost <= offset);
            })
        })
        .collect();
    for number in 400..1400 {
        publish(&hub, page(number));
        let mut got = 0;
        while let Some((_, written)) = live.next_bytes(1 << 20) {
            got += written.messages;
            assert_eq!(written.lost, 0);
        }
        assert_eq!(got, 1, "without waiting for anything");
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::SeqCst);
    hub.close();
    for laggard in laggards {
        laggard.await.unwrap();
    }
}
