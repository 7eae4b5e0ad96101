//! Reading what is missing into a journal that no server uses.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use config::Config;
use follow::position::{self, Position};
use follow::{Fleet, FleetOptions, FollowOptions, Page};
use ingest::{Committed, Fanout, Heartbeat, Sequencer};
use journal::{Indexes, Journal};
use record::LogIdentity;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::app::http_client;
use crate::first_seen::{self, FirstSeen};
use crate::history::published::InJournal;
use crate::options;
use crate::publish::fanout::return_tickets;
use crate::publish::pages::{Pages, Ticket};
use crate::publish::{WAITING_PAGES, thread};
use crate::state::backfill::job::Job;
use crate::state::backfill::missing::Missing;
use crate::state::persistent::{self, Persistent};
use crate::state::window;

/// The time limit for the log list.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Reads what is missing of these logs, and returns what to print.
///
/// # Errors
/// If the journal cannot be used, or what is missing cannot be read.
pub(super) fn run(
    config: &Config,
    data_dir: &Path,
    logs: &[String],
    progress: impl Fn(&str),
) -> anyhow::Result<String> {
    let Persistent { journal, log, state } = persistent::open(config, data_dir, &Arc::default())?;
    let missing = Arc::new(Missing::of(&state));
    let known = position::State::of_stream(&state);
    let rules = options::dedup_rules(config);
    let window = options::window(config).zip(rules).map(|(mut window, rules)| {
        window::restore(&journal, rules, &mut window);
        window
    });
    let fanout = Unseen { missing: Arc::clone(&missing) };
    let first_seen = FirstSeen::open(config, data_dir, &journal)?;
    let sequencer = Sequencer::new(log, fanout, state, window);
    let (pages, waiting) = mpsc::channel::<Page>(WAITING_PAGES);
    let publisher = thread::start(move || {
        // Nobody waits for what is published meanwhile.
        let sequencer = sequencer.with_first_seen(first_seen::decider(first_seen, None));
        let mut converter = Pages::default();
        let convert = |page| converter.convert(page);
        let ended = sequencer.run(waiting, convert, Duration::ZERO, Arc::<Heartbeat>::default());
        if let Err(error) = ended {
            tracing::error!(%error, "publishing has stopped");
        }
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let read = runtime.block_on(async {
        let (indexes, stop) = index(&journal)?;
        let published = InJournal::new(indexes);
        let fleet = followed(config, &known)?;
        let has_lists = options::catalogue(config)?.is_some();
        let job = Job { missing: &missing, published: &published, fleet: &fleet };
        let into = |log: &LogIdentity, reader: follow::Backfill| {
            let tree = known.logs.get(&log.url).and_then(Position::tree);
            let reader = reader.into_queue(pages.clone()).continuing(tree.as_ref());
            reader.with_evidence(options::evidence_dir(config))
        };
        let note = |line: String| progress(&line);
        let read =
            wait_for(&fleet, &missing, logs, has_lists).await.map_err(|error| error.to_string());
        let read = match read {
            Ok(()) => job.run(logs, into, note).await,
            Err(error) => Err(error),
        };
        fleet.stop().await;
        drop(stop);
        read.map_err(anyhow::Error::msg)
    });
    drop(pages);
    // What was sent is committed, and the journal is closed.
    drop(publisher.blocking_recv());
    read
}

/// Begins to index a journal, until the sender is dropped.
fn index(journal: &Journal) -> anyhow::Result<(Arc<Indexes>, oneshot::Sender<()>)> {
    let indexes = Arc::new(Indexes::new(journal));
    let followed = Arc::clone(&indexes);
    let (running, mut over) = oneshot::channel::<()>();
    let is_over = move || !matches!(over.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    let is_over = parking_lot::Mutex::new(is_over);
    let thread = std::thread::Builder::new().name("index".to_owned());
    thread
        .spawn(move || followed.follow(|| (is_over.lock())()))
        .context("cannot start the thread that indexes the journal")?;
    Ok((indexes, running))
}

/// Follows the logs of the configuration, with the alarms that are known. What they log meanwhile is not
/// read: it waits in the logs.
fn followed(config: &Config, known: &position::State) -> anyhow::Result<Arc<Fleet>> {
    let follow = FollowOptions {
        start: follow::Start::Head,
        start_overlap: 0,
        evidence_dir: None,
        first_position: follow::FirstPosition::Forgotten,
        ..options::follow_options(config)
    };
    let options = FleetOptions {
        follow,
        configured: options::configured_logs(config)?,
        catalogue: options::catalogue(config)?,
        saved: alarms(known),
    };
    // No task reads the pages of the followers.
    let (pages, unread) = mpsc::channel(1);
    let fleet = Fleet::start(Arc::new(http_client(config)?), options, pages);
    tokio::spawn(async move {
        // Ends with the runtime.
        let _unread = unread;
        std::future::pending::<()>().await;
    });
    Ok(fleet)
}

/// Returns the alarms of logs without their positions.
fn alarms(known: &position::State) -> position::State {
    let alarmed = known.logs.iter().filter(|(_, log)| !log.alarms.is_empty());
    let begun_anew = |(url, log): (&String, &Position)| {
        let Position { log_id, name, alarms, .. } = log.clone();
        let log = Position { log_id, name, alarms, has_not_begun: true, ..Position::default() };
        (url.clone(), log)
    };
    position::State { logs: alarmed.map(begun_anew).collect(), ..position::State::default() }
}

/// Waits until the logs are followed or the log lists are read.
async fn wait_for(
    fleet: &Fleet,
    missing: &Missing,
    logs: &[String],
    has_lists: bool,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let wanted = missing.select(logs).map_err(anyhow::Error::msg)?;
    loop {
        if wanted.iter().all(|log| fleet.backfill(&log.identity).is_some()) {
            return Ok(());
        }
        let lists = fleet.lists();
        if let Some(error) = lists.iter().find_map(|list| list.error.as_ref()) {
            bail!("{error}");
        }
        let is_read = !lists.is_empty() && lists.iter().all(|list| list.fetched.is_some());
        // The job names the log that is not followed.
        if is_read || !has_lists || Instant::now() > deadline {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Shows nothing: nobody is connected.
#[derive(Debug)]
struct Unseen {
    missing: Arc<Missing>,
}

impl Fanout for Unseen {
    type Ticket = Ticket;

    fn show(&mut self, committed: Committed<Ticket>) -> bool {
        let Committed { batch, tickets, missing, .. } = committed;
        self.missing.change(&batch.logs, missing);
        return_tickets(batch.advances, tickets, 0);
        true
    }

    fn refused(&mut self, ticket: Ticket, position: u64) {
        ticket.log.refused(position);
    }

    fn readers(&self) -> usize {
        0
    }
}
