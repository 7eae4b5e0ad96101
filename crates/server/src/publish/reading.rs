//! Entries of the feed, read page by page in a thread that may wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use feed::{Begin, Entries, Hub, Lost, Unreadable};
use sinks::{Missed, Position};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::messages::{MessageStream, RingEntry};

/// Bytes of entries that are read in one go; about a thousand certificates.
const READ_BYTES: usize = 2 << 20;

/// Time for which the history may keep entries and not be able to read them, before they are left out.
const PATIENCE: Duration = Duration::from_mins(5);
/// Pause before it is read again.
const AGAIN: Duration = Duration::from_secs(1);

/// The panic of a read that was cancelled.
const CANCELLED: &str = "a read of the stream was cancelled";

/// A user of entries.
pub(crate) trait Take: Send + 'static {
    /// Takes the next entry. May block.
    fn take(&mut self, offset: u64, entry: &RingEntry);
}

/// Reads entries of the feed, and hands them to a user.
pub(crate) struct Reading<T> {
    /// None while a read is under way.
    inner: Option<Inner<T>>,
}

struct Inner<T> {
    entries: Entries<MessageStream>,
    user: T,
    /// The time since when the history cannot be read.
    unreadable: Option<Instant>,
}

impl<T: Take> Reading<T> {
    pub(crate) fn new(hub: &Arc<Hub<MessageStream>>, begin: Begin, user: T) -> Self {
        let entries = hub.entries(begin);
        Self { inner: Some(Inner { entries, user, unreadable: None }) }
    }

    const fn inner(&self) -> &Inner<T> {
        self.inner.as_ref().expect(CANCELLED)
    }

    const fn inner_mut(&mut self) -> &mut Inner<T> {
        self.inner.as_mut().expect(CANCELLED)
    }

    /// Returns the user.
    pub(crate) const fn user(&mut self) -> &mut T {
        &mut self.inner_mut().user
    }

    /// Returns the place that it has read up to.
    pub(crate) const fn position(&self) -> Position {
        let (next, entries) = self.inner().entries.place();
        Position { next, entries }
    }

    /// Waits until there is an entry; `false` if the stream has ended and all of it was read.
    pub(crate) async fn ready(&mut self) -> bool {
        self.inner_mut().entries.ready().await
    }

    /// Reads a page, an empty one while the history cannot be read. Returns what was missed before it. Not
    /// to be cancelled.
    pub(crate) async fn read(&mut self) -> Missed {
        let mut inner = self.inner.take().expect(CANCELLED);
        let read = spawn_blocking(move || {
            let missed = inner.read();
            (inner, missed)
        });
        match read.await {
            Ok((inner, missed)) => {
                let is_unreadable = inner.unreadable.is_some();
                self.inner = Some(inner);
                if is_unreadable {
                    sleep(AGAIN).await;
                }
                missed
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Reports whether the last read found that the history keeps the next entry and cannot read it.
    pub(crate) const fn is_unreadable(&self) -> bool {
        self.inner().unreadable.is_some()
    }

    /// Returns the number of entries that are published and not read yet.
    pub(crate) fn behind(&self) -> u64 {
        self.inner().entries.behind()
    }

    /// Moves to the end of what is published. Returns the number of entries passed.
    pub(crate) fn skip(&mut self) -> u64 {
        self.inner_mut().entries.skip()
    }
}

impl<T: Take> Inner<T> {
    fn read(&mut self) -> Missed {
        let Self { entries, user, unreadable } = self;
        let mut each = |offset, entry: &RingEntry| user.take(offset, entry);
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
        match lost {
            Lost::Nothing => Missed::Nothing,
            Lost::Entries(entries) => Missed::Entries(entries),
            Lost::Unknown => Missed::Unknown,
        }
    }
}
