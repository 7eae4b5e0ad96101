//! The server of NATS is down for some time: edges keep their clients, and nothing is missing after it.
//!
//! `CERTSTREAM_NATS_DOWN_SECONDS` sets the time.

use std::time::Duration;

use super::site::{EDGES, Site};
use crate::harness::eventually;
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
    site.nats.resume(0).expect("NATS starts");
    for number in EDGES.into_iter().chain([leader]) {
        eventually("the end of the outage is reported", async || {
            let (_, text) = site.get(number, "/health/deep").await?;
            (!text.contains(UNREACHABLE)).then_some(())
        })
        .await;
    }
    site.clients_have_everything().await;
    for client in &site.clients {
        let connections = client.received.lock().connections;
        assert_eq!(connections, 1, "{:?} was disconnected", client.transport);
    }
    site.finish().await;
}
