//! The place up to which an output has published the stream, and the seam to where it is kept.

mod file;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use record::StreamId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::file::FileStore;
use crate::source::Position;

/// Time between two saves while the cursor moves: after a crash at most so much is repeated.
const INTERVAL: Duration = Duration::from_secs(1);
/// The version of the contents.
const VERSION: u32 = 1;

/// A result that is not there yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place that keeps a cursor beyond the life of the process.
pub trait Store: fmt::Debug + Send + Sync {
    /// Returns the place, for messages.
    fn place(&self) -> String;

    /// Returns the contents; none if nothing was saved yet.
    fn load(&mut self) -> Pending<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// Replaces the contents in one step, unless another node has written them since they were loaded or
    /// saved here.
    fn save(&mut self, contents: Vec<u8>) -> Pending<'_, Result<(), StoreError>>;
}

/// The reason why a store does not load or save.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The store does not respond, or has an error. It may end.
    #[error("{0}")]
    Unavailable(String),
    /// The contents are those of another node, which runs the output now.
    #[error("another node has written it")]
    Overtaken,
}

/// A cursor that cannot be used.
#[derive(Debug, Error)]
pub enum CursorError {
    /// It cannot be loaded.
    #[error("the cursor {place} cannot be used: {reason}")]
    Unusable {
        /// The place.
        place: String,
        /// The reason.
        #[source]
        reason: StoreError,
    },
    /// It was damaged, or a newer program wrote it.
    #[error(
        "the cursor {place} cannot be read ({reason}); to begin with the newest certificate, remove it"
    )]
    Unreadable {
        /// The place.
        place: String,
        /// The reason.
        reason: String,
    },
}

/// The contents of a store.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    version: u32,
    stream: String,
    next: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
}

/// The place at which an output begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With the next entry that is published: there is no cursor yet.
    Head,
    /// At a cursor.
    At(Position),
    /// With the oldest entry that is kept: the cursor is one of another stream, so nothing tells which
    /// entries were published, or it is at 0, as an operator writes to publish everything again.
    Oldest,
}

/// The place up to which an output has published the stream. It is saved at most once a second while it
/// moves; a cursor without a store is forgotten with the process.
#[derive(Debug)]
pub struct Cursor {
    store: Option<Box<dyn Store>>,
    stream: StreamId,
    unsaved: Option<Position>,
    saved_at: Instant,
}

impl Cursor {
    /// Makes a cursor that is not saved.
    #[must_use]
    pub fn in_memory(stream: StreamId) -> Self {
        Self { store: None, stream, unsaved: None, saved_at: Instant::now() }
    }

    /// Loads the cursor of an output of this stream. Returns it with the place to resume at.
    ///
    /// # Errors
    /// If the store does not load, or its contents cannot be read.
    pub async fn open(
        mut store: Box<dyn Store>,
        stream: StreamId,
    ) -> Result<(Self, Resume), CursorError> {
        let place = store.place();
        let loaded = store.load().await;
        let contents = match loaded {
            Ok(contents) => contents,
            Err(reason) => return Err(CursorError::Unusable { place, reason }),
        };
        let saved = contents.map(|contents| read(&contents)).transpose();
        let resume = match saved {
            Err(reason) => return Err(CursorError::Unreadable { place, reason }),
            Ok(None) => Resume::Head,
            Ok(Some(saved)) if saved.stream != stream.as_str() || saved.next == 0 => Resume::Oldest,
            Ok(Some(Saved { next, entries, .. })) => Resume::At(Position { next, entries }),
        };
        Ok((Self { store: Some(store), ..Self::in_memory(stream) }, resume))
    }

    /// Reports whether it survives a restart.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.store.is_some()
    }

    /// Moves it. It has to be [saved](Self::save) for that to last.
    pub(crate) const fn move_to(&mut self, position: Position) {
        self.unsaved = Some(position);
    }

    /// Returns the time after which it has to be saved; none if it has not moved.
    pub(crate) fn due(&self) -> Option<Instant> {
        let moved = self.unsaved.is_some() && self.is_durable();
        moved.then(|| self.saved_at + INTERVAL)
    }

    /// Saves it, if it has moved.
    pub(crate) async fn save(&mut self) -> Result<(), StoreError> {
        let (Some(store), Some(position)) = (&mut self.store, self.unsaved) else { return Ok(()) };
        let saved = Saved {
            version: VERSION,
            stream: self.stream.to_string(),
            next: position.next,
            entries: position.entries,
        };
        let contents = serde_json::to_vec(&saved);
        let contents = contents.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let outcome = store.save(contents).await;
        // Also after a failure: the next attempt is not made at once.
        self.saved_at = Instant::now();
        outcome?;
        self.unsaved = None;
        Ok(())
    }
}

fn read(contents: &[u8]) -> Result<Saved, String> {
    let saved: Saved = serde_json::from_slice(contents).map_err(|error| error.to_string())?;
    match saved.version {
        VERSION => Ok(saved),
        version => Err(format!("it has version {version}, of a newer program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(random: u64) -> StreamId {
        StreamId::from_random(random)
    }

    #[tokio::test]
    async fn a_cursor_resumes_where_it_was_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("outputs");
        let store = || Box::new(FileStore::new(&folder, "to kafka/1"));
        let (mut cursor, resume) = Cursor::open(store(), stream(1)).await.expect("new");
        assert_eq!(resume, Resume::Head);
        assert_eq!(cursor.due(), None);
        let position = Position { next: 41, entries: Some(7) };
        cursor.move_to(position);
        assert!(cursor.due().is_some());
        cursor.save().await.expect("saved");
        assert_eq!(cursor.due(), None);
        drop(cursor);
        assert!(folder.join("to_kafka_1.json").is_file());
        let (_, resume) = Cursor::open(store(), stream(1)).await.expect("readable");
        assert_eq!(resume, Resume::At(position));
        let (_, resume) = Cursor::open(store(), stream(2)).await.expect("readable");
        assert_eq!(resume, Resume::Oldest, "offsets of another stream mean nothing");
        let path = folder.join("to_kafka_1.json");
        let saved = std::fs::read_to_string(&path).expect("readable");
        std::fs::write(path, saved.replace("\"next\":41", "\"next\":0")).expect("writable");
        let (_, resume) = Cursor::open(store(), stream(1)).await.expect("readable");
        assert_eq!(resume, Resume::Oldest);
    }

    #[tokio::test]
    async fn a_cursor_in_memory_is_never_due() {
        let mut cursor = Cursor::in_memory(stream(1));
        cursor.move_to(Position::default());
        assert_eq!((cursor.due(), cursor.is_durable()), (None, false));
        cursor.save().await.expect("nothing to do");
    }

    #[tokio::test]
    async fn a_damaged_or_newer_cursor_is_refused_with_advice() {
        let folder = tempfile::tempdir().expect("a folder");
        let newer = format!("{{\"version\":2,\"stream\":\"{}\",\"next\":1}}", stream(1));
        for contents in ["", "{", "[]", newer.as_str(), &"x".repeat(5_000)] {
            std::fs::write(folder.path().join("nats.json"), contents).expect("writable");
            let store = Box::new(FileStore::new(folder.path(), "nats"));
            let error = Cursor::open(store, stream(1)).await.expect_err("refused");
            let error = error.to_string();
            assert!(error.contains("nats.json") && error.contains("remove it"), "{error}");
        }
    }
}
