//! Finding certificates in the stream, for entries that are read later.

use std::collections::HashMap;
use std::time::Duration;

use ct::Hash;
use follow::{Gather, Published};
use record::Batch;
use relay::UseError;
use relay::replay::{Past, Replay};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// Entries that are gathered for one look through the stream. A node has them in memory besides what it
/// has otherwise.
const GATHER: Gather =
    Gather { entries: 100_000, bytes: 64 << 20, time: Duration::from_secs(5 * 60) };
/// Bytes of records that are read at a time.
const BYTES: usize = 4 << 20;
/// Time for one read; elections of the servers are repeated reads.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Time for which reading fails until it ends.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_secs(1);

/// Finds certificates in the part of the stream that is kept: all that is gathered at once in one look
/// from its beginning, and then in what is published meanwhile.
#[derive(Debug)]
pub(super) struct InStream {
    past: Past,
    look: Mutex<Look>,
}

/// A look through the stream for some certificates.
#[derive(Debug, Default)]
struct Look {
    wanted: HashMap<Hash, Found>,
    replay: Option<Replay>,
    /// Everything before is read.
    offset: u64,
}

/// The places of one certificate.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// The newest record.
    record: Option<u64>,
    /// The record of another certificate that it is linked to.
    linked: Option<u64>,
}

impl Look {
    fn of(fingerprints: &[Hash]) -> Self {
        let wanted = fingerprints.iter().map(|hash| (*hash, Found::default())).collect();
        Self { wanted, ..Self::default() }
    }

    fn take(&mut self, batch: &Batch) {
        for (offset, record) in (batch.first_offset..).zip(&batch.records) {
            if let Some(found) = self.wanted.get_mut(&record.fingerprint) {
                found.record = Some(offset);
            }
        }
        for sighting in &batch.sightings {
            let own = sighting.fingerprint.as_ref();
            if let Some(found) = own.and_then(|own| self.wanted.get_mut(own)) {
                found.linked = Some(sighting.offset);
            }
        }
        self.offset = batch.next_offset();
    }

    fn find(&self, fingerprint: &Hash) -> Option<u64> {
        let Found { record, linked } = self.wanted.get(fingerprint)?;
        record.or(*linked)
    }
}

impl InStream {
    pub(super) fn new(past: Past) -> Self {
        Self { past, look: Mutex::default() }
    }

    /// Reads on to the present end of the stream.
    async fn read_on(&self, look: &mut Look) -> Result<(), String> {
        let mut failing: Option<Instant> = None;
        loop {
            let error = match timeout(ATTEMPT, self.read_some(look)).await {
                Ok(Ok(true)) => {
                    failing = None;
                    continue;
                }
                Ok(Ok(false)) => return Ok(()),
                Ok(Err(error)) if !error.is_temporary() => return Err(failed(&error)),
                Ok(Err(error)) => error,
                Err(_) => UseError::Unavailable("no response".to_owned()),
            };
            if Instant::now() - *failing.get_or_insert_with(Instant::now) > PATIENCE {
                return Err(failed(&error));
            }
            tracing::debug!(%error, "the stream cannot be searched at present");
            sleep(RETRY).await;
        }
    }

    /// Reads a few batches; `false` if there are none.
    async fn read_some(&self, look: &mut Look) -> Result<bool, UseError> {
        // After an error another one continues with the last entry that was read: further batches may
        // end at the same offset.
        let (mut replay, offset) = match look.replay.take() {
            Some(replay) => (replay, look.offset),
            None => {
                let offset = look.offset.saturating_sub(1);
                (self.past.replay_all(offset), offset)
            }
        };
        let batches = replay.read(offset, u64::MAX, BYTES).await?;
        batches.iter().for_each(|stored| look.take(&stored.batch));
        look.replay = Some(replay);
        Ok(!batches.is_empty())
    }
}

fn failed(error: &UseError) -> String {
    format!("the stream of the cluster cannot be searched: {error}")
}

impl Published for InStream {
    fn gathers(&self) -> Gather {
        GATHER
    }

    async fn expect(&self, fingerprints: Vec<Hash>) -> Result<(), String> {
        let mut look = self.look.lock().await;
        *look = Look::of(&fingerprints);
        self.read_on(&mut look).await
    }

    async fn offsets(&self, fingerprints: Vec<Hash>) -> Result<Vec<Option<u64>>, String> {
        let mut look = self.look.lock().await;
        if fingerprints.iter().any(|hash| !look.wanted.contains_key(hash)) {
            *look = Look::of(&fingerprints);
        }
        self.read_on(&mut look).await?;
        Ok(fingerprints.iter().map(|hash| look.find(hash)).collect())
    }
}
