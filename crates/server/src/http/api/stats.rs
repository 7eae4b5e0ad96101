//! `/api/stats`: the server in numbers. The fields of certstream-server-rust come first, in its order
//! (wire.md 4.6).

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use feed::Hub;
use follow::LogsView;
use journal::Journal;
use record::StreamId;
use serde::Serialize;
use utoipa::ToSchema;
use wire::filter::Filters;

use crate::http::Services;
use crate::http::metrics::resident_bytes;
use crate::metrics::Metrics;
use crate::publish::messages::MessageStream;
use crate::publish::recent::RecentCertificates;

/// The state of the route.
#[derive(Debug)]
pub(super) struct Sources {
    hub: Arc<Hub<MessageStream>>,
    stream: StreamId,
    journal: Option<Journal>,
    filters: Filters,
    logs: Arc<dyn LogsView>,
    metrics: Arc<Metrics>,
    recent: Arc<RecentCertificates>,
    started: Instant,
}

impl Sources {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            hub: Arc::clone(&services.hub),
            stream: services.stream,
            journal: services.journal.clone(),
            filters: services.filters.clone(),
            logs: Arc::clone(&services.logs),
            metrics: Arc::clone(&services.metrics),
            recent: Arc::clone(&services.recent),
            started: services.started,
        }
    }
}

/// The server's figures. Counts are since its start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    uptime_seconds: u64,
    connections: Connections,
    throughput: Throughput,
    memory: Memory,
    logs: FollowedLogs,
    /// The newest offset published; null before the first.
    offset: Option<u64>,
    /// The id of the stream that offsets belong to.
    stream: String,
    /// The part of the stream that is kept on disk; null without `data_dir`.
    journal: Option<Kept>,
    version: &'static str,
}

/// Open client connections.
#[derive(Debug, Serialize, ToSchema)]
struct Connections {
    total: u64,
    websocket: u64,
    sse: u64,
    /// Those with a filter.
    filtered: usize,
    /// Since the start.
    opened: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Throughput {
    /// Messages written to clients.
    messages_sent: u64,
    /// Certificates published.
    certificates_processed: u64,
    /// Bytes written to clients, framing included.
    bytes_sent: u64,
    /// Bytes of messages rendered, each counted once however many clients get it.
    bytes_serialized: u64,
    /// Messages that clients missed because they read too slowly.
    messages_lost: u64,
    /// Entries dropped because the same certificate was published recently.
    duplicates_filtered: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Memory {
    /// Certificates that /api/cert can find.
    cache_entries: usize,
    cache_capacity: usize,
    cache_bytes: usize,
    /// Bytes of entries kept for clients that resume or fall behind.
    ring_bytes: usize,
    ring_entries: u64,
    /// Seconds between the oldest and the newest of them: how long a client can be away without loss.
    ring_seconds: u64,
    /// Bytes of rendered messages kept.
    chunk_bytes: usize,
    /// Memory of the process in RAM; null if the system does not report it.
    resident_bytes: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FollowedLogs {
    followed: usize,
}

/// The journal.
#[derive(Debug, Serialize, ToSchema)]
struct Kept {
    /// Offset from which on entries are kept; null while there is none.
    first_offset: Option<u64>,
    /// Offset of the newest entry; null while there is none.
    last_offset: Option<u64>,
    /// Entries kept.
    entries: u64,
    /// Unix time from which on entries are kept.
    first_seen: Option<f64>,
    /// Unix time at which the newest entry was seen.
    last_seen: Option<f64>,
    /// Bytes of all files.
    bytes: u64,
    segments: usize,
    /// Damaged parts found since the start, those found by it included.
    damaged_frames: u64,
    /// Duration of the last sync to the disk.
    sync_latency_seconds: Option<f64>,
    /// Time span that the limits will cover at the present rate; null until it is known.
    covers_seconds: Option<u64>,
}

impl From<journal::Stats> for Kept {
    fn from(stats: journal::Stats) -> Self {
        let seconds = |millis: u64| millis as f64 / 1000.0;
        Self {
            first_offset: stats.first_offset,
            last_offset: stats.last_offset,
            entries: stats.entries,
            first_seen: stats.first_time.map(seconds),
            last_seen: stats.last_time.map(seconds),
            bytes: stats.bytes,
            segments: stats.segments,
            damaged_frames: stats.damaged,
            sync_latency_seconds: stats.sync_latency.map(|latency| latency.as_secs_f64()),
            covers_seconds: stats.coverage.map(|span| span.as_secs()),
        }
    }
}

/// The server's figures
#[utoipa::path(
    get,
    path = "/api/stats",
    tag = "api",
    responses((status = 200, description = "The server's figures", body = Stats))
)]
pub(super) async fn stats(State(sources): State<Arc<Sources>>) -> Json<Stats> {
    let metrics = &sources.metrics;
    let ring = sources.hub.stats();
    let held = sources.recent.size();
    let [websocket, sse] = ["websocket", "sse"].map(|protocol| metrics.open_connections(protocol));
    Json(Stats {
        uptime_seconds: sources.started.elapsed().as_secs(),
        connections: Connections {
            total: websocket + sse,
            websocket,
            sse,
            filtered: sources.filters.stats().registered,
            opened: metrics.over_connections(|metrics| &metrics.connections_opened),
        },
        throughput: throughput(metrics),
        memory: Memory {
            cache_entries: held.entries,
            cache_capacity: held.capacity,
            cache_bytes: held.bytes,
            ring_bytes: ring.bytes,
            ring_entries: ring.entries,
            ring_seconds: ring.time.as_secs(),
            chunk_bytes: ring.chunk_bytes,
            resident_bytes: resident_bytes(),
        },
        logs: FollowedLogs { followed: sources.logs.count() },
        offset: sources.hub.head(),
        stream: sources.stream.to_string(),
        journal: sources.journal.as_ref().map(|journal| journal.stats().into()),
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn throughput(metrics: &Metrics) -> Throughput {
    Throughput {
        messages_sent: metrics.over_connections(|metrics| &metrics.messages_sent),
        certificates_processed: metrics.certificates_published(),
        bytes_sent: metrics.over_connections(|metrics| &metrics.bytes_sent),
        bytes_serialized: metrics.rendered_bytes.get(),
        messages_lost: metrics.over_connections(|metrics| &metrics.messages_lost),
        duplicates_filtered: metrics.duplicates.get(),
    }
}
