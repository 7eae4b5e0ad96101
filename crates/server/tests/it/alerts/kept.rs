//! Alerts that wait for a receiver that is down, and cannot or must not wait any longer.

use std::fmt::Write as _;
use std::fs;

use super::{Accepted, Hook, RULES, Site, dead_letters};
use crate::harness::eventually;
use crate::operations::process::free_port;

/// Receivers, each with its share of the alerts that may wait.
const RECEIVERS: usize = 100;
const HELD: &str = "certstream_alerts_held";

impl Site {
    async fn metrics(&self) -> Option<String> {
        let url = format!("http://{}/metrics", self.server().address);
        reqwest::get(&url).await.ok()?.text().await.ok()
    }

    async fn metric(&self, name: &str) -> u64 {
        let metrics = self.metrics().await.expect("the server answers");
        let line = metrics.lines().find(|line| line.starts_with(name)).expect("the metric");
        let value: Option<f64> = line.rsplit(' ').next().and_then(|value| value.parse().ok());
        value.expect("a number") as u64
    }

    /// Waits until the server has compared everything in the log.
    async fn reads_to_the_end_of_the_log(&self) {
        let size = self.sim.logs()[0].size();
        self.metric_is("certstream_log_next_index", size as f64).await;
    }
}

/// The file of dead letters cannot be written, because there is a folder in its place.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_can_neither_wait_nor_be_kept_is_sent_later() {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/hook");
    let mut site = Site::new(&[("ops", &url)], 0.0, None).await;
    site.file = site.file.replace("max_per_hour: 10000", "max_per_hour: 10000, deliver: [ops]");
    for number in 1..RECEIVERS {
        let receiver =
            format!("  - {{name: r{number}, type: webhook, url: 'https://a.example'}}\n");
        site.file.write_str(&receiver).expect("a text");
    }
    let letters = site.data_dir().join("alerts/dead_letters.jsonl");
    fs::create_dir_all(&letters).expect("writable");
    site.start();
    site.grow(1_000);
    site.metric_is(HELD, 1.0).await;
    site.server().wait_for_line("certificates are not compared with the rules for alerts");
    // It is held again after a crash.
    site.kill();
    site.start();
    site.metric_is(HELD, 1.0).await;
    let count = site.reads_all().await;
    site.metric_is(HELD, 1.0).await;
    let hook = Hook::start_at(port, &[]).await;
    let mut accepted = Accepted::default();
    accepted.reach(&hook, count).await;
    site.stop();
    accepted.add(&hook);
    for (rule, part) in RULES {
        let expected = site.expected(part);
        assert!(expected.len() > 10_000 / RECEIVERS, "{rule}: {}", expected.len());
        let (first, repeated) = accepted.of_rule(rule);
        let first: Vec<u64> = first.iter().map(|(_, index)| *index).collect();
        assert_eq!(first, expected, "{rule}");
        // Those that were held may be alerts again with their final certificates.
        assert!(repeated <= 3, "{rule}: {repeated} arrived again");
    }
}

/// After a restart, nothing could be sent without the certificates.
#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_dead_letters_before_the_journal_deletes_their_certificates() {
    /// Bytes from which on another segment of 1 MiB is too much.
    const NEARLY_FULL: u64 = 3 << 20;
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/hook");
    let mut site = Site::new(&[("ops", &url)], 0.0, None).await;
    site.file.insert_str(0, "journal: {max_bytes: 4MiB, segment_bytes: 1MiB}\n");
    site.start();
    while site.metric("certstream_journal_size_bytes").await <= NEARLY_FULL {
        site.grow(100);
        site.reads_to_the_end_of_the_log().await;
    }
    eventually("the oldest are dead letters", async || {
        (!dead_letters(&site.data_dir()).is_empty()).then_some(())
    })
    .await;
    let letters = fs::read_to_string(site.data_dir().join("alerts/dead_letters.jsonl"));
    let reason = "the journal is about to delete the certificate; the last failure: ";
    assert!(letters.expect("dead letters").lines().all(|line| line.contains(reason)));
    eventually("all are compared", async || {
        (site.metric("certstream_alerts_behind").await == 0).then_some(())
    })
    .await;
    let total = site.metric("certstream_alerts_total").await as usize;
    site.kill();
    let hook = Hook::start_at(port, &[]).await;
    site.start();
    let mut accepted = Accepted::default();
    eventually("each has arrived or is kept", async || {
        accepted.add(&hook);
        (accepted.count() + dead_letters(&site.data_dir()).len() >= total).then_some(())
    })
    .await;
    site.stop();
    let kept = dead_letters(&site.data_dir()).len();
    assert!(kept < total, "only the oldest are kept");
    // One of each rule may have been kept just before the kill, and arrive too.
    let ends = accepted.count() + kept;
    assert!((total..=total + RULES.len()).contains(&ends), "{ends} of {total}");
}
