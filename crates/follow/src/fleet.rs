//! The followed logs: configured ones and those of the lists, each with its own follower.

pub(crate) mod backfill;
mod change;
mod lists;
mod saved;

use std::collections::BTreeMap;
use std::sync::Arc;

use ctclient::{AnySource, Client, HostSnapshot, IssuerStore, Log, ReadOptions, Source};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use supervise::Supervisor;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use self::saved::{imported_position, saved_position, update};
use crate::catalogue::{CatalogueOptions, ListStatus};
use crate::follower::Follower;
use crate::options::{FirstPosition, FollowOptions, Verification};
use crate::page::{Notice, Page};
use crate::position::{Position, SavedTree, State};
use crate::queue::Pages;
use crate::saves::Saves;
use crate::status::LogStatus;
use crate::status::counters::add;
use crate::status::listing::Listing;
use crate::status::resume::Resume;

const NO_LIST: &str = "neither a log list nor a log is configured";
const WAITING: &str = "the log list has not been fetched yet";

/// The logs to follow, and the options.
#[derive(Debug)]
pub struct FleetOptions {
    /// Options of each follower.
    pub follow: FollowOptions,
    /// Configured logs, which are followed whether or not a list is available.
    pub configured: Vec<Log>,
    /// The log list; `None` to follow configured logs only.
    pub catalogue: Option<CatalogueOptions>,
    /// Saved positions; logs that are not followed keep theirs.
    pub saved: State,
}

/// The reason why no log is followed, or the lists are not up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason(pub String);

/// All followers.
#[derive(Debug)]
pub struct Fleet {
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
    follow: FollowOptions,
    /// `None` once stopped: the receiver then sees the end.
    pages: Mutex<Option<Pages>>,
    saved: Mutex<State>,
    /// By URL.
    logs: Mutex<BTreeMap<String, Followed>>,
    /// Logs that are not followed any more, of which pages may still wait for the publisher.
    given_up: Mutex<Vec<Arc<LogStatus>>>,
    saves: Option<Saves>,
    lists: Mutex<Vec<ListStatus>>,
    /// The lists to follow, for the task that fetches them.
    catalogue: watch::Sender<Option<CatalogueOptions>>,
    reason: Mutex<Option<Reason>>,
    tasks: Mutex<JoinSet<()>>,
    supervisor: Supervisor,
}

/// A log that is or was followed; its position is kept in both cases.
#[derive(Debug, Clone)]
struct Followed {
    status: Arc<LogStatus>,
    client: Arc<Client>,
    is_configured: bool,
    /// `None` after the follower has ended.
    running: Option<AbortHandle>,
}

impl Followed {
    /// Reports whether the log has left the list, and may publish more before the next save. After a
    /// restart that is not read again.
    fn is_draining(&self) -> bool {
        let runs = self.running.as_ref().is_some_and(|running| !running.is_finished());
        self.status.is_retired() && (runs || self.status.has_unpublished())
    }

    fn is(&self, log: &Log) -> bool {
        let id = self.status.log.id;
        self.status.log.url == log.url || (id.is_some() && id == log.id)
    }
}

/// Removes the logs that have no page on its way any more. Their entries may not be read again after a
/// restart.
fn forget_published(given_up: &mut Vec<Arc<LogStatus>>, saved: &mut State) {
    given_up.retain_mut(|status| {
        // Each page on its way has a reference to its log.
        let published = Arc::get_mut(status).is_some();
        if published {
            let newest = status.newest_offset();
            saved.resent_from = saved.resent_from.map(|from| from.max(newest));
        }
        !published
    });
}

impl Fleet {
    /// Starts a follower for each configured log at once, and for each log of the list as soon as there
    /// is one. Must be called within a Tokio runtime.
    #[must_use]
    pub fn start(
        client: Arc<Client>,
        options: FleetOptions,
        pages: mpsc::Sender<Page>,
    ) -> Arc<Self> {
        Self::start_under(Supervisor::default(), client, options, pages)
    }

    /// Starts the same with its tasks under a supervisor. Must be called within a Tokio runtime.
    #[must_use]
    pub fn start_under(
        supervisor: Supervisor,
        client: Arc<Client>,
        options: FleetOptions,
        pages: mpsc::Sender<Page>,
    ) -> Arc<Self> {
        let reason = if options.catalogue.is_some() { WAITING } else { NO_LIST };
        let follow = options.follow;
        let saves = (follow.first_position == FirstPosition::Saved).then(Saves::default);
        let pages = Pages::new(pages).keeping_first(follow.first_position, saves.clone());
        let fleet = Arc::new(Self {
            client,
            issuers: Arc::default(),
            follow,
            pages: Mutex::new(Some(pages)),
            saved: Mutex::new(options.saved),
            logs: Mutex::default(),
            given_up: Mutex::default(),
            saves,
            lists: Mutex::default(),
            catalogue: watch::Sender::new(options.catalogue),
            reason: Mutex::new(Some(Reason(reason.to_owned()))),
            tasks: Mutex::default(),
            supervisor,
        });
        for log in options.configured {
            fleet.follow(log, None);
        }
        let keeper = Arc::clone(&fleet);
        fleet.tasks.lock().spawn(async move {
            let keep = || Arc::clone(&keeper).keep_lists(keeper.catalogue.subscribe());
            keeper.supervisor.run("log_list", keep).await;
        });
        fleet
    }

    /// Returns the supervisor of the fleet's tasks, under which others may run theirs.
    #[must_use]
    pub const fn tasks(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Returns the followed logs, by URL.
    #[must_use]
    pub fn logs(&self) -> Vec<Arc<LogStatus>> {
        let logs = self.logs.lock();
        let running = logs.values().filter(|followed| followed.running.is_some());
        running.map(|followed| Arc::clone(&followed.status)).collect()
    }

    /// Returns the followed logs and their HTTP clients, by URL.
    pub(crate) fn clients(&self) -> Vec<(Arc<LogStatus>, Arc<Client>)> {
        let logs = self.logs.lock();
        let running = logs.values().filter(|followed| followed.running.is_some());
        running.map(|log| (Arc::clone(&log.status), Arc::clone(&log.client))).collect()
    }

    /// Returns the pace of each host, by host.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostSnapshot> {
        self.client.hosts()
    }

    /// Returns how logs ask for their first position to be saved; `None` where they do not, because
    /// [`FollowOptions::first_position`] is not [`FirstPosition::Saved`].
    #[must_use]
    pub const fn saves(&self) -> Option<&Saves> {
        self.saves.as_ref()
    }

    /// Returns the state of each log list, the signed one first; none if no list is configured.
    #[must_use]
    pub fn lists(&self) -> Vec<ListStatus> {
        self.lists.lock().clone()
    }

    /// Returns the bytes in memory: of responses and pages, and the part in pages that wait for the
    /// publisher.
    #[must_use]
    pub fn held_bytes(&self) -> (usize, usize) {
        let waiting = self.pages.lock().as_ref().map_or(0, Pages::waiting);
        (self.client.body_bytes(), waiting)
    }

    /// Returns why no log is followed or the list is not fresh; `None` if neither is the case.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason.lock().clone()
    }

    /// Returns the issuers seen so far.
    #[must_use]
    pub fn issuers(&self) -> &IssuerStore {
        &self.issuers
    }

    /// Returns the state to save: every log's position as it was the resume overlap ago, and those of
    /// logs which are not followed at present. `last_offset` is the newest offset published since the
    /// start.
    ///
    /// With the positions goes [`State::resent_from`]. Each log's position was published together
    /// with an offset that all entries below it are up to, so what has a larger offset than those of
    /// all logs is above its log's position, and is read again. It is never less than that of the
    /// state at the start, whose positions hold until there are newer ones. It is `None` while that
    /// may become untrue before the next save: while a log that is not followed after a restart
    /// publishes, and where logs skip entries that they are too far behind to read.
    #[must_use]
    pub fn state(&self, last_offset: Option<u64>) -> State {
        // Locked throughout: a log that leaves meanwhile is in one of the two.
        let logs = self.logs.lock();
        let (mut state, mut is_known) = {
            let (mut saved, mut given_up) = (self.saved.lock(), self.given_up.lock());
            forget_published(&mut given_up, &mut saved);
            (saved.clone(), given_up.is_empty() && !self.follow.catch_up.is_limited())
        };
        let mut resent_from = 0;
        for followed in logs.values() {
            let status = &followed.status;
            is_known &= !followed.is_draining();
            if status.resume().is_some() {
                let position = state.logs.entry(status.log.url.clone()).or_default();
                resent_from = update(position, status).max(resent_from);
            }
        }
        drop(logs);
        state.resent_from = state.resent_from.map(|from| from.max(resent_from));
        let last_offset = last_offset.unwrap_or(state.last_offset);
        state.last_offset = last_offset.max(state.resent_from.unwrap_or(0));
        state.resent_from.take_if(|_| !is_known);
        state
    }

    /// Ends the alarms of the logs with this name (in any case), URL or id, followed at present or not.
    /// Returns the number of alarms, once it is committed that they are acknowledged.
    pub async fn acknowledge(&self, name: &str) -> usize {
        let mut count = 0;
        for status in self.alarmed(name) {
            let Some(pages) = self.pages.lock().clone() else { break };
            if pages.notify(&status, Notice::Acknowledgement).await.is_err() {
                tracing::warn!(log = status.log.name, "the acknowledgement could not be committed");
                break;
            }
            count += status.acknowledge();
            let mut saved = self.saved.lock();
            let meant = saved.logs.iter_mut().filter(|(url, position)| position.is_of(url, name));
            meant.for_each(|(_, position)| position.alarms.clear());
        }
        count
    }

    /// Returns the logs with this name, URL or id that have alarms, followed at present or not.
    fn alarmed(&self, name: &str) -> Vec<Arc<LogStatus>> {
        let mut found = Vec::new();
        let logs = self.logs.lock();
        for Followed { status, .. } in logs.values() {
            let own = Position {
                name: Some(status.log.name.clone()),
                log_id: status.log.id.map(|id| id.to_string()),
                ..Position::default()
            };
            if own.is_of(&status.log.url, name) && status.has_alarms() {
                found.push(Arc::clone(status));
            }
        }
        let saved = self.saved.lock();
        for (url, position) in &saved.logs {
            let is_followed = logs.values().any(|followed| followed.status.log.url == *url);
            if !is_followed && position.is_of(url, name) && !position.alarms.is_empty() {
                found.extend(position.status(url).map(Arc::new));
            }
        }
        found
    }

    /// Reports whether it was stopped: nothing more is published.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.pages.lock().is_none()
    }

    /// Stops every follower; the receiver gets the pages sent and then sees the end.
    pub async fn stop(&self) {
        let (pages, mut tasks) = {
            let mut pages = self.pages.lock();
            (pages.take(), std::mem::take(&mut *self.tasks.lock()))
        };
        drop(pages);
        tasks.shutdown().await;
    }

    /// Starts a follower of a configured or listed log, unless the log has one. A log that had one
    /// resumes where that one stopped.
    fn follow(self: &Arc<Self>, log: Log, listing: Option<Listing>) {
        let Some(pages) = self.pages.lock().clone() else { return };
        let mut logs = self.logs.lock();
        let earlier = logs.values().find(|followed| followed.is(&log)).cloned();
        if let Some(Followed { status, running: Some(running), is_configured, .. }) = &earlier {
            if let Some(listing) = &listing {
                status.set_listing(listing.clone());
                status.set_retired(false);
            }
            let stays = match &listing {
                Some(_) => *is_configured || status.log.is_read_as(&log),
                None => *is_configured && status.log.is_followed_as(&log),
            };
            if stays {
                return;
            }
            tracing::info!(
                log = log.name,
                url = log.url,
                "the log has changed; restarting its follower"
            );
            running.abort();
            logs.remove(&status.log.url);
        }
        // Entries that were sent but not published are read again: none is lost with an old follower.
        let same_log = |followed: &&Followed| log.is_same(&followed.status.log);
        let stopped_at = earlier.as_ref().filter(same_log).and_then(|followed| {
            let status = &followed.status;
            let ended = followed.running.is_none().then(|| status.snapshot().next_index).flatten();
            ended.map(|index| Resume { index, tree: None }).or_else(|| status.resume())
        });
        let saved = {
            let saved = self.saved.lock();
            let own = saved_position(&saved, &log).cloned();
            let imported = || imported_position(&saved, &log);
            match own {
                Some(Position { alarms, has_not_begun: true, .. }) => {
                    let has_not_begun = imported().is_none();
                    Some(Position { alarms, has_not_begun, ..imported().unwrap_or_default() })
                }
                own => own.or_else(imported),
            }
        };
        let alarms = match (earlier.as_ref().filter(same_log), &saved) {
            (Some(followed), _) => followed.status.snapshot().alarms,
            (None, Some(saved)) => saved.alarms.clone(),
            (None, None) => Vec::new(),
        };
        let resume = stopped_at.or_else(|| {
            let tree = |saved: &Position| saved.tree.as_ref().and_then(SavedTree::read);
            let begun = saved.filter(|saved| !saved.has_not_begun);
            begun.map(|saved| Resume { index: saved.current_index, tree: tree(&saved) })
        });
        let Log { name, url, operator, protocol, .. } = &log;
        let index = resume.as_ref().map(|resume| resume.index);
        tracing::info!(log = name, url, %protocol, resume = index, "following");
        let (operator, url) = (operator.clone(), url.clone());
        if listing.is_none() {
            self.client.trust(&url);
            log.api_url.iter().for_each(|url| self.client.trust(url));
        }
        let status = match earlier {
            Some(Followed { status, .. }) if status.log.is_followed_as(&log) => status,
            earlier => {
                if let Some(Followed { status, .. }) = earlier {
                    self.given_up.lock().push(status);
                }
                Arc::new(LogStatus::new(log, self.follow.resume_overlap))
            }
        };
        let failure = Arc::clone(status.failure());
        let client = self.client.for_log(&operator, &url, self.follow.backoff, failure);
        let client = Arc::new(client);
        status.set_retired(false);
        status.restore_alarms(alarms);
        let is_configured = listing.is_none();
        status.set_listing(listing.unwrap_or_default());
        let number = logs.len();
        let run =
            Arc::clone(self).run(Arc::clone(&status), Arc::clone(&client), pages, resume, number);
        let running = {
            let queue = self.pages.lock();
            if queue.is_none() {
                // It was stopped meanwhile, and nothing would stop this follower.
                return;
            }
            let mut tasks = self.tasks.lock();
            while tasks.try_join_next().is_some() {}
            Some(tasks.spawn(run))
        };
        logs.insert(status.log.url.clone(), Followed { status, client, is_configured, running });
        drop(logs);
        self.set_reason(None);
    }

    /// Runs a log's follower to its end.
    async fn run(
        self: Arc<Self>,
        status: Arc<LogStatus>,
        client: Arc<Client>,
        pages: Pages,
        mut resume: Option<Resume>,
        number: usize,
    ) {
        let read = ReadOptions {
            batch_size: self.follow.batch_size,
            verification: self.follow.verification != Verification::Off,
            tbs_ids: self.follow.tbs_ids,
            ..ReadOptions::default()
        };
        let source = || AnySource::new(&status.log, &client, &self.issuers, read);
        loop {
            let (resume, options) = (resume.take(), &self.follow);
            supervised(&self.supervisor, &status, options, &pages, resume, number, source).await;
            if self.has_ended(&status, &pages) {
                return;
            }
        }
    }

    /// Notes that a log's follower has ended, unless a list has named the log again meanwhile.
    fn has_ended(&self, status: &LogStatus, pages: &Pages) -> bool {
        let mut logs = self.logs.lock();
        if !status.is_retired() && !pages.is_closed() {
            return false;
        }
        if let Some(followed) = logs.get_mut(&status.log.url) {
            followed.running = None;
        }
        true
    }

    fn set_reason(&self, reason: Option<Reason>) {
        *self.reason.lock() = reason;
    }
}

/// Runs a log's follower to its end. A defect of this program must not lose the log: after a panic the
/// follower is started again where it stood.
async fn supervised<S: Source>(
    supervisor: &Supervisor,
    status: &Arc<LogStatus>,
    options: &FollowOptions,
    pages: &Pages,
    mut resume: Option<Resume>,
    number: usize,
    source: impl Fn() -> S,
) {
    let note = |_: &str| {
        add(&status.counters.panics, 1);
        tracing::error!(log = status.log.name, "the follower panicked");
    };
    let follow = || {
        let stood = status.snapshot().next_index.map(|index| Resume { index, tree: None });
        // Before its first run it has read nothing.
        let resume = resume.take().or(stood);
        let (log, options) = (Arc::clone(status), options.clone());
        Follower::new(source(), log, options, pages.clone(), resume, number).run()
    };
    supervisor.run_noting("follower", note, follow).await;
}

#[cfg(test)]
mod tests;
