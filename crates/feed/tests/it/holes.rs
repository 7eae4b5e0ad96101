//! Offsets with holes: nothing waits in them, and nothing counts them.

use feed::{Framing, Gap, GapReason, Limits, Owner, PublishError, Request};
use futures_util::FutureExt;

use crate::fixture::*;
use crate::storage::{Archived, Storage};

/// The hole after a restart.
const JUMP: u64 = 1 << 24;

fn plain(since: Option<u64>, hub: &feed::Hub<Notes>) -> feed::Subscription<Notes> {
    join(hub, Rendering::Plain, Framing::WebSocket, since)
}

fn texts(offsets: impl IntoIterator<Item = u64>, note: &str) -> Vec<String> {
    offsets.into_iter().map(|offset| json(Rendering::Plain, offset, note).unwrap()).collect()
}

#[test]
fn a_publish_that_steps_back_is_refused_and_changes_nothing() {
    let (hub, _) = hub(ROOMY);
    publish_at(&hub, FIRST + 5, notes(["a", "b"]));
    let before = hub.stats();
    for (first, next) in [(0, FIRST + 7), (FIRST, FIRST + 7), (FIRST + 6, FIRST + 7)] {
        let refused = Err(PublishError::OffsetTaken { first, next });
        assert_eq!(hub.publish(first, notes(["c"])), refused);
    }
    let refused = Err(PublishError::OutOfOffsets { first: u64::MAX, entries: 2 });
    assert_eq!(hub.publish(u64::MAX, notes(["c", "d"])), refused);
    assert_eq!((hub.stats(), hub.head()), (before, Some(FIRST + 6)));
    assert_eq!(publish_at(&hub, FIRST + 7, notes(["c"])), FIRST + 7..FIRST + 8);
}

#[test]
fn an_empty_publish_takes_no_offset() {
    let (hub, _) = hub(ROOMY);
    assert_eq!(hub.publish(FIRST + 9, vec![]), Ok(FIRST + 9..FIRST + 9));
    assert_eq!((hub.head(), hub.next_offset()), (None, FIRST));
}

#[tokio::test(start_paused = true)]
async fn readers_cross_holes_in_every_framing() {
    for framing in FRAMINGS {
        for rendering in RENDERINGS {
            // Live, and rendered again.
            for chunk_bytes in [0, ROOMY.chunk_bytes] {
                let (hub, _) = hub(Limits { chunk_bytes, ..ROOMY });
                let mut live = join(&hub, rendering, framing, None).reader;
                let mut expected = Vec::new();
                let mut next = FIRST;
                for hole in [3, 0, JUMP, 1, 0] {
                    let offsets = publish_at(&hub, next + hole, vec!["note".to_owned(); 3]);
                    next = offsets.end;
                    expected.extend(offsets.filter_map(|o| json(rendering, o, "note")));
                }
                let expected: Vec<_> = expected.iter().map(|text| text.trim_end()).collect();
                let got = messages(&mut live, framing).await;
                assert_eq!(got, expected, "{framing:?} {rendering:?}");
                let mut late = join(&hub, rendering, framing, Some(FIRST)).reader;
                assert_eq!(messages(&mut late, framing).await, expected);
                assert_eq!((live.offset(), live.unread(), hub.stats().dropped), (next, 0, 0));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn since_an_offset_in_a_hole_continues_with_the_next_entry() {
    let (hub, _) = hub(ROOMY);
    publish_at(&hub, FIRST, vec!["note".to_owned(); 2]);
    publish_at(&hub, FIRST + JUMP, vec!["note".to_owned(); 2]);
    for since in [FIRST + 1, FIRST + 2, FIRST + JUMP / 2, FIRST + JUMP - 1] {
        let joined = plain(Some(since), &hub);
        assert_eq!((joined.gap, joined.reader.offset()), (None, FIRST + JUMP), "since {since}");
        let mut reader = joined.reader;
        assert_eq!(reader.unread(), 2);
        let got = messages(&mut reader, Framing::WebSocket).await;
        assert_eq!(got, texts(FIRST + JUMP..FIRST + JUMP + 2, "note"));
    }
}

#[tokio::test(start_paused = true)]
async fn losses_do_not_count_holes() {
    let (hub, _) = hub(Limits { ring_bytes: 100, ..ROOMY });
    let mut slow = plain(None, &hub).reader;
    let mut next = FIRST;
    for hole in [0, 10, JUMP, 0, 5] {
        next = publish_at(&hub, next + hole, vec!["x".repeat(25); 2]).end;
    }
    // The ring has the last two pages; six entries are gone.
    let oldest = next - 9;
    assert_eq!((hub.stats().entries, hub.stats().published), (4, 10));
    for (since, dropped) in [
        (FIRST - 1, 6),
        (FIRST, 5),
        (FIRST + 1, 4),
        (FIRST + 9, 4),
        (FIRST + 12, 3),
        (FIRST + 13, 2),
        (FIRST + JUMP, 2),
    ] {
        let joined = plain(Some(since), &hub);
        let gap = Gap { dropped: Some(dropped), reason: GapReason::Evicted };
        assert_eq!((joined.gap, joined.reader.offset()), (Some(gap), oldest), "since {since}");
    }
    assert!(more(&mut slow).await);
    assert_eq!((slow.take_lost(), hub.stats().dropped, slow.offset()), (6, 6, oldest));
    assert_eq!(messages(&mut slow, Framing::WebSocket).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_filtered_reader_crosses_holes_and_counts_what_passed() {
    let (hub, notes) = hub(Limits { ring_bytes: 200, ..ROOMY });
    let filter = notes.filter(2, 0);
    notes.compile();
    let (rendering, framing) = (Rendering::Plain, Framing::WebSocket);
    let request = |since| Request {
        rendering,
        framing,
        since,
        filter: Some(filter.clone()),
        owner: Owner(1),
    };
    let mut quick = subscribe(&hub, request(None)).reader;
    let mut slow = subscribe(&hub, request(None)).reader;
    let mut next = FIRST;
    for hole in [1, JUMP, 2, 7] {
        let offsets = publish_at(&hub, next + hole, vec![String::new(); 4]);
        let passing: Vec<u64> = offsets.clone().filter(|offset| offset % 2 == 0).collect();
        next = offsets.end;
        assert_eq!(messages(&mut quick, framing).await, texts(passing, ""));
        assert_eq!(quick.searched(), Some(next - 1));
        assert_eq!(quick.ready().now_or_never(), None, "nothing waits in a hole");
    }
    let gone = 16 - hub.stats().entries;
    assert!(gone > 0);
    let (_, written) = drain(&mut slow).await;
    assert_eq!((written.messages as u64, written.lost), ((16 - gone) / 2, gone / 2));
}

/// Returns the first offset after each announced hole, as a client finds it that reads to the end.
async fn renumbered(reader: &mut feed::Reader<Notes>, framing: Framing) -> Vec<String> {
    let mut inbox = Inbox::new(framing);
    let mut announced = Vec::new();
    while more(reader).await {
        if reader.take_renumbered() {
            announced.push(inbox.messages().count());
        }
        let framing = reader.framing();
        let mut batch = feed::Batch::default();
        reader.fill(&mut batch, 1 << 20);
        let bytes = batch.slices().collect::<Vec<_>>().concat();
        reader.advance(&mut batch, bytes.len());
        inbox.receive(framing, &bytes);
    }
    let received: Vec<_> = inbox.messages().map(str::to_owned).collect();
    announced.into_iter().map(|at| received[at].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_announced_once_before_what_follows_it() {
    let limits = Limits { ring_bytes: 400, ..ROOMY };
    for framing in FRAMINGS {
        for rendering in RENDERINGS {
            // In the history, and in the ring; with live chunks, and rendered again.
            for chunk_bytes in [0, ROOMY.chunk_bytes] {
                let mut archived = Archived::new(Limits { chunk_bytes, ..limits }, 8);
                let (mut first, note) = (Vec::new(), "n".repeat(60));
                let mut live = join(&archived.hub, rendering, framing, None).reader;
                for hole in [0, 0, JUMP, 0, 3, 0, 0, JUMP, 0] {
                    let next = archived.hub.next_offset();
                    archived.publish(hole, vec![note.clone(); 2]);
                    if hole > 0 {
                        first.push((next, next + hole));
                    }
                    if first.len() == 3 {
                        live.ready().await;
                    }
                }
                assert_eq!(archived.hub.stats().pages, 3);
                // The text of the first message at an offset or after it.
                let text = |offset: u64| {
                    let found = |offset| json(rendering, offset, &note);
                    found(offset).or_else(|| found(offset + 1)).unwrap().trim_end().to_owned()
                };
                let oldest = FIRST - 1;
                let head = archived.hub.head().unwrap();
                for since in [oldest, FIRST, first[0].0 - 1, first[0].0 + 7, first[1].0, head] {
                    let joined = join(&archived.hub, rendering, framing, Some(since));
                    assert_eq!(joined.gap, None, "since {since}");
                    let mut reader = joined.reader;
                    let expected: Vec<_> = first.iter().filter(|hole| hole.1 > since + 1).collect();
                    let expected: Vec<_> = expected.into_iter().map(|hole| text(hole.1)).collect();
                    let found = renumbered(&mut reader, framing).await;
                    assert_eq!(found, expected, "since {since} {framing:?} {rendering:?}");
                }
                let expected: Vec<_> = first.iter().map(|hole| text(hole.1)).collect();
                assert_eq!(renumbered(&mut live, framing).await, expected, "a slow reader");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_filtered_reader_is_notified_of_a_hole_before_any_offset_after_it() {
    let mut archived = Archived::new(Limits { ring_bytes: 400, ..ROOMY }, 1);
    let quiet = archived.notes.filter(u64::MAX, 0);
    let filtered = |hub: &feed::Hub<Notes>, since| {
        let (rendering, framing) = (Rendering::Plain, Framing::WebSocket);
        let (filter, owner) = (Some(quiet.clone()), Owner::default());
        subscribe(hub, Request { rendering, framing, since, filter, owner }).reader
    };
    archived.publish(0, vec!["n".repeat(60); 2]);
    let mut live = filtered(&archived.hub, Some(FIRST));
    assert_eq!((live.searched(), live.take_renumbered()), (Some(FIRST), false));
    for hole in [0, JUMP, 0, 0, 0] {
        archived.publish(hole, vec!["n".repeat(60); 2]);
    }
    archived.notes.compile();
    for since in [FIRST - 1, FIRST + 3, FIRST + 4] {
        // From the history, which rules out all of it.
        let mut reader = filtered(&archived.hub, Some(since));
        assert!(!reader.take_renumbered() && !more(&mut reader).await, "nothing passes");
        assert_eq!(reader.searched(), archived.hub.head());
        assert!(reader.take_renumbered() && !reader.take_renumbered(), "once, since {since}");
    }
    assert!(!more(&mut live).await);
    assert_eq!((live.searched(), live.take_renumbered()), (archived.hub.head(), true));
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_offsets_that_were_lost_continues_with_the_term_after_them() {
    let storage = std::sync::Arc::new(Storage::default());
    storage.append(feed::HistoryPage {
        from: FIRST,
        first: FIRST,
        before: 0,
        entries: notes(["a"]).into(),
    });
    let (end, next, entries) = (FIRST + 1, FIRST + JUMP, 1);
    let archive = feed::Archive { history: storage, end, next, entries, readers: 1 };
    let hub = feed::Hub::with_archive(Notes::default(), ROOMY, archive);
    assert_eq!((hub.head(), hub.next_offset()), (None, next));
    let mut fresh = plain(None, &hub).reader;
    let mut resumed: Vec<_> =
        [FIRST - 1, FIRST, FIRST + 5, next - 1, next].map(|since| plain(Some(since), &hub)).into();
    let ahead = Gap { dropped: None, reason: GapReason::Ahead };
    let gaps = resumed.iter().map(|joined| joined.gap).collect::<Vec<_>>();
    assert_eq!(gaps, [None, None, None, None, Some(ahead)]);
    assert_eq!(fresh.searched(), Some(next - 1));
    publish_at(&hub, next, notes(["b"]));
    let after = texts([next], "b");
    for (joined, expected) in resumed.iter_mut().zip([&after[..], &after, &after, &[], &[]]) {
        let found = renumbered(&mut joined.reader, Framing::WebSocket).await;
        assert_eq!(found, expected);
        assert_eq!((joined.reader.searched(), joined.reader.take_lost()), (Some(next), 0));
    }
    assert_eq!(renumbered(&mut fresh, Framing::WebSocket).await, [""; 0]);
    assert_eq!(hub.stats().dropped, 0);
}
