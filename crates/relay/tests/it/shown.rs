//! Nodes that remember everything that they show.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use record::{Batch, State, StreamId};
use relay::protocol::{Applied, Content, Opening, Show, Step};
use relay::{Link, Node, Settings, Turn, UseError};

use crate::batches::{batch, nonce};
use crate::nats::settings;
use crate::random::Random;

/// Attempts before a test gives up; each waits for the server.
const ATTEMPTS: usize = 200;

/// A node, and everything that it has shown.
pub(crate) struct Shown {
    pub(crate) node: Node,
    pub(crate) random: Random,
    pub(crate) records: BTreeMap<u64, (u32, u64)>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) repeated: usize,
    /// The time at which entries of the next batch are seen.
    pub(crate) seen: u64,
}

pub(crate) async fn connect(address: SocketAddr, seed: u64) -> Shown {
    connect_to(&settings(address), seed).await
}

pub(crate) async fn connect_to(settings: &Settings, seed: u64) -> Shown {
    let link = Link::open(settings).await.unwrap();
    Shown::new(Node::new(link).await.unwrap(), seed)
}

impl Shown {
    pub(crate) fn new(node: Node, seed: u64) -> Self {
        Self {
            node,
            random: Random::new(seed),
            records: BTreeMap::new(),
            batches: Vec::new(),
            repeated: 0,
            seen: 1_700_000_000_000,
        }
    }

    pub(crate) fn note(&mut self, steps: Vec<Step>) {
        for step in steps {
            let Step::Applied(Applied { content: Content::Batch(batch), show, .. }) = step else {
                continue;
            };
            if show == Show::Repeated {
                self.repeated += 1;
                continue;
            }
            assert_eq!(show, Show::New);
            for (offset, record) in (batch.first_offset..).zip(&batch.records) {
                let last = self.records.last_key_value().map(|(last, _)| *last);
                assert!(last.is_none_or(|last| last < offset), "offset {offset} does not grow");
                self.records.insert(offset, (record.log.0, record.index));
            }
            self.batches.push(batch);
        }
    }

    /// Reads to the end of the stream.
    pub(crate) async fn catch_up(&mut self) {
        for _ in 0..ATTEMPTS {
            match self.node.catch_up().await {
                Ok((steps, is_at_end)) => {
                    self.note(steps);
                    if is_at_end {
                        return;
                    }
                }
                Err(error) => retry(&error).await,
            }
        }
        panic!("the end of the stream is not reached");
    }

    pub(crate) fn opening(&mut self, max_payload: usize) -> Opening {
        Opening {
            nonce: nonce(&mut self.random),
            boot: [0; 16],
            configuration: [0; 32],
            now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap(),
            is_durable: false,
            min_offset: 0,
            max_payload,
        }
    }

    pub(crate) async fn stand(&mut self, max_payload: usize) {
        self.catch_up().await;
        let opening = self.opening(max_payload);
        let state = State::new(StreamId::from_random(self.random.number()));
        self.node.stand(&opening, state).unwrap();
    }

    /// Takes turns until everything is committed, or the node is deposed.
    pub(crate) async fn settle(&mut self) -> Turn {
        for _ in 0..ATTEMPTS {
            let mut steps = Vec::new();
            let turn = self.node.turn(&mut steps).await;
            self.note(steps);
            match turn {
                Ok(Turn::Again) => {}
                Ok(turn) => return turn,
                Err(error) => retry(&error).await,
            }
        }
        panic!("the turns do not end");
    }

    pub(crate) async fn lead(&mut self) {
        self.stand(usize::MAX).await;
        assert_eq!(self.settle().await, Turn::Committed);
    }

    pub(crate) fn propose(&mut self, count: usize) {
        for _ in 0..count {
            let state = self.node.leader().unwrap().state().clone();
            let batch = batch(&state, self.seen, &mut self.random);
            self.node.propose(&batch).unwrap().unwrap();
        }
    }

    pub(crate) async fn publish(&mut self, count: usize) {
        self.propose(count);
        assert_eq!(self.settle().await, Turn::Committed);
    }

    pub(crate) fn state(&self) -> &State {
        self.node.reader().state().unwrap()
    }
}

async fn retry(error: &UseError) {
    assert!(error.is_temporary(), "{error}");
    tokio::time::sleep(Duration::from_millis(50)).await;
}
