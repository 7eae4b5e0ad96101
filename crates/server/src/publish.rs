//! Entries in, chunks out: the one place where what was read becomes what is sent.
//!
//! One thread takes the pages of all followers in the order they come, gives every certificate its
//! offset by publishing it to the hub, and so decides the order every client sees. It never waits
//! for a client.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cert::Certificate;
use ct::Hash;
use ct::leaf::EntryType;
use feed::{Hub, Stream};
use follow::{Entry, LogStatus, Page, Protocol};
use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use wire::{EntryKind, Event, Issuer, Profile, Rendered, Renderer, Source, SourceKind, StreamKind};

use crate::dedup::Window;
use crate::metrics::{EntryLabels, Metrics};

/// Issuers kept rendered at most.
const ISSUERS: usize = 4096;

/// One form of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendering {
    /// What each message holds.
    pub kind: StreamKind,
    /// Whose conventions it follows.
    pub profile: Profile,
}

/// A certificate as the ring keeps it: bytes and identity, parsed when it is rendered.
#[derive(Debug, Clone)]
pub struct Published {
    source: Arc<Source>,
    index: u64,
    /// When this server processed it, milliseconds since 1970.
    seen: u64,
    /// The SCT's time, milliseconds since 1970.
    submitted: u64,
    kind: EntryKind,
    certificate: Bytes,
    chain: Vec<Arc<Issuer>>,
}

/// A certificate parsed for rendering.
#[derive(Debug)]
pub struct Message<'e> {
    offset: u64,
    published: &'e Published,
    certificate: Certificate<'e>,
}

/// What the feed needs to know of certificates.
#[derive(Debug)]
pub struct CertificateStream {
    renderer: Renderer,
    metrics: Arc<Metrics>,
    /// The newest offset whose parse error, if any, has been counted: what is rendered again for a
    /// late reader is not counted again.
    counted: AtomicU64,
}

impl CertificateStream {
    /// Renders with these bounds and switches; counts what cannot be parsed.
    #[must_use]
    pub const fn new(renderer: Renderer, metrics: Arc<Metrics>) -> Self {
        Self { renderer, metrics, counted: AtomicU64::new(0) }
    }
}

impl Stream for CertificateStream {
    type Entry = Published;
    type Message<'e> = Message<'e>;
    type Rendering = Rendering;

    fn weight(&self, entry: &Published) -> usize {
        size_of::<Published>()
            + entry.certificate.len()
            + entry.chain.len() * size_of::<Arc<Issuer>>()
    }

    fn read<'e>(&self, offset: u64, entry: &'e Published) -> Message<'e> {
        let certificate = Certificate::read(&entry.certificate);
        if let Some(error) = &certificate.parse_error
            && self.counted.fetch_max(offset, Ordering::Relaxed) < offset
        {
            self.metrics.parse_errors.inc();
            let (log, index) = (entry.source.name(), entry.index);
            tracing::warn!(log, index, %error, "certificate could not be parsed in full");
        }
        Message { offset, published: entry, certificate }
    }

    fn render(&self, rendering: Rendering, message: &Message<'_>, out: &mut Vec<u8>) {
        let published = message.published;
        let event = Event {
            offset: message.offset,
            seen: published.seen,
            submitted: published.submitted,
            kind: published.kind,
            cert_index: published.index,
            source: &published.source,
            certificate: &message.certificate,
            chain: &published.chain,
        };
        let rendered = self.renderer.render(rendering.kind, rendering.profile, &event, out);
        if rendered == Rendered::Truncated {
            self.metrics.truncated.inc();
        }
    }
}

/// Takes the followers' pages and publishes them.
#[derive(Debug)]
pub struct Publisher {
    hub: Arc<Hub<CertificateStream>>,
    metrics: Arc<Metrics>,
    /// What messages say of each log, made at its first page.
    sources: HashMap<String, Arc<Source>>,
    /// Chain certificates with their renderings, by SHA-256.
    issuers: Cache<Hash, Arc<Issuer>>,
    /// What was published lately; `None` to publish every entry.
    window: Option<Window>,
}

impl Publisher {
    /// A publisher to this hub, of all entries or only those that are not in the window.
    #[must_use]
    pub fn new(
        hub: Arc<Hub<CertificateStream>>,
        metrics: Arc<Metrics>,
        window: Option<Window>,
    ) -> Self {
        let (sources, issuers) = (HashMap::new(), Cache::new(ISSUERS));
        Self { hub, metrics, sources, issuers, window }
    }

    /// Publishes until every sender of `pages` is gone and the channel is drained. Blocks, so it
    /// belongs on a thread of its own.
    pub fn run(mut self, mut pages: mpsc::Receiver<Page>) {
        while let Some(page) = pages.blocking_recv() {
            self.publish(page);
        }
    }

    fn publish(&mut self, page: Page) {
        let Some(after) = page.entries.last().map(|entry| entry.index + 1) else { return };
        let seen = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seen = u64::try_from(seen.as_millis()).unwrap_or(0);
        let source = self.source(&page.log);
        let entries = self.without_duplicates(page.entries);
        let entries: Vec<_> =
            entries.into_iter().map(|entry| self.prepare(&source, seen, entry)).collect();
        self.count(&entries);
        self.hub.publish(entries);
        page.log.published(after);
    }

    /// The entries that have not come before, in this log or another.
    fn without_duplicates(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let Some(window) = &mut self.window else { return entries };
        let now = Instant::now();
        let before = entries.len();
        entries.retain(|entry| {
            let identity = entry.tbs_id.unwrap_or_else(|| ct::sha256(&entry.certificate));
            window.is_first(&identity, now)
        });
        self.metrics.duplicates.inc_by((before - entries.len()) as u64);
        self.metrics.dedup_window.set(i64::try_from(window.len()).unwrap_or(i64::MAX));
        entries
    }

    fn prepare(&self, source: &Arc<Source>, seen: u64, entry: Entry) -> Published {
        let chain = entry.chain.iter().map(|issuer| self.issuer(issuer)).collect();
        Published {
            source: Arc::clone(source),
            index: entry.index,
            seen,
            submitted: entry.timestamp,
            kind: match entry.entry_type {
                EntryType::X509 => EntryKind::X509LogEntry,
                EntryType::Precert => EntryKind::PrecertLogEntry,
            },
            certificate: entry.certificate,
            chain,
        }
    }

    fn issuer(&self, issuer: &follow::Issuer) -> Arc<Issuer> {
        if let Some(rendered) = self.issuers.get(&issuer.fingerprint) {
            return rendered;
        }
        let rendered = Arc::new(Issuer::new(issuer.der.clone()));
        self.issuers.insert(issuer.fingerprint, Arc::clone(&rendered));
        rendered
    }

    fn source(&mut self, log: &LogStatus) -> Arc<Source> {
        if let Some(source) = self.sources.get(&log.log.url) {
            return Arc::clone(source);
        }
        let log = &log.log;
        let kind = match log.protocol {
            Protocol::Rfc6962 => SourceKind::Rfc6962,
            Protocol::StaticCt => SourceKind::Tiled,
        };
        let id = log.id.map(|id| id.to_string());
        let source = Arc::new(Source::new(&log.name, &log.url, &log.operator, kind, id));
        self.sources.insert(log.url.clone(), Arc::clone(&source));
        source
    }

    fn count(&self, entries: &[Published]) {
        let precerts =
            entries.iter().filter(|entry| entry.kind == EntryKind::PrecertLogEntry).count();
        let counts = [
            (EntryKind::X509LogEntry, entries.len() - precerts),
            (EntryKind::PrecertLogEntry, precerts),
        ];
        for (kind, count) in counts {
            let labels = EntryLabels { update_type: kind.update_type() };
            self.metrics.certificates.get_or_create(&labels).inc_by(count as u64);
        }
    }
}
