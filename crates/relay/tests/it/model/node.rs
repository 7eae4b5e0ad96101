//! A node, as `relay::Node` is one: a reader, and sometimes a leader beside it.

use std::collections::VecDeque;

use bytes::Bytes;
use record::{BatchHash, State, StreamId};
use relay::protocol::{
    Anchor, Applied, Content, Leader, Next, Opening, Reader, Restart, Show, Step,
};

use super::observer::{Observer, Shown};
use super::server::Outcome;
use super::world::{Bounds, World};
use crate::batches::nonce;

/// Messages read in search of the end before anything else is done.
const MAX_CATCH_UP: usize = 24;

/// A node.
#[derive(Debug, Default)]
pub(super) struct Node {
    at: usize,
    pub(super) reader: Reader,
    pub(super) leader: Option<Leader>,
    /// Messages that a consumer has delivered.
    tail: VecDeque<(u64, Bytes)>,
    /// The stream was found to be another than the one read, and is not read to its end since.
    is_behind: bool,
    /// It has found no checkpoint that counts, and reads the stream from its beginning.
    begins_again: bool,
    attempts: u64,
    /// It waits for the outcome of its last attempt.
    waits: bool,
    /// The name by which a leader hands over to it.
    pub(super) nonce: [u8; 16],
    /// It has handed over, and stops leading once that is published.
    pub(super) retires: bool,
    pub(super) feed: Feed,
}

/// The records that a node has shown, in order.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Distinguishes the node from those that were killed in its place.
    pub(super) life: u64,
    pub(super) stream: Option<StreamId>,
    pub(super) events: Vec<Event>,
    /// The offset after all that was shown.
    pub(super) head: u64,
    /// Records that clients can still get from it.
    pub(super) room: usize,
}

/// Something that the clients of a node see.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Record(Shown),
    /// Offsets from the first one on, below the second one, are missed.
    Missed(u64, u64),
}

impl Node {
    pub(super) fn new(at: usize, life: u64, after: u64, world: &mut World) -> Self {
        let room = 4 + world.random.below(60) as usize;
        let feed = Feed { life, room, ..Feed::default() };
        let (reader, nonce) = (Reader::new(after), nonce(&mut world.random));
        Self { at, reader, feed, nonce, ..Self::default() }
    }

    /// Reads the next message; `false` if there is none.
    pub(super) fn read(&mut self, world: &mut World, all: &mut Observer) -> Result<bool, String> {
        let position = self.reader.position();
        let (sequence, payload) = loop {
            if self.tail.is_empty() {
                self.tail = world.deliveries(position).into();
            }
            match self.tail.pop_front() {
                None => return Ok(false),
                Some((sequence, _)) if sequence <= position => {}
                Some(message) => break message,
            }
        };
        self.take(sequence, &payload, world, all)?;
        if self.reader.position() != sequence {
            self.tail.clear();
        }
        Ok(true)
    }

    fn take(
        &mut self,
        sequence: u64,
        payload: &Bytes,
        world: &mut World,
        all: &mut Observer,
    ) -> Result<(), String> {
        let before = self.reader.state().map(State::term);
        let step = self.reader.read(sequence, payload).map_err(|error| error.to_string())?;
        if step == Step::Doubtful {
            self.resolve(sequence, world);
            return Ok(());
        }
        self.note(&step, before, world, all)
    }

    /// Finds out why a message does not follow the tip.
    fn resolve(&mut self, sequence: u64, world: &mut World) {
        let next = self.reader.position() + 1;
        if !world.has(self.reader.tip()) {
            self.restart(world);
        } else if sequence == next {
            self.reader.void(sequence);
            world.count("void or read again");
        } else if world.get_from(next).is_some_and(|(found, _)| found == sequence) {
            world.count("hole passed");
            self.reader.pass_hole(sequence);
        }
        self.tail.clear();
    }

    /// Checks that the stream still has what was read.
    pub(super) fn check(&mut self, world: &mut World) -> Bounds {
        let bounds = world.bounds();
        let tip = self.reader.tip();
        let is_cut = bounds.last < self.reader.position();
        let is_kept = self.reader.state().is_some() && tip.sequence >= bounds.first;
        if is_cut || is_kept && !world.has(tip) {
            self.restart(world);
        }
        bounds
    }

    /// Reads again from the newest checkpoint that is still there.
    fn restart(&mut self, world: &mut World) {
        let Bounds { first, last } = world.bounds();
        let mut is_there = |place: &Restart| {
            place.after + 1 >= first && place.end.sequence <= last && world.has(place.end)
        };
        let place = self.reader.checkpoints().find(&mut is_there).map(|place| place.after);
        self.reader.restart(place.unwrap_or(first - 1));
        self.tail.clear();
        (self.is_behind, self.begins_again) = (true, place.is_none());
    }

    /// Reads to the end; `false` if that is not reached.
    pub(super) fn catch_up(
        &mut self,
        world: &mut World,
        all: &mut Observer,
    ) -> Result<bool, String> {
        let last = self.check(world).last;
        for _ in 0..MAX_CATCH_UP {
            if self.reader.position() >= last {
                break;
            }
            if !self.read(world, all)? {
                let Some((sequence, payload)) = world.get_from(self.reader.position() + 1) else {
                    break;
                };
                self.take(sequence, &payload, world, all)?;
            }
        }
        if self.reader.position() < last {
            return Ok(false);
        }
        let is_vague = self.leader.is_none() && !self.reader.is_confirmed();
        if (is_vague || self.reader.state().is_none()) && !self.begins_again {
            // Before the stream counts as empty, or a checkpoint as its last one, it is read from its
            // beginning: what was read before may be lost, and the checkpoint a copy.
            let first = world.bounds().first;
            self.reader.restart(first - 1);
            self.tail.clear();
            (self.begins_again, self.is_behind) = (true, true);
            return Ok(false);
        }
        self.begins_again = false;
        self.is_behind = false;
        Ok(true)
    }

    /// Tries to lead, or does the next thing as leader. Returns `true` if everything is committed.
    pub(super) fn lead(&mut self, world: &mut World, all: &mut Observer) -> Result<bool, String> {
        if self.waits {
            let Some(outcome) = world.answer(self.at, self.attempts) else { return Ok(false) };
            self.learn(outcome, world, all)?;
        } else if self.leader.is_none() {
            if world.seems_leaderless() && self.catch_up(world, all)? {
                self.stand(world);
            }
        } else if !self.is_behind || self.catch_up(world, all)? {
            return self.turn(world, all);
        }
        Ok(false)
    }

    fn stand(&mut self, world: &mut World) {
        let opening = Opening {
            nonce: std::mem::replace(&mut self.nonce, nonce(&mut world.random)),
            boot: [0; 16],
            configuration: [0; 32],
            now: world.clock(),
            is_durable: world.rules.durable,
            min_offset: 0,
            max_payload: if world.random.one_of(3) { 200 } else { 1 << 20 },
        };
        self.retires = false;
        let is_handover = self.reader.handover() == Some(opening.nonce);
        world.count(match self.reader.state() {
            None => "creation",
            Some(_) if is_handover => "handover accepted",
            Some(_) => "begin",
        });
        self.leader = match Leader::begin(&self.reader, &opening) {
            Some(leader) => leader.ok(),
            // A stream without a checkpoint: a new one, with the positions of the copy.
            None => {
                let id = StreamId::from_random(world.random.number());
                let state = world.copy.clone().map(|copy| copy.with_stream(id));
                let state = state.unwrap_or_else(|| State::new(id));
                let min_offset = state.next_offset();
                Leader::create(state, &Opening { min_offset, ..opening }).ok()
            }
        };
        if let Some(leader) = &mut self.leader
            && world.random.one_of(3)
        {
            leader.keep_at_most(600);
        }
    }

    fn turn(&mut self, world: &mut World, all: &mut Observer) -> Result<bool, String> {
        let Some(leader) = &mut self.leader else { return Ok(false) };
        match leader.next(&self.reader) {
            Next::Idle => {
                let is_equal = self.reader.state() == Some(leader.state());
                is_equal.then_some(true).ok_or_else(|| "I3: the leader's state differs".to_owned())
            }
            Next::Deposed => {
                self.leader = None;
                world.count("deposed");
                Ok(false)
            }
            Next::Verify(tip) => {
                // Not from a server that lacks the mark.
                if world.bounds().last < self.reader.position() {
                    self.check(world);
                } else if world.has(tip) {
                    world.count("verified");
                    leader.verified(&self.reader);
                } else {
                    self.restart(world);
                }
                Ok(false)
            }
            Next::Publish(publish) => {
                let last = |id| Anchor { sequence: publish.last_sequence, id };
                let looks = world.rules.replicated && world.rules.looks;
                let is_last = |id| !looks || world.has(last(id));
                if !publish.last_id.is_none_or(is_last) {
                    self.restart(world);
                    return Ok(false);
                }
                self.attempts += 1;
                world.send(publish.clone(), self.at, self.attempts);
                if world.rules.pipelines {
                    let sequence = publish.last_sequence + 1;
                    self.take(sequence, &publish.payload, world, all)?;
                } else {
                    self.waits = true;
                }
                Ok(false)
            }
        }
    }

    /// Stops waiting for the outcome of a publish.
    pub(super) fn give_up(&mut self, world: &mut World, all: &mut Observer) -> Result<(), String> {
        if self.waits { self.learn(Outcome::Unknown, world, all) } else { Ok(()) }
    }

    /// Reads what a publish has led to.
    fn learn(
        &mut self,
        outcome: Outcome,
        world: &mut World,
        all: &mut Observer,
    ) -> Result<(), String> {
        self.waits = false;
        if let Outcome::Stored(sequence) = outcome {
            while self.reader.position() < sequence {
                if !self.read(world, all)? {
                    break;
                }
            }
            if self.reader.position() >= sequence {
                return Ok(());
            }
        }
        if outcome == Outcome::WrongId
            && let Some(leader) = &mut self.leader
        {
            leader.forgotten(&self.reader);
        }
        self.catch_up(world, all).map(|_| ())
    }

    fn note(
        &mut self,
        step: &Step,
        before: Option<u64>,
        world: &mut World,
        all: &mut Observer,
    ) -> Result<(), String> {
        let Some(state) = self.reader.state() else { return Ok(()) };
        all.reach(&self.reader)?;
        match step {
            Step::Adopted { is_other_stream, missed } => {
                if *is_other_stream || self.feed.stream.is_none() {
                    self.feed.begin(state);
                }
                self.feed.miss(*missed);
            }
            Step::Applied(Applied { content: Content::Begin(begin), .. }) => {
                if before >= Some(begin.header.term) {
                    return Err(format!("I7: term {} begins after {before:?}", begin.header.term));
                }
            }
            Step::Applied(Applied { content: Content::Batch(batch), hash, show }) => {
                if before != Some(batch.header.term) {
                    return Err(format!("I7: a batch of term {} in {before:?}", batch.header.term));
                }
                world.count(match show {
                    Show::New => "batch shown",
                    Show::Repeated => "batch repeated",
                    Show::Withheld => "batch withheld",
                });
                let shown = Shown::all(batch, state);
                self.feed.batch(&shown, batch.next_offset(), *show, all)?;
                world.check_shown(*hash, *show)?;
            }
            Step::Passed(_) | Step::Doubtful => {}
        }
        Ok(())
    }
}

impl Feed {
    /// Begins a stream.
    fn begin(&mut self, state: &State) {
        (self.stream, self.head) = (Some(state.stream()), state.next_offset());
        self.events.clear();
        self.life += 1 << 32;
    }

    fn miss(&mut self, missed: Option<(u64, u64)>) {
        let Some((from, end)) = missed else { return };
        self.events.push(Event::Missed(from, end));
        self.head = self.head.max(end);
    }

    fn batch(
        &mut self,
        shown: &[Shown],
        end: u64,
        show: Show,
        all: &mut Observer,
    ) -> Result<(), String> {
        let Some(first) = shown.first() else { return Ok(()) };
        match show {
            Show::New => {
                if first.offset < self.head {
                    return Err(format!("I2: offset {} does not grow", first.offset));
                }
                self.head = end;
                self.events.extend(shown.iter().copied().map(Event::Record));
                let stream = self.stream.ok_or("no stream")?;
                shown.iter().try_for_each(|shown| all.show(stream, shown))
            }
            Show::Withheld => {
                self.events.push(Event::Missed(first.offset, end));
                Ok(())
            }
            Show::Repeated => {
                let has = |shown: &Shown| {
                    let is_same =
                        |event: &Event| matches!(event, Event::Record(other) if other == shown);
                    self.events.iter().any(is_same)
                };
                let unknown = shown.iter().find(|shown| !has(shown));
                unknown.map_or(Ok(()), |unknown| Err(format!("I2: {unknown:?} was never shown")))
            }
        }
    }
}

impl World {
    /// Checks that a batch that is shown was stored.
    fn check_shown(&self, hash: BatchHash, show: Show) -> Result<(), String> {
        if show == Show::New { self.oracle.check_stored(hash) } else { Ok(()) }
    }
}
