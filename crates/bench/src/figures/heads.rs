//! The times of simulated logs' heads, and the counts of their requests.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::Value;

use crate::figures::record::Received;
use crate::harness::now;
use crate::harness::site::Logs;

/// The heads of logs as they were seen to change, by URL.
#[derive(Debug, Default)]
pub(crate) struct Heads(HashMap<String, Vec<Head>>);

#[derive(Debug, Clone, Copy)]
struct Head {
    /// Microseconds since 1970.
    seen: u64,
    size: u64,
}

impl Heads {
    /// Looks at all logs.
    pub(crate) fn look(&mut self, logs: &Logs) -> anyhow::Result<()> {
        for LogStats { url, size, .. } in log_stats(logs)? {
            let heads = self.0.entry(url).or_default();
            if heads.last().is_none_or(|last| last.size < size) {
                heads.push(Head { seen: now(), size });
            }
        }
        Ok(())
    }

    /// Returns the time at which the first head with this entry was seen, unless it was published
    /// before the watch began.
    pub(crate) fn published(&self, entry: &Received) -> Option<u64> {
        let heads = self.0.get(&entry.log)?;
        let at = heads.partition_point(|head| head.size <= entry.index);
        (at > 0).then(|| heads.get(at)).flatten().map(|head| head.seen)
    }
}

/// The simulator's counts of a log.
#[derive(Debug)]
pub(crate) struct LogStats {
    /// Without a slash at its end.
    pub(crate) url: String,
    pub(crate) size: u64,
    /// Requests for heads.
    pub(crate) head_requests: u64,
    pub(crate) requests: u64,
    pub(crate) faults: u64,
    /// Requests beyond its limit.
    pub(crate) violations: u64,
}

pub(crate) fn log_stats(logs: &Logs) -> anyhow::Result<Vec<LogStats>> {
    let stats = logs.stats()?;
    let logs = stats.get("logs").and_then(Value::as_array).context("stats of no logs")?;
    logs.iter().map(|log| read(log).with_context(|| log.to_string())).collect()
}

fn read(log: &Value) -> Option<LogStats> {
    let number = |name: &str| log.get(name)?.as_u64();
    let requests = log.get("requests")?.as_object()?;
    let asked = |name: &str| requests.get(name).and_then(Value::as_u64).unwrap_or(0);
    Some(LogStats {
        url: log.get("url")?.as_str()?.trim_end_matches('/').to_owned(),
        size: number("size")?,
        head_requests: asked("get-sth") + asked("checkpoint"),
        requests: requests.values().filter_map(Value::as_u64).sum(),
        faults: number("faults")?,
        violations: number("violations")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_published_with_the_first_head_that_covers_it() {
        let head = |seen, size| Head { seen, size };
        let seen = vec![head(1, 10), head(2, 20), head(3, 30)];
        let heads = Heads([("a".to_owned(), seen)].into());
        let published = |log: &str, index| {
            let log = log.to_owned();
            heads.published(&Received {
                at: 0,
                client: 0,
                offset: 0,
                index,
                submitted: 0,
                log,
                domains: vec![],
            })
        };
        assert_eq!(published("a", 9), None, "it was there before the watch");
        assert_eq!(published("a", 10), Some(2));
        assert_eq!(published("a", 20), Some(3));
        assert_eq!(published("a", 30), None);
        assert_eq!(published("b", 15), None);
    }

    #[test]
    fn stats_are_read() {
        let log = serde_json::json!({
            "url": "http://a.example/log/", "size": 7, "faults": 1, "violations": 2,
            "requests": { "get-sth": 3, "get-entries": 4 },
        });
        let stats = read(&log).expect("stats");
        assert_eq!((stats.url.as_str(), stats.size), ("http://a.example/log", 7));
        assert_eq!((stats.head_requests, stats.requests), (3, 7));
        assert_eq!((stats.faults, stats.violations), (1, 2));
    }
}
