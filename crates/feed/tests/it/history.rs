//! Readers of pages that are older than the ring.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use feed::{Busy, Framing, Gap, GapReason, Limits, Moment, Owner, Request};
use futures_util::FutureExt;
use tokio::sync::Semaphore;

use crate::fixture::*;
use crate::storage::Archived;

/// The ring has about four notes, and a feed as many chunks.
const SMALL: Limits = Limits { ring_bytes: 400, ..ROOMY };

fn note(number: u64) -> String {
    format!("{number:0>100}")
}

fn text(rendering: Rendering, offset: u64, number: u64) -> Option<String> {
    json(rendering, offset, &note(number)).map(|text| text.trim_end().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_reader_resumes_before_the_ring_without_a_seam() {
    for framing in FRAMINGS {
        for rendering in RENDERINGS {
            let mut archived = Archived::new(SMALL, 1);
            let mut offsets = Vec::new();
            for page in 0..10_u64 {
                let first = archived.hub.next_offset() + page % 3;
                archived.publish(page % 3, (0..3).map(|i| note(3 * page + i)).collect());
                offsets.extend(first..first + 3);
            }
            assert_eq!(archived.hub.stats().pages, 2);
            for since in FIRST - 1..offsets[29] {
                let joined = join(&archived.hub, rendering, framing, Some(since));
                assert_eq!(joined.gap, None);
                let mut reader = joined.reader;
                let got = messages(&mut reader, framing).await;
                let numbered = offsets.iter().copied().zip(0..);
                let expected: Vec<_> = numbered
                    .filter(|(offset, _)| *offset > since)
                    .filter_map(|(offset, number)| text(rendering, offset, number))
                    .collect();
                assert_eq!(got, expected, "{framing:?} {rendering:?} since {since}");
                assert_eq!((archived.hub.stats().replays, reader.unread()), (0, 0));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_the_ring_loses_nothing() {
    for framing in FRAMINGS {
        let mut archived = Archived::new(SMALL, 1);
        let mut slow = join(&archived.hub, Rendering::Plain, framing, None).reader;
        let mut inbox = Inbox::new(framing);
        let mut expected = Vec::new();
        for page in 0..40_u64 {
            let first = archived.hub.next_offset() + page % 2;
            archived.publish(page % 2, (0..3).map(|i| note(3 * page + i)).collect());
            expected.extend((0..3).filter_map(|i| text(Rendering::Plain, first + i, 3 * page + i)));
            // One message of three: it falls behind again and again, in the middle of pages.
            if page >= 10 && more(&mut slow).await {
                let used = slow.framing();
                let (bytes, written) = slow.next_bytes(1).unwrap();
                assert_eq!(written.lost, 0);
                inbox.receive(used, &bytes);
            }
        }
        let written = each(&mut slow, |framing, bytes| inbox.receive(framing, bytes)).await;
        assert_eq!((written.lost, archived.hub.stats().dropped), (0, 0));
        assert_eq!(inbox.messages().collect::<Vec<_>>(), expected, "{framing:?}");
        assert_eq!(archived.hub.stats().replays, 0, "it has reached the ring");
    }
}

#[tokio::test(start_paused = true)]
async fn the_history_is_read_beside_the_runtime_and_pushes_out_no_live_chunk() {
    let mut archived = Archived::new(Limits { ring_bytes: 1000, ..ROOMY }, 8);
    let mut live = join(&archived.hub, Rendering::Plain, Framing::WebSocket, None).reader;
    for number in 0..50 {
        archived.publish(0, vec![note(number)]);
    }
    drain(&mut live).await;
    let chunks = archived.hub.stats().chunks;
    for _ in 0..4 {
        let mut replay =
            join(&archived.hub, Rendering::Plain, Framing::WebSocket, Some(FIRST)).reader;
        for _ in 0..20 {
            assert!(more(&mut replay).await);
            replay.next_bytes(1).unwrap();
            assert_eq!(archived.hub.stats().chunks, chunks, "its chunks are its own");
        }
    }
    let readers = archived.storage.readers.lock();
    assert!(readers.len() >= 4);
    assert!(readers.iter().all(|reader| *reader != thread::current().id()));
}

#[tokio::test(start_paused = true)]
async fn entries_missing_in_the_history_are_counted_and_holes_are_not() {
    let mut archived = Archived::new(SMALL, 2);
    let mut slow = join(&archived.hub, Rendering::Plain, Framing::WebSocket, None).reader;
    for page in 0..10_u64 {
        archived.publish(1000, (0..3).map(|i| note(3 * page + i)).collect());
    }
    let firsts = archived.storage.firsts();
    archived.storage.damage(4);
    archived.storage.damage(2);
    archived.storage.expire(1);
    for (page, lost) in [(1, 3), (3, 3), (5, 3)] {
        // Its first entries are where those missing end.
        assert!(more(&mut slow).await);
        assert_eq!((slow.offset(), slow.take_lost()), (firsts[page], lost));
        let (bytes, _) = slow.next_bytes(usize::MAX).unwrap();
        assert!(bytes.len() > 300);
    }
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages, written.lost, archived.hub.stats().dropped), (12, 0, 9));
    // Older than what is kept.
    let joined = join(&archived.hub, Rendering::Plain, Framing::WebSocket, Some(FIRST));
    assert_eq!(joined.gap, Some(Gap { dropped: None, reason: GapReason::Evicted }));
    let mut reader = joined.reader;
    let got = messages(&mut reader, Framing::WebSocket).await;
    assert_eq!(got.first(), text(Rendering::Plain, firsts[1], 3).as_ref());
    assert_eq!(got.len(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_ends_early_leads_to_the_ring() {
    let mut archived = Archived::new(SMALL, 2);
    for number in 0..10 {
        archived.publish(0, vec![note(number)]);
    }
    let mut reader = join(&archived.hub, Rendering::Plain, Framing::WebSocket, Some(FIRST)).reader;
    archived.storage.expire(10);
    let kept = archived.hub.stats().entries;
    let (_, written) = drain(&mut reader).await;
    assert_eq!((written.messages as u64, written.lost), (kept, 9 - kept));
    assert_eq!(archived.hub.stats().replays, 0);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_read_the_history_at_a_time() {
    let mut archived = Archived::new(SMALL, 2);
    for number in 0..20 {
        archived.publish(0, vec![note(number)]);
    }
    let request = |since| Request {
        rendering: Rendering::Plain,
        framing: Framing::WebSocket,
        since,
        filter: None,
        owner: Owner::default(),
    };
    let join = || archived.hub.subscribe(request(Some(FIRST)));
    let (first, second) = (join().unwrap(), join().unwrap());
    assert_eq!((first.gap, second.gap, archived.hub.stats().replays), (None, None, 2));
    assert_eq!(join().err(), Some(Busy));
    assert_eq!(archived.hub.stats().readers, 2, "one that is refused does not count");
    let filter = archived.notes.filter(2, 0);
    let filtered = Request { filter: Some(filter), ..request(Some(FIRST)) };
    assert_eq!(archived.hub.subscribe(filtered).err(), Some(Busy));
    assert_eq!(archived.hub.stats().filters, 0);
    assert!(archived.hub.subscribe(request(None)).is_ok(), "it does not need the history");
    drop(first);
    assert!(join().is_ok(), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_waits_for_a_place_in_the_history() {
    let mut archived = Archived::new(SMALL, 1);
    let join = |archived: &Archived, since| {
        join(&archived.hub, Rendering::Plain, Framing::WebSocket, since).reader
    };
    let mut slow = join(&archived, None);
    for number in 0..20 {
        archived.publish(0, vec![note(number)]);
    }
    let mut replay = join(&archived, Some(FIRST));
    assert!(!more(&mut slow).await, "another has the only place");
    assert_eq!((slow.offset(), archived.hub.stats().dropped), (FIRST, 0));
    assert_eq!(drain(&mut replay).await.1.messages, 19);
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages, written.lost, archived.hub.stats().replays), (20, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_replay_with_a_filter_does_not_render_pages_that_the_history_rules_out() {
    let mut archived = Archived::new(SMALL, 1);
    for page in 0..200_u64 {
        archived.publish(page % 2, vec![note(page)]);
    }
    let passing = archived.storage.firsts()[150];
    let filter = archived.notes.filter(1 << 40, passing + 100);
    let (rendering, framing) = (Rendering::Plain, Framing::WebSocket);
    let (since, owner) = (Some(FIRST - 1), Owner::default());
    let request = Request { rendering, framing, since, filter: Some(filter), owner };
    let reads = archived.notes.counts().0;
    let mut reader = subscribe(&archived.hub, request).reader;
    let got = messages(&mut reader, framing).await;
    assert_eq!(got, [text(rendering, passing, 150).unwrap()]);
    assert_eq!(reader.searched(), archived.hub.head());
    assert!(archived.notes.counts().0 - reads < 60, "only what follows the page that passes");
}

#[tokio::test(start_paused = true)]
async fn a_reader_resumes_at_the_first_entry_seen_at_a_time_or_later() {
    for archives in [true, false] {
        let mut archived = Archived::new(SMALL, 8);
        let (plain, _) = hub(SMALL);
        let mut seen = Vec::new();
        // Times are lengths: they rise, and step back again and again.
        for page in 0..12_usize {
            let lengths = [20 + 7 * page, 5 * page, 30 + 6 * page];
            let notes = || lengths.map(|length| "n".repeat(length)).to_vec();
            let first = archived.hub.next_offset() + 2;
            archived.publish(2, notes());
            publish_at(&plain, first, notes());
            seen.extend((first..).zip(lengths));
        }
        let hub = if archives { &archived.hub } else { &plain };
        let entries = usize::try_from(hub.stats().entries).unwrap();
        let oldest = seen[seen.len() - entries].0;
        let evicted =
            seen.iter().filter(|(offset, _)| *offset < oldest).map(|(_, seen)| *seen).max();
        for time in 0..130 {
            let Moment { since, missing } = hub.moment(time as u64);
            let first = seen.iter().find(|(_, seen)| *seen >= time).map(|(offset, _)| *offset);
            let is_known = archives || evicted.is_none_or(|evicted| evicted < time);
            if is_known {
                let expected = first.map_or_else(|| hub.head(), |first| Some(first - 1));
                assert_eq!(since, expected, "{time}");
                let all = archives && first == Some(seen[0].0);
                assert_eq!(missing, all.then_some(GapReason::Evicted), "{time}");
            } else {
                assert_eq!(missing, Some(GapReason::Evicted));
                assert!(since.unwrap() < oldest);
                let joined = join(hub, Rendering::Plain, Framing::WebSocket, since);
                assert_eq!(joined.gap, None, "it begins at the oldest entry");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_is_applied_to_the_history() {
    let mut archived = Archived::new(SMALL, 2);
    for page in 0..20_u64 {
        archived.publish(page % 4, vec![String::new(); 10]);
    }
    let filter = archived.notes.filter(40, 3);
    let (rendering, framing) = (Rendering::Plain, Framing::WebSocket);
    let (since, owner) = (Some(FIRST - 1), Owner::default());
    let request = Request { rendering, framing, since, filter: Some(filter), owner };
    let mut reader = subscribe(&archived.hub, request).reader;
    let firsts = archived.storage.firsts();
    let all = firsts.iter().flat_map(|first| *first..first + 10);
    let passing: Vec<_> = all.filter(|o| o % 40 == 3).map(|o| json(rendering, o, "")).collect();
    let got = messages(&mut reader, framing).await;
    assert_eq!(got.into_iter().map(Some).collect::<Vec<_>>(), passing);
    assert!(passing.len() >= 4);
    let head = archived.hub.head();
    assert_eq!((reader.searched(), archived.hub.stats().replays), (head, 0));
    assert_eq!(reader.ready().now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn while_another_machine_does_not_respond_readers_of_the_ring_are_not_held_up() {
    let mut archived = Archived::new(SMALL, 2);
    for number in 0..20 {
        archived.publish(0, vec![note(number)]);
    }
    let remote = Arc::new(Semaphore::new(0));
    *archived.storage.remote.lock() = Some(Arc::clone(&remote));
    let join = |since| join(&archived.hub, Rendering::Plain, Framing::WebSocket, since).reader;
    let (mut replay, mut given_up) = (join(Some(FIRST)), join(Some(FIRST)));
    assert!(!more(&mut replay).await && !more(&mut given_up).await);
    drop(given_up);
    // Its chunks have to be rendered.
    let mut late = join(archived.hub.head().map(|head| head - 2));
    assert_eq!(drain(&mut late).await.1.messages, 2);
    assert!(!more(&mut replay).await);
    remote.add_permits(100);
    let (_, written) = drain(&mut replay).await;
    assert_eq!((written.messages, written.lost, archived.hub.stats().replays), (19, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_place_share_what_is_rendered() {
    let mut archived = Archived::new(SMALL, 8);
    for number in 0..20 {
        archived.publish(0, vec![note(number)]);
    }
    let joined = |since| join(&archived.hub, Rendering::Plain, Framing::WebSocket, Some(since));
    let mut readers: Vec<_> = (0..4).map(|more| joined(FIRST + more).reader).collect();
    for reader in &mut readers {
        assert!(more(reader).await);
    }
    let rendered = archived.hub.stats().late_chunks;
    let older = 20 - archived.hub.stats().entries;
    assert!(rendered <= older, "{rendered} of {older} pages were rendered for 4 readers");
    for (number, reader) in readers.iter_mut().enumerate() {
        assert_eq!(drain(reader).await.1.messages, 19 - number);
    }
    let mut alone = joined(FIRST).reader;
    assert!(more(&mut alone).await);
    assert!(archived.hub.stats().late_chunks > rendered, "nobody holds them any more");
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_is_filled_at_the_start_has_the_rate_of_the_stream() {
    let mut archived = Archived::new(ROOMY, 2);
    let first = archived.hub.next_offset();
    for number in 0..10_u64 {
        let age = Duration::from_secs(10 - number);
        let restored = archived.hub.restore(first + 2 * number, vec![note(number)], age);
        assert_eq!(restored, Ok(first + 2 * number..first + 2 * number + 1));
    }
    let time = archived.hub.stats().time;
    assert!(time >= Duration::from_secs(8), "{time:?}");
    archived.publish(0, vec![note(10)]);
    let mut reader = join(&archived.hub, Rendering::Plain, Framing::WebSocket, Some(first)).reader;
    assert_eq!(drain(&mut reader).await.1.messages, 10);
    assert_eq!(archived.storage.readers.lock().len(), 0, "the history is not read");
}
