//! `kill -9` of the node that delivers: while alerts wait for a receiver that is down, and while it delivers.
//!
//! `CERTSTREAM_KILLS` sets the number of kills.

use std::time::Instant;

use super::{Alerting, Answer, GROWTH};
use crate::operations::kills::{random, setting};

/// Kills, unless the environment sets another number.
const KILLS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn another_node_delivers_what_waited_and_what_is_published_meanwhile() {
    let kills = setting("CERTSTREAM_KILLS", KILLS).max(1);
    let growths = kills as u64 + 1;
    let Some((mut alerting, mut holder)) = Alerting::start(growths).await else { return };
    alerting.let_wait().await;
    let answers: Vec<Answer> = (0..100_000)
        .map(|number| match number % 80 {
            3 => Answer::Status(500, ""),
            30 => Answer::Close,
            57 => Answer::Hang,
            _ => Answer::Status(200, ""),
        })
        .collect();
    let mut hook = None;
    for kill in 0..kills {
        if let Some(hook) = &hook {
            // In the middle of the deliveries.
            let more = usize::try_from(random(GROWTH / 10)).expect("few") + 1;
            let before = alerting.accepted.count();
            alerting.accepted.reach(hook, before + more).await;
        }
        let killed = Instant::now();
        alerting.site.kill(holder);
        alerting.site.grow(GROWTH);
        if hook.is_none() {
            hook = Some(alerting.receiver(&answers).await);
        }
        let next = alerting.holder(None).await;
        println!("kill {kill}: node {next} delivers {:?} after node {holder}", killed.elapsed());
        alerting.site.start_node(holder);
        holder = next;
    }
    let hook = hook.expect("there is a kill");
    alerting.finish(&hook, kills).await;
}
