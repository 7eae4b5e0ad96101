//! Everything outside of the nodes: the servers of the stream, the network, and time.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use record::State;
use relay::protocol::{Anchor, Body, Message, MessageId, Publish};

use super::oracle::{Archive, Oracle};
use super::server::{Outcome, Server};
use crate::random::Random;

/// The time that passes when the stream loses its end: offsets are not further ahead of the clock.
const OUTAGE: Duration = Duration::from_secs(600);
/// Backups that are kept.
const BACKUPS: usize = 4;

/// The protocol's rules, and the events that it has to bear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// A leader takes its publishes for stored at once, and does not wait.
    pub(super) pipelines: bool,
    /// The stream loses its end, and old backups are restored.
    pub(super) losses: bool,
    /// Several servers keep the stream: they do not compare the id of the last message. Leaders are to
    /// look at it before they publish, and no publish outlasts a loss on its way.
    pub(super) replicated: bool,
    /// Leaders of a replicated stream do look.
    pub(super) looks: bool,
    /// Without losses: the nodes know that the stream has none.
    pub(super) durable: bool,
    pub(super) expires: bool,
    /// The stream loses messages from its middle.
    pub(super) damage: bool,
    pub(super) foreign: bool,
    /// Requests are answered by servers that lack the newest messages.
    pub(super) stale: bool,
    /// Things happen between the requests of a node.
    pub(super) races: bool,
    /// The clocks of the nodes are wrong.
    pub(super) clocks: bool,
    /// Also the nodes that may lead are killed.
    pub(super) kills: bool,
}

impl Rules {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        let losses = !random.one_of(4);
        Self {
            pipelines: false,
            losses,
            replicated: random.one_of(3),
            looks: true,
            durable: !losses && random.one_of(2),
            expires: random.one_of(3),
            damage: random.one_of(6),
            foreign: random.one_of(2),
            stale: random.one_of(2),
            races: random.one_of(2),
            clocks: random.one_of(3),
            kills: random.one_of(2),
        }
    }
}

/// A publish on its way.
#[derive(Clone, Debug)]
struct Flying {
    publish: Publish,
    /// The node that waits for its outcome, and the number of the attempt.
    sender: Option<(usize, u64)>,
}

/// A copy of the stream at some time.
#[derive(Debug)]
struct Backup {
    server: Server,
    archive: Archive,
}

/// The number of times that each event happened.
pub(super) type Tally = BTreeMap<&'static str, u64>;

/// The sequences of the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// The world around the nodes.
#[derive(Debug)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) random: Random,
    pub(super) now: Duration,
    pub(super) server: Server,
    pub(super) oracle: Oracle,
    /// The copy of a checkpoint in the bucket.
    pub(super) copy: Option<State>,
    network: Vec<Flying>,
    /// For each attempt that is answered, its outcome.
    answers: Vec<(usize, u64, Outcome)>,
    backups: Vec<Backup>,
    /// The last sequence after the last loss. Answers are not older.
    settled: u64,
    /// An invariant was broken where that could not be returned.
    pub(super) broken: Option<String>,
    /// The number of times that something happened.
    pub(super) tally: Tally,
    /// Something of a leader was stored since a node last asked.
    is_led: bool,
    /// Another program has copied a message of ours.
    has_copied: bool,
}

impl World {
    pub(super) fn new(seed: u64, rules: Rules) -> Self {
        Self {
            rules,
            random: Random::new(seed),
            now: Duration::from_secs(1_800_000_000),
            server: Server::default(),
            oracle: Oracle::default(),
            copy: None,
            network: Vec::new(),
            answers: Vec::new(),
            backups: Vec::new(),
            settled: 0,
            broken: None,
            tally: Tally::new(),
            is_led: false,
            has_copied: false,
        }
    }

    /// Notes that something happened.
    pub(super) fn count(&mut self, event: &'static str) {
        *self.tally.entry(event).or_default() += 1;
    }

    /// Reports whether a node may try to lead: mostly if no other does.
    pub(super) fn seems_leaderless(&mut self) -> bool {
        let is_led = std::mem::take(&mut self.is_led);
        self.random.one_of(if is_led { 20 } else { 2 })
    }

    /// Lets nothing happen any more but what nodes do.
    pub(super) fn calm(&mut self) {
        let Rules { pipelines, replicated, looks, durable, .. } = self.rules;
        let quiet = Rules { pipelines, replicated, looks, durable, ..Rules::none() };
        (self.rules, self.network, self.answers) = (quiet, Vec::new(), Vec::new());
    }

    /// Returns the end of the stream as the server that is asked knows it.
    fn end(&mut self) -> u64 {
        if self.rules.races && self.random.one_of(12) {
            self.intervene();
        }
        let behind =
            if self.rules.stale && self.random.one_of(4) { self.random.below(6) } else { 0 };
        self.server.last.saturating_sub(behind).max(self.settled.min(self.server.last))
    }

    pub(super) fn bounds(&mut self) -> Bounds {
        let last = self.end();
        Bounds { first: self.server.first().min(last + 1), last }
    }

    /// Reports whether a message is in its place.
    pub(super) fn has(&mut self, anchor: Anchor) -> bool {
        anchor.sequence <= self.end() && self.server.has(anchor)
    }

    /// Returns the first message at a sequence or after it.
    pub(super) fn get_from(&mut self, sequence: u64) -> Option<(u64, Bytes)> {
        let end = self.end();
        self.server.after(sequence - 1, end)
    }

    /// Returns some messages after a sequence, as a consumer delivers them.
    pub(super) fn deliveries(&mut self, after: u64) -> Vec<(u64, Bytes)> {
        let end = self.end();
        let count = 1 + self.random.below(8) as usize;
        let mut position = after;
        let next = std::iter::from_fn(|| {
            let found = self.server.after(position, end)?;
            position = found.0;
            Some(found)
        });
        next.take(count).collect()
    }

    /// Sends a publish.
    pub(super) fn send(&mut self, publish: Publish, node: usize, attempt: u64) {
        self.network.push(Flying { publish, sender: Some((node, attempt)) });
    }

    /// Returns the outcome of an attempt, if it has arrived.
    pub(super) fn answer(&mut self, node: usize, attempt: u64) -> Option<Outcome> {
        let place = self.answers.iter().position(|(to, of, _)| (*to, *of) == (node, attempt))?;
        Some(self.answers.swap_remove(place).2)
    }

    /// Delivers a publish, perhaps once more later, and perhaps its outcome.
    pub(super) fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let place = self.random.below(self.network.len() as u64) as usize;
        let flying = self.network.swap_remove(place);
        let is_mark = is_mark(&flying.publish.payload);
        if !is_mark && self.random.one_of(8) {
            self.network.push(Flying { sender: None, ..flying.clone() });
        }
        let outcome = match self.random.below(32) {
            0 | 1 => Outcome::Unknown,
            // A message that is about to be stored would be before it, but vanishes.
            2 | 3 => Outcome::WrongSequence,
            // It seems to be stored already, and vanishes.
            4 => Outcome::Stored(flying.publish.last_sequence + 1),
            _ => self.publish(&flying.publish),
        };
        let is_answered = outcome != Outcome::Unknown && !self.random.one_of(6);
        if let Some((node, attempt)) = flying.sender.filter(|_| is_answered) {
            self.answers.push((node, attempt, outcome));
        }
    }

    /// Delivers everything in order, with the outcomes.
    pub(super) fn deliver_all(&mut self) {
        for Flying { publish, sender } in std::mem::take(&mut self.network) {
            let outcome = self.publish(&publish);
            if let Some((node, attempt)) = sender {
                self.answers.push((node, attempt, outcome));
            }
        }
    }

    fn publish(&mut self, publish: &Publish) -> Outcome {
        let last_id = publish.last_id.filter(|_| !self.rules.replicated);
        let outcome = self.server.publish(&Publish { last_id, ..publish.clone() });
        if let Outcome::Stored(sequence) = outcome {
            self.is_led = true;
            self.count("publish stored");
            let read = self.oracle.store(sequence, &publish.payload);
            self.note(read);
            let is_void = publish.last_id.is_some() && !self.oracle.ends_with(publish.id);
            if is_void && !is_mark(&publish.payload) {
                self.note(Err(format!("I7: {} of a leader is void", publish.id)));
            }
        }
        outcome
    }

    fn note(&mut self, result: Result<(), String>) {
        if let Err(broken) = result {
            self.broken.get_or_insert(broken);
        }
    }

    /// Lets something happen between two requests of a node.
    fn intervene(&mut self) {
        match self.random.below(60) {
            0..56 => self.deliver(),
            56 => self.server.restart(),
            57 => self.publish_foreign(),
            58 => self.lose(),
            _ => self.back_up(),
        }
    }

    /// Publishes a message of another program.
    pub(super) fn publish_foreign(&mut self) {
        if !self.rules.foreign {
            return;
        }
        let payload = match self.copy_of_ours() {
            Some(copy) => copy,
            None if self.random.one_of(3) => Bytes::from_static(b"CSRL\x01\x09malformed"),
            None => Bytes::from_static(b"hello"),
        };
        let id = self.random.one_of(2).then(|| MessageId::of(&payload));
        self.server.store(payload.clone(), id);
        let read = self.oracle.store(self.server.last, &payload);
        self.note(read);
    }

    /// Returns a message of ours for another program to publish again: a mark, or once any other. (More of
    /// them would be a list of their own, and a node that begins there cannot tell.)
    fn copy_of_ours(&mut self) -> Option<Bytes> {
        let sequence = 1 + self.random.below(self.server.last.max(1));
        let payload = self.server.get(sequence).filter(|_| self.random.one_of(3))?.clone();
        let message = Message::read(&payload).ok()?;
        if message.body == Body::Mark {
            return Some(payload);
        }
        // Where all of the list can be gone, a copy of a checkpoint would begin another one; and a copy of
        // the message that creates a stream creates it again.
        let is_harmful =
            self.rules.expires || self.rules.damage || message.after == MessageId::NONE;
        if is_harmful || std::mem::replace(&mut self.has_copied, true) {
            return None;
        }
        self.count("copy of ours");
        Some(payload)
    }

    pub(super) fn back_up(&mut self) {
        let (server, archive) = (self.server.clone(), self.oracle.archive());
        if self.backups.len() == BACKUPS {
            self.backups.remove(0);
        }
        self.backups.push(Backup { server, archive });
    }

    /// Loses the end of the stream, or restores a backup.
    pub(super) fn lose(&mut self) {
        if !self.rules.losses {
            return;
        }
        let (server, archive) = if self.random.one_of(3) && !self.backups.is_empty() {
            let place = self.random.below(self.backups.len() as u64) as usize;
            self.count("backup restored");
            let backup = &self.backups[place];
            (backup.server.clone(), backup.archive.clone())
        } else {
            let lost = if self.random.one_of(6) { 40 } else { 5 };
            let mut server = self.server.clone();
            server.lose(server.last.saturating_sub(1 + self.random.below(lost)));
            (server, self.oracle.archive())
        };
        let begun = self.oracle.begun;
        let has_begin = begun.sequence <= server.last
            && archive.get(&begun.sequence).is_some_and(|begin| MessageId::of(begin) == begun.id);
        if self.rules.clocks && !has_begin && begun.sequence > 0 {
            return;
        }
        self.server = server;
        self.settled = self.server.last;
        if self.rules.replicated {
            self.network.clear();
        }
        if self.random.one_of(2) {
            self.server.restart();
        }
        // A restored backup, or servers that start again after a loss of power.
        self.now += OUTAGE;
        let read = self.oracle.restore(archive, self.server.last);
        self.note(read);
        self.count("loss");
    }

    /// Deletes the oldest messages.
    pub(super) fn expire(&mut self) {
        let kept = self.random.below(40);
        if self.rules.expires && self.random.one_of(4) {
            self.count("expiry");
            self.server.expire(self.server.last.saturating_sub(kept));
        }
    }

    /// Loses messages from the middle.
    pub(super) fn damage(&mut self) {
        if self.rules.damage && self.server.last > 8 {
            self.count("damage");
            let first = 1 + self.random.below(self.server.last - 8);
            self.server.damage(first, first + 1 + self.random.below(3));
        }
    }

    /// Returns the time by the clock of a node.
    pub(super) fn clock(&mut self) -> Duration {
        let wrong = self.rules.clocks.then(|| self.random.below(4));
        match wrong {
            Some(0) => Duration::ZERO,
            Some(1) => self.now.saturating_sub(Duration::from_secs(3_000)),
            Some(2) => self.now + Duration::from_secs(self.random.below(4_000)),
            _ => self.now,
        }
    }
}

impl Rules {
    /// Nothing happens.
    const fn none() -> Self {
        Self {
            pipelines: false,
            losses: false,
            replicated: false,
            looks: true,
            durable: false,
            expires: false,
            damage: false,
            foreign: false,
            stale: false,
            races: false,
            clocks: false,
            kills: false,
        }
    }
}

/// Reports whether a message is a mark.
fn is_mark(payload: &Bytes) -> bool {
    Message::read(payload).is_ok_and(|message| message.body == Body::Mark)
}
