//! The node that delivers is stopped in an orderly way: another one continues, and nothing arrives again.

use std::time::Instant;

use super::{Alerting, Answer, GROWTH};

/// Answers of the receiver while the second node delivers, which is stopped meanwhile.
const ANSWERS: [Answer; 6] = [
    Answer::Status(200, ""),
    Answer::Status(200, ""),
    Answer::Status(200, ""),
    Answer::Status(200, ""),
    Answer::Status(503, ""),
    Answer::Status(503, ""),
];

impl Alerting {
    /// Stops a node; returns the one that delivers then. It has the lease because this one has given it up.
    async fn hand_over(&mut self, number: usize) -> usize {
        let lease = async |alerting: &Self| {
            let lease = alerting.bucket.get("outputs").await.expect("NATS responds");
            lease.expect("a node has taken it").1
        };
        let before = lease(self).await;
        let (stopping, stopped) = (self.site.take(number), Instant::now());
        tokio::task::spawn_blocking(move || stopping.stop()).await.expect("it ends well");
        assert_ne!(lease(self).await, before, "it is not given up");
        let next = self.holder(None).await;
        println!("node {next} delivers {:?} after node {number}", stopped.elapsed());
        self.site.start_node(number);
        next
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_gives_up_the_lease_and_nothing_arrives_again() {
    let Some((mut alerting, first)) = Alerting::start(3).await else { return };
    alerting.let_wait().await;
    let second = alerting.hand_over(first).await;
    let hook = alerting.receiver(&ANSWERS).await;
    alerting.site.grow(GROWTH);
    alerting.accepted.reach(&hook, 4).await;
    alerting.hand_over(second).await;
    alerting.site.grow(GROWTH);
    alerting.finish(&hook, 0).await;
}
