//! The bucket beside the stream: the leader's lease, the node that is ready to lead, and a copy of the
//! newest checkpoint. Nothing here is a permission; the stream alone decides.

use std::error::Error;

use async_nats::jetstream::context::KeyValueErrorKind;
use async_nats::jetstream::kv::{Config, Entry, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use bytes::Bytes;
use record::encoding::{Decoder, Encoder, Message};
use record::{Checkpoint, State};

use crate::error::{OpenError, UseError};
use crate::link::{Link, refusal};
use crate::protocol;
use crate::settings::Settings;

const LEASE: &str = "lease";
const READY: &str = "ready";
const CHECKPOINT: &str = "checkpoint";

/// The bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    link: Link,
    store: Store,
}

/// A node that leads or is ready to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its nonce.
    pub nonce: [u8; 16],
    /// Its configuration hash.
    pub configuration: [u8; 32],
}

impl Candidate {
    fn write(&self) -> Bytes {
        [&self.nonce[..], &self.configuration[..]].concat().into()
    }

    fn read(value: &[u8]) -> Option<Self> {
        let (nonce, rest) = value.split_first_chunk::<16>()?;
        Some(Self { nonce: *nonce, configuration: rest.try_into().ok()? })
    }
}

fn config(bucket: String, settings: &Settings) -> Config {
    Config {
        bucket,
        description: "State of certstream-server".to_owned(),
        history: 1,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        ..Config::default()
    }
}

impl Bucket {
    /// Opens the bucket of a stream, and creates it if it is absent and the settings allow it.
    ///
    /// # Errors
    /// If no server responds, or the bucket is absent and not created.
    pub async fn open(link: &Link, settings: &Settings) -> Result<Self, OpenError> {
        let (bucket, context) = (settings.bucket(), &link.context);
        let name = format!("the bucket {bucket}");
        let refused =
            |error: &(dyn Error + 'static)| link.denials.explain(refusal::explain(&name, error));
        let store = match context.get_key_value(&bucket).await {
            Err(error) if error.kind() == KeyValueErrorKind::InvalidStoreName => {
                let (stream, difference) = (settings.bucket_stream(), "it is no bucket".to_owned());
                Err(OpenError::Shape { stream, difference })
            }
            Err(error) if refusal::is_absent(&error) => {
                if !settings.may_create {
                    return Err(OpenError::Absent(name));
                }
                match context.create_key_value(config(bucket.clone(), settings)).await {
                    // Another node has just created it, with other replicas.
                    Err(error) if refusal::exists(&error) => {
                        context.get_key_value(&bucket).await.map_err(|error| refused(&error))
                    }
                    created => created.map_err(|error| refused(&error)),
                }
            }
            found => found.map_err(|error| refused(&error)),
        }?;
        Ok(Self { link: link.clone(), store })
    }

    /// Returns the number of servers that kept the bucket when it was opened.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.store.stream.cached_info().config.num_replicas
    }

    /// Renews the lease of the node that leads.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn renew(&self, leader: &Candidate) -> Result<(), UseError> {
        self.put(LEASE, leader.write()).await.map(|_| ())
    }

    /// Gives up the lease: no node leads.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn release(&self) -> Result<(), UseError> {
        self.put(LEASE, Bytes::new()).await.map(|_| ())
    }

    /// Returns the revision of the lease, 0 without one, and the node that has it.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn lease(&self) -> Result<(u64, Option<Candidate>), UseError> {
        self.candidate(LEASE).await
    }

    /// Announces a node that is ready to lead.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn announce(&self, node: &Candidate) -> Result<(), UseError> {
        self.put(READY, node.write()).await.map(|_| ())
    }

    /// Returns the node that announced itself last, and the revision of that.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn ready(&self) -> Result<(u64, Option<Candidate>), UseError> {
        self.candidate(READY).await
    }

    /// Saves a copy of a committed state, for a stream that has lost its own checkpoints. Returns
    /// `false` if it is too large for the servers.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn save(&self, state: &State) -> Result<bool, UseError> {
        let checkpoint = Checkpoint { state: state.clone(), issuers: Vec::new() };
        let mut plain = Vec::new();
        Encoder::new()
            .checkpoint(&checkpoint, &mut plain)
            .map_err(protocol::ProposeError::Encode)?;
        let max_value = self.link.max_value();
        let content = protocol::compress(&plain).filter(|content| content.len() <= max_value);
        let Some(content) = content else { return Ok(false) };
        self.put(CHECKPOINT, content).await.map(|_| true)
    }

    /// Returns the copy of the newest checkpoint.
    ///
    /// # Errors
    /// If no server responds. A copy that cannot be read counts as none.
    pub async fn saved(&self) -> Result<Option<State>, UseError> {
        let Some(entry) = self.entry(CHECKPOINT).await? else {
            return Ok(None);
        };
        let plain = protocol::decompress(&entry.value);
        let message = plain.and_then(|plain| Decoder::new().message(&plain).ok());
        match message {
            Some(Message::Checkpoint(checkpoint)) => Ok(Some(checkpoint.state)),
            _ => {
                tracing::warn!("the copy of the checkpoint cannot be read and is ignored");
                Ok(None)
            }
        }
    }

    /// Returns the value of a key and its revision; `None` if it has none or is deleted.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn get(&self, key: &str) -> Result<Option<(u64, Bytes)>, UseError> {
        let entry = self.entry(key).await?;
        let entry = entry.filter(|entry| entry.operation == Operation::Put);
        Ok(entry.map(|entry| (entry.revision, entry.value)))
    }

    /// Sets the value of a key, and returns its revision.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn put(&self, key: &str, value: Bytes) -> Result<u64, UseError> {
        self.link.connected()?;
        self.store.put(key, value).await.map_err(UseError::unavailable)
    }

    /// Sets the value of a key that has none or is deleted, and returns its revision; `None` if it has
    /// one.
    ///
    /// # Errors
    /// If no server responds. The value may then be set nevertheless.
    pub async fn create(&self, key: &str, value: Bytes) -> Result<Option<u64>, UseError> {
        if let Some(revision) = self.update(key, value.clone(), 0).await? {
            return Ok(Some(revision));
        }
        let entry = self.entry(key).await?;
        match entry {
            Some(entry) if entry.operation != Operation::Put => {
                self.update(key, value, entry.revision).await
            }
            _ => Ok(None),
        }
    }

    /// Replaces the value of a key that has this revision, and returns the new one; `None` if it has
    /// another one.
    ///
    /// # Errors
    /// If no server responds. The value may then be set nevertheless.
    pub async fn update(
        &self,
        key: &str,
        value: Bytes,
        revision: u64,
    ) -> Result<Option<u64>, UseError> {
        self.link.connected()?;
        match self.store.update(key, value, revision).await {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(UseError::unavailable(error)),
        }
    }

    /// Deletes the value of a key.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn delete(&self, key: &str) -> Result<(), UseError> {
        self.link.connected()?;
        self.store.delete(key).await.map_err(UseError::unavailable)
    }

    async fn entry(&self, key: &str) -> Result<Option<Entry>, UseError> {
        self.link.connected()?;
        self.store.entry(key).await.map_err(UseError::unavailable)
    }

    async fn candidate(&self, key: &str) -> Result<(u64, Option<Candidate>), UseError> {
        let entry = self.entry(key).await?;
        Ok(entry.map_or((0, None), |entry| (entry.revision, Candidate::read(&entry.value))))
    }
}
