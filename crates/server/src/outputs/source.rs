//! The feed as the source of an output.

use std::sync::Arc;

use bytes::Bytes;
use feed::{Begin, Stream as _};
use sinks::{Log, Message, Page, Position, Source};

use super::Parts;
use crate::publish::messages::{MessageStream, Rendering, RingEntry};
use crate::publish::reading::{Reading, Take};

/// Reads entries of the feed, and renders each as a message.
pub(super) struct FeedSource(Reading<Rendered>);

/// The messages of a page.
struct Rendered {
    messages: Arc<MessageStream>,
    rendering: Rendering,
    /// The logs met so far: few, and in use by very many messages.
    logs: Vec<(Arc<wire::Source>, Arc<Log>)>,
    read: Vec<Message>,
}

impl FeedSource {
    pub(super) fn new(parts: &Parts, rendering: Rendering, begin: Begin) -> Self {
        let messages = Arc::clone(&parts.messages);
        let rendered = Rendered { messages, rendering, logs: Vec::new(), read: Vec::new() };
        Self(Reading::new(&parts.hub, begin, rendered))
    }
}

impl Source for FeedSource {
    fn position(&self) -> Position {
        self.0.position()
    }

    async fn ready(&mut self) -> bool {
        self.0.ready().await
    }

    /// Not to be cancelled.
    async fn read(&mut self) -> Page {
        let missed = self.0.read().await;
        let messages = std::mem::take(&mut self.0.user().read);
        Page { messages, missed, end: self.position() }
    }

    fn behind(&self) -> u64 {
        self.0.behind()
    }

    fn skip(&mut self) -> (u64, Position) {
        let passed = self.0.skip();
        (passed, self.position())
    }
}

impl Take for Rendered {
    fn take(&mut self, offset: u64, entry: &RingEntry) {
        let Self { messages, rendering, logs, read } = self;
        read.extend(message(messages, *rendering, logs, offset, entry));
    }
}

/// Renders an entry; none if it has no message, such as a certificate without names.
fn message(
    stream: &MessageStream,
    rendering: Rendering,
    logs: &mut Vec<(Arc<wire::Source>, Arc<Log>)>,
    offset: u64,
    entry: &RingEntry,
) -> Option<Message> {
    let parsed = stream.read(offset, entry);
    let mut body = Vec::new();
    stream.render(rendering, &parsed, &mut body);
    if body.is_empty() {
        return None;
    }
    let log = log_of(logs, &entry.source);
    Some(Message {
        log,
        index: entry.record.index,
        name: parsed.first_name(),
        body: Bytes::from(body),
    })
}

fn log_of(logs: &mut Vec<(Arc<wire::Source>, Arc<Log>)>, source: &Arc<wire::Source>) -> Arc<Log> {
    if let Some((_, log)) = logs.iter().find(|(known, _)| Arc::ptr_eq(known, source)) {
        return Arc::clone(log);
    }
    let log = Arc::new(Log {
        id: source.log_id().map(str::to_owned),
        url: source.url().to_owned(),
        name: source.name().to_owned(),
        operator: source.operator().to_owned(),
    });
    // A log that is described anew replaces its old description.
    logs.retain(|(_, other)| other.url != log.url);
    logs.push((Arc::clone(source), Arc::clone(&log)));
    log
}
