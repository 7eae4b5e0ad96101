//! The feed as the source of an output.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use feed::{Begin, Entries, Lost, Stream as _, Unreadable};
use sinks::{Log, Message, Missed, Page, Position, Source};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::Parts;
use crate::publish::messages::{MessageStream, Rendering, RingEntry};

/// Bytes of entries that are read in one go; about a thousand certificates.
const READ_BYTES: usize = 2 << 20;

/// Time for which the history may keep entries and not be able to read them, before they are left out.
const PATIENCE: Duration = Duration::from_mins(5);
/// Pause before it is read again.
const AGAIN: Duration = Duration::from_secs(1);

/// Reads entries of the feed, and renders each as a message.
pub(super) struct FeedSource {
    /// None while a read is under way.
    reader: Option<Reader>,
}

struct Reader {
    entries: Entries<MessageStream>,
    messages: Arc<MessageStream>,
    rendering: Rendering,
    /// The logs met so far: few, and in use by very many messages.
    logs: Vec<(Arc<wire::Source>, Arc<Log>)>,
    /// The time since when the history cannot be read.
    unreadable: Option<Instant>,
}

/// The panic of a read that was cancelled.
const CANCELLED: &str = "a read of the stream was cancelled";

impl FeedSource {
    pub(super) fn new(parts: &Parts, rendering: Rendering, begin: Begin) -> Self {
        let entries = parts.hub.entries(begin);
        let messages = Arc::clone(&parts.messages);
        Self {
            reader: Some(Reader {
                entries,
                messages,
                rendering,
                logs: Vec::new(),
                unreadable: None,
            }),
        }
    }

    const fn reader(&self) -> &Reader {
        self.reader.as_ref().expect(CANCELLED)
    }
}

impl Source for FeedSource {
    fn position(&self) -> Position {
        self.reader().position()
    }

    async fn ready(&mut self) -> bool {
        self.reader.as_mut().expect(CANCELLED).entries.ready().await
    }

    /// Not to be cancelled.
    async fn read(&mut self) -> Page {
        let mut reader = self.reader.take().expect(CANCELLED);
        let read = spawn_blocking(move || {
            let page = reader.read();
            (reader, page)
        });
        match read.await {
            Ok((reader, page)) => {
                let is_unreadable = reader.unreadable.is_some();
                self.reader = Some(reader);
                if is_unreadable {
                    sleep(AGAIN).await;
                }
                page
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn behind(&self) -> u64 {
        self.reader().entries.behind()
    }

    fn skip(&mut self) -> (u64, Position) {
        let reader = self.reader.as_mut().expect(CANCELLED);
        let passed = reader.entries.skip();
        (passed, reader.position())
    }
}

impl Reader {
    fn position(&self) -> Position {
        let (next, entries) = self.entries.place();
        Position { next, entries }
    }

    /// Reads a page, an empty one while the history cannot be read.
    fn read(&mut self) -> Page {
        let Self { entries, messages, rendering, logs, unreadable } = self;
        let mut read = Vec::new();
        let mut each = |offset, entry: &RingEntry| {
            read.extend(message(messages, *rendering, logs, offset, entry));
        };
        let lost = match entries.read(READ_BYTES, &mut each) {
            Ok(lost) => {
                *unreadable = None;
                lost
            }
            Err(Unreadable) if unreadable.get_or_insert_with(Instant::now).elapsed() < PATIENCE => {
                Lost::Nothing
            }
            Err(Unreadable) => {
                *unreadable = None;
                entries.read_ring(READ_BYTES, &mut each)
            }
        };
        let missed = match lost {
            Lost::Nothing => Missed::Nothing,
            Lost::Entries(entries) => Missed::Entries(entries),
            Lost::Unknown => Missed::Unknown,
        };
        Page { messages: read, missed, end: self.position() }
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
