//! Offsets with holes: nothing waits in them, and nothing counts them.

use feed::{Framing, Gap, GapReason, Limits, Owner, PublishError, Request};
use futures_util::FutureExt;

use crate::fixture::*;

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
