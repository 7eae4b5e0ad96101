//! The settings of outputs to brokers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::de::blank_is_none;
use super::values::{ByteSize, CompatProfile};

/// The part of a certificate that an output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputStream {
    /// Everything, the DER of the certificate and its chain included.
    Full,
    /// Everything but the DER and the chain.
    #[default]
    Lite,
    /// Only the names.
    DomainsOnly,
}

/// The handling of messages that a broker does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// The output waits, and falls behind.
    #[default]
    Block,
    /// The output leaves out messages.
    Drop,
}

/// The kind of a broker in `stream_processing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessorType {
    /// Kafka.
    Kafka,
    /// NSQ, which is refused.
    Nsq,
}

/// The compression of batches for Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaCompression {
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

/// The key of messages in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaKey {
    /// Log id and index.
    #[default]
    Entry,
    /// The registrable domain of the first name.
    Domain,
}

/// The mechanism of SASL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaslMechanism {
    /// PLAIN.
    #[default]
    Plain,
    /// SCRAM-SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// SCRAM-SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// The output to NATS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// True if there is one.
    pub enabled: bool,
    /// URLs of servers, separated by commas.
    pub url: String,
    /// The JetStream stream.
    pub stream: String,
    /// The first part of subjects.
    pub subject_prefix: String,
    /// The part of a certificate that messages show.
    pub stream_kind: OutputStream,
    /// The server whose messages are imitated.
    pub profile: CompatProfile,
    /// Size of the stream, if it is created.
    pub max_bytes: ByteSize,
    /// Copies of the stream in a cluster, if it is created.
    pub replicas: u64,
    /// The handling of messages that are not taken.
    pub on_full: OnFull,
    /// Entries that the output may be behind with [`OnFull::Drop`].
    pub queue_depth: u64,
    /// Seconds in which NATS recognises repeated messages, if the stream is created.
    pub duplicate_window_secs: u64,
    /// Longest wait for an acknowledgement, in seconds.
    pub publish_timeout_secs: u64,
    /// The user; blank for none.
    pub user: String,
    /// A file with the user's password.
    #[serde(deserialize_with = "blank_is_none")]
    pub password_file: Option<PathBuf>,
    /// A file with a token.
    #[serde(deserialize_with = "blank_is_none")]
    pub token_file: Option<PathBuf>,
    /// A file with the seed of an NKey.
    #[serde(deserialize_with = "blank_is_none")]
    pub nkey_file: Option<PathBuf>,
    /// A credentials file: a JWT and the seed of its NKey.
    #[serde(deserialize_with = "blank_is_none")]
    pub creds_file: Option<PathBuf>,
    /// True if TLS is required.
    pub tls: bool,
    /// Authorities that the server's certificate is checked with.
    #[serde(deserialize_with = "blank_is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate chain of this client; set exactly where its key is.
    #[serde(deserialize_with = "blank_is_none")]
    pub cert_file: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(deserialize_with = "blank_is_none")]
    pub key_file: Option<PathBuf>,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            enabled: false,
            url: "nats://127.0.0.1:4222".to_owned(),
            stream: "CERTSTREAM".to_owned(),
            subject_prefix: "certstream".to_owned(),
            stream_kind: OutputStream::Lite,
            profile: CompatProfile::Rust,
            max_bytes: ByteSize::new(8 * ByteSize::GIB),
            replicas: 1,
            on_full: OnFull::Block,
            queue_depth: 10_000,
            duplicate_window_secs: 900,
            publish_timeout_secs: 30,
            user: String::new(),
            password_file: None,
            token_file: None,
            nkey_file: None,
            creds_file: None,
            tls: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
        }
    }
}

impl Nats {
    /// Returns the URLs of the servers.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim).filter(|url| !url.is_empty())
    }
}

/// An output to Kafka, with the keys of certstream-server-go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamProcessor {
    /// Its name, which is unique.
    pub name: String,
    /// The kind of its broker.
    #[serde(rename = "type")]
    pub kind: ProcessorType,
    /// True if there is one; the default.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// The part of a certificate that messages show.
    #[serde(default)]
    pub stream: Option<OutputStream>,
    /// The server whose messages are imitated; certstream-server-go by default.
    #[serde(default)]
    pub profile: Option<CompatProfile>,
    /// The host of a broker.
    #[serde(default)]
    pub server_addr: Option<String>,
    /// The port of that broker.
    #[serde(default)]
    pub server_port: Option<u64>,
    /// Brokers as `HOST:PORT`, instead.
    #[serde(default)]
    pub brokers: Option<Vec<String>>,
    /// The topic.
    #[serde(default)]
    pub topic: Option<String>,
    /// The compression of batches.
    #[serde(default)]
    pub compression: Option<KafkaCompression>,
    /// The key of messages.
    #[serde(default)]
    pub key: Option<KafkaKey>,
    /// The handling of messages that are not taken.
    #[serde(default)]
    pub on_full: Option<OnFull>,
    /// Entries that the output may be behind with [`OnFull::Drop`].
    #[serde(default)]
    pub queue_depth: Option<u64>,
    /// Longest wait for an acknowledgement, in seconds.
    #[serde(default)]
    pub publish_timeout_secs: Option<u64>,
    /// The user of SASL.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with the user's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The mechanism of SASL.
    #[serde(default)]
    pub sasl_mechanism: Option<SaslMechanism>,
    /// True if TLS is used.
    #[serde(default)]
    pub tls: Option<bool>,
    /// Authorities that the broker's certificate is checked with.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The certificate chain of this client; set exactly where its key is.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

impl StreamProcessor {
    /// Returns its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic.as_deref().unwrap_or("certstream")
    }

    /// Reports whether it is enabled.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Returns the brokers as `HOST:PORT`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let named = self.brokers.clone().unwrap_or_default();
        let single = self.server_addr.as_ref().map(|host| {
            let port = self.server_port.unwrap_or(9092);
            let is_v6 = host.contains(':') && !host.starts_with('[');
            if is_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        });
        named.into_iter().chain(single).collect()
    }

    /// Reports whether TLS is used.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        let is_implied = self.ca_file.is_some() || self.cert_file.is_some();
        self.tls.unwrap_or(is_implied)
    }
}
