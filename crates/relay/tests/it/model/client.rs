//! Clients: they get what a node shows, and continue on another node with the last offset they know.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use record::{State, StreamId};
use relay::protocol::{Applied, Content, Reader, Show, Step};

use super::node::{Event, Feed, Node};
use super::observer::{Entry, Observer, Shown, log_of};
use super::world::World;

/// A client.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// The node and its life, and the place among the events of its feed.
    at: Option<(usize, u64, usize)>,
    stream: Option<StreamId>,
    /// Everything up to here was received or reported as missed.
    cursor: u64,
    /// The offset after which it began.
    start: u64,
    /// The indexes from which on it must have received all entries of each log.
    since: HashMap<u64, u64>,
    shown: BTreeMap<u64, u64>,
    entries: BTreeSet<Entry>,
    gaps: Vec<(u64, u64)>,
}

impl Client {
    /// Receives something, or connects to a node if it is not connected.
    pub(super) fn step(
        &mut self,
        nodes: &[Node],
        world: &mut World,
        all: &mut Observer,
    ) -> Result<(), String> {
        let connected = self.at.filter(|(at, life, _)| nodes[*at].feed.life == *life);
        let Some((at, life, place)) = connected else {
            let at = world.random.below(nodes.len() as u64) as usize;
            return self.connect(at, &nodes[at], world, all);
        };
        let count = 1 + world.random.below(12) as usize;
        let events = nodes[at].feed.events.get(place..).unwrap_or_default();
        for event in events.iter().take(count) {
            self.receive(event, all)?;
        }
        self.at = Some((at, life, place + events.len().min(count)));
        Ok(())
    }

    /// Closes its connection.
    pub(super) const fn disconnect(&mut self) {
        self.at = None;
    }

    fn receive(&mut self, event: &Event, all: &mut Observer) -> Result<(), String> {
        match event {
            Event::Missed(from, end) => self.gaps.push((*from, *end)),
            Event::Record(shown) => {
                let Shown { offset, bytes, entry } = *shown;
                if offset <= self.cursor {
                    return Err(format!("I2: a client gets {offset} after {}", self.cursor));
                }
                self.cursor = offset;
                self.shown.insert(offset, bytes);
                self.entries.insert(entry);
                all.show(self.stream.ok_or("no stream")?, shown)?;
            }
        }
        Ok(())
    }

    fn connect(
        &mut self,
        at: usize,
        node: &Node,
        world: &mut World,
        all: &mut Observer,
    ) -> Result<(), String> {
        let (Feed { life, stream: Some(stream), .. }, Some(state)) =
            (&node.feed, node.reader.state())
        else {
            return Ok(());
        };
        let oldest = node.feed.oldest();
        if self.stream.is_none() {
            if state.next_offset() < node.feed.head {
                // It reads again what it has shown: its positions are not those of its head.
                return Ok(());
            }
            *self = Self { stream: Some(*stream), since: positions(state), ..Self::default() };
            self.begin_after(node.feed.head.saturating_sub(1));
        } else if self.stream != Some(*stream) {
            // Reported as `other_stream`.
            world.count("client: other stream");
            *self = Self { stream: Some(*stream), ..Self::default() };
            self.gaps.push((0, oldest));
            self.begin_after(oldest.saturating_sub(1));
        } else if self.cursor >= node.feed.head {
            if !world.random.one_of(8) {
                // It tries another node.
                return Ok(());
            }
            // Reported as `ahead`.
            world.count("client: ahead");
            self.gaps.push((0, oldest));
            self.cursor = oldest.saturating_sub(1);
        } else if self.cursor + 1 < oldest {
            world.count("client: replay");
            self.replay(node, world, all)?;
        }
        let is_next =
            |event: &Event| matches!(event, Event::Record(shown) if shown.offset > self.cursor);
        let events = &node.feed.events;
        let place = events.iter().position(is_next).unwrap_or(events.len());
        let missed = events[..place].iter().filter_map(|event| match event {
            Event::Missed(from, end) => Some((*from, *end)),
            Event::Record(_) => None,
        });
        self.gaps.extend(missed);
        world.count("client: connected");
        self.at = Some((at, *life, place));
        Ok(())
    }

    fn begin_after(&mut self, offset: u64) {
        (self.start, self.cursor) = (offset, offset);
    }

    /// Reads from the stream what the node has shown after the cursor.
    fn replay(&mut self, node: &Node, world: &mut World, all: &mut Observer) -> Result<(), String> {
        let places = world.oracle.checkpoints(&world.server);
        let before = places.iter().filter(|place| place.next <= self.cursor + 1);
        let before: Vec<u64> = before.map(|place| place.after).collect();
        let place = world.random.below(before.len().max(1) as u64) as usize;
        let after = before.get(place).copied().unwrap_or_else(|| world.server.first() - 1);
        let end = node.reader.position();
        for event in past(after, end, world)? {
            match event {
                Event::Missed(from, to) if to > self.cursor + 1 => {
                    self.gaps.push((from.max(self.cursor + 1), to));
                }
                Event::Record(shown)
                    if shown.offset > self.cursor && shown.offset < node.feed.head =>
                {
                    self.receive(&event, all)?;
                }
                Event::Missed(..) | Event::Record(_) => {}
            }
        }
        Ok(())
    }

    /// Checks that nothing of the stream up to the cursor is missing without being reported.
    pub(super) fn check(&self, world: &mut World) -> Result<(), String> {
        let Some(state) = world.oracle.state() else { return Ok(()) };
        if self.stream != Some(state.stream()) {
            return Err("I10: a client has not found the stream".to_owned());
        }
        let is_excused =
            |offset| self.gaps.iter().any(|(from, end)| (*from..*end).contains(&offset));
        let lost = world.oracle.records().find(|shown| {
            let offset = shown.offset;
            let is_seen = self.shown.get(&offset) == Some(&shown.bytes);
            offset > self.start && !is_seen && !is_excused(offset)
        });
        if let Some(lost) = lost {
            return Err(format!("I2: {lost:?} is missing"));
        }
        if !self.gaps.is_empty() {
            return Ok(());
        }
        self.check_entries(state, world)?;
        world.count("client: without gaps");
        Ok(())
    }

    /// Checks that a client to which nothing was reported as missed has all entries.
    fn check_entries(&self, state: &State, world: &World) -> Result<(), String> {
        for (log, next) in positions(state) {
            let from = self.since.get(&log).copied().unwrap_or_default();
            let has = |index: &u64| {
                let entry = (log, *index);
                self.entries.contains(&entry) || world.oracle.others().contains(&entry)
            };
            if let Some(index) = (from..next).find(|index| !has(index)) {
                return Err(format!("I2: a client has not received index {index} of {log}"));
            }
        }
        Ok(())
    }
}

/// Returns the position of each log.
fn positions(state: &State) -> HashMap<u64, u64> {
    let next = |log: &record::LogState| log.position.as_ref().map_or(0, |position| position.next);
    state.logs().map(|(number, log)| (log_of(state, number), next(log))).collect()
}

/// Reads a part of the stream with a reader of its own.
pub(super) fn past(after: u64, end: u64, world: &World) -> Result<Vec<Event>, String> {
    let mut reader = Reader::new(after);
    let mut events = Vec::new();
    let mut adopted = 0;
    while let Some((sequence, payload)) = world.server.after(reader.position(), end) {
        match reader.read(sequence, &payload).map_err(|error| error.to_string())? {
            Step::Doubtful if sequence == reader.position() + 1 => reader.void(sequence),
            Step::Doubtful => reader.pass_hole(sequence),
            Step::Adopted { .. } => {
                let next = reader.state().map_or(0, State::next_offset);
                events.push(Event::Missed(adopted, next));
            }
            Step::Applied(Applied { content: Content::Batch(batch), show, .. }) => {
                let state = reader.state().ok_or("no state")?;
                if show != Show::New {
                    return Err(format!("I8: a replay has {show:?}"));
                }
                events.extend(Shown::all(&batch, state).into_iter().map(Event::Record));
            }
            _ => {}
        }
        adopted = reader.state().map_or(adopted, State::next_offset);
    }
    Ok(events)
}

impl Feed {
    /// Returns the offset of the oldest record that clients get from it.
    fn oldest(&self) -> u64 {
        let records = self.events.iter().rev().filter_map(|event| match event {
            Event::Record(shown) => Some(shown.offset),
            Event::Missed(..) => None,
        });
        records.take(self.room).last().unwrap_or(self.head)
    }
}
