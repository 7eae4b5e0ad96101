//! The server of NATS is down for some time: edges keep their clients, and nothing is missing after it.
//!
//! `CERTSTREAM_NATS_DOWN_SECONDS` sets the time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::site::{EDGES, SMALL_RING, Site};
use crate::harness::eventually;
use crate::operations::kills::client::{Client, Transport};
use crate::operations::kills::setting;

/// Entries a second that each log gains, and its size in the end.
const RATE: f64 = 100.0;
const SIZE: u64 = 1_500;
/// Records of all clients before the outage.
const SOME: usize = 100;
/// Seconds of the outage, unless the environment says otherwise.
const DOWN: u64 = 5;
const UNREACHABLE: &str = "the servers of the cluster have not responded";

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_nats_disconnects_no_client_and_loses_nothing() {
    let seconds = setting("CERTSTREAM_NATS_DOWN_SECONDS", DOWN);
    let Some(mut site) = Site::start(RATE, SIZE).await else { return };
    let leader = site.leader(None).await;
    site.clients_have(SOME).await;
    site.nats.kill(0);
    for number in EDGES.into_iter().chain([leader]) {
        eventually("the outage is reported", async || {
            let (_, text) = site.get(number, "/health/deep").await?;
            text.contains(UNREACHABLE).then_some(())
        })
        .await;
        assert_eq!(site.metric(number, "certstream_cluster_connected").await, Some(0));
    }
    let before = site.clients[0].last();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    for edge in EDGES {
        let (status, text) = site.get(edge, "/health/ready").await.expect("a response");
        assert_eq!(status, 200, "{text}");
    }
    assert_eq!(site.clients[0].last(), before, "something was published without NATS");
    // Another node may have read it before the outage.
    let unknown = before.expect("the clients have records") + 1;
    assert_eq!(resumed(&site, unknown).await, 503);
    site.nats.resume(0).expect("NATS starts");
    for number in EDGES.into_iter().chain([leader]) {
        eventually("the end of the outage is reported", async || {
            let (_, text) = site.get(number, "/health/deep").await?;
            (!text.contains(UNREACHABLE)).then_some(())
        })
        .await;
    }
    site.clients_have_everything().await;
    assert_eq!(resumed(&site, u64::MAX - 1).await, 200, "no node has published such an offset");
    for client in &site.clients {
        let connections = client.received.lock().connections;
        assert_eq!(connections, 1, "{:?} was disconnected", client.transport);
    }
    site.finish().await;
}

/// Returns the status of the answer to a client that resumes after this offset.
async fn resumed(site: &Site, since: u64) -> u16 {
    let address = site.node(EDGES[0]).address;
    let request = reqwest::Client::new().get(format!("http://{address}/sse?since={since}"));
    let response = request.timeout(Duration::from_secs(30)).send().await.expect("a response");
    response.status().as_u16()
}

/// Records that a client lags behind.
const LAG: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_replays_during_an_outage_waits_and_holds_up_no_other() {
    let Some(mut site) = Site::start(4.0 * RATE, 300).await else { return };
    site.clients_have_everything().await;
    let records = site.clients[0].received.lock().records.clone();
    let edge = EDGES[1];
    site.kill(edge);
    site.start_node_with(edge, SMALL_RING);
    site.ready(edge).await;
    site.nats.kill(0);
    let disconnected = async || {
        let connected = site.metric(edge, "certstream_cluster_connected").await;
        (connected == Some(0)).then_some(())
    };
    eventually("the outage is noticed", disconnected).await;
    let servers = Arc::new(Mutex::new(vec![site.node(edge).address]));
    let replaying = [Client::start(&servers, Transport::WebSocket, "")];
    let is_connected = |client: &Client| client.received.lock().connections > 0;
    site.all_of(&replaying, "it is connected", is_connected).await;
    let (since, _) = records.iter().nth_back(LAG).expect("there are more");
    let late = [Client::start_after(&servers, Transport::WebSocket, *since)];
    let has = |count| move |client: &Client| client.received.lock().records.len() >= count;
    site.all_of(&late, "the client that lags is served", has(LAG)).await;
    assert_eq!(replaying[0].received.lock().records.len(), 0, "NATS is down");
    site.nats.resume(0).expect("NATS starts");
    site.all_of(&replaying, "the client that replays is served", has(records.len())).await;
    for client in replaying.iter().chain(&late) {
        assert_eq!(client.received.lock().connections, 1);
    }
    assert!(replaying[0].received.lock().records == records);
    assert!(site.metric(edge, "certstream_cluster_replay_reads_total").await > Some(0));
    site.finish().await;
}
