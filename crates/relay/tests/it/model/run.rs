//! One sequence: what happens, and in which order.

use std::time::Duration;

use record::{State, StreamId};
use relay::protocol::{Leader, Next, Publish};

use super::checks::{self, Observer, Stored};
use super::node::Node;
use super::server::{Outcome, Server};
use crate::batches::{batch, nonce};
use crate::random::Random;

const STEPS: u64 = 200;
/// Nodes that may lead; as many again only read.
const LEADERS: usize = 2;
const NODES: usize = 4;
/// Seconds between two steps at most.
const STEP: u64 = 40;
/// The time that passes when the stream loses its end: offsets are not further ahead of the clock.
const OUTAGE: Duration = Duration::from_secs(600);

/// What the protocol does, and what happens to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// A leader takes its publishes for stored at once, and does not wait.
    pub(super) pipelines: bool,
    pub(super) fences_by_id: bool,
    pub(super) verifies: bool,
    pub(super) jumps: bool,
    /// The stream loses its end.
    pub(super) losses: bool,
    pub(super) expires: bool,
    pub(super) foreign: bool,
    /// The clocks of the nodes are wrong.
    pub(super) clocks: bool,
    pub(super) kills: bool,
}

impl Rules {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        Self {
            pipelines: false,
            fences_by_id: true,
            verifies: true,
            jumps: true,
            losses: !random.one_of(4),
            expires: random.one_of(3),
            foreign: random.one_of(2),
            clocks: random.one_of(3),
            kills: random.one_of(2),
        }
    }
}

/// A publish on its way.
#[derive(Debug)]
struct Flying {
    publish: Publish,
    node: usize,
}

/// A sequence.
#[derive(Debug)]
pub(super) struct Run {
    rules: Rules,
    random: Random,
    now: Duration,
    server: Server,
    nodes: Vec<Node>,
    network: Vec<Flying>,
    observer: Observer,
    stored: Stored,
    /// The copy of a checkpoint in the bucket.
    copy: Option<State>,
    /// Where clocks are wrong, the newest begin is below this sequence.
    begun: u64,
}

impl Run {
    pub(super) fn new(seed: u64, rules: Rules) -> Self {
        let mut random = Random::new(seed);
        let nodes = (0..NODES).map(|_| Node::new(&mut random)).collect();
        Self {
            rules,
            random,
            now: Duration::from_secs(1_800_000_000),
            server: Server::default(),
            nodes,
            network: Vec::new(),
            observer: Observer::default(),
            stored: Stored::default(),
            copy: None,
            begun: 0,
        }
    }

    /// Runs to the end, then lets everything become quiet, and checks that all agree.
    pub(super) fn all(mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            self.now += Duration::from_secs(self.random.below(STEP));
            self.step()?;
        }
        self.network.clear();
        for node in &mut self.nodes {
            node.waits = false;
        }
        for _ in 0..3 {
            self.settle()?;
        }
        self.agree()
    }

    fn step(&mut self) -> Result<(), String> {
        let at = self.random.below(NODES as u64) as usize;
        match self.random.below(32) {
            0..=9 => self.read(at),
            10..=16 => self.lead(at % LEADERS),
            17..=23 => self.deliver(),
            24 | 25 => {
                self.nodes[at % LEADERS].waits = false;
                Ok(())
            }
            26 => {
                self.nodes[at].check(&self.server);
                Ok(())
            }
            27 => self.accident(at),
            28 if self.rules.foreign => {
                self.server.store_foreign();
                Ok(())
            }
            29 => {
                self.server.restart();
                Ok(())
            }
            30 if self.rules.losses && self.random.one_of(3) => {
                self.lose();
                Ok(())
            }
            31 if self.rules.expires && self.random.one_of(4) => {
                let first = self.server.last.saturating_sub(self.random.below(40));
                self.server.expire(first);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read(&mut self, at: usize) -> Result<(), String> {
        let count = 1 + self.random.below(20) as usize;
        let behind = if self.random.one_of(3) { self.random.below(10) } else { 0 };
        let end = self.server.last.saturating_sub(behind);
        self.nodes[at].read(&self.server, count, end, &mut self.observer)
    }

    fn lose(&mut self) {
        let lost = if self.random.one_of(3) { 40 } else { 5 };
        let last = self.server.last.saturating_sub(1 + self.random.below(lost));
        let last =
            if self.rules.clocks { last.max(self.begun.min(self.server.last)) } else { last };
        self.server.lose(last);
        // A restored backup, or servers that start again after a loss of power.
        self.now += OUTAGE;
    }

    fn accident(&mut self, at: usize) -> Result<(), String> {
        if self.rules.kills {
            self.nodes[at] = Node::new(&mut self.random);
            return Ok(());
        }
        let to = self.nodes[self.random.below(LEADERS as u64) as usize].nonce;
        let Node { reader, leader, retires, .. } = &mut self.nodes[at];
        if let Some(leader) = leader
            && leader.next(reader) == Next::Idle
        {
            leader.hand_over(to);
            *retires = true;
        }
        Ok(())
    }

    /// Lets a node do the next thing as leader, or try to become it.
    fn lead(&mut self, at: usize) -> Result<(), String> {
        if self.nodes[at].waits {
            return Ok(());
        }
        // Whoever leads reads what there is before it publishes.
        let end = self.server.last;
        self.nodes[at].read(&self.server, usize::MAX, end, &mut self.observer)?;
        if self.nodes[at].leader.is_none() {
            return self.begin(at);
        }
        match self.nodes[at].next(&self.server, self.rules.verifies) {
            Some(Next::Publish(publish)) => self.publish(at, publish),
            Some(Next::Idle) => {
                if std::mem::take(&mut self.nodes[at].retires) {
                    self.nodes[at].leader = None;
                } else {
                    self.propose(at);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: usize) -> Result<(), String> {
        if !self.random.one_of(3) || self.nodes[at].reader.position() != self.server.last {
            return Ok(());
        }
        let wrong = self.rules.clocks.then(|| self.random.below(3));
        let now = match wrong {
            Some(0) => Duration::ZERO,
            Some(1) => self.now.saturating_sub(Duration::from_secs(3_000)),
            _ => self.now,
        };
        let random = &mut self.random;
        let node = &mut self.nodes[at];
        let mut opening = node.opening(now, random);
        opening.is_durable = !self.rules.jumps;
        (node.nonce, node.retires) = (nonce(random), false);
        if node.reader.state().is_some() {
            node.leader = Leader::begin(&node.reader, &opening).and_then(Result::ok);
            return Ok(());
        }
        let before_first = self.server.first() - 1;
        if node.reader.origin() > before_first {
            node.reader.restart(before_first);
            return Ok(());
        }
        // A stream without a checkpoint: a new one, with the positions of the copy.
        let id = StreamId::from_random(random.number());
        let state = match &self.copy {
            Some(copy) => copy.clone().with_stream(id),
            None => State::new(id),
        };
        opening.min_offset = state.next_offset();
        node.leader = Leader::create(state, &opening).ok();
        Ok(())
    }

    fn propose(&mut self, at: usize) {
        let seen = u64::try_from(self.now.as_millis()).unwrap_or_default();
        let Some(leader) = &mut self.nodes[at].leader else { return };
        if !leader.leads() {
            return;
        }
        if self.random.one_of(6) {
            leader.checkpoint().unwrap();
            self.copy = self.nodes[at].reader.state().cloned();
            return;
        }
        let batch = batch(leader.state(), seen, &mut self.random);
        leader.propose(&batch).unwrap();
    }

    fn publish(&mut self, at: usize, mut publish: Publish) -> Result<(), String> {
        if !self.rules.fences_by_id {
            publish.last_id = None;
        }
        if self.rules.pipelines {
            let sequence = publish.last_sequence + 1;
            let node = &mut self.nodes[at];
            let step = node.reader.read(sequence, &publish.payload).unwrap();
            node.session.note(&step, node.reader.state(), &mut self.observer)?;
        } else {
            self.nodes[at].waits = true;
        }
        self.network.push(Flying { publish, node: at });
        Ok(())
    }

    /// Delivers a publish, perhaps once more later, and perhaps its outcome.
    fn deliver(&mut self) -> Result<(), String> {
        if self.network.is_empty() {
            return Ok(());
        }
        let place = self.random.below(self.network.len() as u64) as usize;
        let is_lost = self.random.one_of(8);
        let is_phantom = self.random.one_of(12);
        let is_repeated = self.random.one_of(8);
        let Flying { publish, node: at } = self.network.swap_remove(place);
        let outcome = if is_lost {
            None
        } else if is_phantom {
            Some(Outcome::WrongSequence)
        } else {
            Some(self.store(&publish))
        };
        if is_repeated {
            self.network.push(Flying { publish: publish.clone(), node: NODES });
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let is_told = outcome.is_some() && !self.random.one_of(6);
        let is_awaited = publish.last_sequence == node.reader.position();
        if is_told && node.waits {
            node.waits = false;
            if outcome == Some(Outcome::WrongId)
                && is_awaited
                && let Some(leader) = &mut node.leader
            {
                leader.forgotten(&node.reader);
            }
            if outcome == Some(Outcome::WrongSequence) {
                node.check(&self.server);
            }
        }
        Ok(())
    }

    fn store(&mut self, publish: &Publish) -> Outcome {
        let outcome = self.server.publish(publish);
        if outcome == Outcome::Stored {
            let (sequence, payload) = (self.server.last, publish.payload.clone());
            let term = self.stored.term();
            self.stored.read(&self.server, sequence, &payload);
            if self.stored.term() != term {
                self.begun = sequence;
            }
        }
        outcome
    }

    /// Lets the first node lead, undisturbed, and everybody read to the end.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..200 {
            self.now += Duration::from_secs(STEP);
            self.read_all()?;
            if self.nodes[0].leader.is_none() {
                self.begin(0)?;
                continue;
            }
            match self.nodes[0].next(&self.server, true) {
                Some(Next::Publish(publish)) => {
                    let outcome = self.store(&publish);
                    let Node { reader, leader, .. } = &mut self.nodes[0];
                    if outcome == Outcome::WrongId
                        && let Some(leader) = leader
                    {
                        leader.forgotten(reader);
                    }
                }
                Some(Next::Idle) => {
                    self.propose(0);
                    if self.random.one_of(10) {
                        break;
                    }
                }
                _ => {}
            }
        }
        self.read_all()
    }

    fn read_all(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            for _ in 0..2 {
                node.check(&self.server);
                let end = self.server.last;
                node.read(&self.server, usize::MAX, end, &mut self.observer)?;
            }
        }
        Ok(())
    }

    /// Checks that all nodes have the state of a reader that begins at any checkpoint, and that no
    /// client misses anything unknowingly.
    fn agree(&mut self) -> Result<(), String> {
        let whole = checks::whole(&self.server, self.server.first().saturating_sub(1))?;
        for checkpoint in &whole.checkpoints {
            let from = checks::whole(&self.server, *checkpoint)?;
            if from.state != whole.state {
                return Err(format!("I3: a reader after sequence {checkpoint} has another state"));
            }
            if !whole.records.ends_with(&from.records) {
                return Err(format!(
                    "I8: a reader after sequence {checkpoint} reads other records"
                ));
            }
        }
        for (at, node) in self.nodes.iter().enumerate() {
            if node.reader.state() != Some(&whole.state) {
                let read = (node.reader.position(), node.reader.tip(), node.reader.state());
                let (last, state) = (self.server.last, &whole.state);
                return Err(format!("I7: node {at}: {read:?}, not {last} and {state:?}"));
            }
            node.session.check(whole.state.stream(), &whole.records)?;
        }
        if self.nodes[0].leader.as_ref().is_none_or(|leader| !leader.leads()) {
            return Err("I10: nobody leads".to_owned());
        }
        self.observer.check(&self.stored.hashes)
    }
}
