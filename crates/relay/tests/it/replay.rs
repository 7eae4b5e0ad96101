//! Replays: they return the batches that nodes have shown, from every offset on.

use std::sync::Arc;

use async_nats::Client;
use bytes::Bytes;
use record::{Advance, Batch, LogChange, LogIdentity, LogNumber, Position, Record, State};
use relay::replay::{FirstSeen, Past, Replay, StoredBatch};
use relay::{Link, Node, Settings, Turn};

use crate::nats::Nats;
use crate::random::Random;
use crate::shown::{Shown, connect, connect_to};

/// Computes the stored batches that a node has shown.
fn expected(shown: &[Batch]) -> Vec<StoredBatch> {
    let (mut end, mut before) = (None, 0);
    let mut logs: Vec<LogIdentity> = Vec::new();
    let mut expected = Vec::new();
    for batch in shown {
        for LogChange { number, identity } in &batch.logs {
            match logs.get_mut(number.0 as usize) {
                Some(row) => *row = identity.clone(),
                None => logs.push(identity.clone()),
            }
        }
        if batch.records.is_empty() {
            continue;
        }
        let from = end.unwrap_or(batch.first_offset);
        let logs = Arc::new(logs.clone());
        expected.push(StoredBatch { batch: batch.clone(), from, before, logs });
        end = Some(batch.next_offset());
        before += batch.records.len() as u64;
    }
    expected
}

/// Compares batches without printing megabytes.
fn compare(found: &[StoredBatch], expected: &[StoredBatch], case: &str) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{case}");
    }
}

/// Reads everything from an offset on in small calls.
async fn all(replay: &mut Replay, offset: u64, end: u64, bytes: usize) -> Vec<StoredBatch> {
    let (mut offset, mut all) = (offset, Vec::new());
    loop {
        let some = replay.read(offset, end, bytes).await.unwrap();
        let Some(last) = some.last() else { return all };
        assert!(some.len() == 1 || some.iter().map(StoredBatch::weight).sum::<usize>() <= bytes);
        offset = last.batch.next_offset();
        assert!(replay.is_at(offset));
        all.extend(some);
    }
}

async fn client(settings: &Settings) -> Client {
    async_nats::connect(&settings.servers).await.unwrap()
}

async fn say(client: &Client, settings: &Settings, payload: impl Into<Bytes>) {
    client.publish(settings.subject(), payload.into()).await.unwrap();
    client.flush().await.unwrap();
}

/// Gives the first log another name in the next batch with records.
fn rename(leader: &mut Shown, name: &str) {
    let state = leader.node.leader().unwrap().state().clone();
    let identity = &state.log(LogNumber(0)).unwrap().identity;
    let identity = LogIdentity { name: name.to_owned(), ..identity.clone() };
    let mut batch = crate::batches::batch(&state, leader.seen, &mut leader.random);
    while batch.records.is_empty() || batch.logs.iter().any(|row| row.number == LogNumber(0)) {
        batch = crate::batches::batch(&state, leader.seen, &mut leader.random);
    }
    batch.logs.push(LogChange { number: LogNumber(0), identity });
    leader.node.propose(&batch).unwrap().unwrap();
}

/// Publishes copies of two checkpoints, as another program may do.
async fn copy_checkpoints(node: &Shown, others: &Client, settings: &Settings) {
    let link = node.node.link();
    for offset in [0, *node.records.keys().nth(40).unwrap()] {
        let after = relay::search::find(link, offset).await.unwrap();
        let checkpoint = link.get(after + 1).await.unwrap().unwrap();
        for _ in 0..4 {
            say(others, settings, checkpoint.clone()).await;
        }
    }
}

/// Fills a stream: two terms with a hole between them, contents in parts, marks, messages of others and
/// messages that are void.
async fn fill(server: &Nats, settings: &Settings) -> Shown {
    let others = client(settings).await;
    let mut one = connect(server.address, 1).await;
    one.lead().await;
    one.publish(12).await;
    rename(&mut one, "Renamed");
    assert_eq!(one.settle().await, Turn::Committed);
    for _ in 0..3 {
        one.publish(6).await;
        one.node.checkpoint().unwrap();
        say(&others, settings, "hello").await;
    }
    one.publish(6).await;
    let mut two = connect(server.address, 2).await;
    // Contents come in parts.
    two.stand(150).await;
    assert_eq!(two.settle().await, Turn::Committed);
    two.publish(20).await;
    two.node.checkpoint().unwrap();
    two.publish(10).await;
    // A search that meets these copies must not begin there: for nobody else they count.
    copy_checkpoints(&two, &others, settings).await;
    two.publish(4).await;
    two
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_returns_what_nodes_have_shown() {
    let Some(server) = Nats::plain() else { return };
    let settings = server.settings();
    let leader = fill(&server, &settings).await;
    let mut edge = connect(server.address, 3).await;
    edge.catch_up().await;
    assert_eq!(edge.batches, leader.batches);
    assert_eq!(edge.node.counts().void, 8);
    let mut late = Node::near_end(Link::open(&settings).await.unwrap(), 1).await.unwrap();
    while !late.catch_up().await.unwrap().1 {}
    let expected = expected(&edge.batches);
    let end = edge.state().next_offset();
    assert!(expected.iter().any(|stored| stored.from < stored.batch.first_offset), "a hole");
    let places: Vec<u64> =
        expected.iter().flat_map(|stored| [stored.from, stored.batch.first_offset + 1]).collect();
    for node in [&edge.node, &late] {
        for offset in places.iter().copied().step_by(7).chain([0, end - 1]) {
            let past = Past::of(node).unwrap();
            let found = all(&mut past.replay(offset), offset, end, 2_000).await;
            let from = expected.iter().position(|stored| stored.batch.next_offset() > offset);
            compare(&found, &expected[from.unwrap()..], &format!("from {offset}"));
        }
    }
    let past = Past::of(&late).unwrap();
    let limit = expected[20].batch.first_offset;
    compare(&all(&mut past.replay(0), 0, limit, 2_000).await, &expected[..20], "to a limit");
    compare(&all(&mut past.replay(end), end, u64::MAX, 2_000).await, &[], "at the end");
    assert_eq!(past.oldest(), None);
    past.refresh().await.unwrap();
    assert_eq!(past.oldest(), Some(expected[0].batch.first_offset));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_begins_near_the_end_begins_at_no_copy_of_a_checkpoint() {
    let Some(server) = Nats::plain() else { return };
    let settings = server.settings();
    let others = client(&settings).await;
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    leader.publish(30).await;
    leader.node.checkpoint().unwrap();
    leader.publish(5).await;
    copy_checkpoints(&leader, &others, &settings).await;
    let node = Node::near_end(Link::open(&settings).await.unwrap(), 1).await.unwrap();
    let mut late = Shown::new(node, 2);
    late.catch_up().await;
    assert_eq!(late.state(), leader.state());
    late.lead().await;
    leader.propose(1);
    assert_eq!(leader.settle().await, Turn::Deposed);
    leader.catch_up().await;
    assert_eq!(late.state(), leader.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_all_returns_batches_without_records_too() {
    let Some(server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    leader.publish(30).await;
    let has_none = |batch: &&Batch| batch.records.is_empty();
    assert!(leader.batches.iter().filter(has_none).count() > 3, "some have no records");
    let past = Past::of(&leader.node).unwrap();
    for start in [0, leader.batches[15].next_offset()] {
        let (mut replay, mut offset, mut found) = (past.replay_all(start), start, Vec::new());
        loop {
            let some = replay.read(offset, u64::MAX, 1_000).await.unwrap();
            let Some(last) = some.last() else { break };
            offset = last.batch.next_offset();
            found.extend(some.into_iter().map(|stored| stored.batch));
        }
        let expected = leader.batches.iter().filter(|batch| batch.next_offset() >= start);
        assert_eq!(found, expected.cloned().collect::<Vec<_>>(), "from {start}");
    }
    // What is published later follows.
    let (end, before) = (leader.state().next_offset(), leader.batches.len());
    let mut replay = past.replay_all(0);
    assert!(!replay.read(end, u64::MAX, usize::MAX).await.unwrap().is_empty());
    leader.publish(10).await;
    let more = replay.read(end, u64::MAX, usize::MAX).await.unwrap();
    let more = more.into_iter().map(|stored| stored.batch).collect::<Vec<_>>();
    assert_eq!(more, leader.batches[before..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_repeats_what_it_has_just_returned() {
    let Some(server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    leader.publish(30).await;
    let expected = expected(&leader.batches);
    let past = Past::of(&leader.node).unwrap();
    let mut replay = past.replay(0);
    let first = replay.read(0, u64::MAX, 5_000).await.unwrap();
    assert!(first.len() > 3 && first.len() < expected.len(), "{}", first.len());
    let again = first[2].batch.first_offset;
    assert!(replay.is_at(again));
    compare(&all(&mut replay, again, u64::MAX, 1_000).await, &expected[2..], "again");
    assert!(!replay.is_at(again));
    compare(&replay.read(again, u64::MAX, 0).await.unwrap(), &expected[2..3], "anew");
    // What is published later follows.
    let end = leader.state().next_offset();
    compare(&all(&mut replay, end, u64::MAX, 1_000).await, &[], "nothing more");
    let count = expected.len();
    leader.publish(10).await;
    let expected = crate::replay::expected(&leader.batches);
    compare(&all(&mut replay, end, u64::MAX, 1_000).await, &expected[count..], "more");
}

/// Makes the next batch after a state: records of the first log that take 900 kB and do not compress.
fn large(state: &State, random: &mut Random) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let (log, kind) = (LogNumber(0), ct::leaf::EntryType::X509);
    let first = state.log(log).unwrap().position.as_ref().unwrap().next;
    for index in first..first + 3 {
        let bytes: Vec<u8> = (0..37_500).flat_map(|_| random.number().to_le_bytes()).collect();
        let record = Record::as_read(index, 0, kind, bytes.into(), Vec::new());
        batch.records.push(Record { log, seen: 1, ..record });
    }
    let position = Position { next: first + 3, largest_head: first + 3, tree: None };
    batch.advances.push(Advance { log, first, position });
    batch
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_sent_few_large_batches_at_a_time() {
    let Some(server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    leader.publish(80).await;
    for _ in 0..8 {
        let state = leader.node.leader().unwrap().state().clone();
        let batch = large(&state, &mut leader.random);
        leader.node.propose(&batch).unwrap().unwrap();
    }
    assert_eq!(leader.settle().await, Turn::Committed);
    let past = Past::of(&leader.node).unwrap();
    let found = all(&mut past.replay(0), 0, u64::MAX, 10_000).await;
    compare(&found, &expected(&leader.batches), "small ones, then large ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_a_stream_that_deletes_its_beginning_begins_with_what_is_kept() {
    let Some(server) = Nats::plain() else { return };
    let settings = Settings { max_bytes: 24_000, ..server.settings() };
    let mut leader = connect_to(&settings, 1).await;
    leader.lead().await;
    let past = Past::of(&leader.node).unwrap();
    past.refresh().await.unwrap();
    assert_eq!(past.oldest(), None, "nothing is published yet");
    leader.publish(6).await;
    past.refresh().await.unwrap();
    let begin = expected(&leader.batches);
    let mut oldest = begin[0].batch.first_offset;
    assert_eq!(past.oldest(), Some(oldest));
    let mut overtaken = past.replay(0);
    compare(&overtaken.read(0, u64::MAX, 0).await.unwrap(), &begin[..1], "the first one");
    let mut advances = 0;
    for _ in 0..30 {
        leader.publish(6).await;
        leader.node.checkpoint().unwrap();
        past.refresh().await.unwrap();
        let now = past.oldest().unwrap();
        assert!(now >= oldest);
        advances += usize::from(now > oldest);
        oldest = now;
    }
    assert!(advances > 1, "{advances}");
    assert!(leader.node.link().bounds().await.unwrap().first > 10);
    past.refresh().await.unwrap();
    let expected = expected(&leader.batches);
    // From the oldest offset on, nothing is missing.
    let oldest = past.oldest().unwrap();
    let kept = expected.iter().position(|stored| stored.from >= oldest).unwrap();
    assert_eq!(expected[kept].from, oldest);
    let found = all(&mut past.replay(oldest), oldest, u64::MAX, 5_000).await;
    compare(&found, &expected[kept..], "what is kept");
    // A replay that was overtaken returns what it had on its way, then shows that something is missing.
    let offset = expected[1].batch.first_offset;
    let found = all(&mut overtaken, offset, u64::MAX, 5_000).await;
    let on_its_way = found.iter().zip(&expected[1..]).take_while(|(one, two)| one == two).count();
    let end = expected[on_its_way].batch.next_offset();
    let found = &found[on_its_way..];
    assert!(found[0].from > end && found.len() >= expected.len() - kept);
    compare(found, &expected[expected.len() - found.len()..], "what is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_entry_that_was_seen_at_a_time_is_found() {
    let Some(server) = Nats::plain() else { return };
    let settings = Settings { max_bytes: 24_000, ..server.settings() };
    let mut leader = connect_to(&settings, 1).await;
    leader.lead().await;
    let start = leader.seen;
    for _ in 0..40 {
        // The clock steps back now and then.
        leader.seen = leader.seen + 500 - leader.random.below(700);
        leader.publish(5).await;
        leader.node.checkpoint().unwrap();
    }
    let mut late = Node::near_end(Link::open(&settings).await.unwrap(), 1).await.unwrap();
    while !late.catch_up().await.unwrap().1 {}
    let kept = {
        let past = Past::of(&late).unwrap();
        past.replay(0).read(0, u64::MAX, 0).await.unwrap()[0].batch.first_offset
    };
    let seen = |batch: &Batch| batch.records[0].seen;
    let mut batches = leader.batches.clone();
    batches.retain(|batch| !batch.records.is_empty());
    let newest = batches.iter().map(seen).max().unwrap();
    for node in [&leader.node, &late] {
        let past = Past::of(node).unwrap();
        assert_eq!(past.first_seen(newest + 1).await.unwrap(), None);
        let oldest = past.first_seen(start - 1_000).await.unwrap().unwrap();
        assert_eq!(oldest, FirstSeen { offset: kept, is_oldest: true });
        let mut found = 0;
        for time in batches.iter().rev().map(seen).step_by(9) {
            let first = batches.iter().find(|batch| seen(batch) >= time).unwrap();
            let expected = FirstSeen { offset: first.first_offset, is_oldest: false };
            if first.first_offset > kept {
                assert_eq!(past.first_seen(time).await.unwrap(), Some(expected), "{time}");
                found += 1;
            }
        }
        assert!(found > 2, "{found}");
    }
}
