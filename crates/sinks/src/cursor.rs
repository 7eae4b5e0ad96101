//! The place up to which an output has published the stream, on disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use record::StreamId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::source::Position;

/// Time between two saves while the cursor moves: after a crash at most so much is repeated.
const INTERVAL: Duration = Duration::from_secs(1);
/// Largest file that is read.
const LARGEST: u64 = 4096;
/// The version of the file's contents.
const VERSION: u32 = 1;

/// A cursor that cannot be used.
#[derive(Debug, Error)]
pub enum CursorError {
    /// The file cannot be read, or its folder cannot be created.
    #[error("the cursor {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        reason: io::Error,
    },
    /// The file was damaged, or a newer program wrote it.
    #[error(
        "the cursor {} cannot be read ({reason}); to begin with the newest certificate, remove the \
         file",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// The contents of the file.
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
    /// entries were published.
    Oldest,
}

/// The place up to which an output has published the stream. It is saved in one step, synced, and at
/// most once a second while it moves; a cursor without a file is forgotten with the process.
#[derive(Debug)]
pub struct Cursor {
    file: Option<PathBuf>,
    stream: StreamId,
    unsaved: Option<Position>,
    saved_at: Instant,
}

impl Cursor {
    /// Makes a cursor that is not saved.
    #[must_use]
    pub fn in_memory(stream: StreamId) -> Self {
        Self { file: None, stream, unsaved: None, saved_at: Instant::now() }
    }

    /// Opens the cursor of an output in a folder, which is created if it is absent. Returns it with the
    /// place to resume at.
    ///
    /// # Errors
    /// If the file cannot be read, or the folder cannot be created.
    pub fn open(
        folder: &Path,
        output: &str,
        stream: StreamId,
    ) -> Result<(Self, Resume), CursorError> {
        let path = Self::path(folder, output);
        let unusable = |reason| CursorError::Unusable { path: path.clone(), reason };
        fs::create_dir_all(folder).map_err(unusable)?;
        let resume = match read(&path)? {
            None => Resume::Head,
            Some(saved) if saved.stream != stream.as_str() => Resume::Oldest,
            Some(Saved { next, entries, .. }) => Resume::At(Position { next, entries }),
        };
        let cursor = Self { file: Some(path), ..Self::in_memory(stream) };
        Ok((cursor, resume))
    }

    /// Returns the file of an output's cursor in a folder. Characters that have a meaning in paths are
    /// `_` in its name.
    #[must_use]
    pub fn path(folder: &Path, output: &str) -> PathBuf {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let plain: String = output.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        folder.join(format!("{plain}.json"))
    }

    /// Reports whether it survives a restart.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.file.is_some()
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
    pub(crate) fn save(&mut self) -> io::Result<()> {
        let (Some(path), Some(position)) = (&self.file, self.unsaved) else { return Ok(()) };
        // Also after a failure: the next attempt is not made at once.
        self.saved_at = Instant::now();
        let saved = Saved {
            version: VERSION,
            stream: self.stream.to_string(),
            next: position.next,
            entries: position.entries,
        };
        replace(path, &serde_json::to_vec(&saved)?)?;
        self.unsaved = None;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Saved>, CursorError> {
    let unreadable = |reason: String| CursorError::Unreadable { path: path.to_owned(), reason };
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if !metadata.is_file() || metadata.len() > LARGEST => {
            return Err(unreadable("it is no file of this program".to_owned()));
        }
        _ => fs::read(path),
    };
    let bytes = bytes.map_err(|reason| CursorError::Unusable { path: path.to_owned(), reason })?;
    let saved: Saved =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    match saved.version {
        VERSION => Ok(Some(saved)),
        version => Err(unreadable(format!("it has version {version}, of a newer program"))),
    }
}

/// Replaces a file in one step, durably: after a crash it has the old or the new contents.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(random: u64) -> StreamId {
        StreamId::from_random(random)
    }

    #[test]
    fn a_cursor_resumes_where_it_was_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("outputs");
        let (mut cursor, resume) = Cursor::open(&folder, "to kafka/1", stream(1)).expect("new");
        assert_eq!(resume, Resume::Head);
        assert_eq!(cursor.due(), None);
        let position = Position { next: 41, entries: Some(7) };
        cursor.move_to(position);
        assert!(cursor.due().is_some());
        cursor.save().expect("saved");
        assert_eq!(cursor.due(), None);
        drop(cursor);
        assert!(folder.join("to_kafka_1.json").is_file());
        let (_, resume) = Cursor::open(&folder, "to kafka/1", stream(1)).expect("readable");
        assert_eq!(resume, Resume::At(position));
        let (_, resume) = Cursor::open(&folder, "to kafka/1", stream(2)).expect("readable");
        assert_eq!(resume, Resume::Oldest, "offsets of another stream mean nothing");
    }

    #[test]
    fn a_cursor_in_memory_is_never_due() {
        let mut cursor = Cursor::in_memory(stream(1));
        cursor.move_to(Position::default());
        assert_eq!((cursor.due(), cursor.is_durable()), (None, false));
        cursor.save().expect("nothing to do");
    }

    #[test]
    fn a_damaged_or_newer_cursor_is_refused_with_advice() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Cursor::path(folder.path(), "nats");
        let newer = format!("{{\"version\":2,\"stream\":\"{}\",\"next\":1}}", stream(1));
        for contents in ["", "{", "[]", newer.as_str(), &"x".repeat(5_000)] {
            fs::write(&path, contents).expect("writable");
            let error = Cursor::open(folder.path(), "nats", stream(1)).expect_err("refused");
            assert!(error.to_string().contains("remove the file"), "{error}");
        }
    }
}
