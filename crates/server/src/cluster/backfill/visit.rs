//! The command that requests a backfill: it is no node, and reads the state of the stream and the bucket.

use std::time::Duration;

use anyhow::{Context as _, bail};
use config::Config;
use record::{State, StreamId};
use relay::{Bucket, Link, Node};
use tokio::time::{Instant, sleep, timeout};

use super::requests::{KEY, Left, Request, Requests};
use crate::cluster::acknowledgements::BucketEntry;
use crate::cluster::settings;
use crate::state::backfill::requests::{Answer, Stage};

/// Time for the servers of the cluster to respond, and to read the state of the stream.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time in which a node takes a request, or the one at work reports: longer than another node takes to
/// lead.
const SILENCE: Duration = Duration::from_secs(60);
/// The time between two looks at the answer.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A connection of a command to a cluster.
#[derive(Debug)]
pub(crate) struct Visit {
    link: Link,
    requests: Requests<BucketEntry>,
}

/// A request that was left.
#[derive(Debug)]
pub(crate) struct Asked {
    id: u64,
    /// The revision of the entry that was seen last, and the time at which it was new.
    revision: Option<u64>,
    changed: Instant,
}

impl Visit {
    /// Connects to the servers of a configuration.
    ///
    /// # Errors
    /// If they do not respond, or refuse the credentials, or no node has created the stream yet.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let open = async {
            let settings = settings::stream(&config.cluster, false)?;
            let link = Link::open(&settings).await?;
            let bucket = Bucket::open(&link, &settings).await?;
            let requests = Requests::new(BucketEntry { bucket, key: KEY });
            anyhow::Ok(Self { link, requests })
        };
        let opened = timeout(PATIENCE, open).await;
        opened.context("the servers do not respond").flatten().context("cluster")
    }

    /// Reads the state at the end of the stream.
    ///
    /// # Errors
    /// If the servers do not respond, or there is no stream.
    pub(crate) async fn state(&self) -> anyhow::Result<State> {
        let read = async {
            let mut node = Node::near_end(self.link.clone(), 0).await?;
            while !node.catch_up().await?.1 {}
            anyhow::Ok(node.reader().state().cloned())
        };
        let read = timeout(PATIENCE, read).await;
        let state = read.context("the servers do not respond").flatten().context("cluster")?;
        state.context("cluster: no node has created the stream yet")
    }

    /// Leaves a request for logs of a stream, unless the same one is under way.
    ///
    /// # Errors
    /// If the servers do not respond, or another request is under way.
    pub(crate) async fn ask(&self, stream: StreamId, logs: &[String]) -> anyhow::Result<Asked> {
        match self.requests.leave(stream, logs).await? {
            Left::Waits(id) => Ok(Asked { id, revision: None, changed: Instant::now() }),
            Left::Busy(request) => {
                let Request { logs, answer, .. } = *request;
                let text = answer.map_or_else(|| "it waits".to_owned(), |answer| answer.text);
                bail!(
                    "the node that leads is still at work on an earlier request ({}): {text}",
                    logs.join(", ")
                )
            }
        }
    }

    /// Reports whether a request for the same logs is under way.
    ///
    /// # Errors
    /// If the servers do not respond.
    pub(crate) async fn is_under_way(
        &self,
        stream: StreamId,
        logs: &[String],
    ) -> anyhow::Result<bool> {
        let (_, request) = self.requests.read().await?;
        Ok(request.is_some_and(|request| request.is_under_way(stream) && request.logs == logs))
    }

    /// Waits until a request is done, and returns the outcome. `progress` gets lines about it.
    ///
    /// # Errors
    /// If it fails, or no node is at work on it.
    pub(crate) async fn outcome(
        &self,
        mut asked: Asked,
        progress: impl Fn(&str),
    ) -> anyhow::Result<String> {
        let mut shown = String::new();
        loop {
            match self.look(&mut asked).await {
                Ok(Some(Answer { stage: Stage::Done, text })) => return Ok(text),
                Ok(Some(Answer { stage: Stage::Failed, text })) => bail!(text),
                Ok(Some(Answer { text, .. })) if text != shown => {
                    progress(&text);
                    shown = text;
                }
                Ok(_) => {}
                Err(error) if asked.is_silent() => return Err(error),
                Err(error) => tracing::debug!(%error, "the progress of a backfill is not read"),
            }
            if asked.is_silent() {
                return Err(self.nobody(&asked).await?);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Reads the answer to a request; none before it is taken.
    async fn look(&self, asked: &mut Asked) -> anyhow::Result<Option<Answer>> {
        let (revision, request) = self.requests.read().await?;
        if asked.revision != revision {
            (asked.revision, asked.changed) = (revision, Instant::now());
        }
        let failed = |text: &str| Answer { stage: Stage::Failed, text: text.to_owned() };
        match request.filter(|request| request.id == asked.id) {
            Some(request) => Ok(request.answer),
            None => {
                Ok(Some(failed("another request has followed; see the log of the node that leads")))
            }
        }
    }

    /// Returns the reason why nothing is reported about a request, and takes it back if no node has
    /// taken it.
    async fn nobody(&self, asked: &Asked) -> anyhow::Result<anyhow::Error> {
        if self.requests.withdraw(asked.id).await? {
            return Ok(anyhow::anyhow!(
                "no node has taken the request: the node that leads does that; /health/deep of a \
                 node shows whether one leads"
            ));
        }
        Ok(anyhow::anyhow!(
            "no node reports about the request any more; the next leader continues it, and the same \
             command shows its progress"
        ))
    }
}

impl Asked {
    fn is_silent(&self) -> bool {
        Instant::now() - self.changed > SILENCE
    }
}
