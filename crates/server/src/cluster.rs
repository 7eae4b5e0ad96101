//! A server as node of a cluster: it reads one stream on JetStream with all other nodes, shows it to
//! its clients, and one node at a time leads: it follows the logs and publishes.
//!
//! * [`join`] connects and reads the stream to its end; the feed begins with the [`backlog`].
//! * The [`member`] reads and shows everything after that, and leads when nobody else does.
//! * [`leading`] is what only a leader has: followers and a sequencer, whose commit log is made of
//!   [`proposals`] to the member.
//! * What is missing is read later by the leader: [`backfill`].
//! * The [`lease`] says when another node should try to lead. The stream alone decides who does.

mod acknowledgements;
pub(crate) mod backfill;
mod backlog;
mod history;
mod join;
mod leading;
mod lease;
pub(crate) mod logs;
mod member;
mod proposals;
mod report;
mod settings;
mod shown;
mod standing;
pub(crate) mod status;

use std::sync::Arc;
use std::time::Instant;

use config::Config;
use feed::Hub;
use follow::Client;
use relay::replay::Past;
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::acknowledgements::{Acknowledgements, BucketEntry};
use self::backfill::Backfills;
pub(crate) use self::join::{Joined, join};
pub(crate) use self::leading::FollowedLogs;
use self::leading::Means;
use self::lease::LeaseKeeper;
use self::logs::ClusterLogs;
use self::member::Member;
pub(crate) use self::settings::{check, is_node};
use self::shown::Shown;
pub(crate) use self::status::Status;
use crate::operations::liveness::Liveness;
use crate::options;
use crate::publish::entries::Entries;
use crate::publish::fanout::FeedFanout;
use crate::publish::messages::MessageStream;
use crate::state::backfill::missing::Missing;

/// The parts of the server that a node shows the stream with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) hub: Arc<Hub<MessageStream>>,
    pub(crate) fanout: FeedFanout,
    pub(crate) entries: Arc<Entries>,
    pub(crate) missing: Arc<Missing>,
    /// The client to read logs with.
    pub(crate) client: Arc<Client>,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) tasks: Supervisor,
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    /// None once it has ended.
    member: Option<JoinHandle<anyhow::Result<()>>>,
    acknowledgements: Option<Acknowledgements>,
    /// None on a node that may not lead.
    backfills: Option<Backfills>,
    stop: watch::Sender<bool>,
    /// The logs that are followed while the node leads.
    pub(crate) followed: Arc<FollowedLogs>,
    /// The status of all logs, as the leader reports it.
    pub(crate) logs: Arc<ClusterLogs>,
    pub(crate) status: Arc<Status>,
}

impl Node {
    /// Begins to read, and to lead if the node has created the stream.
    pub(crate) fn start(joined: Joined, parts: Parts) -> Self {
        let Joined { node, bucket, standing, rules, window, reads, .. } = joined;
        let Parts { config, hub, fanout, entries, missing, client, liveness, tasks } = parts;
        let (stop, stopping) = watch::channel(false);
        let status = Arc::new(Status::new(config.role, &config.cluster, reads));
        let standing = Arc::new(standing);
        let followed = Arc::new(FollowedLogs::new(Arc::clone(&config)));
        let view = Arc::new(ClusterLogs::default());
        if rules.may_lead {
            let (bucket, standing) = (bucket.clone(), Arc::clone(&standing));
            let keep = move || {
                let keeper = LeaseKeeper::new(bucket.clone(), rules.configuration);
                keeper.run(Arc::clone(&standing))
            };
            let tasks = tasks.clone();
            tokio::spawn(async move { tasks.run("cluster_lease", keep).await });
        }
        report::start(
            bucket.clone(),
            Arc::clone(&view),
            Arc::clone(&followed),
            Arc::clone(&status),
            &tasks,
        );
        let acknowledgements = {
            let place = options::acknowledgements(&config);
            let entry = BucketEntry { bucket: bucket.clone(), key: acknowledgements::KEY };
            let followed = Arc::clone(&followed);
            Some(Acknowledgements::start(place, entry, move || followed.fleet(), &tasks))
        };
        let backfills = Past::of(&node).filter(|_| rules.may_lead).map(|past| {
            let (requests, missing) = (backfill::entry(bucket.clone()), Arc::clone(&missing));
            let followed = Arc::clone(&followed);
            let leads = move || followed.led();
            Backfills::start(backfill::Means { requests, past, missing, leads }, &tasks)
        });
        let means = Means {
            logs: Arc::clone(&followed),
            client,
            hub,
            fanout: fanout.clone(),
            view: Arc::clone(&view),
            liveness,
            tasks,
        };
        let shown = Shown { fanout, entries, missing, status: Arc::clone(&status), window };
        let member = Member {
            node,
            bucket,
            standing,
            status: Arc::clone(&status),
            shown,
            means,
            rules,
            new_window: options::window,
            config,
            stop: stopping,
            leading: None,
            checkpointed: Instant::now(),
            saving: None,
        };
        let member = Some(tokio::spawn(member.run()));
        Self { member, acknowledgements, backfills, stop, followed, logs: view, status }
    }

    /// Waits until the node ends by itself, and returns the reason.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        let Some(member) = &mut self.member else { return anyhow::anyhow!(ENDED) };
        let ended = member.await;
        self.member = None;
        match ended {
            Ok(Ok(())) => anyhow::anyhow!(ENDED),
            Ok(Err(error)) => error.context("cluster"),
            Err(error) => anyhow::Error::from(error).context("cluster"),
        }
    }

    /// Publishes what was read from the logs, and hands over to another node.
    pub(crate) async fn stop(&mut self) {
        if let Some(acknowledgements) = self.acknowledgements.take() {
            acknowledgements.finish().await;
        }
        if let Some(backfills) = self.backfills.take() {
            backfills.finish().await;
        }
        self.stop.send_replace(true);
        let Some(member) = self.member.take() else { return };
        match member.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("the node could not hand over: {error:#}"),
            Err(error) => tracing::error!(%error, "the node could not hand over"),
        }
    }
}

/// The end of a node without a reason, which is a defect.
const ENDED: &str = "the node of the cluster has ended";
