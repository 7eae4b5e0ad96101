//! Readers of compressed feeds: where they may begin, be cut, and send frames of their own.

use std::io::Write as _;
use std::time::Duration;

use feed::gzip::{Member, stored};
use feed::{Batch, Framing, Hub, Limits, Reader, Written};
use flate2::write::GzDecoder;
use futures_util::FutureExt;

use crate::fixture::*;

/// The framings whose messages refer back to those before them.
const WITH_CONTEXT: [Framing; 2] = [Framing::WebSocketDeflate, Framing::SseGzip];

fn texts(offsets: impl IntoIterator<Item = u64>, note: &str) -> Vec<String> {
    offsets.into_iter().map(|offset| json(Rendering::Plain, offset, note).unwrap()).collect()
}

fn plain(hub: &Hub<Notes>, framing: Framing, since: Option<u64>) -> Reader<Notes> {
    join(hub, Rendering::Plain, framing, since).reader
}

#[tokio::test(start_paused = true)]
async fn compressed_feeds_share_the_text_and_send_a_fraction_of_the_bytes() {
    let (hub, counts) = hub(ROOMY);
    let mut readers = FRAMINGS.map(|framing| (framing, plain(&hub, framing, None)));
    let note = "a note of some length, like the one before it, ".repeat(10);
    publish(&hub, vec![note.clone(); 20]);
    publish(&hub, vec![note.clone(); 20]);
    assert_eq!(counts.counts(), (40, 40));
    let mut sizes = Vec::new();
    for (framing, reader) in &mut readers {
        let mut inbox = Inbox::new(*framing);
        each(reader, |framing, bytes| inbox.receive(framing, bytes)).await;
        assert_eq!(inbox.messages().collect::<Vec<_>>(), texts(FIRST..FIRST + 40, &note));
        sizes.push(inbox.bytes);
    }
    let [websocket, sse, deflated, gzip, each] = sizes[..] else { unreachable!() };
    assert!(5 * deflated < websocket && 5 * gzip < sse, "{sizes:?}");
    assert!(5 * each < websocket && deflated < each, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn inside_a_page_a_reader_begins_plain() {
    for framing in WITH_CONTEXT {
        let (hub, counts) = hub(ROOMY);
        let early = plain(&hub, framing, None);
        for _ in 0..3 {
            publish(&hub, vec!["note".to_owned(); 10]);
        }
        // The last entry of a page is followed by a page's beginning.
        assert_eq!(plain(&hub, framing, Some(FIRST + 9)).framing(), framing);
        let mut late = plain(&hub, framing, Some(FIRST + 13));
        assert_eq!(late.framing(), framing.plain());
        let mut inbox = Inbox::new(framing);
        let mut framings = Vec::new();
        let mut step = |late: &mut Reader<Notes>, budget| {
            let used = late.framing();
            let Some((bytes, _)) = late.next_bytes(budget) else { return };
            inbox.receive(used, &bytes);
            framings.push(used);
        };
        assert!(late.interject(&own_frame(framing, 1)));
        while more(&mut late).await {
            step(&mut late, 60);
        }
        let half = framings.iter().position(|used| *used == framing).unwrap();
        assert!(half >= 2, "{framings:?}");
        assert!(framings[..half].iter().all(|used| *used == framing.plain()));
        assert!(framings[half..].iter().all(|used| *used == framing));
        assert_eq!(inbox.items[0], Item::Own(own_frame(framing, 1)));
        assert_eq!(inbox.messages().collect::<Vec<_>>(), texts(FIRST + 14..FIRST + 30, "note"));
        // The rest of one page was all that had to be made for it.
        assert_eq!((hub.stats().late_chunks, counts.counts().1), (1, 30 + 10));
        assert_eq!((hub.stats().readers, hub.stats().feeds), (2, 2));
        drop((early, late));
        assert_eq!(hub.stats().readers, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_lent_for_the_rest_of_a_page_ends_without_readers() {
    let (hub, _) = hub(Limits { linger: Duration::ZERO, ..ROOMY });
    publish(&hub, vec!["note".to_owned(); 10]);
    let mut reader = plain(&hub, Framing::WebSocketDeflate, Some(FIRST + 3));
    assert_eq!(hub.stats().feeds, 2);
    publish(&hub, vec!["note".to_owned(); 10]);
    assert_eq!(hub.stats().feeds, 1, "a lent feed has no reader");
    let mut inbox = Inbox::new(Framing::WebSocketDeflate);
    each(&mut reader, |framing, bytes| inbox.receive(framing, bytes)).await;
    assert_eq!(inbox.messages().collect::<Vec<_>>(), texts(FIRST + 4..FIRST + 20, "note"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_cut_anywhere_continues_in_the_same_context() {
    for framing in COMPRESSED {
        for step in [1, 2, 7, 50] {
            // Chunks leave while the reader is inside them, and are made again.
            let (hub, _) = hub(Limits { chunk_bytes: 1, ..ROOMY });
            let mut reader = plain(&hub, framing, None);
            let note = "some words of a note ".repeat(5);
            for _ in 0..4 {
                publish(&hub, vec![note.clone(); 5]);
            }
            let mut inbox = Inbox::new(framing);
            let mut batch = Batch::default();
            while more(&mut reader).await {
                reader.fill(&mut batch, 1 << 20);
                let bytes = batch.slices().collect::<Vec<_>>().concat();
                let taken = step.min(bytes.len());
                inbox.receive(framing, &bytes[..taken]);
                reader.advance(&mut batch, taken);
            }
            assert!(inbox.at_boundary());
            assert_eq!(inbox.messages().collect::<Vec<_>>(), texts(FIRST..FIRST + 20, &note));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_begins_with_a_whole_chunk_after_a_loss() {
    for framing in COMPRESSED {
        let (hub, _) = hub(Limits { ring_bytes: 1000, ..ROOMY });
        let mut reader = plain(&hub, framing, None);
        let mut inbox = Inbox::new(framing);
        publish(&hub, vec!["note".to_owned(); 10]);
        // Two messages of ten.
        let mut total = Written::default();
        while total.messages < 2 {
            let (bytes, written) = reader.next_bytes(1).unwrap();
            inbox.receive(framing, &bytes);
            add(&mut total, written);
        }
        assert_eq!(reader.at_boundary(), framing != Framing::SseGzip, "inside a chunk");
        for _ in 0..10 {
            publish(&hub, vec!["note".to_owned(); 10]);
        }
        let kept = hub.stats().entries;
        let written = each(&mut reader, |framing, bytes| inbox.receive(framing, bytes)).await;
        assert_eq!((written.messages as u64, written.lost), (kept, 108 - kept));
        let end = FIRST + 110;
        let expected = texts((FIRST..FIRST + 2).chain(end - kept..end), "note");
        assert_eq!(inbox.messages().collect::<Vec<_>>(), expected);
    }
}

/// Stored blocks inside a chunk would shift what its messages refer to.
#[tokio::test(start_paused = true)]
async fn own_frames_wait_for_the_end_of_a_gzip_chunk() {
    let (hub, _) = hub(ROOMY);
    let mut reader = plain(&hub, Framing::SseGzip, None);
    let mut inbox = Inbox::new(Framing::SseGzip);
    let own = |number| own_frame(Framing::SseGzip, number);
    assert!(reader.interject(&own(0)));
    assert_eq!(reader.ready().now_or_never(), Some(feed::Ready::More), "nothing was begun");
    publish(&hub, vec!["note".to_owned(); 3]);
    let mut next = |reader: &mut Reader<Notes>| {
        let (bytes, _) = reader.next_bytes(1).unwrap();
        inbox.receive(reader.framing(), &bytes);
    };
    next(&mut reader); // the first frame
    next(&mut reader); // the first message
    assert!(!reader.at_boundary());
    assert!(reader.interject(&own(1)));
    next(&mut reader);
    next(&mut reader);
    assert!(reader.at_boundary());
    next(&mut reader);
    publish(&hub, vec!["note".to_owned()]);
    next(&mut reader);
    let messages = texts(FIRST..FIRST + 4, "note");
    let mut expected: Vec<Item> = messages.into_iter().map(Item::Message).collect();
    expected.insert(0, Item::Own(own(0)));
    expected.insert(4, Item::Own(own(1)));
    assert_eq!(inbox.items, expected);
}

/// A client that keeps no context begins anywhere, and understands each message by itself.
#[tokio::test(start_paused = true)]
async fn without_context_a_reader_begins_compressed_inside_a_page() {
    let framing = Framing::WebSocketDeflateEach;
    let (hub, counts) = hub(ROOMY);
    let early = plain(&hub, framing, None);
    for _ in 0..2 {
        publish(&hub, vec!["note".to_owned(); 10]);
    }
    let mut reader = plain(&hub, framing, Some(FIRST + 13));
    assert_eq!(reader.framing(), framing);
    assert_eq!(messages(&mut reader, framing).await, texts(FIRST + 14..FIRST + 20, "note"));
    assert_eq!((hub.stats().late_chunks, counts.counts().1), (0, 20), "compressed once for both");
    drop(early);
}

/// A gzip decoder accepts the end only if checksum and length are those of all it inflated.
#[tokio::test(start_paused = true)]
async fn a_gzip_stream_can_be_ended_after_any_message() {
    for step in [1, 7, 100_000] {
        // Chunks leave while the reader is inside them, and are made again.
        let (hub, _) = hub(Limits { chunk_bytes: 1, ..ROOMY });
        let early = plain(&hub, Framing::SseGzip, None);
        for _ in 0..3 {
            publish(&hub, vec!["some words of a note".to_owned(); 5]);
        }
        let mut bytes = Vec::new();
        let mut member = Member::begin(&mut bytes);
        member.store(b": hello\n\n", &mut bytes);
        // It begins plain inside a page, sends frames of its own, and continues compressed.
        let mut reader = plain(&hub, Framing::SseGzip, Some(FIRST + 2));
        let mut batch = Batch::default();
        let mut said = 0;
        while more(&mut reader).await {
            if said < 3 && reader.at_boundary() {
                assert!(reader.interject(&own_frame(Framing::SseGzip, said)));
                said += 1;
            }
            let is_plain = reader.framing() == Framing::Sse;
            reader.fill(&mut batch, 300);
            let filled = batch.slices().collect::<Vec<_>>().concat();
            let taken = if is_plain { filled.len() } else { step.min(filled.len()) };
            let written = reader.advance(&mut batch, taken);
            if is_plain {
                member.store(&filled[..taken], &mut bytes);
                assert_eq!(written.inflated, feed::gzip::Checksum::default());
            } else {
                member.wrote(written.inflated);
                bytes.extend_from_slice(&filled[..taken]);
            }
        }
        member.end(&mut bytes);
        let mut decoder = GzDecoder::new(Vec::new());
        decoder.write_all(&bytes).expect("gzip");
        let text = decoder.finish().expect("the trailer is right");
        let events = text.windows(2).filter(|pair| pair == b"\n\n").count();
        assert!(said > 0);
        assert_eq!(events, 1 + said + 12, "step {step}");
        let mut wrong = Vec::new();
        Member::default().end(&mut wrong);
        let mut decoder = GzDecoder::new(Vec::new());
        let mut stream = Vec::new();
        drop(Member::begin(&mut stream));
        stored(b"text", &mut stream);
        let refused =
            decoder.write_all(&[stream, wrong].concat()).and_then(|()| decoder.try_finish());
        assert!(refused.is_err(), "a decoder that accepts anything proves nothing");
        drop(early);
    }
}
