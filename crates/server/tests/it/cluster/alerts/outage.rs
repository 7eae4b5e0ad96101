//! NATS is down while alerts are delivered.

use super::{Alerting, Answer, GROWTH, RULES};
use crate::harness::eventually;

/// Alerts that arrive before the outage; then each rule's next attempt fails, so that it is repeated in the
/// outage.
const BEFORE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_nats_loses_no_alert_and_repeats_one_of_each_rule_at_most() {
    let Some((mut alerting, holder)) = Alerting::start(2).await else { return };
    let accepted = [Answer::Status(200, ""); BEFORE];
    let failed = [Answer::Status(503, ""); RULES.len()];
    let hook = alerting.receiver(&[&accepted[..], &failed].concat()).await;
    alerting.site.grow(GROWTH);
    alerting.accepted.reach(&hook, BEFORE).await;
    alerting.site.nats.kill(0);
    alerting.site.node(holder).wait_for_line("the lease could not be renewed");
    eventually("it delivers no longer", async || {
        let running = alerting.site.metric(holder, "certstream_alerts_running").await;
        (running == Some(0)).then_some(())
    })
    .await;
    alerting.accepted.add(&hook);
    // What it cannot note in the bucket arrives again.
    let arrived = alerting.accepted.count();
    assert!(arrived <= BEFORE + RULES.len(), "{arrived} have arrived");
    alerting.site.grow(GROWTH);
    alerting.site.nats.resume(0).expect("NATS starts");
    alerting.finish(&hook, 1).await;
}
