//! The end of a sequence: everything becomes quiet, and all must agree.

use std::time::Duration;

use super::client::past;
use super::node::Event;
use super::run::{Run, STEP};

/// Turns of the leader before it must lead.
const TURNS: usize = 200;

impl Run {
    /// Lets the first node lead, undisturbed, and everybody read to the end.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.world.calm();
        for node in &mut self.nodes {
            node.give_up(&mut self.world, &mut self.all)?;
        }
        let mut left = TURNS / 4;
        for _ in 0..TURNS {
            self.world.now += Duration::from_secs(STEP);
            self.lead(0)?;
            self.world.deliver_all();
            let leader = self.nodes[0].leader.as_mut().filter(|leader| leader.leads());
            let Some(leader) = leader else { continue };
            if left == TURNS / 4 {
                // Damage may have left none.
                leader.checkpoint().map_err(|error| error.to_string())?;
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
        for _ in 0..2 {
            self.read_all()?;
        }
        self.world.broken.take().map_or(Ok(()), Err)
    }

    fn read_all(&mut self) -> Result<(), String> {
        let Self { world, nodes, all, clients, .. } = self;
        for node in &mut *nodes {
            for _ in 0..TURNS {
                if node.catch_up(world, all)? {
                    break;
                }
            }
        }
        for client in clients {
            for _ in 0..TURNS {
                client.step(nodes, world, all)?;
            }
        }
        Ok(())
    }

    /// Checks that all nodes have the state of a reader that begins at any checkpoint, that all these read
    /// the same, and that no client misses anything unknowingly.
    pub(super) fn agree(&mut self) -> Result<(), String> {
        let Self { world, nodes, clients, .. } = self;
        if nodes[0].leader.as_ref().is_none_or(|leader| !leader.leads()) {
            return Err("I10: nobody leads".to_owned());
        }
        let Some(state) = world.oracle.state() else {
            return Err("I10: the stream cannot be read".to_owned());
        };
        for (at, node) in nodes.iter().enumerate() {
            if node.reader.state() != Some(state) {
                let read = (node.reader.position(), node.reader.tip(), node.reader.state());
                let last = world.server.last;
                return Err(format!("I7: node {at}: {read:?}, not {last} and {state:?}"));
            }
        }
        let records: Vec<_> = world.oracle.records().collect();
        for checkpoint in world.oracle.checkpoints(&world.server) {
            let read = past(checkpoint.after, world.server.last, world)?;
            let mut expected = records.iter().rev();
            for event in read.iter().rev() {
                match event {
                    Event::Record(shown) if expected.next() == Some(shown) => {}
                    // Before it, the middle of the stream is lost.
                    Event::Missed(..) => break,
                    Event::Record(shown) => {
                        return Err(format!("I8: after {}: {shown:?}", checkpoint.after));
                    }
                }
            }
        }
        clients.iter().try_for_each(|client| client.check(world))
    }
}
