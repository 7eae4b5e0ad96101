//! The publisher's thread: pages of the followers become what clients see.

use std::sync::Arc;
use std::time::Duration;

use follow::Page;
use ingest::{CommitLog, Heartbeat, Sequencer, Stopped, Window};
use journal::Journal;
use tokio::sync::mpsc;

use crate::first_seen::{self, FirstSeen};
use crate::publish::fanout::FeedFanout;
use crate::publish::pages::Pages;
use crate::state::window;

/// The reason why the server ends with its publisher. The panic is logged before.
pub(super) const ENDED: &str = "the publisher's thread has ended, so nothing can be published; \
                               the server exits so that systemd or Docker restarts it";

/// The parts of the publisher's thread.
pub(super) struct Publisher {
    pub(super) commit_log: Box<dyn CommitLog>,
    pub(super) fanout: FeedFanout,
    pub(super) state: record::State,
    pub(super) window: Option<Window>,
    /// The journal that the window is restored from, and its rules.
    pub(super) restored_from: Option<(Journal, window::Rules)>,
    /// The domains that were seen.
    pub(super) first_seen: Option<Arc<FirstSeen>>,
    pub(super) gather: Duration,
    pub(super) heartbeat: Arc<Heartbeat>,
}

impl Publisher {
    /// Publishes pages until there are no more.
    pub(super) fn run(self, pages: mpsc::Receiver<Page>) {
        let Self { commit_log, fanout, state, mut window, restored_from, .. } = self;
        let (gather, heartbeat) = (self.gather, self.heartbeat);
        if let (Some(window), Some((journal, rules))) = (&mut window, restored_from) {
            // Clients connect and pages wait meanwhile.
            heartbeat.wait(|| window::restore(&journal, rules, window));
        }
        let decider = |seen| first_seen::decider(seen, Some(first_seen::PATIENCE));
        let first_seen = self.first_seen.and_then(|seen| heartbeat.wait(|| decider(seen)));
        let sequencer =
            Sequencer::new(commit_log, fanout, state, window).with_first_seen(first_seen);
        let mut converter = Pages::default();
        match sequencer.run(pages, |page| converter.convert(page), gather, heartbeat) {
            Ok(()) | Err(Stopped::Closed) => {}
            Err(error) => tracing::error!(%error, "publishing has stopped"),
        }
    }
}
