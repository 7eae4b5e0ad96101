//! Reading entries that are missing into the stream of a cluster: the node that leads does it.
//!
//! `certstream-server backfill` leaves a [request](requests) in the bucket, wherever it is run. The node
//! that leads takes it, reads as a single server does, and publishes as it publishes everything. If it
//! leads no more, its successor continues: what is missing is a part of the stream's state.

mod in_stream;
mod requests;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use follow::Fleet;
use relay::Bucket;
use relay::replay::Past;
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use self::in_stream::InStream;
use self::requests::{Requests, Taken};
pub(crate) use self::visit::Visit;
use super::acknowledgements::BucketEntry;
use super::leading::Led;
use crate::state::acknowledgements::CHECK_EVERY;
use crate::state::backfill::job::Job;
use crate::state::backfill::missing::Missing;
use crate::state::backfill::requests::{Answer, Stage};

/// The time between two reports about the progress, and after which one is repeated.
const REPORT_EVERY: Duration = Duration::from_secs(1);
const REPEAT_EVERY: Duration = Duration::from_secs(10);
/// Time in which a new leader reads the log lists, and after that begins to follow their logs.
const LISTS: Duration = Duration::from_secs(30);
const FOLLOWED: Duration = Duration::from_secs(2);
/// The time between two looks at the logs that are followed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time within which the outcome is reported.
const PATIENCE: Duration = Duration::from_secs(60);

/// The task that takes requests while this node leads.
#[derive(Debug)]
pub(super) struct Backfills {
    finish: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The parts that a request needs.
#[derive(Debug, Clone)]
pub(super) struct Means<L> {
    pub(super) requests: BucketEntry,
    pub(super) past: Past,
    pub(super) missing: Arc<Missing>,
    /// Returns the term that this node leads, and its followers, while it does.
    pub(super) leads: L,
}

/// Returns the entry of requests.
pub(super) const fn entry(bucket: Bucket) -> BucketEntry {
    BucketEntry { bucket, key: requests::KEY }
}

impl Backfills {
    /// Begins to take requests.
    pub(super) fn start<L>(means: Means<L>, tasks: &Supervisor) -> Self
    where
        L: Fn() -> Option<Led> + Clone + Send + Sync + 'static,
    {
        let tasks = tasks.clone();
        let (finish, mut finished) = watch::channel(false);
        let task = tokio::spawn(async move {
            let take = || take_all(means.clone());
            tokio::select! {
                _ = finished.wait_for(|finished| *finished) => {}
                () = tasks.run("cluster_backfill", take) => {}
            }
        });
        Self { finish, task }
    }

    /// Takes no more requests. The next leader continues the one under way.
    pub(super) async fn finish(self) {
        self.finish.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a backfill has ended with an error");
        }
    }
}

async fn take_all<L: Fn() -> Option<Led>>(means: Means<L>) {
    let worker = Worker {
        requests: Requests::new(means.requests),
        published: InStream::new(means.past),
        missing: means.missing,
        leads: means.leads,
    };
    let mut problem = None;
    loop {
        sleep(CHECK_EVERY).await;
        let Some(led) = (worker.leads)() else { continue };
        match worker.requests.take(led.stream, led.term).await {
            Ok(Some(taken)) => worker.work(&led, &taken).await,
            Ok(None) => problem = None,
            Err(error) => {
                let error = format!("{error:#}");
                if problem.as_ref() != Some(&error) {
                    tracing::warn!(error, "a request to backfill cannot be taken; trying again");
                    problem = Some(error);
                }
            }
        }
    }
}

/// The state of the task.
#[derive(Debug)]
struct Worker<L> {
    requests: Requests<BucketEntry>,
    published: InStream,
    missing: Arc<Missing>,
    leads: L,
}

impl<L: Fn() -> Option<Led>> Worker<L> {
    /// Reads what is requested, and reports the progress, until it is done or this node is not to be at
    /// work any more.
    async fn work(&self, led: &Led, taken: &Taken) {
        let logs = self.left_of(taken);
        tracing::info!(?logs, "entries that are missing are to be read");
        let lacked = self.lacking(taken);
        let noted = watch::Sender::new(String::new());
        let job = Job { missing: &self.missing, published: &self.published, fleet: &led.fleet };
        let reading = async {
            if logs.is_empty() {
                return Ok(ALL_READ.to_owned());
            }
            self.until_followed(&led.fleet, &logs).await;
            job.run(&logs, |_, reader| reader, |line| drop(noted.send_replace(line))).await
        };
        let outcome = tokio::select! {
            outcome = reading => outcome,
            () = self.report_progress(taken, lacked, noted.subscribe()) => {
                tracing::info!("another node continues to read entries that are missing");
                return;
            }
        };
        match outcome {
            Ok(text) => self.report_outcome(taken, Answer { stage: Stage::Done, text }).await,
            Err(reason) if self.has_ended(led) => {
                tracing::info!(
                    reason,
                    "this node no longer leads: the next leader continues to read entries that are \
                     missing"
                );
            }
            Err(text) => {
                tracing::warn!(reason = text, "entries stay missing");
                self.report_outcome(taken, Answer { stage: Stage::Failed, text }).await;
            }
        }
    }

    /// Returns the logs of a request that still lack something, if a node was at work on it before.
    fn left_of(&self, taken: &Taken) -> Vec<String> {
        let lacks = |name: &&String| self.missing.select(std::slice::from_ref(*name)).is_ok();
        if taken.is_continued() {
            taken.logs.iter().filter(lacks).cloned().collect()
        } else {
            taken.logs.clone()
        }
    }

    /// Returns the number of entries that the stream lacks of the logs of a request.
    fn lacking(&self, taken: &Taken) -> u64 {
        let of_log = |name: &String| self.missing.select(std::slice::from_ref(name)).ok();
        taken.logs.iter().filter_map(of_log).flatten().map(|log| log.count()).sum()
    }

    /// Waits until these logs are followed, or the log lists do not name them.
    async fn until_followed(&self, fleet: &Fleet, logs: &[String]) {
        let wanted = self.missing.select(logs).unwrap_or_default();
        let begun = Instant::now();
        while !wanted.iter().all(|log| fleet.backfill(&log.identity).is_some()) {
            let lists = fleet.lists();
            let are_read = !lists.is_empty() && lists.iter().all(|list| list.fetched.is_some());
            // The job names the log that is not followed.
            let patience = if are_read { FOLLOWED } else { LISTS };
            if Instant::now() - begun > patience {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Reports whether the term is over, in which nothing more can be published.
    fn has_ended(&self, led: &Led) -> bool {
        let leads = (self.leads)().is_some_and(|now| Arc::ptr_eq(&now.fleet, &led.fleet));
        !leads || led.fleet.is_stopped()
    }

    /// Reports the progress until this node is not to be at work any more. `lacked` entries were missing
    /// when it began.
    async fn report_progress(&self, taken: &Taken, lacked: u64, noted: watch::Receiver<String>) {
        let (mut reported, mut at) = (String::new(), Instant::now());
        loop {
            sleep(REPORT_EVERY).await;
            let text = noted.borrow().clone();
            if text.is_empty() || (text == reported && Instant::now() - at < REPEAT_EVERY) {
                continue;
            }
            let answer = Answer { stage: Stage::Running, text };
            let has_read = self.lacking(taken) < lacked;
            match self.requests.report(taken, &answer, has_read).await {
                Ok(true) => (reported, at) = (answer.text, Instant::now()),
                Ok(false) => return,
                Err(error) => tracing::debug!(%error, "the progress of a backfill is not reported"),
            }
        }
    }

    async fn report_outcome(&self, taken: &Taken, answer: Answer) {
        let begun = Instant::now();
        while let Err(error) = self.requests.report(taken, &answer, false).await {
            if Instant::now() - begun > PATIENCE {
                tracing::warn!(%error, outcome = answer.text, "the outcome of a backfill is not reported");
                return;
            }
            sleep(REPORT_EVERY).await;
        }
    }
}

/// The outcome of a request that the leader before has done without reporting it.
const ALL_READ: &str = "the entries are read, none is missing any more";
