//! The state file: the position of each log, for the next start.
//!
//! JSON, `{"version":1,"last_offset":N,"stream":"ID","logs":{"<url>":{"current_index":N,...}}}`. The form is a
//! superset of the file certstream-server-rust writes, so that either server reads the other's.
//! It is written to a temporary file, synced and renamed, and locked against a second process.
//! Each position has the tree of the entries read ([`SavedTree`]), so that proving resumes where it
//! stopped, and the alarms that are not acknowledged.

mod go_index;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ct::Hash;
use ct::merkle::CompactRange;
use ctclient::{Log, Protocol};
use record::{Proved, StreamId, Tree};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::alarm::{Alarm, unix_seconds};
use crate::file;
use crate::status::LogStatus;

pub use self::go_index::write_go_index;

/// The most bytes of a state file, or of an index of another server: 200 logs take 60 kB.
pub const LARGEST: u64 = 16 * 1024 * 1024;
/// The version written. A file with a higher version is not touched.
const VERSION: u32 = 1;
/// The largest plausible offset: offsets are below 2^53, and a server that begins here has a trillion
/// left.
const LARGEST_OFFSET: u64 = (1 << 53) - (1 << 40);

/// The state kept across restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of the file.
    pub version: u32,
    /// The newest offset published; the first one after a restart is larger.
    #[serde(default, deserialize_with = "offset")]
    pub last_offset: u64,
    /// The stream that the offsets belong to; `None` in a file of another server.
    #[serde(
        default,
        deserialize_with = "stream_if_any",
        serialize_with = "write_stream",
        skip_serializing_if = "Option::is_none"
    )]
    pub stream: Option<StreamId>,
    /// Every entry published after this offset is read again from `logs`; `None` if unknown.
    #[serde(default, deserialize_with = "offset_if_any", skip_serializing_if = "Option::is_none")]
    pub resent_from: Option<u64>,
    /// Each log's position, by its URL without trailing slash.
    #[serde(default)]
    pub logs: BTreeMap<String, Position>,
    /// Positions of another server, for logs without one of ours. They are not written.
    #[serde(skip)]
    pub imported: Imported,
}

/// Positions as certstream-server-go stores them: the index to continue at, by URL without scheme and
/// without slash at its end. A file of its running server has the last index read, one of its
/// `create-index` the tree size, and the two cannot be distinguished; so one entry may be repeated,
/// and none is skipped. Unknown positions are 0 there, and omitted here.
pub type Imported = BTreeMap<String, u64>;

/// Reads the positions of certstream-server-go (`ct_index.json`); returns `None` if there is no file.
///
/// # Errors
/// If the file cannot be read, or is something else.
pub fn import(path: &Path) -> io::Result<Option<Imported>> {
    let Some(bytes) = file::read(path, LARGEST)? else { return Ok(None) };
    let indexes: Imported = serde_json::from_slice(&bytes)?;
    let known = indexes.into_iter().filter(|(_, index)| *index > 0);
    Ok(Some(known.map(|(url, index)| (without_scheme(&url).to_owned(), index)).collect()))
}

/// Returns a URL in the form of [`Imported`].
#[must_use]
pub fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}

/// The position of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The next index to read.
    pub current_index: u64,
    /// The largest tree size seen.
    #[serde(default)]
    pub tree_size: u64,
    /// Time of the log's last response, Unix seconds; 0 for never.
    #[serde(default)]
    pub last_success: i64,
    /// The log's id, base64, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_id: Option<String>,
    /// The log's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tree of the entries read, if it is being proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<SavedTree>,
    /// Alarms that are not acknowledged, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarm>,
    /// The log has no position yet, but alarms: it begins as a new one. It is not written to a file.
    #[serde(skip)]
    pub has_not_begun: bool,
}

impl State {
    /// Returns the positions and alarms that the logs of a stream have, with nothing to be read again.
    #[must_use]
    pub fn of_stream(stream: &record::State) -> Self {
        let is_kept = |log: &record::LogState| log.position.is_some() || !log.alarms.is_empty();
        let logs = stream.logs().filter(|(_, log)| is_kept(log));
        let entry =
            |(_, log): (_, &record::LogState)| (log.identity.url.clone(), Position::of_log(log));
        Self {
            version: VERSION,
            last_offset: stream.next_offset().saturating_sub(1),
            stream: Some(stream.stream()),
            resent_from: None,
            // Where a log took the place of another at its URL, the newest counts.
            logs: logs.map(entry).collect(),
            imported: Imported::new(),
        }
    }

    /// Returns the offset after which all that was published before is read again, for a process
    /// whose first offset will be `first_offset`: as it was saved, or that of the last process's end
    /// where that is unknown or cannot be.
    #[must_use]
    pub fn resent_from(&self, first_offset: u64) -> u64 {
        let before = first_offset.saturating_sub(1);
        let saved = self.resent_from.filter(|from| *from <= self.last_offset);
        saved.map_or(before, |from| from.min(before))
    }

    /// Reads a state file that another process may be using.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or has a newer version.
    pub fn read(path: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Io { path: path.to_owned(), what: "read it", source };
        let bytes = file::read(path, LARGEST).map_err(failed)?;
        let bytes = bytes.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let state: Self =
            serde_json::from_slice(&bytes).map_err(|error| failed(io::Error::other(error)))?;
        match state.version {
            version if version > VERSION => {
                Err(StateError::Newer { path: path.to_owned(), version })
            }
            _ => Ok(state),
        }
    }
}

impl State {
    /// Returns every part of a state file's JSON that cannot be used, one each; none where all can.
    /// A start ignores a wrong `last_offset`, `stream` or `resent_from`, and cannot read a file with another
    /// mistake.
    #[must_use]
    pub fn mistakes(file: &Value) -> Vec<String> {
        let Some(fields) = file.as_object() else { return vec!["is not a JSON object".to_owned()] };
        let mut mistakes = Vec::new();
        if fields.get("version").is_none_or(|version| u32::deserialize(version).is_err()) {
            mistakes.push("version is not a whole number below 2^32".to_owned());
        }
        match fields.get("last_offset").map(|offset| (offset, offset.as_u64())) {
            None | Some((_, Some(..=LARGEST_OFFSET))) => {}
            Some((_, Some(offset))) => {
                mistakes.push(format!("last_offset {offset} is larger than any server's"));
            }
            Some((_, None)) => mistakes.push("last_offset is not a whole number".to_owned()),
        }
        let last = fields.get("last_offset").and_then(Value::as_u64).unwrap_or_default();
        match fields.get("resent_from").filter(|from| !from.is_null()).map(Value::as_u64) {
            None => {}
            Some(Some(from)) if from <= last => {}
            Some(Some(from)) => {
                mistakes.push(format!("resent_from {from} is larger than last_offset"));
            }
            Some(None) => mistakes.push("resent_from is not a whole number".to_owned()),
        }
        if fields.get("stream").is_some_and(|id| stream_id(id).is_none()) {
            mistakes.push("stream is not the id of a stream".to_owned());
        }
        match fields.get("logs") {
            None => {}
            Some(Value::Object(logs)) => {
                mistakes.extend(logs.iter().filter_map(|(url, position)| {
                    let error = Position::deserialize(position).err()?;
                    Some(format!("logs: {url}: {error}"))
                }));
            }
            Some(_) => mistakes.push("logs is not a JSON object".to_owned()),
        }
        mistakes
    }

    /// Removes an implausible offset, and keeps a copy of the file, which has these `bytes`. Returns the
    /// path of the copy.
    fn ignore_wrong_offset(
        &mut self,
        path: &Path,
        bytes: &[u8],
    ) -> Result<Option<PathBuf>, StateError> {
        if self.last_offset <= LARGEST_OFFSET {
            return Ok(None);
        }
        let copy = file::with_suffix(path, &format!(".wrong-offset-{}", unix_seconds()));
        file::create(&copy, bytes).map_err(|source| StateError::Io {
            path: path.to_owned(),
            what: "keep a copy of it",
            source,
        })?;
        self.last_offset = 0;
        // Its offsets are given anew.
        self.stream = None;
        Ok(Some(copy))
    }
}

/// Reads an offset. Anything else becomes one that is too large, so that the rest of the file is not
/// lost for it.
fn offset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_u64().unwrap_or(u64::MAX))
}

/// Reads an optional offset. Anything else counts as missing, for the same reason.
fn offset_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_u64())
}

/// Reads the id of a stream. Anything else counts as missing, for the same reason.
fn stream_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StreamId>, D::Error> {
    Ok(stream_id(&Value::deserialize(deserializer)?))
}

fn stream_id(value: &Value) -> Option<StreamId> {
    value.as_str()?.parse().ok()
}

#[allow(clippy::ref_option, reason = "the form that serde requires")]
fn write_stream<S: Serializer>(
    stream: &Option<StreamId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    stream.as_ref().map(StreamId::as_str).serialize(serializer)
}

impl Position {
    /// Returns the position of a log of a stream.
    fn of_log(log: &record::LogState) -> Self {
        let position = log.position.clone().unwrap_or_default();
        Self {
            current_index: position.next,
            tree_size: position.largest_head,
            last_success: 0,
            log_id: log.identity.id.map(|id| id.to_string()),
            name: Some(log.identity.name.clone()),
            tree: position.tree.as_ref().map(SavedTree::new),
            alarms: log.alarms.iter().map(Alarm::from).collect(),
            has_not_begun: log.position.is_none(),
        }
    }

    /// Returns the status of a log that is not followed, with its alarms.
    pub(crate) fn status(&self, url: &str) -> Option<LogStatus> {
        let name = self.name.as_deref().unwrap_or(url);
        let log = Log::configured(Protocol::Rfc6962, name, url, None, self.log_id.as_deref());
        let status = LogStatus::new(log.ok()?, Duration::ZERO);
        status.restore_alarms(self.alarms.clone());
        Some(status)
    }

    /// Returns the tree of the entries below the position, if there is one.
    #[must_use]
    pub fn tree(&self) -> Option<Tree> {
        self.tree.as_ref().and_then(SavedTree::read)
    }

    /// Reports whether `name` is the log's name in any case, its URL or its id.
    #[must_use]
    pub fn is_of(&self, url: &str, name: &str) -> bool {
        let named = self.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
        named || url == name.trim_end_matches('/') || self.log_id.as_deref() == Some(name)
    }
}

/// The tree of a log's entries up to the position, as a compact range (see [`CompactRange`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTree {
    /// Entries in the tree. The tree is used only if this is also the position: another server, which
    /// does not know trees, may have moved that.
    pub size: u64,
    /// The hashes of the range one after another, base64.
    pub hashes: String,
    /// Entries below this index were not read: the tree only commits to them.
    pub from: u64,
    /// Entries in the newest tree that a head proves.
    pub proved_size: u64,
    /// That tree's root, base64.
    pub proved_root: String,
}

impl SavedTree {
    pub(crate) fn new(tree: &Tree) -> Self {
        let Tree { read: range, from, proved } = tree;
        let base64 = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        Self {
            size: range.size(),
            hashes: base64(range.hashes().as_flattened()),
            from: *from,
            proved_size: proved.size,
            proved_root: base64(&proved.root),
        }
    }

    /// Returns the tree, if that is what the hashes make.
    pub(crate) fn read(&self) -> Option<Tree> {
        let proved = Proved { size: self.proved_size, root: self.proved_root()? };
        Some(Tree { read: self.range()?, from: self.from, proved })
    }

    fn range(&self) -> Option<CompactRange> {
        let bytes = base64_simd::STANDARD.decode_to_vec(&self.hashes).ok()?;
        let (hashes, []) = bytes.as_chunks() else { return None };
        CompactRange::from_hashes(self.size, hashes.to_vec()).ok()
    }

    fn proved_root(&self) -> Option<Hash> {
        base64_simd::STANDARD.decode_to_vec(&self.proved_root).ok()?.try_into().ok()
    }
}

/// The reason why the state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process uses it.
    #[error("state file {path}: another process is using it (lock {lock})", path = .path.display(), lock = .lock.display())]
    Locked {
        /// The state file.
        path: PathBuf,
        /// The file that is locked.
        lock: PathBuf,
    },
    /// Reading or writing failed.
    #[error("state file {path}: cannot {what}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation.
        what: &'static str,
        /// The error.
        source: io::Error,
    },
    /// Its folder does not exist.
    #[error("state file {path}: folder {folder} does not exist; create it (mkdir -p {folder})", path = .path.display(), folder = .folder.display())]
    NoFolder {
        /// The state file.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
    },
    /// Written by a newer version of this program.
    #[error("state file {path}: version {version} is newer than this program reads ({VERSION}); move it away to start fresh", path = .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// The state file, locked until this value is dropped.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    lock: File,
}

impl Drop for StateFile {
    /// Unlocks the file. Closing it would not while a process that this one has started still has it.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(%error, state_file = %self.path.display(), "cannot unlock");
        }
    }
}

/// The result of opening the state file.
#[derive(Debug)]
pub struct Opened {
    /// The file, locked.
    pub file: StateFile,
    /// Its content; empty if there was no file.
    pub state: State,
    /// The new path of an unreadable file, and the error.
    pub set_aside: Option<(PathBuf, String)>,
    /// The path of a copy of the file, if its `last_offset` was implausible and was removed.
    pub offset_ignored: Option<PathBuf>,
}

impl StateFile {
    /// Locks and reads the state file. One that cannot be parsed is renamed, never overwritten.
    ///
    /// # Errors
    /// If another process uses it, the folder cannot be written, or the file has a newer version.
    pub fn open(path: &Path) -> Result<Opened, StateError> {
        let file = Self { path: path.to_owned(), lock: lock(path)? };
        let unread = |source| StateError::Io { path: path.to_owned(), what: "read it", source };
        let Some(bytes) = file::read(path, LARGEST).map_err(unread)? else {
            let state = State::default();
            return Ok(Opened { file, state, set_aside: None, offset_ignored: None });
        };
        match serde_json::from_slice::<State>(&bytes) {
            Ok(state) if state.version > VERSION => {
                Err(StateError::Newer { path: path.to_owned(), version: state.version })
            }
            Ok(mut state) => {
                let offset_ignored = state.ignore_wrong_offset(path, &bytes)?;
                Ok(Opened { file, state, set_aside: None, offset_ignored })
            }
            Err(error) => {
                let aside = set_aside(path)?;
                let set_aside = Some((aside, error.to_string()));
                Ok(Opened { file, state: State::default(), set_aside, offset_ignored: None })
            }
        }
    }

    /// Replaces the file's content in one step: after a crash it is the old or the new one.
    ///
    /// # Errors
    /// If the folder cannot be written; the old content stays.
    pub fn save(&self, state: &State) -> Result<(), StateError> {
        let mut state = State { version: VERSION, ..state.clone() };
        state.logs.retain(|_, position| !position.has_not_begun);
        let mut text = serde_json::to_vec(&state)
            .map_err(|error| self.io("encode the state", io::Error::other(error)))?;
        text.push(b'\n');
        file::replace(&self.path, &text).map_err(|source| self.io("write it", source))
    }

    /// Takes the names in the acknowledgement that waits for this file's alarms; see
    /// [`acknowledge`](crate::acknowledge).
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub fn take_acknowledgements(&self) -> Result<Vec<String>, StateError> {
        crate::acknowledge::take(&self.path)
            .map_err(|source| self.io("read what was acknowledged", source))
    }

    fn io(&self, what: &'static str, source: io::Error) -> StateError {
        StateError::Io { path: self.path.clone(), what, source }
    }
}

fn lock(path: &Path) -> Result<File, StateError> {
    let lock = file::with_suffix(path, ".lock");
    let io = |source| StateError::Io { path: lock.clone(), what: "lock it", source };
    let file = file::open_lock(&lock).map_err(|error| match missing_folder(path) {
        Some(folder) => StateError::NoFolder { path: path.to_owned(), folder },
        None => io(error),
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::Locked { path: path.to_owned(), lock }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Returns the folder of a file, if it does not exist.
fn missing_folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    matches!(folder.try_exists(), Ok(false)).then(|| folder.to_owned())
}

fn set_aside(path: &Path) -> Result<PathBuf, StateError> {
    let aside = file::with_suffix(path, &format!(".unreadable-{}", unix_seconds()));
    fs::rename(path, &aside).map_err(|source| StateError::Io {
        path: path.to_owned(),
        what: "set the unreadable file aside",
        source,
    })?;
    Ok(aside)
}

#[cfg(test)]
mod tests;
