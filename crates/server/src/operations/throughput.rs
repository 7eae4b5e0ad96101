//! A line a minute with the state of the server: entries a second, clients, and the logs that are behind.

use std::sync::Arc;
use std::time::Duration;

use feed::Hub;
use follow::{Health, LogsView, Snapshot};
use tokio::time::{Instant, MissedTickBehavior};

use crate::metrics::Metrics;
use crate::publish::messages::MessageStream;

/// The time between two lines.
pub(crate) const EVERY: Duration = Duration::from_secs(60);
/// The lag below which a log counts as at its head.
const NEAR: Duration = Duration::from_secs(60);
/// Maximum number of logs named in a line.
const MOST_NAMED: usize = 3;

/// The parts that the line is made from.
#[derive(Debug)]
pub(crate) struct Sources {
    hub: Arc<Hub<MessageStream>>,
    logs: Arc<dyn LogsView>,
    metrics: Arc<Metrics>,
}

impl Sources {
    pub(crate) fn new(
        hub: Arc<Hub<MessageStream>>,
        logs: Arc<dyn LogsView>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { hub, logs, metrics }
    }

    /// Returns the entries read of all logs, duplicates included.
    fn entries(&self) -> u64 {
        self.metrics.certificates_published() + self.metrics.duplicates.get()
    }
}

/// Logs the line for ever, each time after `every`.
pub(crate) async fn log_every(sources: &Sources, every: Duration) {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.tick().await;
    let (mut entries, mut since) = (sources.entries(), Instant::now());
    loop {
        timer.tick().await;
        let (now, at) = (sources.entries(), Instant::now());
        let logs = sources.logs.logs();
        let logs = logs.iter().map(|log| (log.log.name.as_str(), &log.at));
        let clients = sources.hub.stats().readers;
        let text = line(now.saturating_sub(entries), at - since, clients, logs);
        tracing::info!("{text}");
        (entries, since) = (now, at);
    }
}

fn line<'a>(
    entries: u64,
    over: Duration,
    clients: usize,
    logs: impl Iterator<Item = (&'a str, &'a Snapshot)>,
) -> String {
    let rate = entries as f64 / over.as_secs_f64().max(f64::EPSILON);
    let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    let (mut total, mut lag) = (0, Duration::ZERO);
    let mut behind: Vec<(Duration, &str)> = Vec::new();
    for (name, log) in logs {
        total += 1;
        lag = lag.max(log.lag());
        if log.health == Health::Unhealthy || log.lag() >= NEAR {
            behind.push((log.lag(), name));
        }
    }
    behind.sort_by_key(|(lag, name)| (std::cmp::Reverse(*lag), *name));
    let at_head = total - behind.len();
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let clients = counted(clients, "client");
    let mut text = format!(
        "{rate} entries/s, {clients}, {at_head} of {} at the head, largest lag {} s",
        counted(total, "log"),
        lag.as_secs()
    );
    if !behind.is_empty() {
        let named = behind.iter().take(MOST_NAMED).map(|(_, name)| *name);
        text += &format!("; behind or failing: {}", named.collect::<Vec<_>>().join(", "));
        if behind.len() > MOST_NAMED {
            text += &format!(" and {} more", behind.len() - MOST_NAMED);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use follow::{Log, LogStatus, Protocol};

    use super::*;

    fn log(lag_secs: u64, health: Health) -> Snapshot {
        let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
        let fresh = LogStatus::new(log.expect("usable"), Duration::ZERO).snapshot();
        let head_timestamp = 1_700_000_000_000;
        Snapshot {
            health,
            head_timestamp,
            tree_size: 10,
            next_index: Some(if lag_secs > 0 { 5 } else { 10 }),
            last_timestamp: Some(head_timestamp - lag_secs * 1000),
            ..fresh
        }
    }

    #[test]
    fn the_line_has_rate_clients_and_the_logs_that_are_behind() {
        let minute = Duration::from_secs(60);
        let well = [("a", log(0, Health::Healthy)), ("b", log(2, Health::Degraded))];
        assert_eq!(
            line(18_720, minute, 3, well.iter().map(|(name, log)| (*name, log))),
            "312 entries/s, 3 clients, 2 of 2 logs at the head, largest lag 2 s"
        );
        let ill = [
            ("a", log(60, Health::Healthy)),
            ("b", log(0, Health::Unhealthy)),
            ("c", log(900, Health::Healthy)),
            ("d", log(70, Health::Healthy)),
            ("e", log(0, Health::Healthy)),
        ];
        assert_eq!(
            line(30, minute, 1, ill.iter().map(|(name, log)| (*name, log))),
            "0.5 entries/s, 1 client, 1 of 5 logs at the head, largest lag 900 s; behind or failing: \
             c, d, a and 1 more"
        );
    }
}
