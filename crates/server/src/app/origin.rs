//! The origin of the stream: this server by itself, or the cluster that it is a node of.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;

use config::Config;
use feed::{Archive, Hub};
use follow::LogsView;
use journal::Journal;
use record::State;
use relay::Bucket;
use supervise::Supervisor;

use super::alone::Alone;
use super::{Mode, http_client};
use crate::app::reload::ChangeLogs;
use crate::cluster::{self, Joined, Node};
use crate::first_seen::FirstSeen;
use crate::history::JournalHistory;
use crate::metrics::Metrics;
use crate::operations::liveness::Liveness;
use crate::publish::entries::Entries;
use crate::publish::fanout::FeedFanout;
use crate::publish::messages::MessageStream;
use crate::state::backfill::missing::Missing;
use crate::state::stream;

/// A stream that nothing is published to yet.
#[derive(Debug)]
pub(super) enum Stream {
    Alone(Box<stream::Stream>),
    Cluster(Box<Joined>),
}

/// The parts of the server that a stream is published with.
#[derive(Debug)]
pub(super) struct Publishing<'a> {
    pub(super) config: &'a Config,
    pub(super) mode: Mode,
    pub(super) hub: Arc<Hub<MessageStream>>,
    pub(super) fanout: FeedFanout,
    pub(super) entries: Arc<Entries>,
    pub(super) history: Option<Arc<JournalHistory>>,
    pub(super) missing: Arc<Missing>,
    pub(super) liveness: Arc<Liveness>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: Supervisor,
}

/// The origin of a stream that is published.
#[derive(Debug)]
pub(super) enum Origin {
    Alone(Box<Alone>),
    Cluster(Box<Node>),
}

impl Stream {
    /// Opens the stream of a configuration: in memory, in the journal, or that of a cluster.
    ///
    /// # Errors
    /// If it cannot be used.
    pub(super) async fn open(
        config: &Config,
        mode: Mode,
        liveness: &Liveness,
    ) -> anyhow::Result<Self> {
        if mode == Mode::Serve && cluster::is_node(config) {
            return Ok(Self::Cluster(Box::new(cluster::join(config, random()).await?)));
        }
        // A node has no journal; without its cluster it keeps nothing.
        let alone = Config { data_dir: None, ..config.clone() };
        let config = if cluster::is_node(config) { &alone } else { config };
        let stream = stream::Stream::open(config, random(), &liveness.journal)?;
        Ok(Self::Alone(Box::new(stream)))
    }

    /// Returns its state.
    pub(super) fn state(&self) -> &State {
        match self {
            Self::Alone(stream) => &stream.state,
            Self::Cluster(joined) => &joined.state,
        }
    }

    /// Returns its journal, if it has one.
    pub(super) fn journal(&self) -> Option<Journal> {
        match self {
            Self::Alone(stream) => stream.journal.clone(),
            Self::Cluster(_) => None,
        }
    }

    /// Returns the domains that it has seen, if it has a journal.
    pub(super) fn first_seen(&self) -> Option<Arc<FirstSeen>> {
        match self {
            Self::Alone(stream) => stream.first_seen.clone(),
            Self::Cluster(_) => None,
        }
    }

    /// Returns its archive, if it is the stream of a cluster.
    pub(super) async fn archive(
        &self,
        entries: &Arc<Entries>,
        tasks: &Supervisor,
    ) -> Option<Archive<MessageStream>> {
        match self {
            Self::Alone(_) => None,
            Self::Cluster(joined) => joined.archive(entries, tasks).await,
        }
    }

    /// Fills the feed with the newest batches of a cluster's stream.
    ///
    /// # Errors
    /// If the feed does not take them.
    pub(super) async fn restore(&mut self, fanout: &FeedFanout) -> anyhow::Result<()> {
        match self {
            Self::Alone(_) => Ok(()),
            Self::Cluster(joined) => joined.restore(fanout).await,
        }
    }

    /// Returns the bucket of its cluster, if it is the stream of one.
    pub(super) fn bucket(&self) -> Option<&Bucket> {
        match self {
            Self::Alone(_) => None,
            Self::Cluster(joined) => Some(&joined.bucket),
        }
    }

    /// Returns the offset after which everything is published again, if anything is.
    pub(super) const fn resent_from(&self) -> Option<u64> {
        match self {
            Self::Alone(stream) => stream.saved.resent_from,
            Self::Cluster(_) => None,
        }
    }

    /// Begins to publish.
    ///
    /// # Errors
    /// If a file of the configuration cannot be read, or a thread cannot be started.
    pub(super) async fn publish(self, parts: Publishing<'_>) -> anyhow::Result<Origin> {
        match self {
            Self::Alone(stream) => {
                let alone = Alone::start(*stream, parts).await?;
                Ok(Origin::Alone(Box::new(alone)))
            }
            Self::Cluster(joined) => {
                let Publishing { config, hub, fanout, entries, missing, liveness, tasks, .. } =
                    parts;
                let client = Arc::new(http_client(config)?);
                let config = Arc::new(config.clone());
                let parts = cluster::Parts {
                    config,
                    hub,
                    fanout,
                    entries,
                    missing,
                    client,
                    liveness,
                    tasks,
                };
                Ok(Origin::Cluster(Box::new(Node::start(*joined, parts))))
            }
        }
    }
}

impl Origin {
    /// Returns the status of the logs.
    pub(super) fn logs(&self) -> Arc<dyn LogsView> {
        match self {
            Self::Alone(alone) => Arc::clone(&alone.fleet) as _,
            Self::Cluster(node) => Arc::clone(&node.logs) as _,
        }
    }

    /// Returns the state of the node, in a cluster.
    pub(super) fn cluster(&self) -> Option<Arc<cluster::Status>> {
        match self {
            Self::Alone(_) => None,
            Self::Cluster(node) => Some(Arc::clone(&node.status)),
        }
    }

    /// Returns how the followed logs are changed; none where they are not those of the configuration.
    pub(super) fn change_logs(&self) -> Option<ChangeLogs> {
        match self {
            Self::Alone(alone) => {
                let fleet = Arc::clone(&alone.fleet);
                let change: ChangeLogs =
                    Arc::new(move |_, configured, catalogue| fleet.change(configured, catalogue));
                alone.follows_configuration.then_some(change)
            }
            Self::Cluster(node) => {
                let followed = Arc::clone(&node.followed);
                Some(Arc::new(move |config, configured, catalogue| {
                    followed.change(config, configured, catalogue);
                }))
            }
        }
    }

    /// Waits until nothing more can be published, and returns the reason.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self {
            Self::Alone(alone) => alone.ended().await,
            Self::Cluster(node) => node.ended().await,
        }
    }

    /// Stops to follow the logs, and publishes what was read.
    pub(super) async fn drain(&mut self) {
        match self {
            Self::Alone(alone) => alone.drain().await,
            Self::Cluster(node) => node.stop().await,
        }
    }

    /// Writes files a last time. Returns the simulator of a demo.
    pub(super) async fn finish(self) -> Option<ctsim::Sim> {
        match self {
            Self::Alone(alone) => alone.finish().await,
            Self::Cluster(_) => None,
        }
    }
}

/// Returns a random number.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
