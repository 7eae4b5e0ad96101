//! Entries in, chunks out: the one place where what was read becomes what is sent.
//!
//! One thread takes the pages of all followers in the order they come, gives every certificate its
//! offset by publishing it to the hub, and so decides the order every client sees. It never waits
//! for a client.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cert::{Certificate, Digests};
use ct::Hash;
use ct::leaf::EntryType;
use feed::{Hub, Stream, block};
use follow::{Entry, LogStatus, Page, Protocol};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use wire::filter::{Filters, Registered, Subject};
use wire::{EntryKind, Event, Issuer, Profile, Rendered, Renderer, Source, SourceKind, StreamKind};

use crate::dedup::Window;
use crate::gather::{self, Channel, Outlet, Size};
use crate::metrics::{EntryLabels, Metrics};
use crate::recent::{Recent, RecentCertificates};
use crate::vitals::Vitals;

/// Issuers kept rendered at most.
const ISSUERS: usize = 4096;
/// Bytes of memory that they take at most. Those that CAs really have, rendered under one profile, take a
/// tenth of what is counted: their names have no escapes.
const ISSUER_BYTES: u64 = 64 * 1024 * 1024;
/// How much an issuer takes with one rendering, in times its DER.
const WITH_RENDERING: usize = 4;
/// What an entry adds for the page it lies in, of which some five share one.
const PAGE_SHARE: usize = 32;
/// What `Bytes` takes besides the bytes once they are shared.
const SHARED_BYTES: usize = 32;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Hash, Arc<Issuer>> for Weight {
    fn weight(&self, _: &Hash, issuer: &Arc<Issuer>) -> u64 {
        issuer.most_memory() as u64
    }
}

/// One form of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendering {
    /// What each message holds.
    pub kind: StreamKind,
    /// Whose conventions it follows.
    pub profile: Profile,
}

/// A certificate as the ring keeps it: bytes and identity, parsed when it is rendered.
#[derive(Debug)]
pub struct Published {
    source: Arc<Source>,
    index: u64,
    /// When this server processed it, milliseconds since 1970.
    seen: u64,
    /// The SCT's time, milliseconds since 1970.
    submitted: u64,
    kind: EntryKind,
    certificate: Bytes,
    /// Those of the certificate, so that they are computed once however often it is rendered.
    digests: Digests,
    chain: Vec<Arc<Issuer>>,
    /// Memory of the chain certificates that were new with this entry, once they are rendered for one
    /// profile.
    new_issuers: usize,
    /// What has been counted and logged of it: what is rendered again for a late reader, or in
    /// another form, is not counted again.
    noted: AtomicU8,
}

/// [`Published::noted`]: that it cannot be parsed in full.
const PARSE_ERROR: u8 = 1;
/// [`Published::noted`]: that a message had to leave out something.
const TRUNCATED: u8 = 2;

impl Published {
    /// Whether this is the first time that something is noted of the entry.
    fn is_news(&self, what: u8) -> bool {
        self.noted.fetch_or(what, Ordering::Relaxed) & what == 0
    }
}

/// A certificate parsed for rendering.
#[derive(Debug)]
pub struct Message<'e> {
    offset: u64,
    published: &'e Published,
    certificate: Certificate<'e>,
}

impl Message<'_> {
    fn describe(&self, subject: &mut Subject) {
        let Published { source, kind, .. } = self.published;
        subject.read(&self.certificate, source, *kind);
    }
}

/// What the feed needs to know of certificates.
#[derive(Debug)]
pub struct CertificateStream {
    renderer: Renderer,
    filters: Filters,
    metrics: Arc<Metrics>,
}

impl CertificateStream {
    /// Renders with these bounds and switches, for clients with these filters; counts what cannot
    /// be parsed.
    #[must_use]
    pub const fn new(renderer: Renderer, filters: Filters, metrics: Arc<Metrics>) -> Self {
        Self { renderer, filters, metrics }
    }
}

impl Stream for CertificateStream {
    type Entry = Published;
    type Message<'e> = Message<'e>;
    type Rendering = Rendering;
    type Filter = Registered;

    fn weight(&self, entry: &Published) -> usize {
        block(size_of::<Published>())
            + PAGE_SHARE
            + block(entry.certificate.len())
            + SHARED_BYTES
            + block(entry.chain.len() * size_of::<Arc<Issuer>>())
            + entry.new_issuers
    }

    fn read<'e>(&self, offset: u64, entry: &'e Published) -> Message<'e> {
        let certificate = Certificate::read_known(&entry.certificate, &entry.digests);
        if let Some(error) = &certificate.parse_error
            && entry.is_news(PARSE_ERROR)
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
        let before = out.len();
        let rendered = self.renderer.render(rendering.kind, rendering.profile, &event, out);
        self.metrics.rendered_bytes.inc_by(out.len().saturating_sub(before) as u64);
        if rendered == Rendered::Truncated && published.is_news(TRUNCATED) {
            self.metrics.truncated.inc();
            let (log, index) = (published.source.name(), published.index);
            tracing::warn!(log, index, "message left out what made it too large");
        }
    }

    fn filter_id(filter: &Registered) -> u64 {
        filter.id()
    }

    fn matching(&self, messages: &[Message<'_>], found: &mut Vec<(u64, u32)>) -> u64 {
        self.filters.matching(messages, Message::describe, found)
    }

    fn passes(&self, filter: &Registered, message: &Message<'_>) -> bool {
        let mut subject = Subject::default();
        message.describe(&mut subject);
        filter.filter().passes(&subject)
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
    issuers: Cache<Hash, Arc<Issuer>, Weight>,
    /// What was published lately; `None` to publish every entry.
    window: Option<Window>,
    /// Where what is published can be found for a while.
    recent: Arc<RecentCertificates>,
    gathered: Gathered,
}

/// What is to be published next.
#[derive(Debug, Default)]
struct Gathered {
    entries: Vec<Published>,
    /// How far each log has come once the entries are published.
    positions: Vec<(Arc<LogStatus>, u64)>,
}

impl Publisher {
    /// A publisher to this hub, of all entries or only those that are not in the window.
    #[must_use]
    pub fn new(
        hub: Arc<Hub<CertificateStream>>,
        metrics: Arc<Metrics>,
        window: Option<Window>,
        recent: Arc<RecentCertificates>,
    ) -> Self {
        let sources = HashMap::new();
        let issuers = Cache::with_weighter(ISSUERS, ISSUER_BYTES, Weight);
        Self { hub, metrics, sources, issuers, window, recent, gathered: Gathered::default() }
    }

    /// Publishes until every sender of `pages` is gone and the channel is drained. Under load a page
    /// waits for others, `gather` at most. Blocks, so it belongs on a thread of its own.
    pub fn run(mut self, pages: mpsc::Receiver<Page>, gather: Duration, vitals: Arc<Vitals>) {
        gather::run(gather, &mut Channel::new(pages, vitals), &mut self);
    }

    /// The entries that have not come before, in this log or another, with their digests.
    fn without_duplicates(&mut self, entries: Vec<Entry>) -> Vec<(Entry, Digests)> {
        let before = entries.len();
        let now = Instant::now();
        let mut window = self.window.as_mut();
        let is_first = |entry: Entry| {
            let sha256 = ct::sha256(&entry.certificate);
            let key = entry.tbs_id.unwrap_or(sha256);
            let is_first = window.as_mut().is_none_or(|window| window.is_first(&key, now));
            // The other digest is for those that are published alone.
            is_first.then(|| {
                let digests = Digests::with_sha256(sha256, &entry.certificate);
                (entry, digests)
            })
        };
        let first: Vec<_> = entries.into_iter().filter_map(is_first).collect();
        if let Some(window) = &self.window {
            self.metrics.duplicates.inc_by((before - first.len()) as u64);
            self.metrics.dedup_window.set(i64::try_from(window.len()).unwrap_or(i64::MAX));
        }
        first
    }

    fn prepare(
        &self,
        source: &Arc<Source>,
        seen: u64,
        (entry, digests): (Entry, Digests),
    ) -> Published {
        let mut new_issuers = 0;
        let issuers = entry.chain.iter();
        let chain = issuers.map(|issuer| self.issuer(issuer, &mut new_issuers)).collect();
        Published {
            source: Arc::clone(source),
            index: entry.index,
            seen,
            submitted: entry.timestamp,
            kind: match entry.entry_type {
                EntryType::X509 => EntryKind::X509LogEntry,
                EntryType::Precert => EntryKind::PrecertLogEntry,
            },
            // A copy: the page's certificates share one buffer, so one that is kept would keep all of
            // them, most of them duplicates.
            certificate: Bytes::copy_from_slice(&entry.certificate),
            digests,
            chain,
            new_issuers,
            noted: AtomicU8::new(0),
        }
    }

    fn issuer(&self, issuer: &follow::Issuer, new: &mut usize) -> Arc<Issuer> {
        if let Some(rendered) = self.issuers.get(&issuer.fingerprint) {
            return rendered;
        }
        let rendered = Arc::new(Issuer::new(issuer.der.clone()));
        *new += issuer.der.len() * WITH_RENDERING;
        self.issuers.insert(issuer.fingerprint, Arc::clone(&rendered));
        rendered
    }

    /// What is to be found by its fingerprint once it has an offset; nothing where nobody can ask.
    fn worth_finding(&self, entries: &[Published]) -> Vec<(Recent, Digests)> {
        if !self.recent.is_on() {
            return Vec::new();
        }
        let recent = |entry: &Published| Recent {
            offset: 0,
            source: Arc::clone(&entry.source),
            index: entry.index,
            seen: entry.seen,
            submitted: entry.submitted,
            kind: entry.kind,
            certificate: entry.certificate.clone(),
        };
        entries.iter().map(|entry| (recent(entry), entry.digests)).collect()
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
}

impl Outlet<Page> for Publisher {
    /// Gives the entries the time at which they were seen, and leaves out duplicates.
    fn take(&mut self, page: Page) -> Size {
        let seen = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seen = u64::try_from(seen.as_millis()).unwrap_or(0);
        let source = self.source(&page.log);
        let entries = self.without_duplicates(page.entries);
        let bytes = entries.iter().map(|(entry, _)| entry.certificate.len()).sum();
        let size = Size { bytes, entries: entries.len() };
        for entry in entries {
            let prepared = self.prepare(&source, seen, entry);
            self.gathered.entries.push(prepared);
        }
        self.gathered.positions.push((page.log, page.end));
        size
    }

    /// Once the stream is closed nothing counts as published.
    fn publish(&mut self) -> bool {
        let Gathered { entries, positions } = std::mem::take(&mut self.gathered);
        let counts = count(&entries);
        let mut recent = self.worth_finding(&entries);
        if !entries.is_empty() {
            let Ok(offsets) = self.hub.publish(self.hub.next_offset(), entries) else {
                return false;
            };
            for ((recent, _), offset) in recent.iter_mut().zip(offsets) {
                recent.offset = offset;
            }
            self.recent.extend(recent);
        }
        for (kind, count) in counts {
            let labels = EntryLabels { update_type: kind.update_type() };
            self.metrics.certificates.get_or_create(&labels).inc_by(count as u64);
        }
        // Also where all of a page's entries were duplicates, or it had none.
        let newest = self.hub.head().unwrap_or(0);
        for (log, after) in positions {
            log.published(after, newest);
        }
        true
    }

    fn readers(&self) -> usize {
        self.hub.stats().readers
    }
}

/// How many certificates of each kind there are.
fn count(entries: &[Published]) -> [(EntryKind, usize); 2] {
    let is_precert = |entry: &&Published| entry.kind == EntryKind::PrecertLogEntry;
    let precerts = entries.iter().filter(is_precert).count();
    [(EntryKind::X509LogEntry, entries.len() - precerts), (EntryKind::PrecertLogEntry, precerts)]
}
