//! A large journal, which a server fills from simulated logs. It is kept for other runs with as many
//! entries or fewer.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::fs::{Advice, fadvise};
use serde_json::{Value, json};

use super::{data_dir, delete, filled, wait_for_indexes};
use crate::harness::now;
use crate::harness::site::{LogGroup, Logs, Server};

/// After a start, before its memory is measured.
pub(in crate::cases) const SETTLE: Duration = Duration::from_secs(15);
/// Logs that fill the journal, and those that are followed later.
const LOGS: usize = 4;
/// The seed of those that fill it.
const SEED: &str = "--seed=18";
/// Entries of each log that is followed later.
const FOLLOWED: u64 = 2_000;
/// Entries a second that each log gains while the journal is filled, more than are read. Entries that a log
/// has from its start repeat after some time, which those of a journal do not.
const GROWTH: f64 = 50_000.0;
/// More than any run fills, so that nothing is deleted.
const MAX_BYTES: &str = "68719476736";
/// The next index that is looked up: far from the last, and not in order.
const STEP: u64 = 1_000_003;
/// The description of a journal that was filled.
const DESCRIPTION: &str = "filled.json";

/// Certificates among those of the first log, at equal distances: their number, the beginning of the
/// first label, and the domain.
const PLANTED: [(u64, &str, &str); 2] = [(199, "host", DOMAIN), (20, "shop", "rarelyissued.net")];
/// A domain that few certificates have.
pub(in crate::cases) const DOMAIN: &str = "example.com";

/// A journal with so many entries of each of these logs.
pub(in crate::cases) struct Filled {
    pub(in crate::cases) path: String,
    logs: Vec<String>,
    each: u64,
}

impl Filled {
    /// Returns a journal that is there and large enough, or fills one.
    pub(in crate::cases) fn provide(entries: u64) -> anyhow::Result<Self> {
        let dir = data_dir("large")?;
        let description = dir.join(DESCRIPTION);
        if let Ok(text) = std::fs::read_to_string(&description) {
            let said: Value = serde_json::from_str(&text)?;
            let each = said["each"].as_u64().context("no number of entries")?;
            let ids = said["logs"].as_array().context("no logs")?;
            if each >= entries / LOGS as u64 {
                let logs = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                return Ok(Self { path: dir.display().to_string(), logs, each });
            }
        }
        delete(&dir)?;
        let each = entries / LOGS as u64;
        let filled = Self::fill(&dir, each)?;
        let said = json!({ "each": each, "logs": filled.logs });
        std::fs::write(description, said.to_string())?;
        Ok(filled)
    }

    fn fill(dir: &Path, each: u64) -> anyhow::Result<Self> {
        let mut arguments = planted(each)?;
        arguments.extend([SEED.to_owned(), format!("--max-size={each}")]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let logs = Logs::start_with(&group(1, GROWTH * LOGS as f64), &arguments)?;
        let mut journal = Self { path: dir.display().to_string(), logs: Vec::new(), each };
        let server = filled(&logs, each * LOGS as u64, &journal.settings())?;
        wait_for_indexes(&server)?;
        journal.logs = ids(&server)?;
        server.stop()?;
        Ok(journal)
    }

    /// Returns the settings of a server with this journal.
    pub(in crate::cases) fn settings(&self) -> [(&str, &str); 3] {
        [
            ("data_dir", self.path.as_str()),
            ("protocols.api", "true"),
            ("journal.max_bytes", MAX_BYTES),
        ]
    }

    /// Returns the path of an entry.
    pub(super) fn entry(&self, number: u64) -> String {
        let log = usize::try_from(number).unwrap_or(0) % self.logs.len().max(1);
        let log = self.logs.get(log).map_or("", String::as_str);
        format!("api/entry/{log}/{}", number.wrapping_mul(STEP) % self.each.max(1))
    }
}

/// Starts logs that a server with the journal follows, which gain so many entries a second together. They
/// are others each time, so that the journal has nothing of them.
pub(in crate::cases) fn live_logs(rate: f64) -> anyhow::Result<Logs> {
    let seed = format!("--seed={}", now());
    Logs::start_with(&group(FOLLOWED, rate), &[&seed])
}

fn group(each: u64, rate: f64) -> LogGroup {
    LogGroup {
        rfc6962: LOGS / 2,
        static_ct: LOGS / 2,
        initial_size: each,
        rate: rate / LOGS as f64,
        publish_interval: Duration::from_millis(200),
    }
}

/// Returns the arguments of the simulator for the certificates that are planted.
fn planted(each: u64) -> anyhow::Result<Vec<String>> {
    let mut arguments = Vec::new();
    for (count, label, domain) in PLANTED {
        let distance = each / (count + 1);
        ensure!(distance > 0, "a journal needs {} entries at least", (count + 1) * LOGS as u64);
        let plant = |n| format!("--plant={}={label}{n}.{domain}", (n + 1) * distance);
        arguments.extend((0..count).map(plant));
    }
    Ok(arguments)
}

/// Returns the ids of all logs, as paths write them.
fn ids(server: &Server) -> anyhow::Result<Vec<String>> {
    let listed: Value = serde_json::from_str(&server.get("api/logs")?)?;
    let listed = listed["logs"].as_array().context("no logs")?;
    let ids = listed.iter().filter_map(|log| log["log_id"].as_str());
    Ok(ids.map(|id| id.replace('+', "-").replace('/', "_").replace('=', "")).collect())
}

/// Takes all files of a directory, and of those in it, out of the system's memory.
pub(in crate::cases) fn forget(dir: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            let file = File::open(&path)?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
