//! The start of a node: it connects, reads the stream to its end, and creates it if there is none and the
//! node may lead.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use config::Config;
use ingest::Window;
use journal::{Host as _, System};
use record::{State, StreamId};
use relay::protocol::{Applied, Content, Leader, Step};
use relay::{Bucket, Link, Node, OpenError, Turn, UseError};
use tokio::time::sleep;

use super::backlog::{Backlog, Start};
use super::member::{Rules, opening};
use super::standing::Standing;
use super::{settings, status};
use crate::options;
use crate::publish::fanout::FeedFanout;

/// Stored bytes of the stream that are read at the start, for the dedup window and the feed.
const BACKLOG: u64 = 64 << 20;
/// Time after which an attempt to create the stream has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time for a message that was stored to arrive.
const ARRIVAL: Duration = Duration::from_secs(2);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_secs(1);

/// A node that has read the stream to its end.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(super) node: Node,
    pub(crate) bucket: Bucket,
    pub(super) standing: Standing,
    pub(super) rules: Rules,
    pub(super) window: Option<Window>,
    pub(super) backlog: Backlog,
    /// The fold at the end of the stream.
    pub(crate) state: State,
    /// Reads of the stream for clients that resume or fall behind, to be counted.
    pub(super) reads: Arc<AtomicU64>,
}

/// Joins the cluster of a configuration. Waits for servers that do not respond, and, if this node may not
/// lead, for one that does.
///
/// # Errors
/// If the settings cannot be used: credentials, certificates, or a stream of another shape.
pub(crate) async fn join(config: &Config, random: u64) -> anyhow::Result<Joined> {
    // An edge may have other settings than the nodes that read logs, or none.
    let settings = settings::stream(&config.cluster, settings::may_lead(config))?;
    let (link, bucket) = open(&settings).await?;
    let found =
        [(settings.stream.clone(), link.replicas()), (settings.bucket_stream(), bucket.replicas())];
    for (stream, copies) in found {
        if let Some(difference) = difference(&stream, settings.replicas, copies) {
            tracing::warn!("{difference}");
        }
    }
    let standing = Standing::new();
    let rules = Rules {
        may_lead: settings::may_lead(config),
        configuration: options::configuration_hash(config),
        boot: System::new().boot(),
        is_durable: config.cluster.durable,
    };
    let mut joining = Joining {
        link,
        bucket,
        standing,
        rules,
        window: None,
        backlog: Backlog::new(0),
        config: config.clone(),
        outage: Outage::default(),
    };
    loop {
        let attempt = joining.attempt(random).await;
        match attempt {
            Ok(Some((node, state))) => {
                let Joining { bucket, standing, rules, window, backlog, .. } = joining;
                let reads = Arc::default();
                let joined =
                    Joined { node, bucket, standing, rules, window, backlog, state, reads };
                return Ok(joined);
            }
            Ok(None) => joining.outage.note("no node has created the stream yet"),
            Err(error) if error.is_temporary() => joining.outage.note(&error.to_string()),
            Err(error) => return Err(error).context("cluster"),
        }
        sleep(RETRY).await;
    }
}

impl Joined {
    /// Returns the place at which the feed begins: with the backlog, or else with the next batch.
    pub(super) fn start(&self) -> Start {
        let totals = self.node.reader().totals();
        let end = if totals.entries > 0 { totals.end } else { self.state.next_offset() };
        let at_end = Start { end, entries: totals.entries };
        self.backlog.start(totals).unwrap_or(at_end)
    }

    /// Fills the feed with the backlog, from which it is taken batch by batch.
    ///
    /// # Errors
    /// If the feed does not take it.
    pub(crate) async fn restore(&mut self, fanout: &FeedFanout) -> anyhow::Result<()> {
        let totals = self.node.reader().totals();
        let Some(mut place) = self.backlog.start(totals) else { return Ok(()) };
        while let Some(batch) = self.backlog.pop(&mut place) {
            let number = batch.batch.header.number;
            let restored = fanout.restore(batch);
            restored.with_context(|| format!("cluster: batch {number} cannot be shown"))?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Opens stream and bucket. Waits for servers that do not respond.
async fn open(settings: &relay::Settings) -> anyhow::Result<(Link, Bucket)> {
    let mut outage = Outage::default();
    loop {
        match open_once(settings).await {
            Ok(opened) => return Ok(opened),
            Err(error) if error.is_temporary() => outage.note(&error.to_string()),
            Err(error) => return Err(error).context("cluster"),
        }
        sleep(RETRY).await;
    }
}

async fn open_once(settings: &relay::Settings) -> Result<(Link, Bucket), OpenError> {
    let link = Link::open(settings).await?;
    let bucket = Bucket::open(&link, settings).await?;
    Ok((link, bucket))
}

/// Returns the difference between the copies that are configured and those of a stream that exists. A
/// single one is the default of the setting, and nobody's choice.
fn difference(stream: &str, configured: usize, copies: usize) -> Option<String> {
    let text = || {
        format!(
            "cluster.replicas is {configured}, and the stream {stream} has {copies}: the setting counts \
             only when it is created; run `nats stream edit {stream} --replicas {configured}`"
        )
    };
    (configured > 1 && copies != configured).then(text)
}

/// Logs why the server waits: at once, and every minute.
#[derive(Debug, Default)]
struct Outage {
    reported: Option<Instant>,
}

impl Outage {
    fn note(&mut self, reason: &str) {
        if self.reported.is_none_or(|reported| reported.elapsed() >= status::REMIND) {
            self.reported = Some(Instant::now());
            tracing::warn!(reason, "waiting for the cluster before clients are served");
        }
    }
}

/// A node on its way to the end of the stream.
struct Joining {
    link: Link,
    bucket: Bucket,
    standing: Standing,
    rules: Rules,
    window: Option<Window>,
    backlog: Backlog,
    config: Config,
    outage: Outage,
}

impl Joining {
    /// Reads the stream to its end, or creates it. Returns the node and its fold; `None` if there is no
    /// stream, and this node does not create it.
    async fn attempt(&mut self, random: u64) -> Result<Option<(Node, State)>, UseError> {
        let mut node = Node::near_end(self.link.clone(), BACKLOG).await?;
        self.window = options::window(&self.config);
        let most = usize::try_from(BACKLOG).unwrap_or(usize::MAX);
        self.backlog = Backlog::new(options::limits(&self.config).ring_bytes.min(most));
        loop {
            self.read_on(&mut node).await?;
            let (steps, is_at_end) = node.catch_up().await?;
            self.remember(steps, &node);
            if is_at_end {
                break;
            }
        }
        if let Some(state) = node.reader().state() {
            let state = state.clone();
            return Ok(Some((node, state)));
        }
        if !self.rules.may_lead {
            return Ok(None);
        }
        self.create(&mut node, random).await?;
        let state = node.reader().state().cloned();
        Ok(state.map(|state| (node, state)))
    }

    /// Reads to the present end of the stream, message by message, so that each batch is remembered with
    /// the log table of its time.
    async fn read_on(&mut self, node: &mut Node) -> Result<(), UseError> {
        let last = node.check().await?.last;
        while node.reader().position() < last {
            match node.read(ARRIVAL).await? {
                Some(step) => self.remember(vec![step], node),
                // It is fetched when the node catches up.
                None => break,
            }
        }
        Ok(())
    }

    /// Creates the stream, with the positions of the copy if there is one, unless another node does.
    async fn create(&mut self, node: &mut Node, random: u64) -> Result<(), UseError> {
        let id = StreamId::from_random(random);
        let state = match self.bucket.saved().await? {
            Some(copy) => {
                let (stream, logs) = (copy.stream(), copy.logs().len());
                tracing::warn!(
                    %stream, new_stream = %id, logs,
                    "the stream is empty: a new one is created, which continues at the positions of \
                     the copy in the bucket"
                );
                copy.with_stream(id)
            }
            None => {
                tracing::info!(stream = %id, "a new stream is created");
                State::new(id)
            }
        };
        let opening = opening(&self.rules, &self.standing, self.link.max_payload());
        node.stand(&opening, state)?;
        let begun = Instant::now();
        loop {
            if let Some(trouble) = node.trouble().filter(|_| begun.elapsed() > PATIENCE) {
                let reason = format!("the stream stores no message: {trouble}");
                return Err(UseError::Unavailable(reason));
            }
            let mut steps = Vec::new();
            let turn = node.turn(&mut steps).await?;
            self.remember(steps, node);
            match turn {
                Turn::Again => {}
                Turn::Committed | Turn::Deposed => return Ok(()),
            }
            if node.leader().is_some_and(Leader::leads) {
                return Ok(());
            }
        }
    }

    /// Remembers what the node has read: batches for the feed, and certificates for the window.
    fn remember(&mut self, steps: Vec<Step>, node: &Node) {
        self.remember_certificates(&steps);
        self.backlog.note(steps, node.reader().state());
    }

    fn remember_certificates(&mut self, steps: &[Step]) {
        let Some(window) = &mut self.window else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for step in steps {
            let Step::Applied(Applied { content: Content::Batch(batch), .. }) = step else {
                continue;
            };
            for (offset, record) in (batch.first_offset..).zip(&batch.records) {
                let age = now.saturating_sub(Duration::from_millis(record.seen));
                let hash = ingest::remembered(record, record.dedup_key());
                window.restore(&hash, offset, age, Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use config::{Cluster, Role};
    use xtask::nats::Nats;

    use super::*;

    #[test]
    fn other_copies_than_those_configured_are_reported() {
        let text = difference("KV_ctlog-state", 3, 1).expect("two are missing");
        assert!(text.contains("nats stream edit KV_ctlog-state --replicas 3"), "{text}");
        assert!(difference("CTLOG", 3, 5).is_some());
        assert_eq!(difference("CTLOG", 3, 3), None);
        assert_eq!(difference("CTLOG", 1, 3), None, "the setting has its default");
    }

    /// An edge would create the stream with its own settings.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_edge_that_starts_first_creates_nothing_and_waits_for_a_node_that_reads_logs() {
        if let Err(error) = xtask::nats::program() {
            println!("SKIPPED: the server of NATS cannot be installed: {error:#}");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let nats = Nats::start(folder.path(), 1).expect("NATS starts");
        let node = |role| {
            let url = vec![nats.urls()];
            let max_bytes = config::ByteSize::new(config::ByteSize::GIB);
            let cluster = Cluster { url, max_bytes, ..Cluster::default() };
            Config { role, cluster, ..Config::default() }
        };
        let (edge, ingest) = (node(Role::Edge), node(Role::Ingest));
        let settings = settings::stream(&edge.cluster, settings::may_lead(&edge)).expect("usable");
        for _ in 0..2 {
            let error = open_once(&settings).await.expect_err("there is no stream");
            assert!(matches!(error, OpenError::Absent(_)) && error.is_temporary(), "{error}");
            let shown = "no node that reads logs has created the stream CTLOG yet";
            assert_eq!(error.to_string(), shown);
        }
        let waiting = tokio::spawn(async move { join(&edge, 1).await });
        let first = join(&ingest, 2).await.expect("it creates the stream");
        let joined = waiting.await.expect("no panic").expect("it reads the stream");
        assert_eq!(joined.state.stream(), first.state.stream());
    }
}
