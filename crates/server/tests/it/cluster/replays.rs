//! An edge sends clients what the stream keeps and its memory does not have.

use std::sync::Arc;

use parking_lot::Mutex;

use super::site::{EDGES, SMALL_RING, Site};
use crate::operations::kills::client::{Client, Transport};

/// Entries a second that each log gains, and its size in the end.
const RATE: f64 = 400.0;
const SIZE: u64 = 1_200;
const CLIENTS: usize = 8;
/// Most reads of the stream for all clients together. One client needs about 20 of 128 KiB.
const MOST_READS: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn clients_at_the_same_place_share_what_an_edge_reads_of_the_stream() {
    let Some(mut site) = Site::start(RATE, SIZE).await else { return };
    site.clients_have_everything().await;
    let edge = EDGES[1];
    site.kill(edge);
    site.start_node_with(edge, SMALL_RING);
    site.ready(edge).await;
    let servers = Arc::new(Mutex::new(vec![site.node(edge).address]));
    let start = |number| {
        let transport = [Transport::WebSocket, Transport::Events][number % 2];
        Client::start(&servers, transport, "")
    };
    let clients: Vec<_> = (0..CLIENTS).map(start).collect();
    let expected = site.clients[0].received.lock().records.clone();
    let has_all = |client: &Client| client.received.lock().records.len() >= expected.len();
    site.all_of(&clients, "the clients of the edge have everything", has_all).await;
    for client in &clients {
        let received = client.received.lock();
        assert!(received.records == expected, "{:?} differs", client.transport);
        assert_eq!(received.wrong, [""; 0], "{:?}", client.transport);
        assert_eq!(received.connections, 1, "{:?}", client.transport);
    }
    let reads = site.metric(edge, "certstream_cluster_replay_reads_total").await;
    println!("{reads:?} reads of the stream for {CLIENTS} clients");
    assert!(reads.is_some_and(|reads| (1..=MOST_READS).contains(&reads)), "{reads:?} reads");
    site.finish().await;
}
