//! The state file: where each log is to be resumed after a restart.
//!
//! JSON, `{"version":1,"last_offset":N,"logs":{"<url>":{"current_index":N,...}}}`. The form is a
//! superset of the file certstream-server-rust writes, so that either server reads the other's.
//! It is written to a temporary file, synced and renamed, and locked against a second process.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A state file larger than this is not one: 200 logs take 60 kB.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The form written. A file with a higher version is not touched.
const VERSION: u32 = 1;

/// What is kept across restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The form of the file.
    pub version: u32,
    /// The newest offset published; the first one after a restart is larger.
    #[serde(default)]
    pub last_offset: u64,
    /// Each log's position, by its URL without trailing slash.
    #[serde(default)]
    pub logs: BTreeMap<String, Position>,
}

/// Where one log is to be resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The next index to read.
    pub current_index: u64,
    /// The largest tree size seen.
    #[serde(default)]
    pub tree_size: u64,
    /// When the log last answered, Unix seconds; 0 for never.
    #[serde(default)]
    pub last_success: i64,
    /// The log's id, base64, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_id: Option<String>,
}

/// Why the state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
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
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
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

/// The state file, locked for as long as this value lives.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    _lock: File,
}

/// What opening the state file found.
#[derive(Debug)]
pub struct Opened {
    /// The file, locked.
    pub file: StateFile,
    /// What it held; empty when there was none.
    pub state: State,
    /// Where an unreadable file was set aside, and what was wrong with it.
    pub set_aside: Option<(PathBuf, String)>,
}

impl StateFile {
    /// Locks and reads the state file. One that is there but cannot be understood is set aside
    /// under another name, never overwritten.
    ///
    /// # Errors
    /// When another process holds it, the folder cannot be written, or the file is of a newer form.
    pub fn open(path: &Path) -> Result<Opened, StateError> {
        let file = Self { path: path.to_owned(), _lock: lock(path)? };
        let Some(bytes) = read_bounded(path)? else {
            return Ok(Opened { file, state: State::default(), set_aside: None });
        };
        match serde_json::from_slice::<State>(&bytes) {
            Ok(state) if state.version > VERSION => {
                Err(StateError::Newer { path: path.to_owned(), version: state.version })
            }
            Ok(state) => Ok(Opened { file, state, set_aside: None }),
            Err(error) => {
                let aside = set_aside(path)?;
                let set_aside = Some((aside, error.to_string()));
                Ok(Opened { file, state: State::default(), set_aside })
            }
        }
    }

    /// Replaces the file's content in one step: after a crash it is the old or the new one.
    ///
    /// # Errors
    /// When the folder cannot be written; the old content stays.
    pub fn save(&self, state: &State) -> Result<(), StateError> {
        let state = State { version: VERSION, ..state.clone() };
        let mut text = serde_json::to_vec(&state)
            .map_err(|error| self.io("encode the state", io::Error::other(error)))?;
        text.push(b'\n');
        let temporary = with_suffix(&self.path, ".tmp");
        let write = || -> io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        };
        write().map_err(|source| self.io("write it", source))
    }

    fn io(&self, what: &'static str, source: io::Error) -> StateError {
        StateError::Io { path: self.path.clone(), what, source }
    }
}

fn lock(path: &Path) -> Result<File, StateError> {
    let lock = with_suffix(path, ".lock");
    let io = |source| StateError::Io { path: lock.clone(), what: "lock it", source };
    let file = File::options().create(true).append(true).open(&lock).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::Locked { path: path.to_owned(), lock }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    let io = |source| StateError::Io { path: path.to_owned(), what: "read it", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

fn set_aside(path: &Path) -> Result<PathBuf, StateError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let aside = with_suffix(path, &format!(".unreadable-{seconds}"));
    fs::rename(path, &aside).map_err(|source| StateError::Io {
        path: path.to_owned(),
        what: "set the unreadable file aside",
        source,
    })?;
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(index: u64) -> State {
        let position = Position { current_index: index, tree_size: index, ..Position::default() };
        State {
            version: VERSION,
            last_offset: 7,
            logs: BTreeMap::from([("https://a.example/log".to_owned(), position)]),
        }
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        let opened = StateFile::open(&path).expect("opens");
        assert_eq!(opened.state, State::default());
        opened.file.save(&state(42)).expect("saves");
        drop(opened);
        assert_eq!(StateFile::open(&path).expect("opens").state, state(42));
    }

    #[test]
    fn a_second_process_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        let _first = StateFile::open(&path).expect("opens");
        assert!(matches!(StateFile::open(&path), Err(StateError::Locked { .. })));
    }

    #[test]
    fn the_file_of_certstream_server_rust_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        let text = r#"{"version":1,"logs":{"https://a.example/log":{"current_index":42,"tree_size":50,"last_success":1700000000}}}"#;
        fs::write(&path, text).expect("writes");
        let state = StateFile::open(&path).expect("opens").state;
        assert_eq!(state.logs["https://a.example/log"].current_index, 42);
    }

    #[test]
    fn an_unreadable_file_is_set_aside_and_a_newer_one_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        fs::write(&path, "{\"version\":1,").expect("writes");
        let opened = StateFile::open(&path).expect("opens");
        let (aside, _) = opened.set_aside.expect("was set aside");
        assert_eq!(fs::read_to_string(aside).expect("is there"), "{\"version\":1,");
        drop(opened.file);
        fs::write(&path, "{\"version\":2}").expect("writes");
        assert!(matches!(StateFile::open(&path), Err(StateError::Newer { version: 2, .. })));
    }
}
