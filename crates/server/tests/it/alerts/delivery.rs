//! Receivers that are down, fail and hang, restarts, and another configuration.

use rustix::process::Signal;
use serde_json::Value;

use super::{Accepted, Answer, Hook, RULES, Site, alerts, dead_letters};
use crate::harness::eventually;
use crate::operations::process::free_port;

/// Answers of a receiver that takes nothing at first.
const FAILURES: [Answer; 6] = [
    Answer::Status(500, ""),
    Answer::Close,
    Answer::Status(429, "retry-after: 1\r\n"),
    Answer::Hang,
    Answer::Status(302, "location: http://169.254.169.254/\r\n"),
    Answer::Status(503, "retry-after: soon\r\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_arrives_once_and_in_order_whatever_the_receiver_does() {
    let port = free_port();
    let [ops, down] = [port, free_port()].map(|port| format!("http://127.0.0.1:{port}/hook"));
    let both = [("ops", &*ops), ("down", &*down)];
    let mut site = Site::new(&both, 0.0, None).await;
    site.start();
    site.grow(100);
    site.metric_is("certstream_alerts_total", 2.0).await;
    site.metric_is("certstream_alerts_failures_total{receiver=\"ops\"}", 2.0).await;
    // What waits is saved, or matched again.
    site.kill();
    let hook = Hook::start_at(port, &FAILURES).await;
    site.start();
    site.server().wait_for_line("alerts continue");
    site.grow(100);
    let count = site.reads_all().await;
    assert!(count >= 40, "{count}");
    let mut accepted = Accepted::default();
    accepted.reach(&hook, count).await;
    site.stop();
    accepted.check(&site, 0);
    // A receiver that is down keeps its own alerts only.
    site.start();
    site.metric_is("certstream_alerts_waiting{receiver=\"down\"}", count as f64).await;
    site.grow(100);
    let more = site.reads_all().await;
    assert!(more > count);
    accepted.reach(&hook, more).await;
    site.metric_is("certstream_alerts_waiting{receiver=\"down\"}", more as f64).await;
    accepted.check(&site, 0);
    // Without the receiver, they are dead letters.
    let file = site.file.replace(&alerts(&both), &alerts(&both[..1]));
    std::fs::write(site.server().file(), file).expect("writable");
    site.server().signal(Signal::HUP);
    eventually("they are dead letters", async || {
        (dead_letters(&site.data_dir()).len() == more).then_some(())
    })
    .await;
    assert!(dead_letters(&site.data_dir()).iter().all(|(_, receiver)| receiver == "down"));
    site.stop();
    accepted.add(&hook);
    accepted.check(&site, 0);
}

/// Rules that are removed, and come back with a restart.
#[tokio::test(flavor = "multi_thread")]
async fn what_passed_without_rules_is_not_compared_later() {
    let hook = Hook::start(&[]).await;
    let receivers = [("ops", &*hook.url)];
    let mut site = Site::new(&receivers, 0.0, None).await;
    site.start();
    site.grow(100);
    site.metric_is("certstream_alerts_arrived_total{receiver=\"ops\"}", 10.0).await;
    let file = site.file.replace(&alerts(&receivers), "");
    std::fs::write(site.server().file(), file).expect("writable");
    site.server().signal(Signal::HUP);
    site.server().wait_for_line("configuration reloaded");
    let begin = site.sim.logs()[0].size();
    site.grow(100);
    let end = site.sim.logs()[0].size();
    eventually("the position is saved without rules", async || {
        let state = std::fs::read(site.data_dir().join("alerts/state.json")).ok()?;
        let state: Value = serde_json::from_slice(&state).ok()?;
        (state["entries"].as_u64() == Some(end)).then_some(())
    })
    .await;
    site.kill();
    site.start();
    site.grow(100);
    site.metric_is("certstream_alerts_arrived_total{receiver=\"ops\"}", 10.0).await;
    site.stop();
    let mut accepted = Accepted::default();
    accepted.add(&hook);
    for (rule, _) in RULES {
        let (first, _) = accepted.of_rule(rule);
        let passed = first.iter().filter(|(_, index)| (begin..end).contains(index));
        assert_eq!(passed.count(), 0, "{rule}");
        assert!(first.iter().any(|(_, index)| *index >= end), "{rule}");
    }
}
