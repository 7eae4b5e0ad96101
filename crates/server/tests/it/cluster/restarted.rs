//! An edge is killed and started again while many clients are connected to it: they continue where they
//! were, from its memory.

use std::sync::Arc;

use parking_lot::Mutex;

use super::site::{EDGES, Site, losses};
use crate::operations::kills::client::{Client, Transport};

const CLIENTS: usize = 60;
/// Entries of each log before the kill, until the edge is started again, and after that.
const BEFORE: u64 = 150;
const MEANWHILE: u64 = 150;
const AFTER: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_was_killed_serves_its_clients_from_memory_again() {
    let Some(mut site) = Site::start(0.0, BEFORE + MEANWHILE + AFTER).await else { return };
    let edge = EDGES[1];
    let servers = Arc::new(Mutex::new(vec![site.node(edge).address]));
    let start = |number| {
        let transport = [Transport::WebSocket, Transport::Events][number % 2];
        Client::start(&servers, transport, "")
    };
    let clients: Vec<_> = (0..CLIENTS).map(start).collect();
    let has = |count| move |client: &Client| client.received.lock().records.len() >= count;
    site.grow(BEFORE);
    let before = 2 * BEFORE as usize;
    site.all_of(&clients, "all clients of the edge have the first records", has(before)).await;
    site.kill(edge);
    site.grow(MEANWHILE);
    site.clients_have(before + 2 * MEANWHILE as usize).await;
    site.start_node(edge);
    *servers.lock() = vec![site.node(edge).address];
    site.grow(AFTER);
    site.clients_have_everything().await;
    let expected = site.clients[0].received.lock().records.clone();
    site.all_of(&clients, "they have everything", has(expected.len())).await;
    for client in &clients {
        let received = client.received.lock();
        assert!(received.records == expected, "{:?} differs", client.transport);
        assert_eq!(losses(client.transport, &received.wrong), [""; 0]);
        assert_eq!(received.connections, 2, "{:?}", client.transport);
    }
    let reads = site.metric(edge, "certstream_cluster_replay_reads_total").await;
    assert_eq!(reads, Some(0), "the stream was read for clients");
    site.finish().await;
}
