//! The cluster: nodes that share one stream on NATS JetStream.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Span;
use super::de::{blank_is_none, blank_text_is_none, text_or_list};
use super::values::ByteSize;

/// The part of a node in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads logs if it leads, and serves clients. Without a cluster, the whole server.
    #[default]
    All,
    /// Reads logs if it leads, and serves no streams.
    Ingest,
    /// Serves clients, and never reads logs.
    Edge,
}

/// The stream of a cluster, and the connection to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// The NATS servers, as URLs or as `host:port`; empty for no cluster.
    #[serde(deserialize_with = "text_or_list")]
    pub url: Vec<String>,
    /// The JetStream stream.
    pub stream: String,
    /// Copies of the stream, if it is created: 1, 3 or 5.
    pub replicas: u64,
    /// Size of the stream, if it is created.
    pub max_bytes: ByteSize,
    /// Age at which messages are deleted, if the stream is created; none for no limit.
    pub max_age: Option<Span>,
    /// Longest time in seconds that a node is behind the stream and ready for clients.
    pub max_lag_secs: u64,
    /// Seconds for which a node is ready for clients while no NATS server responds.
    pub outage_grace_secs: u64,
    /// True if the NATS servers lose nothing that they acknowledged, even in a loss of power.
    pub durable: bool,
    /// The user.
    #[serde(deserialize_with = "blank_text_is_none")]
    pub user: Option<String>,
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
    /// Authorities that the servers' certificates are checked with.
    #[serde(deserialize_with = "blank_is_none")]
    pub ca_file: Option<PathBuf>,
    /// True if TLS is required.
    pub tls: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            url: Vec::new(),
            stream: "CTLOG".to_owned(),
            replicas: 1,
            max_bytes: ByteSize::new(10 * ByteSize::GIB),
            max_age: None,
            max_lag_secs: 30,
            outage_grace_secs: 300,
            durable: false,
            user: None,
            password_file: None,
            token_file: None,
            nkey_file: None,
            creds_file: None,
            ca_file: None,
            tls: false,
        }
    }
}

impl Cluster {
    /// Reports whether the server is a node of a cluster.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.url.is_empty()
    }

    /// Returns the NATS servers, as URLs or as `host:port`.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.url.iter().map(String::as_str)
    }
}
