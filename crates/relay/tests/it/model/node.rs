//! A node: a reader, and sometimes a leader beside it.

use std::time::Duration;

use relay::protocol::{Leader, Next, Opening, Reader, Restart, Step};

use super::checks::{Observer, Session};
use super::server::Server;
use crate::batches::nonce;
use crate::random::Random;

/// A node.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) reader: Reader,
    pub(super) leader: Option<Leader>,
    pub(super) session: Session,
    /// A publish of it is in flight, and it waits for the outcome.
    pub(super) waits: bool,
    /// What a handover to it names.
    pub(super) nonce: [u8; 16],
    /// It has handed over, and stops leading once that is published.
    pub(super) retires: bool,
}

impl Node {
    pub(super) fn new(random: &mut Random) -> Self {
        Self { nonce: nonce(random), ..Self::default() }
    }

    /// Reads at most `count` messages, none after `end`.
    pub(super) fn read(
        &mut self,
        server: &Server,
        count: usize,
        end: u64,
        observer: &mut Observer,
    ) -> Result<(), String> {
        for _ in 0..count {
            let position = self.reader.position();
            if end <= position {
                break;
            }
            let Some((sequence, payload)) = server.after(position, end) else { break };
            let step = self.reader.read(sequence, &payload).map_err(|error| error.to_string())?;
            if step == Step::Doubtful {
                if server.has(self.reader.tip()) && sequence == position + 1 {
                    self.reader.void(sequence);
                } else {
                    self.restart(server);
                }
                continue;
            }
            self.session.note(&step, self.reader.state(), observer)?;
        }
        Ok(())
    }

    /// Checks that the stream is still the one that was read.
    pub(super) fn check(&mut self, server: &Server) {
        let is_cut = server.last < self.reader.position();
        let tip = self.reader.tip();
        let is_kept = tip.sequence >= server.first() && self.reader.state().is_some();
        if is_cut || is_kept && !server.has(tip) {
            self.restart(server);
        }
        let is_blind = self.reader.state().is_none() && self.reader.position() == server.last;
        if is_blind && self.reader.origin() > server.first() - 1 {
            // The checkpoint that it began at was lost meanwhile.
            self.reader.restart(server.first() - 1);
        }
    }

    /// Begins anew at the newest checkpoint that is still there.
    fn restart(&mut self, server: &Server) {
        let is_there = |place: &Restart| place.after + 1 >= server.first() && server.has(place.end);
        let place = self.reader.checkpoints().find(is_there).map(|place| place.after);
        self.reader.restart(place.unwrap_or_else(|| server.first() - 1));
    }

    /// Does what the leader asks for, except publishing.
    pub(super) fn next(&mut self, server: &Server, verifies: bool) -> Option<Next> {
        loop {
            let leader = self.leader.as_mut()?;
            match leader.next(&self.reader) {
                Next::Deposed => self.leader = None,
                Next::Verify(tip) if !verifies || server.has(tip) => leader.verified(&self.reader),
                Next::Verify(_) => {
                    self.restart(server);
                    return None;
                }
                next => return Some(next),
            }
        }
    }

    pub(super) fn opening(&self, now: Duration, random: &mut Random) -> Opening {
        Opening {
            nonce: self.nonce,
            boot: [0; 16],
            configuration: [0; 32],
            now,
            is_durable: false,
            min_offset: 0,
            max_payload: if random.one_of(3) { 200 } else { 1 << 20 },
        }
    }
}
