//! A journal of generated certificates, for tests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ct::leaf::EntryType;
use ct::{Hash, LogId};
use journal::storage::Disk;
use journal::{Journal, Opened, Settings, Start, System, Writer};
use record::{
    Advance, Batch, Issuer, LogIdentity, Position, Protocol, Record, Sighting, State, SyncMode,
};
use tempfile::TempDir;

use super::JournalHistory;
use crate::publish::entries::Entries;

/// Small segments and blocks, so that there are several of each.
pub(crate) const SETTINGS: Settings = Settings {
    sync: SyncMode::Interval,
    sync_interval: Duration::from_secs(1),
    max_bytes: 1 << 30,
    max_age: None,
    segment_bytes: 8 << 10,
    block_bytes: 2 << 10,
};

/// A journal, and the state after all of it.
pub(crate) struct Sample {
    folder: TempDir,
    settings: Settings,
    open: Option<(Journal, Writer)>,
    pub(crate) state: State,
}

/// An entry of a page.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A certificate with its chain.
    Record(Bytes, Vec<Arc<Issuer>>),
    /// The record at an offset again; with a fingerprint, a certificate that is linked to it.
    Sighting(u64, Option<Hash>),
}

impl Sample {
    pub(crate) fn new(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::new("AAAAAAAA".parse().expect("an id"));
        let mut sample = Self { folder, settings, open: None, state };
        sample.restart();
        sample
    }

    /// Ends the term, if there is one, and begins another one.
    pub(crate) fn restart(&mut self) {
        if let Some((_, writer)) = self.open.take() {
            writer.close().expect("it is closed");
        }
        let (storage, host) = (Arc::new(Disk), Arc::new(System::new()));
        let opened = Journal::open(storage, host, self.folder.path(), self.settings);
        let Opened { journal, mut writer, .. } = opened.expect("it opens");
        self.state = writer.begin(&Start::default()).expect("a term");
        self.open = Some((journal, writer));
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.open.as_ref().expect("it is open").0
    }

    /// Returns the history, which indexes the journal.
    pub(crate) fn history(&self) -> Arc<JournalHistory> {
        let entries = Arc::new(Entries::new(&self.state));
        JournalHistory::start(self.journal().clone(), entries).expect("a thread")
    }

    /// Returns the history, which nothing indexes but searches.
    pub(crate) fn unfollowed(&self) -> Arc<JournalHistory> {
        let entries = Arc::new(Entries::new(&self.state));
        Arc::new(JournalHistory::new(self.journal().clone(), entries))
    }

    /// Appends a page of a log.
    pub(crate) fn append(&mut self, identity: &LogIdentity, entries: &[Entry]) -> Batch {
        let (log, change) = self.state.row(identity);
        let mut batch = Batch::new(self.state.next_header(), self.state.next_offset());
        batch.logs.extend(change);
        let position = self.state.log(log).and_then(|log| log.position.as_ref());
        let first = position.map_or(0, |position| position.next);
        for (index, entry) in (first..).zip(entries.iter().cloned()) {
            let submitted = 1_700_000_000_000 + index;
            match entry {
                Entry::Record(der, chain) => {
                    let kind = if index % 3 == 0 { EntryType::Precert } else { EntryType::X509 };
                    let record = Record::as_read(index, submitted, kind, der, chain);
                    batch.records.push(Record { log, seen: submitted + 5_000, ..record });
                }
                Entry::Sighting(offset, fingerprint) => {
                    batch.sightings.push(Sighting { log, index, submitted, offset, fingerprint });
                }
            }
        }
        let next = first + entries.len() as u64;
        let position = Position { next, largest_head: next, tree: None };
        batch.advances.push(Advance { log, first, position });
        let (_, writer) = self.open.as_mut().expect("it is open");
        let hash = writer.append(&batch).expect("it is appended");
        self.state.apply(&batch, hash).expect("it fits");
        batch
    }
}

/// Returns a log with this name; `key` stands for its public key.
pub(crate) fn log(name: &str, url: &str, key: Option<u8>) -> LogIdentity {
    LogIdentity {
        id: key.map(|key| LogId([key; 32])),
        url: url.to_owned(),
        name: name.to_owned(),
        operator: format!("Operator of {name}"),
        protocol: Protocol::Rfc6962,
    }
}

/// Returns a certificate with these names and addresses, the first one also as its subject.
pub(crate) fn certificate(names: &[&str], issuer: &str) -> Bytes {
    let is_ascii = |name: &&&str| name.is_ascii();
    let in_extension: Vec<String> =
        names.iter().filter(is_ascii).map(|n| (*n).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(in_extension).expect("names");
    let mut subject = rcgen::DistinguishedName::new();
    subject.push(rcgen::DnType::CommonName, *names.first().expect("a name"));
    subject.push(rcgen::DnType::OrganizationName, issuer);
    parameters.distinguished_name = subject;
    let key = rcgen::KeyPair::generate().expect("a key");
    Bytes::copy_from_slice(parameters.self_signed(&key).expect("a certificate").der())
}

/// Returns a certificate whose only names are these in its extension: domains and addresses.
pub(crate) fn without_subject(names: &[&str]) -> Bytes {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).expect("names");
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    let key = rcgen::KeyPair::generate().expect("a key");
    Bytes::copy_from_slice(parameters.self_signed(&key).expect("a certificate").der())
}
