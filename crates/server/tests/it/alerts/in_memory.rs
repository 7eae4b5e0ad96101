//! A server without `data_dir`: alerts come from the live stream, and nothing of them outlives it.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::published::{Matching, first_of_each, matching};
use super::{Accepted, Hook, RULES, Site};
use crate::operations::process::free_port;

/// Entries that a log gains at a time: precertificates and their final certificates.
const GROWTH: u64 = 200;

impl Site {
    /// Waits until the server is at the end of the log.
    async fn reads_to_the_end(&self) {
        let size = self.sim.logs()[0].size();
        self.metric_is("certstream_log_next_index", size as f64).await;
    }

    /// Waits until the server has published one growth of the log, the first thing that it publishes.
    /// Returns the entries that match the rules.
    async fn publishes(&self) -> Vec<Matching> {
        self.reads_to_the_end().await;
        matching(self.server().address, usize::try_from(GROWTH).expect("few")).await
    }

    /// Waits until all alerts about these entries have arrived; returns their number for each rule.
    async fn reports(&self, matching: &[Matching]) -> usize {
        let count = first_of_each(matching).len();
        assert!(count >= 10, "{count}");
        let name = "certstream_alerts_arrived_total{receiver=\"ops\"}";
        self.metric_is(name, (RULES.len() * count) as f64).await;
        count
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.server().address);
        let answer = reqwest::get(url).await.expect("the server answers");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    async fn listed(&self) -> Value {
        let (status, text) = self.get("/api/alerts?limit=1000").await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_of_what_is_published_while_the_server_runs() {
    let hook = Hook::start(&[]).await;
    let mut site = Site::in_memory(&[("ops", &hook.url)]).await;
    for _ in 0..2 {
        // In the log before the server starts; the second time, since it has stopped.
        site.grow(GROWTH);
        site.start();
        site.server().wait_for_line(
            "alerts without data_dir are kept in memory: a restart loses those that have not arrived, \
             and reports nothing that was published meanwhile",
        );
        site.reads_to_the_end().await;
        assert_eq!(site.get("/health").await, (200, "OK".to_owned()));
        let listed = site.listed().await;
        assert_eq!((&listed["is_running"], &listed["alerts"]), (&true.into(), &json!([])));

        site.grow(GROWTH);
        let matching = site.publishes().await;
        let count = site.reports(&matching).await;
        assert!(count < matching.len(), "no precertificate has its final certificate");
        let listed = site.listed().await;
        let alerts = listed["alerts"].as_array().expect("alerts");
        assert_eq!(alerts.len(), RULES.len() * count);
        assert!(alerts.iter().all(|alert| alert["receivers"] == json!({"ops": "arrived"})));
        let (status, deep) = site.get("/health/deep").await;
        assert_eq!(status, 200, "{deep}");
        site.stop();
        let mut accepted = Accepted::default();
        accepted.add(&hook);
        accepted.check_entries(&first_of_each(&matching), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_that_have_not_arrived_at_a_stop_are_lost_with_a_warning() {
    let port = free_port();
    let mut site = Site::in_memory(&[("ops", &format!("http://127.0.0.1:{port}/hook"))]).await;
    site.grow(1);
    site.start();
    site.reads_to_the_end().await;
    site.grow(GROWTH);
    let waiting = RULES.len() * first_of_each(&site.publishes().await).len();
    site.metric_is("certstream_alerts_waiting{receiver=\"ops\"}", waiting as f64).await;
    site.server().signal(Signal::TERM);
    let lost = "alerts have not arrived and are lost, without data_dir";
    let line = site.server().wait_for_line(lost);
    assert!(line.contains(&format!("waiting={waiting}")), "{line}");
    site.stop();

    let hook = Hook::start_at(port, &[]).await;
    site.start();
    site.reads_to_the_end().await;
    site.grow(GROWTH);
    let matching = site.publishes().await;
    site.reports(&matching).await;
    site.stop();
    let mut accepted = Accepted::default();
    accepted.add(&hook);
    accepted.check_entries(&first_of_each(&matching), 0);
}

/// After the restart, the server does not know which precertificates it has reported.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_from_saved_positions_is_reported_under_the_keys_of_before() {
    let hook = Hook::start(&[]).await;
    let mut site = Site::in_memory(&[("ops", &hook.url)]).await;
    let state = site.folder.path().join("state.json");
    let saved = format!("start: head, state_file: {state:?}, resume_overlap_secs: 0");
    site.file = site.file.replace("start: head", &saved);
    site.grow(1);
    site.start();
    site.reads_to_the_end().await;
    site.grow(GROWTH);
    let mut all = site.publishes().await;
    let mut alerts = site.reports(&all).await;
    site.stop();
    site.grow(GROWTH);
    site.start();
    let later = site.publishes().await;
    alerts += site.reports(&later).await;
    site.stop();
    all.extend(later);
    let expected = first_of_each(&all);
    assert!(alerts > expected.len(), "no certificate is reported again");
    let mut accepted = Accepted::default();
    accepted.add(&hook);
    accepted.check_entries(&expected, alerts - expected.len());
}
