//! The member: reads the stream and shows it, and leads when no other node does.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ct::Hash;
use ingest::Window;
use record::{State, StreamId};
use relay::protocol::{Applied, Content, Leader, Opening, Passed, Step};
use relay::{Bucket, Node, Turn, UseError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::leading::{Leading, Means};
use super::proposals::Proposal;
use super::shown::{Broken, Shown};
use super::standing::Standing;
use super::status::Status;

/// Interval at which the stream's end is compared with what was read.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Interval at which a leader publishes a checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// Pause after a failure of the servers.
const RETRY: Duration = Duration::from_millis(200);
/// Time without a commit after which the reason is reported.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time for which a node that stops tries to commit what is left.
const LAST_TRY: Duration = Duration::from_secs(1);

/// The rules by which a node leads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) may_lead: bool,
    pub(super) configuration: Hash,
    pub(super) boot: [u8; 16],
    /// The servers lose nothing that they acknowledged.
    pub(super) is_durable: bool,
}

/// The next thing for a member to do.
enum Event {
    Stop,
    Check,
    /// A batch of the sequencer; none if that has ended.
    Proposal(Option<Proposal>),
    Read(Result<Option<Step>, UseError>),
}

/// A node of a cluster.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) bucket: Bucket,
    pub(super) standing: Arc<Standing>,
    pub(super) status: Arc<Status>,
    pub(super) shown: Shown,
    pub(super) means: Means,
    pub(super) rules: Rules,
    /// Makes an empty window, for a term after one that this node has led.
    pub(super) new_window: fn(&config::Config) -> Option<Window>,
    pub(super) config: Arc<config::Config>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) leading: Option<Leading>,
    pub(super) checkpointed: Instant,
    /// The copy of the state that is being saved.
    pub(super) saving: Option<JoinHandle<()>>,
}

impl Member {
    /// Reads, shows and leads until the server stops.
    ///
    /// # Errors
    /// If this process cannot continue, and has to be started again.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let standing = Arc::clone(&self.standing);
        let outcome = self.work().await;
        // The lease is not renewed any more, whatever the reason.
        standing.end();
        outcome
    }

    async fn work(mut self) -> anyhow::Result<()> {
        if self.leads_already() {
            self.begin_to_lead()?;
        }
        let mut checked = tokio::time::Instant::now();
        loop {
            match self.next_event(checked + CHECK_EVERY).await {
                Event::Stop => return self.resign().await,
                Event::Check => {
                    self.check().await?;
                    checked = tokio::time::Instant::now();
                }
                Event::Proposal(Some(proposal)) => {
                    self.commit(proposal).await?;
                }
                Event::Proposal(None) => anyhow::bail!(SEQUENCER_ENDED),
                Event::Read(Ok(step)) => {
                    self.take(step).await?;
                    if self.rules.may_lead && self.is_named() {
                        self.stand().await?;
                    }
                }
                Event::Read(Err(error)) => self.fail(error).await?,
            }
        }
    }

    /// Waits for the next thing to do. A check that is due comes first: there may always be a proposal,
    /// or a message to read.
    async fn next_event(&mut self, check_at: tokio::time::Instant) -> Event {
        let until = check_at.saturating_duration_since(tokio::time::Instant::now());
        if until.is_zero() {
            return Event::Check;
        }
        let is_leading = self.leading.is_some();
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Event::Stop,
            () = sleep(until), if is_leading => Event::Check,
            proposal = next_proposal(&mut self.leading) => Event::Proposal(proposal),
            // It is not cancelled by a check: a consumer may take long to be created.
            read = self.node.read(until), if !is_leading => Event::Read(read),
        }
    }

    /// Reports whether the node has created the stream and leads it.
    fn leads_already(&self) -> bool {
        self.node.leader().is_some_and(Leader::leads)
    }

    /// Shows what was read. Other tasks have their turn after each step.
    async fn take(&mut self, steps: impl IntoIterator<Item = Step>) -> Result<(), Broken> {
        for (number, step) in steps.into_iter().enumerate() {
            if number > 0 {
                tokio::task::yield_now().await;
            }
            if let Step::Passed(Passed::Foreign(_)) = step {
                let sequence = self.node.reader().position();
                tracing::warn!(sequence, "a message of another program in the stream is skipped");
            }
            if let Step::Applied(Applied { content: Content::Begin(_), .. }) = step {
                // Its lease may not be visible yet.
                self.standing.see_begin();
            }
            self.shown.show(step, self.node.reader().state())?;
        }
        let reader = self.node.reader();
        let term = reader.state().map_or(0, State::term);
        self.status.progress(reader.position(), term, self.node.counts());
        Ok(())
    }

    /// Notes that the servers do not respond, and waits a little.
    async fn fail(&self, error: UseError) -> Result<(), UseError> {
        match &error {
            UseError::Unavailable(reason) => self.status.fail(reason),
            UseError::Deleted => {
                self.status.fail("the stream does not exist any more");
                return Err(error);
            }
            _ => return Err(error),
        }
        sleep(RETRY).await;
        Ok(())
    }

    /// Compares the stream with what was read, and leads if nobody else does.
    async fn check(&mut self) -> anyhow::Result<()> {
        let asked = Instant::now();
        let last = match self.node.check().await {
            Ok(bounds) => bounds.last,
            Err(error) => return Ok(self.fail(error).await?),
        };
        // The check may have found that what was read is gone.
        self.status.see_last(last, self.node.reader().position(), asked);
        if self.leading.is_some() {
            return self.check_as_leader(last).await;
        }
        let reader = self.node.reader();
        if reader.position() >= last && reader.state().is_none() {
            anyhow::bail!(Broken::Emptied);
        }
        if self.rules.may_lead && (self.is_named() || self.standing.is_over()) {
            self.stand().await?;
        }
        Ok(())
    }

    /// Reports whether the leader has handed over to this node.
    fn is_named(&self) -> bool {
        self.node.reader().handover() == Some(self.standing.nonce())
    }

    /// Reads what others published, and publishes a checkpoint when it is due.
    async fn check_as_leader(&mut self, last: u64) -> anyhow::Result<()> {
        if self.node.reader().position() < last {
            match self.node.catch_up().await {
                Ok((steps, _)) => self.take(steps).await?,
                Err(error) => self.fail(error).await?,
            }
        }
        if self.checkpointed.elapsed() >= CHECKPOINT_EVERY {
            self.checkpointed = Instant::now();
            self.node.checkpoint()?;
            if self.drive().await? {
                self.save_copy();
            }
        } else {
            self.drive().await?;
        }
        Ok(())
    }

    /// Keeps a copy of the state for a stream that loses everything. The stream does not wait for it.
    fn save_copy(&mut self) {
        let Some(state) = self.node.reader().state().filter(|_| self.leading.is_some()) else {
            return;
        };
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        let (bucket, state) = (self.bucket.clone(), state.clone());
        self.saving = Some(tokio::spawn(async move {
            match bucket.save(&state).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!("the state is too large for a copy in the bucket"),
                Err(error) => tracing::warn!(%error, "the copy of the state could not be saved"),
            }
        }));
    }

    /// Publishes a batch of the sequencer and shows it. Returns `false` if it is not committed.
    async fn commit(&mut self, Proposal { batch, accepted }: Proposal) -> anyhow::Result<bool> {
        match self.node.propose(&batch) {
            Ok(Some(hash)) => {
                // A sequencer that has ended does not wait for it.
                let _waits = accepted.send(hash);
                self.drive().await
            }
            Ok(None) => Ok(false),
            Err(error) => {
                tracing::error!(%error, "a batch cannot be published, so this term ends");
                self.step_down().await;
                Ok(false)
            }
        }
    }

    /// Takes turns until everything proposed is committed. Returns `false` if it is not: another node
    /// leads, or the server stops while the servers of the cluster do not respond.
    async fn drive(&mut self) -> anyhow::Result<bool> {
        let begun = Instant::now();
        loop {
            let waited = begun.elapsed();
            if *self.stop.borrow() && waited > LAST_TRY {
                return Ok(false);
            }
            if let Some(trouble) = self.node.trouble().filter(|_| waited > PATIENCE) {
                self.status.fail(&format!("the stream stores no message: {trouble}"));
            }
            let mut steps = Vec::new();
            let turn = self.node.turn(&mut steps).await;
            self.take(steps).await?;
            if let (Some(leading), Some(leader)) = (&self.leading, self.node.leader()) {
                leading.proposals.commit(leader.committed());
            }
            match turn {
                Ok(Turn::Committed) => return Ok(true),
                Ok(Turn::Again) => {}
                Ok(Turn::Deposed) => {
                    self.step_down().await;
                    return Ok(false);
                }
                Err(error) => self.fail(error).await?,
            }
        }
    }

    /// Tries to lead.
    async fn stand(&mut self) -> anyhow::Result<()> {
        let term = self.node.reader().state().map(State::term);
        loop {
            match self.node.catch_up().await {
                Ok((steps, is_at_end)) => {
                    self.take(steps).await?;
                    if is_at_end {
                        break;
                    }
                }
                Err(error) => return Ok(self.fail(error).await?),
            }
        }
        let is_led = self.node.reader().state().map(State::term) != term;
        if is_led && !self.is_named() {
            return Ok(());
        }
        if self.node.reader().state().is_none() {
            anyhow::bail!(Broken::Emptied);
        }
        let opening = opening(&self.rules, &self.standing, self.node.link().max_payload());
        self.node.stand(&opening, State::new(StreamId::from_random(0)))?;
        if self.drive().await? && self.leads_already() {
            self.begin_to_lead()?;
        }
        Ok(())
    }

    /// Follows the logs from now on.
    fn begin_to_lead(&mut self) -> anyhow::Result<()> {
        let Some(leader) = self.node.leader() else { return Ok(()) };
        let state = leader.state().clone();
        let (term, next_offset) = (state.term(), state.next_offset());
        self.leading = Some(Leading::start(&self.means, state, self.shown.window.take())?);
        self.standing.set_leads(true);
        self.status.lead();
        self.checkpointed = Instant::now();
        tracing::info!(term, next_offset, "this node leads: it follows the logs");
        Ok(())
    }

    /// Ends a term that another node has ended, or that cannot continue, and reads on.
    async fn step_down(&mut self) {
        self.node.step_down();
        self.standing.set_leads(false);
        self.status.depose();
        let Some(leading) = self.leading.take() else {
            tracing::info!("another node leads");
            return;
        };
        let led = self.means.logs.led().map(|led| led.term);
        let is_led_by_another = self.node.reader().state().map(State::term) > led;
        tracing::warn!(
            "{}: this node stops following the logs; nothing is lost, it publishes nothing more and \
             reads on",
            if is_led_by_another { "another node leads" } else { "this term ends" }
        );
        self.shown.window = (self.new_window)(&self.config);
        leading.abandon(&self.means).await;
    }

    /// Publishes what was read from the logs, and hands over to a node that is ready.
    async fn resign(mut self) -> anyhow::Result<()> {
        // A batch may be left from an outage.
        if !self.drive().await? {
            return self.give_up().await;
        }
        let Some(leading) = &self.leading else { return Ok(()) };
        let fleet = leading.fleet();
        let stopped = tokio::spawn(async move { fleet.stop().await });
        while let Some(proposal) = next_proposal(&mut self.leading).await {
            if !self.commit(proposal).await? {
                return self.give_up().await;
            }
        }
        drop(stopped.await);
        let successor = self.standing.successor();
        if let Some(nonce) = successor {
            self.node.hand_over(nonce);
            if !self.drive().await? {
                return self.give_up().await;
            }
        }
        self.standing.set_leads(false);
        self.status.resign();
        self.means.stops_leading();
        if successor.is_some() {
            tracing::info!("this node has handed over to another one");
            return Ok(());
        }
        tracing::info!("this node no longer leads; no other node is ready to lead");
        if let Err(error) = self.bucket.release().await {
            tracing::debug!(%error, "the lease could not be released");
        }
        Ok(())
    }

    /// Stops without what is not committed.
    async fn give_up(&mut self) -> anyhow::Result<()> {
        self.standing.set_leads(false);
        if let Some(leading) = self.leading.take() {
            tracing::warn!("the last entries are not published: the next leader reads them again");
            leading.abandon(&self.means).await;
        }
        Ok(())
    }
}

/// The reason why the server ends with its sequencer. The panic is logged before.
const SEQUENCER_ENDED: &str = "the publisher's thread has ended, so nothing can be published; the \
                               server exits so that systemd or Docker restarts it";

/// Waits for the next batch of the sequencer, if this node leads; `None` if the sequencer has ended.
async fn next_proposal(leading: &mut Option<Leading>) -> Option<Proposal> {
    match leading {
        Some(leading) => leading.proposals.waiting.recv().await,
        None => std::future::pending().await,
    }
}

/// Returns the circumstances of a term that begins now.
pub(super) fn opening(rules: &Rules, standing: &Standing, max_payload: usize) -> Opening {
    Opening {
        nonce: standing.take_nonce(),
        boot: rules.boot,
        configuration: rules.configuration,
        now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        is_durable: rules.is_durable,
        min_offset: 0,
        max_payload,
    }
}
