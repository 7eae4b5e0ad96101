//! Output to Kafka, as certstream-server-go 1.10 has it: topic, compression and stream; also with TLS,
//! SASL, several brokers, and keys.

mod advice;

use std::time::Duration;

use krafka::auth::{AuthConfig, TlsConfig};
use krafka::producer::{Acks, Producer};
use krafka::{CloseOptions, Record};

use self::advice::Advice;
use crate::broker::Outcomes;
use crate::failure::Failure;
use crate::key::domain;
use crate::message::Message;
use crate::secret::Secret;
use crate::settings::Tls;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Shortest wait for the answer to a request.
const SHORTEST: Duration = Duration::from_millis(500);
/// Bytes of a batch before compression. Brokers take up to 1 MiB unless they are configured.
const BATCH_BYTES: usize = 256 * 1024;
/// The header with the identity of a message.
const ID_HEADER: &str = "id";

/// The settings of an output to Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Brokers to begin with, as `HOST:PORT`; they name the others.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// The compression of batches.
    pub compression: Compression,
    /// The key of messages, which decides about their partition.
    pub key: KafkaKey,
    /// The proof of the client's identity; none for brokers that require none.
    pub sasl: Option<Sasl>,
    /// TLS; none for plain TCP.
    pub tls: Option<Tls>,
}

/// The compression of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// Zstandard.
    Zstd,
    /// LZ4.
    Lz4,
}

/// The key of messages. Messages with the same key are in the same partition, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KafkaKey {
    /// The [identity](Message::id), so that messages are spread over all partitions.
    #[default]
    Entry,
    /// The registrable domain of the certificate's first name; the identity if it has none.
    Domain,
}

/// The proof of a client's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN (RFC 4616).
    Plain,
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

/// A connection to Kafka.
pub(crate) struct Kafka {
    producer: Producer,
    topic: String,
    advice: Advice,
    key: KafkaKey,
    is_broken: bool,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("brokers", &self.advice.brokers()).finish_non_exhaustive()
    }
}

impl Kafka {
    /// Connects, and checks that there is the topic, which the broker may create.
    pub(crate) async fn connect(
        settings: &KafkaSettings,
        publish_timeout: Duration,
    ) -> Result<Self, Failure> {
        let advice = Advice::new(settings);
        // Half of the time, so that a request that was lost can be repeated.
        let request = (publish_timeout / 2).max(SHORTEST);
        let kafka = krafka::Kafka::builder(settings.brokers.join(","))
            .client_id("certstream-server")
            .security(security(settings))
            .connect_timeout(CONNECT.min(request))
            .request_timeout(request)
            .allow_auto_create_topics(true)
            .connect()
            .await
            .map_err(|error| advice.connecting(&error))?;
        let producer = kafka
            .producer()
            .acks(Acks::All)
            // Not all brokers have it, or give clients the right to it; delivery is at least once anyway.
            .idempotent(false)
            .compression(settings.compression.into())
            .batch_size(BATCH_BYTES)
            .linger(Duration::from_millis(5))
            .delivery_timeout(publish_timeout.max(request + SHORTEST))
            .max_block(request)
            .metrics_push(false)
            .build()
            .await
            .map_err(|error| advice.connecting(&error))?;
        producer
            .partitions_for(&settings.topic)
            .await
            .map_err(|error| advice.connecting(&error))?;
        let (topic, key) = (settings.topic.clone(), settings.key);
        Ok(Self { producer, topic, advice, key, is_broken: false })
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(crate) async fn publish(&mut self, messages: &[&Message]) -> Outcomes {
        let mut outcomes = self.publish_together(messages).await;
        // A batch may be too large although each of its messages is not.
        for (message, outcome) in messages.iter().zip(&mut outcomes) {
            if messages.len() > 1 && matches!(outcome, Err(Failure::Refused(_))) {
                *outcome = self.publish_together(&[message]).await.pop().unwrap_or(Ok(()));
            }
        }
        outcomes
    }

    async fn publish_together(&mut self, messages: &[&Message]) -> Outcomes {
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(self.producer.enqueue(self.record(message)).await);
        }
        let mut outcomes = Outcomes::with_capacity(messages.len());
        for handle in sent {
            let outcome = match handle {
                Ok(handle) => handle.await.map(drop),
                Err(error) => Err(error),
            };
            outcomes.push(outcome.map_err(|error| {
                self.is_broken |= error.is_fatal();
                self.advice.publishing(&error)
            }));
        }
        outcomes
    }

    fn record(&self, message: &Message) -> Record {
        let id = message.id();
        let domain = match self.key {
            KafkaKey::Entry => None,
            KafkaKey::Domain => domain(message),
        };
        // A topic with compaction refuses messages without a key.
        let key = domain.unwrap_or_else(|| id.clone());
        Record::new(self.topic.clone(), message.body.clone()).header(ID_HEADER, id).key(key)
    }

    pub(crate) async fn close(self, patience: Duration) {
        let closed = self.producer.close_with(CloseOptions::new().timeout(patience)).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "the connection to Kafka was not closed in order");
        }
    }
}

impl From<Compression> for krafka::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Gzip => Self::Gzip,
            Compression::Snappy => Self::Snappy,
            Compression::Zstd => Self::Zstd,
            Compression::Lz4 => Self::Lz4,
        }
    }
}

fn security(settings: &KafkaSettings) -> AuthConfig {
    let tls = settings.tls.as_ref().map(tls);
    let Some(Sasl { mechanism, user, password }) = &settings.sasl else {
        return tls.map_or_else(AuthConfig::plaintext, AuthConfig::ssl);
    };
    let config = match mechanism {
        Mechanism::Plain => AuthConfig::sasl_plain(user, password.reveal()),
        Mechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(user, password.reveal()),
        Mechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(user, password.reveal()),
    };
    match tls {
        Some(tls) => config.with_tls(tls),
        None => config,
    }
}

fn tls(tls: &Tls) -> TlsConfig {
    let config = TlsConfig::new();
    let config = match &tls.ca_file {
        Some(file) => config.with_ca_cert(file.to_string_lossy()),
        None => config.with_native_roots(),
    };
    match &tls.identity {
        Some((cert, key)) => config.with_client_cert(cert.to_string_lossy(), key.to_string_lossy()),
        None => config,
    }
}
