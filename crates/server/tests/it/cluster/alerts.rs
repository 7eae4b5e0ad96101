//! Alerts of a cluster: one node at a time delivers them, whatever happens to it and to NATS.

mod handover;
mod kills;
mod outage;
mod split_brain;

use std::net::SocketAddr;

use ctsim::Named;
use relay::{Bucket, Link, Settings};
use serde_json::{Value, json};

use super::site::{EDGES, INGEST, Site};
use crate::alerts::published::{first_of_each, matching};
use crate::alerts::receiver::{Answer, Hook};
use crate::alerts::{Accepted, DOMAIN, RULES, alerts};
use crate::harness::eventually;
use crate::operations::kills::Entry;
use crate::operations::process::free_port;

/// Entries that each log gains at a time, and one in so many has a certificate to report.
const GROWTH: u64 = 100;
const EVERY: u64 = 4;

const LOST: &str = "certstream_alerts_lost_total{receiver=\"ops\"}";

/// A cluster whose nodes all have the same rules and the same receiver, which is down at first.
struct Alerting {
    site: Site,
    bucket: Bucket,
    /// The port of the receiver.
    port: u16,
    accepted: Accepted,
}

/// The state of alerts in the bucket.
#[derive(Debug, PartialEq, Eq)]
struct Saved {
    /// The node that wrote it.
    holder: String,
    /// The offset up to which the stream was compared with the rules.
    next: u64,
    waiting: usize,
}

impl Alerting {
    /// Starts a cluster whose logs grow so many times. Returns it with the node that delivers; `None` if
    /// NATS cannot be installed: the test is then skipped.
    async fn start(growths: u64) -> Option<(Self, usize)> {
        let port = free_port();
        let settings = alerts(&[("ops", &format!("http://127.0.0.1:{port}/hook"))]);
        let named = Named { domain: DOMAIN.to_owned(), every: EVERY };
        let site = Site::start_with(0.0, growths * GROWTH, Some(named), &settings).await?;
        let bucket = bucket(&site).await;
        let alerting = Self { site, bucket, port, accepted: Accepted::default() };
        let holder = alerting.holder(None).await;
        alerting.check_lists(holder).await;
        Some((alerting, holder))
    }

    /// Starts the receiver, which accepts everything after these answers.
    async fn receiver(&self, answers: &[Answer]) -> Hook {
        Hook::start_at(self.port, answers).await
    }

    /// Waits until a node delivers, but not `except`; returns its number.
    async fn holder(&self, except: Option<usize>) -> usize {
        eventually("a node delivers", async || {
            let nodes = INGEST.into_iter().chain(EDGES);
            for number in nodes.filter(|number| Some(*number) != except) {
                if self.site.metric(number, "certstream_alerts_running").await == Some(1) {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// Checks that all other nodes report that they do not deliver, and have no alerts.
    async fn check_lists(&self, holder: usize) {
        for number in INGEST.into_iter().chain(EDGES) {
            let (status, text) = self.site.get(number, "/api/alerts").await.expect("an answer");
            assert_eq!(status, 200, "{text}");
            let listed: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(listed["is_running"], number == holder, "node {number}: {text}");
            assert_eq!(listed["rules"].as_array().map(Vec::len), Some(RULES.len()), "{text}");
            if number != holder {
                assert_eq!(listed["alerts"], json!([]), "node {number}");
            }
        }
    }

    /// Returns the address of an edge that runs, but not that of `except`.
    fn edge(&self, except: Option<usize>) -> SocketAddr {
        let edge = EDGES.into_iter().find(|number| Some(*number) != except);
        self.site.node(edge.expect("there are two")).address
    }

    /// Waits until the logs' first growths are published; returns the entries that alerts are about.
    async fn published(&self, growths: u64, except: Option<usize>) -> Vec<Entry> {
        let count = usize::try_from(2 * growths * GROWTH).expect("few");
        first_of_each(&matching(self.edge(except), count).await)
    }

    /// Returns the state in the bucket, once there is one.
    async fn saved(&self) -> Saved {
        eventually("the state is in the bucket", async || {
            let (_, value) = self.bucket.get("alerts").await.ok()??;
            let value: Value = serde_json::from_slice(&value).expect("JSON");
            let cursor = &value["cursor"];
            let waiting = cursor["waiting"].as_array().expect("routes").iter();
            let waiting = waiting.map(|route| route[2].as_array().map_or(0, Vec::len)).sum();
            let holder = value["holder"].as_str().expect("a node").to_owned();
            Some(Saved { holder, next: cursor["next"].as_u64().expect("an offset"), waiting })
        })
        .await
    }

    /// Waits until so many alerts wait in the bucket.
    async fn waiting(&self, count: usize) {
        eventually(&format!("{count} alerts wait in the bucket"), async || {
            (self.saved().await.waiting == count).then_some(())
        })
        .await;
    }

    /// Lets the logs grow while the receiver is down, until all alerts wait in the bucket.
    async fn let_wait(&self) {
        self.site.grow(GROWTH);
        let expected = self.published(1, None).await;
        assert!(expected.len() >= 20, "{}", expected.len());
        self.waiting(RULES.len() * expected.len()).await;
    }

    /// Waits until everything is published, and each alert has arrived; checks that they arrived in order,
    /// and that at most `repeats` of each rule arrived again.
    async fn finish(mut self, hook: &Hook, repeats: usize) {
        let expected = first_of_each(&matching(self.edge(None), self.site.records()).await);
        self.accepted.reach(hook, RULES.len() * expected.len()).await;
        self.waiting(0).await;
        self.accepted.add(hook);
        self.accepted.check_entries(&expected, repeats);
        for number in INGEST.into_iter().chain(EDGES) {
            for name in ["certstream_alerts_missed_total", LOST] {
                assert_eq!(self.site.metric(number, name).await, Some(0), "node {number}: {name}");
            }
        }
        self.site.finish().await;
    }
}

async fn bucket(site: &Site) -> Bucket {
    let settings = Settings::new(vec![site.nats.urls()], "CTLOG");
    let link = Link::open(&settings).await.expect("NATS is there");
    Bucket::open(&link, &settings).await.expect("the bucket exists")
}
