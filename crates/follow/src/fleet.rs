//! Who is followed: logs named by hand and the logs of the list, each with its own follower.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::breaker::Backoff;
use crate::catalogue::{Catalogue, CatalogueOptions};
use crate::client::Client;
use crate::entry::Page;
use crate::follower::{FollowOptions, Follower};
use crate::issuers::IssuerStore;
use crate::log::Log;
use crate::position::State;
use crate::source::AnySource;
use crate::status::{LogStatus, add};

/// Waits between attempts to get the log list while there is none or it failed.
const LIST_BACKOFF: Backoff =
    Backoff { initial: Duration::from_secs(5), max: Duration::from_secs(300) };

/// The pause before a follower that panicked starts again.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// What to follow and how.
#[derive(Debug)]
pub struct FleetOptions {
    /// How each log is followed.
    pub follow: FollowOptions,
    /// Logs followed whether or not a list can be had.
    pub by_hand: Vec<Log>,
    /// The log list; `None` to follow only the logs named by hand.
    pub catalogue: Option<CatalogueOptions>,
    /// Saved positions; logs that are not followed keep theirs.
    pub saved: State,
}

/// Why no log is followed, or not as many as could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(pub String);

/// All followers.
#[derive(Debug)]
pub struct Fleet {
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
    follow: FollowOptions,
    /// `None` once stopped: the receiver then sees the end.
    pages: Mutex<Option<mpsc::Sender<Page>>>,
    saved: State,
    logs: Mutex<BTreeMap<String, Followed>>,
    reason: Mutex<Option<Reason>>,
    tasks: Mutex<JoinSet<()>>,
}

/// A log that is or was followed; its position is kept either way.
#[derive(Debug, Clone)]
struct Followed {
    status: Arc<LogStatus>,
    by_hand: bool,
    running: Arc<AtomicBool>,
}

impl Followed {
    fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }
}

/// The saved position of a log: by its URL, or by its id where the log has moved.
fn saved_position(saved: &State, log: &Log) -> Option<u64> {
    let by_id = || {
        let id = log.id?.to_string();
        saved.logs.values().find(|position| position.log_id.as_deref() == Some(&id))
    };
    saved.logs.get(&log.url).or_else(by_id).map(|position| position.current_index)
}

impl Fleet {
    /// Starts a follower for each log named by hand at once, and for each of the list as soon as
    /// there is one. Must be called within a Tokio runtime.
    #[must_use]
    pub fn start(
        client: Arc<Client>,
        options: FleetOptions,
        pages: mpsc::Sender<Page>,
    ) -> Arc<Self> {
        let no_list = "no log list is configured and no log is named by hand";
        let waiting = "the log list has not been fetched yet";
        let reason = if options.catalogue.is_some() { waiting } else { no_list };
        let fleet = Arc::new(Self {
            client: Arc::clone(&client),
            issuers: Arc::default(),
            follow: options.follow,
            pages: Mutex::new(Some(pages)),
            saved: options.saved,
            logs: Mutex::default(),
            reason: Mutex::new(Some(Reason(reason.to_owned()))),
            tasks: Mutex::default(),
        });
        for log in options.by_hand {
            fleet.follow(log, true);
        }
        if let Some(catalogue) = options.catalogue {
            let refresher = Arc::clone(&fleet).refresh(Catalogue::new(catalogue, client));
            fleet.tasks.lock().spawn(refresher);
        }
        fleet
    }

    /// The followed logs, by URL.
    #[must_use]
    pub fn logs(&self) -> Vec<Arc<LogStatus>> {
        let logs = self.logs.lock();
        let running = logs.values().filter(|followed| followed.is_running());
        running.map(|followed| Arc::clone(&followed.status)).collect()
    }

    /// Why no log is followed or the list is not fresh; `None` when all is well.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason.lock().clone()
    }

    /// The issuers met so far.
    #[must_use]
    pub fn issuers(&self) -> &IssuerStore {
        &self.issuers
    }

    /// What to save: every log's position as it stood the resume overlap ago, and those of logs
    /// which are not followed at present. `last_offset` is the newest offset published since the
    /// start.
    #[must_use]
    pub fn state(&self, last_offset: Option<u64>) -> State {
        let mut state = self.saved.clone();
        state.last_offset = last_offset.unwrap_or(state.last_offset);
        for Followed { status, .. } in self.logs.lock().values() {
            let Some(current_index) = status.resume_position() else { continue };
            let snapshot = status.snapshot();
            let position = state.logs.entry(status.log.url.clone()).or_default();
            position.current_index = current_index;
            position.tree_size = position.tree_size.max(snapshot.tree_size);
            if let Some(last_success) = snapshot.last_success {
                position.last_success = last_success.try_into().unwrap_or(i64::MAX);
            }
            position.log_id = status.log.id.map(|id| id.to_string());
        }
        state
    }

    /// Stops every follower where it stands; the receiver of pages gets those sent and then sees
    /// the end.
    pub async fn stop(&self) {
        drop(self.pages.lock().take());
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.shutdown().await;
    }

    /// Starts a follower unless the log has one. A log that had one goes on where that one stopped.
    fn follow(self: &Arc<Self>, log: Log, by_hand: bool) {
        let Some(pages) = self.pages.lock().clone() else { return };
        let mut logs = self.logs.lock();
        let same = |followed: &Followed| {
            followed.status.log.url == log.url
                || (log.id.is_some() && followed.status.log.id == log.id)
        };
        let earlier = logs.values().find(|followed| same(followed)).cloned();
        if earlier.as_ref().is_some_and(|followed| followed.is_running()) {
            return;
        }
        let stopped_at = earlier.and_then(|followed| followed.status.snapshot().next_index);
        let resume = stopped_at.or_else(|| saved_position(&self.saved, &log));
        tracing::info!(log = log.name, url = log.url, protocol = %log.protocol, resume, "following");
        let url = log.url.clone();
        let status = Arc::new(LogStatus::new(log, self.follow.resume_overlap));
        let running = Arc::new(AtomicBool::new(true));
        let run = Arc::clone(self).run(Arc::clone(&status), pages, resume, Arc::clone(&running));
        logs.insert(url, Followed { status, by_hand, running });
        drop(logs);
        self.set_reason(None);
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(run);
    }

    /// Runs a log's follower to its end. A defect of this program must not lose the log: the
    /// follower is started again where it stood.
    async fn run(
        self: Arc<Self>,
        status: Arc<LogStatus>,
        pages: mpsc::Sender<Page>,
        mut resume: Option<u64>,
        running: Arc<AtomicBool>,
    ) {
        loop {
            let (client, issuers) = (Arc::clone(&self.client), Arc::clone(&self.issuers));
            let source = AnySource::new(Arc::clone(&status), client, issuers, &self.follow);
            let options = self.follow.clone();
            let follower =
                Follower::new(source, Arc::clone(&status), options, pages.clone(), resume);
            if AssertUnwindSafe(follower.run()).catch_unwind().await.is_ok() {
                break;
            }
            add(&status.counters.panics, 1);
            tracing::error!(log = status.log.name, "the follower panicked, it starts again");
            resume = status.snapshot().next_index.or(resume);
            tokio::time::sleep(AFTER_PANIC).await;
        }
        running.store(false, Ordering::Relaxed);
    }

    /// Follows the logs the list names and lets those that left it drain.
    fn apply(self: &Arc<Self>, listed: Vec<Log>) {
        let urls: HashSet<&str> = listed.iter().map(|log| log.url.as_str()).collect();
        for followed in self.logs.lock().values().filter(|followed| !followed.by_hand) {
            let retired = !urls.contains(followed.status.log.url.as_str());
            if retired && followed.is_running() {
                let log = &followed.status.log.name;
                tracing::info!(log, "log is not in the list any more, draining it");
            }
            followed.status.set_retired(retired);
        }
        for log in listed {
            self.follow(log, false);
        }
    }

    async fn refresh(self: Arc<Self>, mut catalogue: Catalogue) {
        let mut failures = 0;
        loop {
            let wait = match catalogue.fetch().await {
                Ok(logs) => {
                    failures = 0;
                    tracing::info!(
                        url = catalogue.options().url,
                        logs = logs.len(),
                        "log list read"
                    );
                    let none = logs.is_empty().then(|| {
                        Reason(
                            "the log list names no log of the wanted states and protocols".into(),
                        )
                    });
                    self.apply(logs);
                    self.set_reason(none.filter(|_| self.logs.lock().is_empty()));
                    catalogue.options().refresh
                }
                Err(error) => {
                    failures += 1;
                    let wait = LIST_BACKOFF.wait(failures, u64::from(failures) * 331);
                    tracing::warn!(%error, retry_in_secs = wait.as_secs(), "log list cannot be had");
                    self.set_reason(Some(Reason(format!(
                        "{error}; trying again in {} s",
                        wait.as_secs().max(1)
                    ))));
                    wait
                }
            };
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn set_reason(&self, reason: Option<Reason>) {
        *self.reason.lock() = reason;
    }
}
