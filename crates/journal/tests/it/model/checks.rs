//! The observer: what was appended, synced and shown, and the invariants over it.

use std::collections::{BTreeMap, HashMap};

use journal::{Damage, DamageKind, Head, StoredBatch};
use record::encoding::Encoder;
use record::{Batch, BatchHash, Checkpoint, State, SyncMode};

/// Everything ever seen of a journal.
#[derive(Debug)]
pub(super) struct Observer {
    /// The hash of each certificate ever shown, by offset.
    shown: BTreeMap<u64, [u8; 32]>,
    /// Number of the last message shown.
    shown_number: u64,
    /// The states after each message ever appended, by its hash: as checkpoints.
    states: HashMap<BatchHash, Vec<u8>>,
    /// The messages of the stream as it is now.
    chain: Vec<Message>,
    /// A batch that was not acknowledged: it may be there or not.
    tried: Option<Batch>,
    /// Number of the last durable message.
    synced: u64,
    has_flips: bool,
    /// A byte was changed, at any time.
    is_damaged: bool,
}

#[derive(Debug)]
struct Message {
    number: u64,
    hash: BatchHash,
    /// `None` for a begin.
    batch: Option<Batch>,
    next_offset: u64,
}

type Result<T = ()> = std::result::Result<T, String>;

fn require(is_true: bool, broken: impl Fn() -> String) -> Result {
    if is_true { Ok(()) } else { Err(broken()) }
}

fn encoded(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    let checkpoint = Checkpoint { state: state.clone(), issuers: Vec::new() };
    Encoder::new().checkpoint(&checkpoint, &mut out).unwrap();
    out
}

fn hash_of(state: &State) -> BatchHash {
    state.next_header().prev
}

impl Observer {
    pub(super) fn new(has_flips: bool) -> Self {
        Self {
            shown: BTreeMap::new(),
            shown_number: 0,
            states: HashMap::new(),
            chain: Vec::new(),
            tried: None,
            synced: 0,
            has_flips,
            is_damaged: false,
        }
    }

    pub(super) const fn flipped(&mut self) {
        self.is_damaged = true;
    }

    /// A batch was appended.
    pub(super) fn appended(&mut self, batch: &Batch, hash: BatchHash, state: &State) {
        self.states.insert(hash, encoded(state));
        self.chain.push(Message {
            number: batch.header.number,
            hash,
            batch: Some(batch.clone()),
            next_offset: state.next_offset(),
        });
    }

    /// A batch was handed over, and the process ended before it was acknowledged.
    pub(super) fn tried(&mut self, batch: &Batch) {
        self.tried = Some(batch.clone());
    }

    pub(super) fn synced(&mut self, number: u64) -> Result {
        require(number >= self.synced, || "syncs go backwards".to_owned())?;
        self.synced = number;
        Ok(())
    }

    /// A term has begun: its offsets are none that were shown.
    pub(super) fn begun(&mut self, state: &State) -> Result {
        if let Some((last, _)) = self.shown.last_key_value() {
            require(state.next_offset() > *last, || {
                format!("I1: offset {} is given again, {last} was shown", state.next_offset())
            })?;
        }
        self.states.insert(hash_of(state), encoded(state));
        let number = state.number();
        self.chain.retain(|message| message.number < number);
        self.chain.push(Message {
            number,
            hash: hash_of(state),
            batch: None,
            next_offset: state.next_offset(),
        });
        self.synced = number;
        Ok(())
    }

    /// Everything up to the head is shown.
    pub(super) fn show(&mut self, head: Head, synced: u64, sync: SyncMode) -> Result {
        if sync == SyncMode::Batch {
            require(head.number <= synced, || {
                "I6: a batch is shown before it is synced".to_owned()
            })?;
        }
        self.synced = self.synced.max(synced);
        let shown = self.shown_number;
        let new = self
            .chain
            .iter()
            .filter(|message| message.number > shown && message.number <= head.number);
        for message in new {
            let Some(batch) = &message.batch else { continue };
            for (offset, record) in (batch.first_offset..).zip(&batch.records) {
                let before = self.shown.insert(offset, record.fingerprint);
                require(before.is_none_or(|before| before == record.fingerprint), || {
                    format!("I1: offset {offset} is shown for two certificates")
                })?;
            }
        }
        self.shown_number = self.shown_number.max(head.number);
        Ok(())
    }

    /// The journal was recovered.
    pub(super) fn recovered(
        &mut self,
        state: &State,
        is_lossless: bool,
        damage: &[Damage],
    ) -> Result {
        let (number, hash) = (state.number(), hash_of(state));
        let is_set_aside = |damage: &&Damage| damage.kind == DamageKind::Unsynced;
        let real = damage.iter().find(|damage| !is_set_aside(damage));
        if !self.is_damaged {
            require(real.is_none(), || format!("damage where there is none: {real:?}"))?;
            require(number >= self.synced, || {
                format!("I5: message {} was synced, and {number} is the last", self.synced)
            })?;
        } else if number < self.synced {
            require(!damage.is_empty(), || "I5: damage is not reported".to_owned())?;
        }
        if is_lossless && !self.is_damaged {
            require(number >= self.shown_number, || {
                format!(
                    "message {} was shown, {number} is the last, and nothing is lost?",
                    self.shown_number
                )
            })?;
        }
        if number > 0 {
            self.check_state(state, number, hash)?;
        }
        self.chain.retain(|message| message.number <= number);
        self.tried = None;
        // Everything recovered is shown, what was shown before too.
        self.shown_number = 0;
        Ok(())
    }

    /// The state is the one after a message that was appended, in this stream.
    fn check_state(&mut self, state: &State, number: u64, hash: BatchHash) -> Result {
        let live = self.states.get(&hash);
        if let Some(live) = live {
            require(*live == encoded(state), || "I3: the fold is not the live state".to_owned())?;
        }
        if let Some(message) = self.chain.iter().find(|message| message.number == number) {
            require(message.hash == hash, || format!("I5: message {number} is another one"))?;
            return require(live.is_some(), || "I3: an unknown state".to_owned());
        }
        // A begin or a batch that was never acknowledged: it is there, so it counts.
        self.states.insert(hash, encoded(state));
        let tried = self.tried.take().filter(|tried| tried.header.number == number);
        let next_offset = state.next_offset();
        self.chain.push(Message { number, hash, batch: tried, next_offset });
        Ok(())
    }

    /// Batches were read from an offset on, up to the head.
    pub(super) fn read(
        &self,
        from: u64,
        oldest: Option<u64>,
        head: Head,
        batches: &[StoredBatch],
    ) -> Result {
        let kept = |message: &&Message| {
            let has_records = |batch: &Batch| !batch.records.is_empty();
            message.number <= head.number
                && message.batch.as_ref().is_some_and(has_records)
                && message.next_offset > from.max(oldest.unwrap_or(u64::MAX))
        };
        let mut expected =
            self.chain.iter().filter(kept).filter_map(|message| message.batch.as_ref());
        let mut end = None;
        for stored in batches {
            let batch = &stored.batch;
            let known = expected.find(|expected| expected.header.number >= batch.header.number);
            require(known == Some(batch), || {
                format!("I5: batch {} is not what was appended", batch.header.number)
            })?;
            if let Some(end) = end.filter(|_| !self.is_damaged) {
                require(stored.from == end, || format!("from is {} and not {end}", stored.from))?;
            }
            end = Some(batch.next_offset());
            let all = self.chain.iter().filter_map(|message| message.batch.as_ref());
            let before = all.take_while(|other| other.header.number < batch.header.number);
            let before: usize = before.map(|batch| batch.records.len()).sum();
            if !self.has_flips && self.is_complete() {
                require(stored.before == before as u64, || {
                    format!("before is {} and not {before}", stored.before)
                })?;
            }
        }
        if !self.is_damaged {
            let count = self.chain.iter().filter(kept).count();
            require(batches.len() == count, || {
                format!("I5: {} batches are read of {count}", batches.len())
            })?;
        }
        Ok(())
    }

    /// Reports whether every batch of the stream is known.
    fn is_complete(&self) -> bool {
        self.chain.windows(2).all(|pair| pair[0].number + 1 == pair[1].number)
    }
}
