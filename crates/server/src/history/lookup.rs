//! Look-ups of single certificates and entries.

use std::sync::Arc;

use journal::{Digest, Found, Indexes, Kept, ReadError};
use record::{Gap, LogNumber, Sighting};
use tokio::task::spawn_blocking;
use wire::Source;

use super::JournalHistory;
use crate::publish::recent::{Fingerprint, Recent};

/// A certificate that is kept.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The record.
    pub(crate) recent: Recent,
    /// All entries that have it: that of the record first, then those that repeat it. None if they are
    /// not known.
    pub(crate) entries: Option<Vec<Entry>>,
    /// The entry that was asked for, if its certificate is only linked to the record's.
    pub(crate) linked: Option<Entry>,
}

/// An entry of a log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) source: Arc<Source>,
    pub(crate) index: u64,
    /// Time of its SCT, milliseconds since 1970.
    pub(crate) submitted: u64,
    /// SHA-256 of its own certificate, if that is only linked to the record's.
    pub(crate) fingerprint: Option<[u8; 32]>,
}

/// The result of a look-up.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is kept.
    Found(Box<Certificate>),
    /// It was published at this offset, and is not kept any more.
    Deleted(u64),
    /// It was not published.
    Gap(Gap),
    /// It is not known.
    Missing,
    /// It is not known yet: a part of the journal has no index.
    NotIndexed,
    /// The journal cannot be read.
    Failed,
}

impl From<Recent> for Certificate {
    fn from(recent: Recent) -> Self {
        Self { recent, entries: None, linked: None }
    }
}

impl JournalHistory {
    /// Finds a certificate by its fingerprint.
    pub(crate) async fn certificate(self: &Arc<Self>, fingerprint: Fingerprint) -> Outcome {
        let digest = match fingerprint {
            Fingerprint::Sha1(digest) => Digest::Sha1(digest),
            Fingerprint::Sha256(digest) => Digest::Sha256(digest),
        };
        self.look(move |indexes| indexes.certificate(&digest)).await
    }

    /// Finds the certificate at an offset.
    pub(crate) async fn at(self: &Arc<Self>, offset: u64) -> Outcome {
        self.look(move |indexes| Ok(indexes.record(offset)?.map(Found::Record))).await
    }

    /// Reports whether the journal has deleted anything.
    pub(crate) fn has_deleted(&self) -> bool {
        self.indexes.searchable().deleted().is_some()
    }

    /// Finds an entry of a log, which is given by its name or the base64 of its id, also for URLs.
    pub(crate) async fn entry(self: &Arc<Self>, log: &str, index: u64) -> Outcome {
        let sources = self.entries.sources();
        let id = log.trim_end_matches('=').replace('-', "+").replace('_', "/");
        let is_log = |source: &Arc<Source>| {
            source.name() == log
                || source.log_id().is_some_and(|known| known.trim_end_matches('=') == id)
        };
        // Where a log took the place of another under its name, the newest is meant.
        let number = sources.iter().rposition(is_log).and_then(|at| u32::try_from(at).ok());
        let Some(number) = number else { return Outcome::Missing };
        self.look(move |indexes| indexes.entry(LogNumber(number), index)).await
    }

    async fn look(
        self: &Arc<Self>,
        look: impl FnOnce(&Indexes) -> Result<Option<Found>, ReadError> + Send + 'static,
    ) -> Outcome {
        let turn = Arc::clone(&self.lookups).acquire_owned().await;
        let Ok(turn) = turn else { return Outcome::Failed };
        let indexes = Arc::clone(&self.indexes);
        // Asked before, as what is indexed meanwhile may come too late for this look-up.
        let was_complete = indexes.is_complete();
        let look = move || {
            // The look-up continues if the client leaves.
            let _turn = turn;
            look(&indexes)
        };
        match spawn_blocking(look).await {
            Ok(Ok(Some(found))) => self.outcome(found),
            // One that was damaged is known to be missing now.
            Ok(Ok(None)) if was_complete && self.indexes.is_complete() => Outcome::Missing,
            Ok(Ok(None)) => Outcome::NotIndexed,
            Ok(Err(error)) => {
                tracing::error!(%error, "a look-up in the journal failed");
                Outcome::Failed
            }
            Err(_panicked) => Outcome::Failed,
        }
    }

    fn outcome(&self, found: Found) -> Outcome {
        let certificate = match found {
            Found::Record(kept) => self.certificate_of(kept, None),
            Found::Sighting(sighting, Some(kept)) => {
                let linked = sighting.fingerprint.is_some().then_some(sighting);
                self.certificate_of(kept, linked)
            }
            Found::Sighting(sighting, None) => return Outcome::Deleted(sighting.offset),
            Found::Gap(gap) => return Outcome::Gap(gap),
        };
        certificate.map_or(Outcome::Failed, |found| Outcome::Found(Box::new(found)))
    }

    /// Describes a record; none if it is of an unknown log.
    fn certificate_of(&self, kept: Kept, linked: Option<Sighting>) -> Option<Certificate> {
        let Kept { offset, record, sightings } = kept;
        let source = self.entries.source(record.log)?;
        let own = Entry {
            source: Arc::clone(&source),
            index: record.index,
            submitted: record.submitted,
            fingerprint: None,
        };
        let others = sightings.iter().filter_map(|sighting| self.entry_of(sighting));
        let entries = Some(std::iter::once(own).chain(others).collect());
        let linked = linked.and_then(|sighting| self.entry_of(&sighting));
        let recent = Recent { offset, record, source };
        Some(Certificate { recent, entries, linked })
    }

    fn entry_of(&self, sighting: &Sighting) -> Option<Entry> {
        let &Sighting { log, index, submitted, fingerprint, .. } = sighting;
        Some(Entry { source: self.entries.source(log)?, index, submitted, fingerprint })
    }
}
