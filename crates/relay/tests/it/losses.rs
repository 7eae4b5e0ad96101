//! Streams that lose their end after readers have shown it: an earlier copy of the server's files takes
//! the place of the present ones.

use std::collections::BTreeMap;

use record::{Record, State};
use relay::Turn;
use tempfile::TempDir;

use crate::nats::Nats;
use crate::shown::{Shown, connect};

/// Entries that are shown before they are lost, at least.
const LOST: usize = 10;

/// A stream whose end two readers have shown, and a copy of the files without that end.
struct Scene {
    server: Nats,
    leader: Shown,
    edges: [Shown; 2],
    backup: TempDir,
    /// Offsets below this are in the copy.
    kept: u64,
}

impl Scene {
    async fn prepare() -> Option<Self> {
        let mut server = Nats::plain()?;
        let mut leader = connect(server.address, 1).await;
        let mut edges = [connect(server.address, 2).await, connect(server.address, 3).await];
        leader.lead().await;
        leader.publish(4).await;
        leader.node.checkpoint().unwrap();
        leader.publish(4).await;
        let kept = leader.state().next_offset();
        server.kill();
        let backup = server.back_up();
        server.resume();
        while leader.records.range(kept..).count() < LOST {
            leader.publish(4).await;
            leader.seen += 1_000;
        }
        for edge in &mut edges {
            edge.catch_up().await;
            assert_eq!(edge.records, leader.records);
        }
        Some(Self { server, leader, edges, backup, kept })
    }

    /// Puts the copy in the place of the files.
    fn lose_the_end(&mut self) {
        self.server.kill();
        self.server.restore(&self.backup);
        self.server.resume();
    }

    /// Checks what all have shown, with a reader that knows only what is stored now.
    async fn check(&mut self, next: Option<&Shown>) {
        let mut late = connect(self.server.address, 9).await;
        late.catch_up().await;
        for edge in &mut self.edges {
            edge.catch_up().await;
            assert_eq!(edge.state(), late.state());
        }
        let [one, two] = &self.edges;
        let everybody = [&self.leader, one, two, &late];
        observe(everybody.into_iter().chain(next));
        let stored: Vec<_> = late.records.values().collect();
        for (log, end) in positions(late.state()) {
            for index in 0..end {
                let times = stored.iter().filter(|entry| ***entry == (log, index)).count();
                assert_eq!(times, 1, "entry {index} of log {log} is stored {times} times");
            }
        }
        // Each reader has shown all that is stored, whatever else it has shown.
        for edge in &self.edges {
            let missing =
                late.records.iter().find(|(at, entry)| edge.records.get(at) != Some(entry));
            assert_eq!(missing, None);
        }
    }
}

/// Checks that no offset stands for two records, in all that nodes have shown.
fn observe<'a>(nodes: impl Iterator<Item = &'a Shown>) {
    let mut shown: BTreeMap<u64, &Record> = BTreeMap::new();
    for batch in nodes.flat_map(|node| &node.batches) {
        for (offset, record) in (batch.first_offset..).zip(&batch.records) {
            let known = *shown.entry(offset).or_insert(record);
            assert_eq!(known, record, "offset {offset} stands for two records");
        }
    }
}

fn positions(state: &State) -> Vec<(u32, u64)> {
    let next = |log: &record::LogState| log.position.as_ref().map_or(0, |position| position.next);
    state.logs().map(|(number, log)| (number.0, next(log))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_has_everything_publishes_it_again_under_the_same_offsets() {
    let Some(mut scene) = Scene::prepare().await else { return };
    let before = scene.leader.records.clone();
    scene.lose_the_end();
    scene.leader.publish(2).await;
    scene.check(None).await;
    for edge in &scene.edges {
        assert_eq!(edge.state().term(), 1, "no other term was needed");
        assert!(before.iter().all(|(offset, entry)| edge.records.get(offset) == Some(entry)));
        assert!(edge.records.len() >= before.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_leader_reads_everything_again_under_larger_offsets() {
    let Some(mut scene) = Scene::prepare().await else { return };
    let before = scene.leader.records.clone();
    scene.lose_the_end();
    let mut next = connect(scene.server.address, 4).await;
    next.seen = scene.leader.seen + 60_000;
    next.lead().await;
    next.publish(16).await;
    // The old leader still has what is lost, and cannot publish it any more.
    scene.leader.propose(1);
    assert_eq!(scene.leader.settle().await, Turn::Deposed);
    assert_eq!(scene.leader.state(), next.state());
    scene.check(Some(&next)).await;
    let last = *before.last_key_value().unwrap().0;
    for edge in &scene.edges {
        assert_eq!(edge.node.counts().rewinds, 1);
        // What it has shown stays shown, and what was lost comes again after it.
        assert!(before.iter().all(|(offset, entry)| edge.records.get(offset) == Some(entry)));
        let again = edge.records.range(last + 1..).map(|(_, entry)| entry);
        let lost = before.range(scene.kept..).map(|(_, entry)| entry);
        let first: Vec<_> = lost.take(2).collect();
        let again: Vec<_> = again.collect();
        assert!(first.iter().all(|entry| again.contains(entry)), "{first:?}, {again:?}");
    }
    assert!(*next.records.range(scene.kept..).next().unwrap().0 > last);
}

/// The new leader is a reader each time: its clock has not gone on by as much as offsets jump.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leads_gives_no_offset_that_it_has_shown() {
    let Some(mut scene) = Scene::prepare().await else { return };
    for round in 0..3 {
        scene.lose_the_end();
        let [one, two] = &mut scene.edges;
        let [next, other] = if round % 2 == 0 { [one, two] } else { [two, one] };
        next.seen += 60_000 * (round + 1);
        next.lead().await;
        next.publish(6).await;
        other.catch_up().await;
        scene.check(None).await;
    }
}
