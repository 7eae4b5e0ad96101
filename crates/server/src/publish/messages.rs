//! Messages of records: how the feed reads, renders and filters what was committed.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cert::{Certificate, Dialect, Digests};
use feed::{Stream, block};
use record::{Record, StreamId};
use wire::filter::{Filters, Registered, Subject};
use wire::{EntryKind, Event, Issuer, Profile, Rendered, Renderer, Source, StreamKind};

use crate::metrics::Metrics;

/// Bytes that an entry adds for the page it is part of, which about five share.
const PAGE_SHARE: usize = 32;
/// Bytes that `Bytes` takes besides its contents.
const SHARED_BYTES: usize = 32;

/// One form of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendering {
    /// The contents of each message.
    pub kind: StreamKind,
    /// The server whose conventions it follows.
    pub profile: Profile,
    /// Entries that were missing and came later have messages too.
    pub backfilled: bool,
}

/// A record in the ring, with what it takes to render it again without work done before.
#[derive(Debug)]
pub struct RingEntry {
    /// The record without its chain; its certificate is parsed when it is rendered.
    pub(crate) record: Record,
    /// The log it was read from.
    pub(crate) source: Arc<Source>,
    /// SHA-1 of the certificate, computed once for any number of renderings.
    pub(crate) sha1: [u8; 20],
    /// The chain with its renderings.
    pub(crate) chain: Vec<Arc<Issuer>>,
    /// Memory of the chain certificates that were new with this entry, once they are rendered for one
    /// profile.
    pub(crate) new_issuers: usize,
    /// Flags of what has been counted and logged of it: a message rendered again for a late reader, or in
    /// another form, is not counted again.
    pub(crate) noted: AtomicU8,
}

/// [`RingEntry::noted`]: the certificate cannot be parsed in full.
const PARSE_ERROR: u8 = 1;
/// [`RingEntry::noted`]: a message had to leave out something.
const TRUNCATED: u8 = 2;

impl RingEntry {
    /// Returns the digests of the certificate.
    pub(crate) const fn digests(&self) -> Digests {
        Digests { sha1: self.sha1, sha256: self.record.fingerprint }
    }

    /// Reports whether this is the first time that something is noted of the entry.
    fn is_news(&self, what: u8) -> bool {
        self.noted.fetch_or(what, Ordering::Relaxed) & what == 0
    }
}

/// A certificate parsed for rendering.
#[derive(Debug)]
pub struct Message<'e> {
    offset: u64,
    entry: &'e RingEntry,
    certificate: Certificate<'e>,
}

impl<'e> Message<'e> {
    /// Returns the certificate.
    pub(crate) const fn certificate(&self) -> &Certificate<'e> {
        &self.certificate
    }

    /// Returns the first name of the certificate, if it has one.
    pub(crate) fn first_name(&self) -> Option<String> {
        self.certificate.all_domains(Dialect::Calidog).next().map(Cow::into_owned)
    }

    /// Makes the subject this certificate.
    pub(crate) fn describe(&self, subject: &mut Subject) {
        let kind = EntryKind::from(self.entry.record.kind);
        subject.read(&self.certificate, &self.entry.source, kind);
        subject.set_new(self.entry.record.is_new);
    }
}

/// The stream of messages that the feed distributes.
#[derive(Debug)]
pub struct MessageStream {
    renderer: Renderer,
    filters: Filters,
    metrics: Arc<Metrics>,
    event_suffix: Box<str>,
}

impl MessageStream {
    /// Creates a stream that renders with these bounds and switches, for clients with these filters,
    /// and counts certificates that cannot be parsed. `stream` is its id.
    #[must_use]
    pub fn new(
        renderer: Renderer,
        filters: Filters,
        metrics: Arc<Metrics>,
        stream: StreamId,
    ) -> Self {
        let event_suffix = format!("@{stream}").into_boxed_str();
        Self { renderer, filters, metrics, event_suffix }
    }
}

impl Stream for MessageStream {
    type Entry = RingEntry;
    type Message<'e> = Message<'e>;
    type Rendering = Rendering;
    type Filter = Registered;

    fn weight(&self, entry: &RingEntry) -> usize {
        block(size_of::<RingEntry>())
            + PAGE_SHARE
            + block(entry.record.certificate.len())
            + SHARED_BYTES
            + block(entry.chain.len() * size_of::<Arc<Issuer>>())
            + entry.new_issuers
    }

    fn seen(&self, entry: &RingEntry) -> u64 {
        entry.record.seen
    }

    fn read<'e>(&self, offset: u64, entry: &'e RingEntry) -> Message<'e> {
        let certificate =
            Certificate::read_with_digests(&entry.record.certificate, &entry.digests());
        if let Some(error) = &certificate.parse_error
            && entry.is_news(PARSE_ERROR)
        {
            self.metrics.parse_errors.inc();
            let (log, index) = (entry.source.name(), entry.record.index);
            tracing::warn!(log, index, %error, "certificate could not be parsed in full");
        }
        Message { offset, entry, certificate }
    }

    fn render(&self, rendering: Rendering, message: &Message<'_>, out: &mut Vec<u8>) {
        let RingEntry { record, source, chain, .. } = message.entry;
        if record.is_backfilled && !rendering.backfilled {
            return;
        }
        let event = Event {
            offset: message.offset,
            record,
            source,
            certificate: &message.certificate,
            chain,
        };
        let before = out.len();
        let rendered = self.renderer.render(rendering.kind, rendering.profile, &event, out);
        self.metrics.rendered_bytes.inc_by(out.len().saturating_sub(before) as u64);
        if rendered == Rendered::Truncated && message.entry.is_news(TRUNCATED) {
            self.metrics.truncated.inc();
            let (log, index) = (source.name(), record.index);
            tracing::warn!(log, index, "message truncated because it was too large");
        }
    }

    fn event_suffix(&self) -> &str {
        &self.event_suffix
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
