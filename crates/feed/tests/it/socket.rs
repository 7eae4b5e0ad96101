//! Writing to sockets that take what they like, from many tasks at once.

use std::sync::Arc;
use std::time::Duration;

use feed::{Framing, Hub, Limits, Reader, Ready, WRITE_BUDGET};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use crate::fixture::*;

/// A client that reads `step` bytes at a time until the server is done.
fn client(mut io: DuplexStream, framing: Framing, step: usize) -> JoinHandle<Inbox> {
    tokio::spawn(async move {
        let mut inbox = Inbox::new(framing);
        let mut buffer = vec![0; step];
        loop {
            match io.read(&mut buffer).await.unwrap() {
                0 => return inbox,
                n => inbox.receive(framing, &buffer[..n]),
            }
        }
    })
}

/// A connection task: all there is to one. Returns what the reader wrote and lost.
async fn serve(mut reader: Reader<Notes>, mut io: DuplexStream) -> (usize, usize, u64) {
    let mut total = (0, 0, 0);
    while reader.ready().await == Ready::More {
        let written = reader.write_some(&mut io).await.unwrap();
        total.0 += written.bytes;
        total.1 += written.messages;
        total.2 += written.lost;
    }
    io.shutdown().await.unwrap();
    total
}

#[tokio::test]
async fn writes_arrive_whole_through_any_pipe() {
    for framing in FRAMINGS {
        for (pipe, step) in [(1, 1), (7, 64), (100, 3), (1 << 20, 1 << 16)] {
            let (hub, _) = hub(ROOMY);
            let reader = join(&hub, Rendering::Pretty, framing, None).reader;
            let (near, far) = duplex(pipe);
            let client = client(far, framing, step);
            let server = tokio::spawn(serve(reader, near));
            let mut expected = Vec::new();
            for i in 0..50_usize {
                let batch: Vec<String> = (0..i % 7).map(|j| format!("note {i} {j}")).collect();
                let offsets = publish(&hub, batch.clone());
                let pages = offsets.zip(&batch);
                expected.extend(pages.filter_map(|(o, note)| json(Rendering::Pretty, o, note)));
                if i % 5 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            hub.close();
            let inbox = client.await.unwrap();
            assert!(inbox.at_boundary());
            let expected: Vec<&str> = expected.iter().map(|text| text.trim_end()).collect();
            assert_eq!(inbox.messages().collect::<Vec<_>>(), expected, "{framing:?} {pipe}");
            assert_eq!(server.await.unwrap(), (inbox.bytes, expected.len(), 0));
        }
    }
}

#[tokio::test]
async fn a_message_longer_than_the_budget_goes_out() {
    let (hub, _) = hub(ROOMY);
    let reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    publish(&hub, vec!["x".repeat(3 * WRITE_BUDGET), "y".into()]);
    hub.close();
    let (near, far) = duplex(1 << 16);
    let client = client(far, Framing::WebSocket, 1 << 16);
    assert_eq!(serve(reader, near).await.1, 2);
    let lengths: Vec<usize> = client.await.unwrap().messages().map(str::len).collect();
    assert_eq!(lengths.len(), 2);
    assert!(lengths[0] > 3 * WRITE_BUDGET);
}

#[tokio::test]
async fn own_frames_come_between_messages_and_writes_may_be_cancelled() {
    let (hub, _) = hub(ROOMY);
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    publish(&hub, notes(["first message", "second message"]));
    let (mut near, mut far) = duplex(20);
    let mut inbox = Inbox::new(Framing::WebSocket);

    assert_eq!(reader.write_some(&mut near).await.unwrap().bytes, 20);
    assert!(!reader.at_boundary());
    assert!(reader.write_some(&mut near).now_or_never().is_none(), "full: waits, is dropped");
    assert!(reader.interject(&own_frame(Framing::WebSocket, 5)));
    assert!(reader.write_some(&mut near).now_or_never().is_none());

    let mut buffer = [0; 9];
    while inbox.items.len() < 3 {
        if let Some(written) = reader.write_some(&mut near).now_or_never() {
            written.unwrap();
        }
        let n = far.read(&mut buffer).await.unwrap();
        inbox.receive(Framing::WebSocket, &buffer[..n]);
    }
    assert_eq!(inbox.items[1], Item::Own(own_frame(Framing::WebSocket, 5)));
    let second = json(Rendering::Plain, FIRST + 1, "second message").unwrap();
    assert_eq!(inbox.items[2], Item::Message(second));
    assert!(inbox.at_boundary() && reader.at_boundary());
    assert_eq!(reader.write_some(&mut near).await.unwrap(), feed::Written::default());
}

#[tokio::test]
async fn a_client_that_stalls_pins_no_chunk() {
    let (hub, _) = hub(Limits { ring_bytes: 100, ..ROOMY });
    let mut stalled = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    let mut other = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    publish(&hub, notes(["first message", "second message"]));
    let (mut near, _far) = duplex(10);
    assert_eq!(stalled.write_some(&mut near).await.unwrap().bytes, 10);
    let mut write = Box::pin(stalled.write_some(&mut near));
    assert!((&mut write).now_or_never().is_none());
    let (chunk, _) = other.next_bytes(1000).unwrap();
    assert!(!chunk.is_unique(), "the feed holds it");
    for _ in 0..4 {
        publish(&hub, vec!["x".repeat(90)]);
    }
    assert!(chunk.is_unique(), "neither the feed nor the stalled writer holds it");
    drop(write);
}

#[tokio::test]
async fn a_client_that_left_is_an_error() {
    let (hub, _) = hub(ROOMY);
    let mut reader = join(&hub, Rendering::Plain, Framing::WebSocket, None).reader;
    publish(&hub, notes(["a"]));
    let (mut near, far) = duplex(10);
    drop(far);
    let error = reader.write_some(&mut near).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

/// Offset of a message.
fn offset(message: &str) -> u64 {
    let digits = message.split_once("\"offset\":").unwrap().1.trim_start();
    digits.split(',').next().unwrap().parse().unwrap()
}

/// Every message received or lost, each once and in order, from `start` to `end`.
fn check(inbox: &Inbox, rendering: Rendering, (start, end): (u64, u64), lost: u64) {
    let offsets: Vec<u64> = inbox.messages().map(offset).collect();
    assert!(inbox.at_boundary() && offsets.is_sorted_by(|a, b| a < b));
    assert!(offsets.iter().all(|o| (start..end).contains(o)));
    let all = (start..end).filter(|o| json(rendering, *o, "").is_some()).count() as u64;
    let received = offsets.len() as u64;
    if rendering == Rendering::Odd {
        // A loss counts entries, with a message or without.
        assert!(received + lost >= all && received <= all);
    } else {
        assert_eq!(received + lost, all);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_come_and_go_while_the_stream_flows() {
    const ROUNDS: u64 = 300;
    let limits = Limits { ring_bytes: 20_000, chunk_bytes: 8_000, linger: Duration::ZERO, ..ROOMY };
    let hub: Arc<Hub<Notes>> = Arc::new(hub(limits).0);
    let publisher = {
        let hub = Arc::clone(&hub);
        tokio::spawn(async move {
            for i in 0..ROUNDS {
                publish(&hub, (0..i % 9).map(|j| format!("{i} {j} {}", "x".repeat(50))).collect());
                tokio::task::yield_now().await;
            }
        })
    };
    let mut connections = Vec::new();
    for i in 0..60_usize {
        let (rendering, framing) = (RENDERINGS[i % 3], FRAMINGS[i / 3 % 2]);
        let since = (i % 4 == 3).then(|| hub.head().map_or(FIRST, |head| head.saturating_sub(40)));
        let reader = join(&hub, rendering, framing, since).reader;
        let start = reader.offset();
        let (near, far) = duplex([64, 1000, 100_000][i % 3]);
        let server = tokio::spawn(serve(reader, near));
        connections.push((rendering, start, server, client(far, framing, 37 << (i % 8))));
        tokio::task::yield_now().await;
    }
    publisher.await.unwrap();
    hub.close();
    let end = hub.head().unwrap() + 1;
    let mut dropped = 0;
    for (rendering, start, server, client) in connections {
        let (bytes, messages, lost) = server.await.unwrap();
        let inbox = client.await.unwrap();
        assert_eq!((inbox.bytes, inbox.messages().count()), (bytes, messages));
        check(&inbox, rendering, (start, end), lost);
        dropped += lost;
    }
    let stats = hub.stats();
    assert_eq!((stats.dropped, stats.readers), (dropped, 0));
    assert_eq!(stats.published, end - FIRST);
}
