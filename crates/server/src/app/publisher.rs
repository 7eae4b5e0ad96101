//! The publisher's thread: pages of the followers become what clients see.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use follow::Page;
use ingest::{CommitLog, Heartbeat, Sequencer, Stopped, Window};
use journal::Journal;
use tokio::sync::{mpsc, oneshot};

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
    pub(super) gather: Duration,
    pub(super) heartbeat: Arc<Heartbeat>,
}

impl Publisher {
    /// Publishes pages until there are no more.
    pub(super) fn run(self, pages: mpsc::Receiver<Page>) {
        let Self { commit_log, fanout, state, mut window, restored_from, gather, heartbeat } = self;
        if let (Some(window), Some((journal, rules))) = (&mut window, restored_from) {
            // Clients connect and pages wait meanwhile.
            heartbeat.wait(|| window::restore(&journal, rules, window));
        }
        let sequencer = Sequencer::new(commit_log, fanout, state, window);
        let mut converter = Pages::default();
        match sequencer.run(pages, |page| converter.convert(page), gather, heartbeat) {
            Ok(()) | Err(Stopped::Closed) => {}
            Err(error) => tracing::error!(%error, "publishing has stopped"),
        }
    }
}

/// Starts the publisher's thread; the returned value resolves when the thread has ended, also by a
/// panic.
pub(super) fn start(work: impl FnOnce() + Send + 'static) -> anyhow::Result<oneshot::Receiver<()>> {
    let (running, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("publisher".to_owned()).spawn(move || {
        let _until_the_end: oneshot::Sender<()> = running;
        work();
    });
    thread.context("cannot start the publisher thread")?;
    Ok(ended)
}
