//! The settings of an output.

use std::path::PathBuf;
use std::time::Duration;

use crate::kafka::KafkaSettings;
use crate::nats::NatsSettings;

/// The handling of messages that the broker does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// The output waits, and falls behind the stream.
    #[default]
    Block,
    /// The output leaves out messages, and counts them: those that a full broker refuses, and all up to
    /// the end of the stream once it is behind by more than so many entries.
    Drop {
        /// Entries that it may be behind.
        depth: u64,
    },
}

/// The settings of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSettings {
    /// Its name in log lines, metrics and the name of its cursor.
    pub name: String,
    /// The broker.
    pub broker: BrokerSettings,
    /// The handling of messages that the broker does not take.
    pub on_full: OnFull,
    /// Longest wait for the acknowledgement of a message, before it is published again.
    pub publish_timeout: Duration,
}

/// The settings of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerSettings {
    /// NATS JetStream.
    Nats(NatsSettings),
    /// Kafka.
    Kafka(KafkaSettings),
}

/// TLS towards a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM certificates of the authorities that the broker's certificate is checked with, instead of
    /// those of the system.
    pub ca_file: Option<PathBuf>,
    /// The PEM certificate chain of this client, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}
