//! One sequence: what happens, and in which order.

use std::time::Duration;

use relay::protocol::Next;

use super::client::Client;
use super::node::Node;
use super::observer::Observer;
use super::world::{Rules, Tally, World};
use crate::batches::varied_batch;

const STEPS: u64 = 400;
/// Nodes that may lead; as many again only read.
pub(super) const LEADERS: usize = 2;
const NODES: usize = 4;
const CLIENTS: usize = 3;
/// Seconds between two steps at most.
pub(super) const STEP: u64 = 40;

/// A sequence.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) world: World,
    pub(super) nodes: Vec<Node>,
    pub(super) clients: Vec<Client>,
    pub(super) all: Observer,
    /// Nodes that were ever started.
    started: u64,
}

impl Run {
    pub(super) fn new(seed: u64, rules: Rules) -> Self {
        let mut world = World::new(seed, rules);
        let nodes = (0..NODES).map(|at| Node::new(at, at as u64, 0, &mut world)).collect();
        let clients = (0..CLIENTS).map(|_| Client::default()).collect();
        Self { world, nodes, clients, all: Observer::default(), started: NODES as u64 }
    }

    /// Runs to the end, then lets everything become quiet, and checks that all agree.
    pub(super) fn all(mut self) -> Result<Tally, String> {
        for _ in 0..STEPS {
            self.world.now += Duration::from_secs(self.world.random.below(STEP));
            self.step()?;
            if let Some(broken) = self.world.broken.take() {
                return Err(broken);
            }
        }
        self.settle()?;
        self.agree()?;
        Ok(self.world.tally)
    }

    fn step(&mut self) -> Result<(), String> {
        let Self { world, nodes, all, clients, .. } = self;
        let at = world.random.below(NODES as u64) as usize;
        match world.random.below(64) {
            0..12 => {
                let count = 1 + world.random.below(20);
                (0..count).try_for_each(|_| nodes[at].read(world, all).map(|_| ()))?;
            }
            12..28 => self.lead(at % LEADERS)?,
            28..44 => world.deliver(),
            44 => nodes[at % LEADERS].give_up(world, all)?,
            45 => {
                nodes[at].check(world);
            }
            46 => self.kill(at),
            47 if world.random.one_of(2) => world.publish_foreign(),
            48 if world.random.one_of(2) => world.server.restart(),
            49 if world.random.one_of(4) => world.lose(),
            50 if world.random.one_of(2) => world.expire(),
            51 => world.back_up(),
            52 if world.random.one_of(2) => world.damage(),
            53 => self.hand_over(at % LEADERS),
            54..63 => clients[at % CLIENTS].step(nodes, world, all)?,
            63 => clients[at % CLIENTS].disconnect(),
            _ => {}
        }
        Ok(())
    }

    /// Kills a node.
    fn kill(&mut self, at: usize) {
        if self.world.rules.kills || at >= LEADERS {
            let after = self.place();
            self.started += 1;
            self.nodes[at] = Node::new(at, self.started, after, &mut self.world);
        }
    }

    /// Lets a leader hand over to a node.
    fn hand_over(&mut self, at: usize) {
        let to = self.nodes[(at + 1 + self.world.random.below(5) as usize / 4) % LEADERS].nonce;
        let Node { reader, leader, retires, .. } = &mut self.nodes[at];
        if let Some(leader) = leader
            && leader.leads()
            && leader.next(reader) == Next::Idle
        {
            leader.hand_over(to);
            *retires = true;
        }
    }

    /// Returns the sequence after which a new node begins: any checkpoint, the first message, or any other.
    fn place(&mut self) -> u64 {
        let World { server, oracle, random, .. } = &mut self.world;
        let before_first = server.first() - 1;
        if random.one_of(4) {
            return before_first + random.below(server.last - before_first + 1);
        }
        let places = oracle.checkpoints(server);
        let place = random.below(places.len() as u64 + 1) as usize;
        places.get(place).map_or(before_first, |place| place.after)
    }

    /// Lets a node do the next thing as leader, or try to become it.
    pub(super) fn lead(&mut self, at: usize) -> Result<(), String> {
        let node = &mut self.nodes[at];
        if !node.lead(&mut self.world, &mut self.all)? {
            return Ok(());
        }
        if std::mem::take(&mut node.retires) {
            node.leader = None;
        } else {
            self.propose(at);
        }
        Ok(())
    }

    fn propose(&mut self, at: usize) {
        let seen = u64::try_from(self.world.clock().as_millis()).unwrap_or_default();
        let random = &mut self.world.random;
        let Some(leader) = &mut self.nodes[at].leader else { return };
        if !leader.leads() {
            return;
        }
        for _ in 0..=random.below(2) {
            if random.one_of(6) {
                leader.checkpoint().unwrap();
                self.world.copy = self.nodes[at].reader.state().cloned();
                return;
            }
            let batch = varied_batch(leader.state(), seen, random);
            leader.propose(&batch).unwrap();
        }
    }
}
