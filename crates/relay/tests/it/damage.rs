//! Streams that lose messages from their middle, because a disk damages them.

use std::fs;
use std::path::PathBuf;

use relay::replay::Past;
use relay::{Settings, Turn};

use crate::nats::Nats;
use crate::shown::{Shown, connect_to};

/// Returns the files in which a server keeps the messages, in their order.
fn blocks(server: &Nats) -> Vec<PathBuf> {
    let folder = server.folder().join("store/jetstream/$G/streams/ct-test/msgs");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut blocks: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "blk")).collect();
    blocks.sort_by_key(|path| path.file_stem().unwrap().to_str().unwrap().parse::<u32>().unwrap());
    blocks
}

/// Lets a disk damage a file in the middle of the stream while the server does not run. The server then
/// finds that the rest of the file is lost, and keeps those after it.
fn damage(server: &mut Nats) {
    server.kill();
    let blocks = blocks(server);
    let block = &blocks[blocks.len() / 2];
    let mut bytes = fs::read(block).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 1000].fill(0xaa);
    fs::write(block, bytes).unwrap();
    server.resume();
}

/// Starts a server, and a leader that fills files of 32 kB with its stream.
async fn fill(checkpoints: bool) -> Option<(Nats, Settings, Shown)> {
    let server = Nats::plain()?;
    let settings = Settings { max_bytes: 120_000, ..server.settings() };
    let mut leader = connect_to(&settings, 1).await;
    leader.lead().await;
    for _ in 0..40 {
        leader.publish(6).await;
        if checkpoints {
            leader.node.checkpoint().unwrap();
        }
    }
    Some((server, settings, leader))
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_continues_with_the_checkpoint_after_what_is_lost() {
    let Some((mut server, settings, mut leader)) = fill(true).await else { return };
    leader.publish(1).await;
    damage(&mut server);
    let mut late = connect_to(&settings, 2).await;
    late.catch_up().await;
    assert_eq!(late.state(), leader.state());
    assert_eq!(late.node.counts().holes, 1);
    assert!(late.records.len() < leader.records.len());
    assert!(late.records.iter().all(|(at, entry)| leader.records.get(at) == Some(entry)));
    // A replay returns the same, and shows that something is missing.
    let replayed = Past::of(&late.node).unwrap().replay(0).read(0, u64::MAX, usize::MAX).await;
    let replayed = replayed.unwrap();
    let entries: usize = replayed.iter().map(|stored| stored.batch.records.len()).sum();
    assert_eq!(entries, late.records.len());
    let pairs = replayed.iter().zip(&replayed[1..]);
    let losses = pairs.filter(|(last, next)| next.from > last.batch.next_offset());
    assert_eq!(losses.count(), 1);
    // Those that have read everything notice nothing.
    leader.publish(4).await;
    late.catch_up().await;
    assert_eq!(late.state(), leader.state());
    assert_eq!(leader.node.counts().holes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_checkpoint_after_what_is_lost_is_created_anew() {
    let Some((mut server, settings, mut leader)) = fill(false).await else { return };
    damage(&mut server);
    let mut next = connect_to(&settings, 2).await;
    next.catch_up().await;
    assert!(next.node.reader().state().is_none());
    assert_eq!(next.node.counts().holes, 1);
    let highest = next.node.reader().highest();
    next.lead().await;
    next.publish(4).await;
    assert_ne!(next.state().stream(), leader.state().stream());
    assert!(next.state().next_offset() > highest);
    // A node that has read the old stream notices that this is another one.
    leader.propose(1);
    assert_eq!(leader.settle().await, Turn::Deposed);
    assert_eq!(leader.state(), next.state());
}
