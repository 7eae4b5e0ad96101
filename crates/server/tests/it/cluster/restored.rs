//! The stream is put back to an earlier copy while edges have shown what comes after it.

use std::collections::BTreeMap;

use super::site::{INGEST, Site, entries, losses};
use crate::operations::kills::Entry;
use crate::operations::kills::client::{Client, Transport};

/// Entries that each log gains before the copy, between copy and restore, and after that.
const BEFORE: u64 = 700;
const BETWEEN: u64 = 700;
const AFTER: u64 = 200;
const SIZE: u64 = BEFORE + BETWEEN + AFTER;
/// Records that all clients have when NATS is killed, of those before the copy and of those after it.
const SOME: usize = 200;

/// Runs to the moment at which the stream has lost its end; some clients have what is lost.
async fn lose_the_end(is_leader_killed: bool) -> Option<Site> {
    let mut site = Site::start(0.0, SIZE).await?;
    let backup = tempfile::tempdir().expect("a folder");
    let leader = site.leader(None).await;
    site.grow(BEFORE);
    site.clients_have(SOME).await;
    site.nats.kill(0);
    site.nats.back_up(0, backup.path()).expect("the files are copied");
    site.nats.resume(0).expect("NATS starts");
    site.grow(BETWEEN);
    site.clients_have(2 * BEFORE as usize + SOME).await;
    site.nats.kill(0);
    if is_leader_killed {
        site.kill(leader);
    }
    site.nats.restore(0, backup.path()).expect("the files are copied");
    site.nats.resume(0).expect("NATS starts");
    if is_leader_killed {
        assert_eq!(site.leader(Some(leader)).await, INGEST[1 - leader]);
        site.start_node(leader);
    }
    site.grow(AFTER);
    Some(site)
}

/// Checks that no offset stands for two entries, for all clients and for one that begins now.
async fn check(mut site: Site) -> BTreeMap<u64, Entry> {
    site.clients.push(Client::start(&site.edges, Transport::WebSocket, ""));
    site.clients_have_everything().await;
    let mut all: BTreeMap<u64, Entry> = BTreeMap::new();
    for client in &site.clients {
        let received = client.received.lock();
        assert_eq!(losses(client.transport, &received.wrong), [""; 0]);
        for (offset, entry) in &received.records {
            let known = all.entry(*offset).or_insert_with(|| entry.clone());
            assert_eq!(known, entry, "offset {offset} stands for two entries");
        }
    }
    all
}

/// The leader still has what the stream has lost, and publishes it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_publishes_again_what_a_restored_stream_has_lost() {
    let Some(site) = lose_the_end(false).await else { return };
    let all = check(site).await;
    assert_eq!(all.len() as u64, 2 * SIZE, "each entry has one offset");
}

/// Nobody has it: the logs are read again from the positions of the copy, with new offsets.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_stream_has_lost_with_its_leader_is_read_again() {
    let Some(site) = lose_the_end(true).await else { return };
    let before = site.clients[0].received.lock().records.clone();
    let clients = site.clients.clone();
    let all = check(site).await;
    assert!(before.iter().all(|(offset, entry)| all.get(offset) == Some(entry)));
    let count = entries(&clients[0]).len();
    assert!(all.len() > count, "nothing was read again: {} offsets, {count} entries", all.len());
    println!("{count} entries, {} offsets", all.len());
}
