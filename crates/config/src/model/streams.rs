//! The settings of streams and clients: protocols, duplicates, heartbeats, compression, filters, feeds.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::values::{ByteSize, DedupMode, HeartbeatMode};

/// The protocols and routes that are served; the others answer 404.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    /// The WebSocket streams.
    pub websocket: bool,
    /// The SSE streams.
    pub sse: bool,
    /// `/metrics`.
    pub metrics: bool,
    /// `/health`, `/health/deep` and `/health/ready`.
    pub health: bool,
    /// `/example.json` of each stream.
    pub example_json: bool,
    /// `/api/…`.
    pub api: bool,
    /// `/stats`.
    pub stats: bool,
    /// The page at `/`.
    pub page: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self {
            websocket: true,
            sse: false,
            metrics: true,
            health: true,
            example_json: true,
            api: false,
            stats: true,
            page: true,
        }
    }
}

/// The streams that are rendered; the routes of the others answer 404.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Streams {
    /// Whole certificates with their chains.
    pub full: bool,
    /// Certificates without DER and chain.
    pub lite: bool,
    /// Only the domain names.
    pub domains_only: bool,
    /// The path of the full stream, with or without a slash at its end.
    pub full_path: String,
    /// The path of the lite stream, which is also at `/` unless another is there.
    pub lite_path: String,
    /// The path of the domains-only stream.
    pub domains_only_path: String,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub v2: IgnoredAny,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            full: true,
            lite: true,
            domains_only: true,
            full_path: "/full-stream".to_owned(),
            lite_path: "/".to_owned(),
            domains_only_path: "/domains-only".to_owned(),
            v2: IgnoredAny,
        }
    }
}

/// The handling of certificates that are in several logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dedup {
    /// True if a certificate is sent only once.
    pub enabled: bool,
    /// The definition of a duplicate.
    pub mode: DedupMode,
    /// Maximum number of certificates remembered.
    pub capacity: u64,
    /// Seconds for which one is remembered, 1 to 604,800.
    pub ttl_secs: u64,
}

impl Default for Dedup {
    fn default() -> Self {
        Self { enabled: true, mode: DedupMode::Certificate, capacity: 200_000, ttl_secs: 900 }
    }
}

/// Reads the section; `dedup: false` is short for `dedup: {enabled: false}`.
pub(super) fn switch_or_section<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Dedup, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "false, true, or a map of enabled, mode, capacity and ttl_secs")]
    enum Either {
        Switch(bool),
        Section(Dedup),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Dedup::default(),
        Some(Either::Switch(enabled)) => Dedup { enabled, ..Dedup::default() },
        Some(Either::Section(section)) => section,
    })
}

/// The messages that show clients that the connection is alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    /// The times at which they are sent.
    pub mode: HeartbeatMode,
    /// Seconds of silence (`idle`) or between heartbeats (`always`), 1 to 3600.
    pub interval_secs: u64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { mode: HeartbeatMode::Idle, interval_secs: 10 }
    }
}

/// The streams that are compressed for clients that request it. Each message is compressed once for
/// all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compression {
    /// WebSocket streams, with permessage-deflate (RFC 7692).
    pub websocket: bool,
    /// SSE streams, with gzip.
    pub sse: bool,
}

impl Default for Compression {
    fn default() -> Self {
        Self { websocket: true, sse: true }
    }
}

/// The limits on clients' filters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Maximum number of different terms of one connection, 1 to 1000.
    pub max_terms: u64,
    /// Maximum number of different terms over all connections, 1 to 100,000.
    pub max_distinct: u64,
}

impl Default for Filters {
    fn default() -> Self {
        Self { max_terms: 20, max_distinct: 10_000 }
    }
}

/// The memory for clients that resume or fall behind, and how messages are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    /// Entries kept, in bytes.
    pub ring_bytes: ByteSize,
    /// Framed chunks kept for each feed with readers, in bytes.
    pub chunk_bytes: ByteSize,
    /// True if certificates without names are left out of the domains-only stream.
    pub skip_empty_domains: bool,
    /// Longest time for which a page waits for others to go out with it, in milliseconds, at most
    /// 1000.
    pub gather_ms: u64,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            ring_bytes: ByteSize::new(16 * ByteSize::MIB),
            chunk_bytes: ByteSize::new(8 * ByteSize::MIB),
            skip_empty_domains: true,
            gather_ms: 20,
        }
    }
}
