//! An edge whose memory is empty sends clients what the stream keeps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::site::{EDGES, Site};
use crate::harness::PATIENCE;
use crate::operations::kills::client::{Client, Transport};

/// Entries a second that each log gains, and its size in the end.
const RATE: f64 = 400.0;
const SIZE: u64 = 1_200;

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_has_just_begun_replays_the_stream() {
    let Some(mut site) = Site::start(RATE, SIZE).await else { return };
    site.clients_have_everything().await;
    let edge = EDGES[1];
    site.kill(edge);
    site.start_node(edge);
    site.ready(edge).await;
    let servers = Arc::new(Mutex::new(vec![site.node(edge).address]));
    let clients = [Transport::WebSocket, Transport::Events]
        .map(|transport| Client::start(&servers, transport, ""));
    let expected = site.clients[0].received.lock().records.clone();
    for client in &clients {
        let deadline = Instant::now() + PATIENCE;
        while client.received.lock().records.len() < expected.len() {
            assert!(Instant::now() < deadline, "{:?}", client.received.lock().records.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let received = client.received.lock();
        assert!(received.records == expected, "{:?} differs", client.transport);
        assert_eq!(received.wrong, [""; 0], "{:?}", client.transport);
        assert_eq!(received.connections, 1, "{:?}", client.transport);
    }
    site.finish().await;
}
