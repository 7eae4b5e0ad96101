//! Brokers that are not available, and outputs that are killed.

use sinks::OnFull;

use crate::fixture::*;

/// The only broker.
const NODE: i32 = 0;

#[tokio::test(flavor = "multi_thread")]
async fn outages_of_the_broker_and_kills_of_the_output_lose_nothing() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(&broker);
    let mut output = Running::start(&stream, &settings, folder.path()).await;
    for outage in 0..4 {
        stream.publish(50);
        output.wait("progress", |status| status.figures().published > 20).await;
        broker.crash(NODE);
        stream.publish(50);
        output.wait("a failure", |status| status.problem().is_some()).await;
        match outage {
            1 => {
                output.kill().await;
                output = Running::start(&stream, &settings, folder.path()).await;
            }
            2 => {
                output.stop().await;
                output = Running::start(&stream, &settings, folder.path()).await;
            }
            _ => {}
        }
        broker.restart(NODE);
        output.wait("the end", |status| status.figures().next == (outage + 1) * 100).await;
    }
    stream.close();
    output.ended().await;
    assert_eq!(distinct(&broker), (0..400).collect::<Vec<_>>());
    let saved = std::fs::read_to_string(folder.path().join("kafka.json")).expect("a cursor");
    assert!(saved.contains("\"next\":400,\"entries\":400"), "{saved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_does_not_pass_what_is_not_acknowledged() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(&broker);
    broker.crash(NODE);
    let output = Running::start(&stream, &settings, folder.path()).await;
    stream.publish(30);
    output.wait("a failure", |status| status.problem().is_some()).await;
    output.wait("the messages", |status| status.figures().behind > 0).await;
    let figures = output.status.figures();
    assert_eq!((figures.published, figures.next, figures.connected), (0, 0, false));
    assert_eq!(figures.behind, 30);
    output.stop().await;
    let saved = std::fs::read_to_string(folder.path().join("kafka.json")).expect("a cursor");
    assert!(saved.contains("\"next\":0"), "{saved}");
    broker.restart(NODE);
    let output = Running::start(&stream, &settings, folder.path()).await;
    stream.close();
    output.ended().await;
    assert_eq!(indexes(&broker), (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_drops_continues_with_the_newest_and_counts() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(&broker);
    settings.on_full = OnFull::Drop { depth: 60 };
    let output = Running::start(&stream, &settings, folder.path()).await;
    stream.publish(20);
    output.wait("the first", |status| status.figures().next == 20).await;
    broker.crash(NODE);
    stream.publish(40);
    output.wait("a failure", |status| status.problem().is_some()).await;
    assert_eq!(output.status.figures().dropped, 0, "it may be so far behind");
    stream.publish(40);
    output.wait("a drop", |status| status.figures().dropped > 0).await;
    broker.restart(NODE);
    stream.publish(5);
    stream.close();
    let status = output.status.clone();
    output.ended().await;
    let figures = status.figures();
    assert_eq!(figures.next, 105);
    let arrived = distinct(&broker);
    assert_eq!(arrived.len() as u64 + figures.dropped, 105, "{figures:?}");
    assert!(arrived.ends_with(&[100, 101, 102, 103, 104]), "{arrived:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_retention_overtakes_counts_what_it_misses() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    stream.publish(50);
    stream.expire(20);
    stream.close();
    let output = Running::start(&stream, &settings(&broker), folder.path()).await;
    let status = output.status.clone();
    output.ended().await;
    let figures = status.figures();
    assert_eq!((figures.overtaken, figures.missed, figures.published), (1, 20, 30));
    assert_eq!(indexes(&broker), (20..50).collect::<Vec<_>>());
}
