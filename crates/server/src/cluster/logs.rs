//! The status of all logs on a node of a cluster: of its own followers while it leads, and otherwise as
//! the leader has reported it.

use std::sync::Arc;
use std::time::Duration;

use follow::catalogue::ListStatus;
use follow::{
    Fleet, HeldBytes, HostSnapshot, IssuersView, LogView, LogsSnapshot, LogsView, Reason,
};
use parking_lot::RwLock;
use tokio::time::Instant;

/// Age of the newest report after which it counts as missing. The leader reports every few seconds.
const LATE: Duration = Duration::from_secs(15);
/// The reason before the first report.
const NEVER: &str = "no node of the cluster has reported the status of its logs yet";

/// The status of all logs, as it is known to this node.
#[derive(Debug, Default)]
pub(crate) struct ClusterLogs(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The followers, and the time from which on this node leads.
    leading: Option<(Arc<Fleet>, Instant)>,
    newest: Option<Report>,
}

#[derive(Debug, Clone)]
struct Report {
    logs: Arc<LogsSnapshot>,
    received: Instant,
}

impl Report {
    fn new(logs: LogsSnapshot) -> Self {
        Self { logs: Arc::new(logs), received: Instant::now() }
    }

    /// Returns the reason that readers see: that of the leader, unless it has ceased to report.
    fn reason(&self) -> Option<Reason> {
        let age = Instant::now() - self.received;
        if age <= LATE {
            return self.logs.reason();
        }
        let seconds = age.as_secs();
        Some(Reason(format!(
            "no node of the cluster has reported the status of its logs for {seconds} s"
        )))
    }
}

/// The source of the status at one moment.
enum Source {
    Own(Arc<Fleet>),
    Reported(Report),
    Nothing,
}

impl ClusterLogs {
    /// Shows the followers of this node, which leads from now on.
    pub(crate) fn lead(&self, fleet: Arc<Fleet>) {
        self.0.write().leading = Some((fleet, Instant::now()));
    }

    /// Shows what the leader reports, because this node leads no more. The last status of its own logs
    /// is shown until there is a report.
    pub(crate) fn follow(&self) {
        let mut known = self.0.write();
        let Some((fleet, since)) = known.leading.take() else { return };
        if known.newest.as_ref().is_none_or(|report| report.received < since) {
            known.newest = Some(Report::new(LogsSnapshot::take(&*fleet)));
        }
    }

    /// Notes a report.
    pub(crate) fn update(&self, logs: LogsSnapshot) {
        self.0.write().newest = Some(Report::new(logs));
    }

    /// Reads a value where it is known at the moment.
    fn read<T: Default>(&self, read: impl FnOnce(&dyn LogsView) -> T) -> T {
        match self.source() {
            Source::Own(fleet) => read(&*fleet),
            Source::Reported(report) => read(&*report.logs),
            Source::Nothing => T::default(),
        }
    }

    fn source(&self) -> Source {
        let known = self.0.read();
        match (&known.leading, &known.newest) {
            (Some((fleet, _)), _) => Source::Own(Arc::clone(fleet)),
            (None, Some(report)) => Source::Reported(report.clone()),
            (None, None) => Source::Nothing,
        }
    }
}

impl LogsView for ClusterLogs {
    fn logs(&self) -> Vec<LogView> {
        self.read(|logs| logs.logs())
    }

    fn count(&self) -> usize {
        self.read(|logs| logs.count())
    }

    fn hosts(&self) -> Vec<HostSnapshot> {
        self.read(|logs| logs.hosts())
    }

    fn lists(&self) -> Vec<ListStatus> {
        self.read(|logs| logs.lists())
    }

    fn reason(&self) -> Option<Reason> {
        match self.source() {
            Source::Own(fleet) => LogsView::reason(&*fleet),
            Source::Reported(report) => report.reason(),
            Source::Nothing => Some(Reason(NEVER.to_owned())),
        }
    }

    fn held_bytes(&self) -> HeldBytes {
        self.read(|logs| logs.held_bytes())
    }

    fn issuers(&self) -> IssuersView {
        self.read(|logs| logs.issuers())
    }
}

#[cfg(test)]
mod tests {
    use follow::{Client, FleetOptions, FollowOptions, Log, Page, Protocol};
    use tokio::sync::mpsc;

    use super::*;

    /// Starts followers of logs with these names, at a port where nothing listens.
    fn fleet(names: &[&str]) -> (Arc<Fleet>, mpsc::Receiver<Page>) {
        let log = |name: &&str| {
            let url = format!("http://127.0.0.1:9/{name}");
            Log::configured(Protocol::Rfc6962, name, &url, None, None).expect("a log")
        };
        let options = FleetOptions {
            follow: FollowOptions::default(),
            configured: names.iter().map(log).collect(),
            catalogue: None,
            saved: Default::default(),
        };
        let client = Client::new("server-tests/1", Duration::from_secs(1)).expect("a client");
        let (sender, pages) = mpsc::channel(8);
        (Fleet::start(Arc::new(client), options, sender), pages)
    }

    /// Returns a report as it arrives from another node.
    fn reported(fleet: &Fleet) -> LogsSnapshot {
        let bytes = LogsSnapshot::take(fleet).encode().expect("it is written");
        LogsSnapshot::decode(&bytes).expect("it is read")
    }

    fn names(view: &ClusterLogs) -> Vec<String> {
        assert_eq!(view.count(), view.logs().len());
        view.logs().iter().map(|log| log.log.name.clone()).collect()
    }

    fn reason(view: &ClusterLogs) -> String {
        view.reason().map(|reason| reason.0).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_shows_its_own_logs_while_it_leads_and_reported_ones_otherwise() {
        let view = Arc::new(ClusterLogs::default());
        let readers = Arc::clone(&view) as Arc<dyn LogsView>;
        assert_eq!((names(&view), reason(&view).as_str()), (Vec::new(), NEVER));
        assert!(readers.hosts().is_empty() && readers.lists().is_empty());
        let [(other, _other_pages), (own, _own_pages)] = [fleet(&["a", "b"]), fleet(&["c"])];

        view.update(reported(&other));
        assert_eq!(names(&view), ["a", "b"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        view.lead(Arc::clone(&own));
        assert_eq!(names(&view), ["c"]);
        view.update(reported(&other));
        assert_eq!(names(&view), ["c"], "a report of its own logs comes back later");
        view.follow();
        assert_eq!(names(&view), ["a", "b"], "that was received while it led");
        view.follow();
        assert_eq!(names(&view), ["a", "b"]);
        assert_eq!(readers.count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_leads_no_more_shows_its_last_status_until_there_is_a_report() {
        let view = ClusterLogs::default();
        let [(other, _other_pages), (own, _own_pages)] = [fleet(&["a"]), fleet(&["c"])];
        view.update(reported(&other));
        tokio::time::advance(Duration::from_secs(3600)).await;
        view.lead(Arc::clone(&own));
        assert_eq!(view.reason(), LogsView::reason(&*own), "it is not that of the old report");
        own.stop().await;
        view.follow();
        assert_eq!(Arc::strong_count(&own), 1, "the followers are released");
        assert_eq!(names(&view), ["c"]);
        assert_eq!(view.reason(), LogsView::reason(&*own));
        view.update(reported(&other));
        assert_eq!(names(&view), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_that_is_late_is_the_reason_and_its_logs_are_still_shown() {
        let view = ClusterLogs::default();
        let (other, _pages) = fleet(&["a"]);
        view.update(reported(&other));
        tokio::time::advance(LATE).await;
        assert_eq!(view.reason(), LogsView::reason(&*other));
        tokio::time::advance(Duration::from_secs(2)).await;
        let expected = "no node of the cluster has reported the status of its logs for 17 s";
        assert_eq!((reason(&view).as_str(), names(&view)), (expected, vec!["a".to_owned()]));
        view.update(reported(&other));
        assert_eq!(view.reason(), LogsView::reason(&*other));
    }
}
