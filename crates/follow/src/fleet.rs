//! Who is followed: logs named by hand and the logs of the lists, each with its own follower.

mod change;
mod lists;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use supervise::Supervisor;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::catalogue::{CatalogueOptions, ListStatus};
use crate::client::{Client, host_of};
use crate::counters::add;
use crate::entry::Page;
use crate::follower::Follower;
use crate::issuers::IssuerStore;
use crate::listing::Listing;
use crate::log::Log;
use crate::options::FollowOptions;
use crate::pace::HostSnapshot;
use crate::position::{self, Position, State};
use crate::queue::Pages;
use crate::resume::Resume;
use crate::saves::Saves;
use crate::source::{AnySource, Source};
use crate::status::LogStatus;

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
    pages: Mutex<Option<Pages>>,
    saved: Mutex<State>,
    /// By URL.
    logs: Mutex<BTreeMap<String, Followed>>,
    /// Logs that are followed no more, of which pages may still be on their way.
    given_up: Mutex<Vec<Arc<LogStatus>>>,
    saves: Option<Saves>,
    lists: Mutex<Vec<ListStatus>>,
    /// Which lists and logs are wanted, for the task that keeps the lists.
    catalogue: watch::Sender<Option<CatalogueOptions>>,
    reason: Mutex<Option<Reason>>,
    tasks: Mutex<JoinSet<()>>,
    supervisor: Supervisor,
}

/// A log that is or was followed; its position is kept either way.
#[derive(Debug, Clone)]
struct Followed {
    status: Arc<LogStatus>,
    client: Arc<Client>,
    by_hand: bool,
    /// `None` when the follower has ended.
    running: Option<AbortHandle>,
}

impl Followed {
    /// Whether the log has left the list, and may publish more before the next save. After a restart
    /// that is not read again.
    fn is_draining(&self) -> bool {
        let runs = self.running.as_ref().is_some_and(|running| !running.is_finished());
        self.status.is_retired() && (runs || self.status.has_unpublished())
    }

    fn is(&self, log: &Log) -> bool {
        let id = self.status.log.id;
        self.status.log.url == log.url || (id.is_some() && id == log.id)
    }
}

/// A followed log and how it is being asked.
#[derive(Debug)]
pub struct Standing {
    /// The log and where it stands.
    pub status: Arc<LogStatus>,
    /// Its host, which other logs may share; `None` before the first request.
    pub host: Option<HostSnapshot>,
    /// How much longer the log is left alone because it asked for that.
    pub paused_for: Option<Duration>,
}

/// The saved position of a log: by its URL, or by its id where the log has moved. A log that took
/// another's place begins afresh.
fn saved_position<'a>(saved: &'a State, log: &Log) -> Option<&'a Position> {
    let id = log.id.map(|id| id.to_string());
    let other = |position: &&Position| position.log_id.is_some() && position.log_id != id;
    let there = saved.logs.get(&log.url).filter(|position| id.is_none() || !other(position));
    let by_id = || saved.logs.values().find(|position| position.log_id == id);
    there.or_else(|| id.as_ref().and_then(|_| by_id()))
}

/// The position that another server had reached, where ours has none.
fn imported_position(saved: &State, log: &Log) -> Option<Position> {
    let index = *saved.imported.get(position::without_scheme(&log.url))?;
    Some(Position { current_index: index, ..Position::default() })
}

/// Brings a saved position up to where a log is to be resumed; nothing changes before the log has
/// answered.
///
/// Returns the offset after which all entries of the log are read again from there.
fn update(position: &mut Position, status: &LogStatus) -> u64 {
    let Some((Resume { index, tree }, resent_from)) = status.saved() else { return 0 };
    let snapshot = status.snapshot();
    position.current_index = index;
    position.tree = tree;
    position.alarms = snapshot.alarms;
    position.name = Some(status.log.name.clone());
    position.tree_size = position.tree_size.max(snapshot.tree_size);
    if let Some(last_success) = snapshot.last_success {
        position.last_success = last_success.try_into().unwrap_or(i64::MAX);
    }
    position.log_id = status.log.id.map(|id| id.to_string());
    // A log that has left the list is not followed after a restart.
    if status.is_retired() { status.newest_offset() } else { resent_from }
}

/// Takes out the logs of which nothing is on its way any more. What they have published may not be read
/// again after a restart.
fn settle(given_up: &mut Vec<Arc<LogStatus>>, saved: &mut State) {
    given_up.retain_mut(|status| {
        // Each page on its way has a share of its log.
        let settled = Arc::get_mut(status).is_some();
        if settled {
            let newest = status.newest_offset();
            saved.resent_from = saved.resent_from.map(|from| from.max(newest));
        }
        !settled
    });
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
        let reason = if options.catalogue.is_some() { lists::WAITING } else { lists::NO_LIST };
        let follow = options.follow;
        let saves = follow.saves_first.then(Saves::default);
        let pages = Pages::new(pages).with_saves(saves.clone());
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
            supervisor: Supervisor::default(),
        });
        for log in options.by_hand {
            fleet.follow(log, None);
        }
        let keeper = Arc::clone(&fleet);
        fleet.tasks.lock().spawn(async move {
            let keep = || Arc::clone(&keeper).keep_lists(keeper.catalogue.subscribe());
            keeper.supervisor.run("log_list", keep).await;
        });
        fleet
    }

    /// The tasks that run for ever: those of the fleet, and those that others run under the same
    /// supervisor.
    #[must_use]
    pub const fn tasks(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The followed logs, by URL.
    #[must_use]
    pub fn logs(&self) -> Vec<Arc<LogStatus>> {
        let logs = self.logs.lock();
        let running = logs.values().filter(|followed| followed.running.is_some());
        running.map(|followed| Arc::clone(&followed.status)).collect()
    }

    /// The followed logs and how each is being asked, by URL.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let hosts = self.client.hosts();
        let logs = self.logs.lock();
        let running = logs.values().filter(|followed| followed.running.is_some());
        running
            .map(|Followed { status, client, .. }| {
                let host = host_of(&status.log.url);
                let host = hosts.iter().find(|snapshot| snapshot.host == host).cloned();
                Standing { status: Arc::clone(status), host, paused_for: client.paused_for() }
            })
            .collect()
    }

    /// How every host is being asked, by host.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostSnapshot> {
        self.client.hosts()
    }

    /// Returns how logs ask for their first position to be saved; `None` where they do not, because
    /// [`FollowOptions::saves_first`] is not set.
    #[must_use]
    pub const fn saves(&self) -> Option<&Saves> {
        self.saves.as_ref()
    }

    /// How each log list fares, the signed one first; none where no list is configured.
    #[must_use]
    pub fn lists(&self) -> Vec<ListStatus> {
        self.lists.lock().clone()
    }

    /// Bytes held at the moment: of answers being read, and of entries waiting to be published.
    #[must_use]
    pub fn held_bytes(&self) -> (usize, usize) {
        let waiting = self.pages.lock().as_ref().map_or(0, Pages::waiting);
        (self.client.body_bytes(), waiting)
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
            settle(&mut given_up, &mut saved);
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

    /// Ends the alarms of the logs that `name` means: by name in any case, URL or id, followed at
    /// present or not. Returns how many alarms there were.
    pub fn acknowledge(&self, name: &str) -> usize {
        let mut count = 0;
        for Followed { status, .. } in self.logs.lock().values() {
            let own = Position {
                name: Some(status.log.name.clone()),
                log_id: status.log.id.map(|id| id.to_string()),
                ..Position::default()
            };
            if own.is_of(&status.log.url, name) {
                count += status.acknowledge();
            }
        }
        let mut saved = self.saved.lock();
        let meant = saved.logs.iter_mut().filter(|(url, position)| position.is_of(url, name));
        for (_, position) in meant {
            count = count.max(std::mem::take(&mut position.alarms).len());
        }
        count
    }

    /// Stops every follower where it stands; the receiver of pages gets those sent and then sees
    /// the end.
    pub async fn stop(&self) {
        drop(self.pages.lock().take());
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.shutdown().await;
    }

    /// Starts a follower, of a log named by hand or as lists name it, unless the log has one. A log
    /// that had one goes on where that one stopped.
    fn follow(self: &Arc<Self>, log: Log, listing: Option<Listing>) {
        let Some(pages) = self.pages.lock().clone() else { return };
        let mut logs = self.logs.lock();
        let earlier = logs.values().find(|followed| followed.is(&log)).cloned();
        if let Some(Followed { status, running: Some(running), by_hand, .. }) = &earlier {
            if let Some(listing) = &listing {
                status.set_listing(listing.clone());
                status.set_retired(false);
            }
            let stays = match &listing {
                Some(_) => *by_hand || status.log.is_read_as(&log),
                None => *by_hand && status.log.is_followed_as(&log),
            };
            if stays {
                return;
            }
            tracing::info!(log = log.name, url = log.url, "log has changed, it is followed anew");
            running.abort();
            logs.remove(&status.log.url);
        }
        // What was sent but not published is read again: no entry is lost with an old follower.
        let same_log = |followed: &&Followed| log.is_same(&followed.status.log);
        let stopped_at = earlier.as_ref().filter(same_log).and_then(|followed| {
            let status = &followed.status;
            let ended = followed.running.is_none().then(|| status.snapshot().next_index).flatten();
            ended.map(|index| Resume { index, tree: None }).or_else(|| status.resume())
        });
        let saved = {
            let saved = self.saved.lock();
            saved_position(&saved, &log).cloned().or_else(|| imported_position(&saved, &log))
        };
        let alarms = match (earlier.as_ref().filter(same_log), &saved) {
            (Some(followed), _) => followed.status.snapshot().alarms,
            (None, Some(saved)) => saved.alarms.clone(),
            (None, None) => Vec::new(),
        };
        let resume = stopped_at
            .or_else(|| saved.map(|saved| Resume { index: saved.current_index, tree: saved.tree }));
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
        let by_hand = listing.is_none();
        status.set_listing(listing.unwrap_or_default());
        let number = logs.len();
        let run =
            Arc::clone(self).run(Arc::clone(&status), Arc::clone(&client), pages, resume, number);
        let running = {
            let mut tasks = self.tasks.lock();
            while tasks.try_join_next().is_some() {}
            Some(tasks.spawn(run))
        };
        logs.insert(status.log.url.clone(), Followed { status, client, by_hand, running });
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
        let source = || AnySource::new(&status, &client, &self.issuers, &self.follow);
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
