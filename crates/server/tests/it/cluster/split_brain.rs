//! A node that leads is stopped until another leads, and continues.

use rustix::process::Signal;

use super::site::{INGEST, Site};
use crate::harness::eventually;

/// Entries a second that each log gains, and its size in the end.
const RATE: f64 = 200.0;
const SIZE: u64 = 2_000;
/// Records of all clients before and after.
const SOME: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_steps_down_and_publishes_nothing() {
    let Some(site) = Site::start(RATE, SIZE).await else { return };
    let old = site.leader(None).await;
    site.clients_have(SOME).await;
    site.node(old).signal(Signal::STOP);
    let new = site.leader(Some(old)).await;
    assert_eq!(new, INGEST[1 - old]);
    let term = site.term(new).await;
    site.clients_get(SOME).await;
    site.node(old).signal(Signal::CONT);
    eventually("the old leader steps down", async || {
        let leads = site.metric(old, "certstream_cluster_leader").await?;
        let depositions = site.metric(old, "certstream_cluster_depositions_total").await?;
        (leads == 0 && depositions == 1).then_some(())
    })
    .await;
    site.node(old).wait_for_line("another node leads");
    site.clients_get(SOME).await;
    // It reads on, and the term is still the other one's.
    eventually("the old leader reads what the new one publishes", async || {
        let of_new = site.metric(new, "certstream_cluster_position").await?;
        let position = site.metric(old, "certstream_cluster_position").await?;
        (position >= of_new).then_some(())
    })
    .await;
    assert_eq!((site.term(old).await, site.term(new).await), (term, term));
    assert_eq!(site.metric(new, "certstream_cluster_leader").await, Some(1));
    assert_eq!(site.metric(new, "certstream_cluster_messages_void_total").await, Some(0));
    site.finish().await;
}
