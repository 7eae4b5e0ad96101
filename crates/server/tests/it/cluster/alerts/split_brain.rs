//! The node that delivers is stopped until another one does, and continues.

use rustix::process::Signal;

use super::{Alerting, GROWTH, RULES};
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_stopped_delivers_no_more_and_overwrites_nothing() {
    let Some((mut alerting, old)) = Alerting::start(3).await else { return };
    alerting.let_wait().await;
    // Between two attempts, so that the next ones are due when it continues.
    alerting.site.node(old).signal(Signal::STOP);
    let new = alerting.holder(Some(old)).await;
    let hook = alerting.receiver(&[]).await;
    alerting.site.grow(GROWTH);
    let expected = alerting.published(2, Some(old)).await;
    alerting.accepted.reach(&hook, RULES.len() * expected.len()).await;
    alerting.waiting(0).await;
    let before = alerting.saved().await;

    alerting.site.node(old).signal(Signal::CONT);
    alerting.site.node(old).wait_for_line("this node runs the outputs of the cluster no longer");
    eventually("it delivers no longer", async || {
        let running = alerting.site.metric(old, "certstream_alerts_running").await;
        (running == Some(0)).then_some(())
    })
    .await;
    assert_eq!(alerting.holder(None).await, new);
    let after = alerting.saved().await;
    assert_eq!((after.holder, after.waiting), (before.holder, 0));
    assert!(after.next >= before.next, "{} after {}", after.next, before.next);
    alerting.site.grow(GROWTH);
    alerting.finish(&hook, 1).await;
}
