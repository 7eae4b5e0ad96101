//! Alerts of a server to receivers that fail in every way, over restarts and kills.

mod accepted;
mod delivery;
mod in_memory;
mod kept;
mod kills;
pub(crate) mod published;
#[allow(clippy::unwrap_used, reason = "a file of another crate's tests")]
#[path = "../../../alerts/tests/it/receiver.rs"]
pub(crate) mod receiver;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cert::{Certificate, Dialect};
use journal::storage::Disk;
use journal::{Directory, Item, System};
use serde_json::Value;

pub(crate) use self::accepted::Accepted;
use self::receiver::{Answer, Hook};
use crate::harness::{eventually, logs};
use crate::program::Process;

/// The domain that the rules are about.
pub(crate) const DOMAIN: &str = "brand.example";
/// The rules: name, and a part of the names that match.
pub(crate) const RULES: [(&str, &str); 2] = [("brand", DOMAIN), ("text", "www.brand")];

/// A log with certificates for the domain, and a server with rules and receivers.
struct Site {
    sim: ctsim::Sim,
    folder: tempfile::TempDir,
    file: String,
    server: Option<Process>,
}

impl Site {
    /// Describes a server whose receivers are at these URLs. The log grows by `rate` up to a size, or as
    /// the test says.
    async fn new(receivers: &[(&str, &str)], rate: f64, max_size: Option<u64>) -> Self {
        let sim = logs(ctsim::Config {
            rfc6962: 1,
            static_ct: 0,
            rate,
            initial_size: 0,
            max_size,
            publish_interval: Duration::from_millis(50),
            named: Some(ctsim::Named { domain: DOMAIN.to_owned(), every: 5 }),
            ..ctsim::Config::default()
        })
        .await;
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key.pem");
        std::fs::write(&key, sim.list_key_pem()).expect("writable");
        let data_dir = folder.path().join("data");
        let file = format!(
            "data_dir: {data_dir:?}\nprotocols: {{api: true}}\n\
             ct_log: {{log_list_url: {:?}, log_list_key_file: {key:?}, start: zero, \
             poll_interval_ms: 50, retry_initial_delay_ms: 50}}\n{}",
            sim.list_url(),
            alerts(receivers)
        );
        Self { sim, folder, file, server: None }
    }

    /// Describes a server that keeps nothing and begins at the end of the log.
    async fn in_memory(receivers: &[(&str, &str)]) -> Self {
        let mut site = Self::new(receivers, 0.0, None).await;
        let data_dir = format!("data_dir: {:?}\n", site.data_dir());
        site.file = site.file.replace(&data_dir, "").replace("start: zero", "start: head");
        site
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn start(&mut self) {
        self.server = Some(Process::start(&self.file, &[], &[]));
    }

    fn server(&self) -> &Process {
        self.server.as_ref().expect("it runs")
    }

    /// Kills the server.
    fn kill(&mut self) {
        drop(self.server.take());
    }

    fn stop(&mut self) {
        self.server.take().expect("it runs").stop();
    }

    fn grow(&self, entries: u64) {
        self.sim.logs()[0].grow(entries).expect("it grows");
    }

    /// Waits until a metric has at least this value.
    async fn metric_is(&self, name: &str, least: f64) {
        let url = format!("http://{}/metrics", self.server().address);
        eventually(name, async || {
            let text = reqwest::get(&url).await.ok()?.text().await.ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            let value: f64 = line.rsplit(' ').next()?.parse().ok()?;
            (value >= least).then_some(())
        })
        .await;
    }

    /// Waits until the server has read the log, and starts it again; returns the number of alerts.
    async fn reads_all(&mut self) -> usize {
        let size = self.sim.logs()[0].size();
        self.metric_is("certstream_log_next_index", size as f64).await;
        // A running journal does not show its end.
        self.stop();
        assert_eq!(self.records().len() as u64, size);
        let count = RULES.iter().map(|(_, part)| self.expected(part).len()).sum();
        self.start();
        count
    }

    /// Returns the published certificates with their indexes.
    fn records(&self) -> Vec<(u64, Bytes)> {
        let directory = Directory::open(Arc::new(Disk), &System::new(), &self.data_dir());
        let mut contents = directory.expect("a journal").contents(0).expect("readable");
        let mut records = Vec::new();
        while let Some(item) = contents.next_item().expect("readable") {
            if let Item::Batch(stored) = item {
                let batch = stored.batch.records.into_iter();
                records.extend(batch.map(|record| (record.index, record.certificate)));
            }
        }
        records
    }

    /// Returns the indexes of the entries that a rule is to report, in the order of the stream.
    fn expected(&self, part: &str) -> Vec<u64> {
        let (mut indexes, mut known) = (Vec::new(), HashSet::new());
        for (index, der) in self.records() {
            let certificate = Certificate::read(&der);
            let mut names = certificate.all_domains(Dialect::Calidog);
            let is_match = names.any(|name| name.contains(part));
            let identity = (certificate.issuer.der().to_vec(), certificate.serial.to_vec());
            if is_match && known.insert(identity) {
                indexes.push(index);
            }
        }
        indexes
    }
}

/// Returns the settings of alerts.
pub(crate) fn alerts(receivers: &[(&str, &str)]) -> String {
    let rules = RULES.map(|(name, part)| {
        let condition = if part == DOMAIN { "domain" } else { "match" };
        format!("  - {{name: {name}, {condition}: {part}, max_per_hour: 10000}}\n")
    });
    let receivers = receivers.iter().map(|(name, url)| {
        format!(
            "  - {{name: {name}, type: webhook, url: '{url}', \
             allow_private_addresses: true, timeout_secs: 1}}\n"
        )
    });
    let (rules, receivers) = (rules.concat(), receivers.collect::<String>());
    format!("alerts:\n  link: https://ct.example.org/\n  rules:\n{rules}  receivers:\n{receivers}")
}

impl Accepted {
    /// Checks that each rule's alerts have arrived for the first time in the order of the stream, each
    /// again at most `repeats` times altogether.
    fn check(&self, site: &Site, repeats: usize) {
        for (rule, part) in RULES {
            let (first, repeated) = self.of_rule(rule);
            let first: Vec<u64> = first.iter().map(|(_, index)| *index).collect();
            assert_eq!(first, site.expected(part), "{rule}");
            assert!(repeated <= repeats, "{rule}: {repeated} arrived again");
        }
    }
}

/// Returns the dead letters in a data directory: rule and receiver of each.
fn dead_letters(data_dir: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(data_dir.join("alerts/dead_letters.jsonl"));
    let letters = text.unwrap_or_default();
    let letter = |line: &str| {
        let letter: Value = serde_json::from_str(line).expect("JSON");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&letter["alert"]["rule"]), text(&letter["receiver"]))
    };
    letters.lines().map(letter).collect()
}
