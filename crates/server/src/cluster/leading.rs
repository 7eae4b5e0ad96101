//! A term that this node leads: followers of the logs, and the sequencer's thread.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use config::Config;
use ctclient::Log;
use feed::Hub;
use follow::catalogue::CatalogueOptions;
use follow::{Client, Fleet, FleetOptions, Page, position};
use ingest::{Heartbeat, Sequencer, Stopped, Window};
use parking_lot::Mutex;
use record::{State, StreamId};
use supervise::Supervisor;
use tokio::sync::{mpsc, oneshot};

use super::logs::ClusterLogs;
use super::proposals::{self, Proposals};
use super::shown::ShownByMember;
use crate::operations::liveness::Liveness;
use crate::options;
use crate::publish::fanout::FeedFanout;
use crate::publish::messages::MessageStream;
use crate::publish::pages::Pages;
use crate::publish::{WAITING_PAGES, thread};

/// Everything that a term needs, as long as the process runs.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) logs: Arc<FollowedLogs>,
    pub(super) client: Arc<Client>,
    pub(super) hub: Arc<Hub<MessageStream>>,
    pub(super) fanout: FeedFanout,
    pub(super) view: Arc<ClusterLogs>,
    pub(super) liveness: Arc<Liveness>,
    pub(super) tasks: Supervisor,
}

/// The logs that are followed whenever this node leads. The configuration may change at any time.
#[derive(Debug)]
pub(crate) struct FollowedLogs {
    config: ArcSwap<Config>,
    led: Mutex<Option<Led>>,
}

/// The term that this node leads, and its followers.
#[derive(Debug, Clone)]
pub(super) struct Led {
    pub(super) stream: StreamId,
    pub(super) term: u64,
    pub(super) fleet: Arc<Fleet>,
}

impl FollowedLogs {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self { config: ArcSwap::new(config), led: Mutex::default() }
    }

    /// Follows the logs of another configuration from now on.
    pub(crate) fn change(
        &self,
        config: &Config,
        configured: Vec<Log>,
        catalogue: Option<CatalogueOptions>,
    ) {
        let led = self.led.lock();
        self.config.store(Arc::new(config.clone()));
        if let Some(Led { fleet, .. }) = &*led {
            fleet.change(configured, catalogue);
        }
    }

    /// Returns the followers, while this node leads.
    pub(super) fn fleet(&self) -> Option<Arc<Fleet>> {
        self.led().map(|led| led.fleet)
    }

    /// Returns the term that this node leads, while it does.
    pub(super) fn led(&self) -> Option<Led> {
        self.led.lock().clone()
    }
}

/// A term that this node leads.
#[derive(Debug)]
pub(super) struct Leading {
    pub(super) proposals: Proposals,
    fleet: Arc<Fleet>,
    /// Resolves when the sequencer's thread has ended.
    pub(super) sequencer: oneshot::Receiver<()>,
}

impl Leading {
    /// Starts followers at the positions of a state whose term has begun, and the sequencer.
    ///
    /// # Errors
    /// If the thread cannot be started, or a file of the configuration cannot be read.
    pub(super) fn start(
        means: &Means,
        state: State,
        window: Option<Window>,
    ) -> anyhow::Result<Self> {
        let (pages, waiting) = mpsc::channel::<Page>(WAITING_PAGES);
        let mut followed = means.logs.led.lock();
        let config = means.logs.config.load();
        let options = FleetOptions {
            follow: options::follow_options(&config),
            configured: options::configured_logs(&config)?,
            catalogue: options::catalogue(&config)?,
            saved: position::State::of_stream(&state),
        };
        let (stream, term) = (state.stream(), state.term());
        let (log, proposals) = proposals::channel(state.number());
        let (hub, status) = (Arc::clone(&means.hub), means.fanout.clone());
        let sequencer = Sequencer::new(log, ShownByMember { hub, status }, state, window);
        let heartbeat = Arc::new(Heartbeat::default());
        let gather = Duration::from_millis(config.feed.gather_ms);
        let beats = Arc::clone(&heartbeat);
        let sequencer = thread::start(move || {
            let mut converter = Pages::default();
            match sequencer.run(waiting, |page| converter.convert(page), gather, beats) {
                Ok(()) | Err(Stopped::Closed) => {}
                Err(error) => tracing::info!(%error, "the sequencer of this term has ended"),
            }
        })?;
        let (client, tasks) = (Arc::clone(&means.client), means.tasks.clone());
        let fleet = Fleet::start_under(tasks, client, options, pages);
        means.liveness.publishes(Some(heartbeat));
        means.view.lead(Arc::clone(&fleet));
        *followed = Some(Led { stream, term, fleet: Arc::clone(&fleet) });
        Ok(Self { proposals, fleet, sequencer })
    }

    /// Returns the followers.
    pub(super) fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.fleet)
    }

    /// Ends the term at once: what is not committed is discarded.
    pub(super) async fn abandon(self, means: &Means) {
        means.stops_leading();
        drop(self.proposals);
        self.fleet.stop().await;
        drop(self.sequencer.await);
    }
}

impl Means {
    /// Notes that this node leads no more.
    pub(super) fn stops_leading(&self) {
        *self.logs.led.lock() = None;
        self.view.follow();
        self.liveness.publishes(None);
    }
}
