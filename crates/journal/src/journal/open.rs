//! Opening a journal: its directory, its lock, its recovery.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use record::StreamId;

use crate::damage::DamageLog;
use crate::error::{OpenError, WriteError};
use crate::host::Host;
use crate::journal::{Journal, Opened};
use crate::recovery::{Listing, make_durable, recover};
use crate::segment::Store;
use crate::settings::Settings;
use crate::shared::{Owner, Shared};
use crate::storage::Storage;
use crate::write::{Core, Writer, is_full};

/// Begin of the name of a stream's directory.
const PREFIX: &str = "stream-";
/// The lock file. It is never deleted: a second process could otherwise lock another file of its name.
const LOCK: &str = "journal.lock";
/// Segments that `max_bytes` allows at least.
const MIN_SEGMENTS: u64 = 4;

pub(crate) fn open(
    storage: Arc<dyn Storage>,
    host: Arc<dyn Host>,
    data_dir: &Path,
    settings: Settings,
) -> Result<Opened, OpenError> {
    let Settings { max_bytes, segment_bytes, .. } = settings;
    if max_bytes < segment_bytes.saturating_mul(MIN_SEGMENTS) {
        return Err(OpenError::MaxBytes { max_bytes, segment_bytes });
    }
    let owner = lock(&*storage, &*host, data_dir)?;
    let (stream, is_new_dir) = match find_stream(&*storage, data_dir)? {
        Some(stream) => (stream, false),
        None => (StreamId::from_random(host.random()), true),
    };
    let dir = stream_dir(data_dir, stream);
    if is_new_dir {
        let created = storage.create_dir(&dir).and_then(|()| storage.sync_dir(data_dir));
        created.map_err(|error| failed("create", &dir, error))?;
    }
    let listing = Listing::read(&*storage, &dir, stream)?;
    delete(&*storage, &dir, &listing.incomplete, "an unfinished segment stays");
    delete(&*storage, &dir, &listing.orphans, "an index without a segment stays");
    // A stream that got a new id keeps its directory's name if the process died in between.
    let stream = listing.segments.last().map_or(stream, |last| last.header.stream);
    let store = Store::new(storage, dir, listing.segments.clone(), listing.aside);
    let mut recovered = recover(&store, stream, &*host, false).map_err(read_failed)?;
    let mut aside = listing.unreadable;
    // The next segment begins after the last message used, and must be the last one.
    let next = recovered.state.number().saturating_add(1);
    let used = if recovered.is_unusable { 0 } else { next };
    aside.extend(store.take_after(used).iter().map(|segment| segment.name()));
    make_durable(&store, &recovered).map_err(|error| failed("sync", store.dir(), error))?;
    recovered.is_lossless &= aside.is_empty();
    let is_new = store.count() == 0 && aside.is_empty();
    let mut damage = listing.damage;
    damage.extend(recovered.damage.iter().cloned());
    let log = DamageLog::default();
    damage.iter().for_each(|damage| log.note(damage));
    let core = Core::new(recovered.state.clone(), recovered.totals, aside);
    let shared = Arc::new(Shared::new(store, host, settings, stream, owner, core, log));
    let (state, is_lossless) = (recovered.state.clone(), recovered.is_lossless);
    let writer = Writer::new(Arc::clone(&shared), recovered);
    Ok(Opened { journal: Journal::new(shared), writer, state, is_lossless, damage, is_new })
}

pub(crate) fn new_id(
    storage: Arc<dyn Storage>,
    host: Arc<dyn Host>,
    data_dir: &Path,
) -> Result<(StreamId, StreamId), OpenError> {
    if find_stream(&*storage, data_dir)?.is_none() {
        return Err(OpenError::NoJournal(data_dir.to_owned()));
    }
    let (settings, new) = (Settings::default(), StreamId::from_random(host.random()));
    let Opened { writer, journal, .. } = open(storage, host, data_dir, settings)?;
    let old = journal.stream();
    let from = journal.directory().to_owned();
    writer.rename(new).map_err(|error| write_failed(&from, error))?;
    let to = stream_dir(data_dir, new);
    let storage = journal.storage();
    let renamed = storage.rename(&from, &to).and_then(|()| storage.sync_dir(data_dir));
    renamed.map_err(|error| failed("rename", &from, error))?;
    Ok((old, new))
}

/// Finds the one stream of a data directory.
pub(crate) fn find_stream(
    storage: &dyn Storage,
    data_dir: &Path,
) -> Result<Option<StreamId>, OpenError> {
    let entries = match storage.list(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", data_dir, error)),
    };
    let names = entries.into_iter().filter(|entry| entry.is_dir).map(|entry| entry.name);
    let streams: Vec<StreamId> =
        names.filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect();
    match streams.as_slice() {
        [] => Ok(None),
        [stream] => Ok(Some(*stream)),
        several => Err(OpenError::SeveralStreams {
            path: data_dir.to_owned(),
            streams: several.iter().map(ToString::to_string).collect(),
        }),
    }
}

pub(crate) fn stream_dir(data_dir: &Path, stream: StreamId) -> PathBuf {
    data_dir.join(format!("{PREFIX}{stream}"))
}

pub(crate) fn lock_path(data_dir: &Path) -> PathBuf {
    data_dir.join(LOCK)
}

/// Creates the data directory if needed, and locks it.
fn lock(storage: &dyn Storage, host: &dyn Host, data_dir: &Path) -> Result<Owner, OpenError> {
    storage.create_dir(data_dir).map_err(|error| failed("create", data_dir, error))?;
    let path = lock_path(data_dir);
    let name = format!("{} {:016x}\n", std::process::id(), host.random()).into_bytes();
    match storage.lock(&path, &name) {
        Ok(lock) => Ok(Owner { path, name, lock: Mutex::new(Some(lock)) }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(OpenError::Locked { path: data_dir.to_owned(), pid: locked_by(storage, &path) })
        }
        Err(error) => Err(failed("lock", data_dir, error)),
    }
}

/// Reads the number of the process in the lock file.
fn locked_by(storage: &dyn Storage, path: &Path) -> Option<u32> {
    let mut text = [0; 32];
    let count = storage.open(path).ok()?.read_at(&mut text, 0).ok()?;
    let text = str::from_utf8(text.get(..count)?).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Deletes files that nothing needs.
fn delete(storage: &dyn Storage, dir: &Path, names: &[String], failed: &'static str) {
    for name in names {
        let path = dir.join(name);
        if let Err(error) = storage.remove(&path) {
            tracing::warn!(file = %path.display(), %error, "{failed}");
        }
    }
}

pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            OpenError::NotADirectory(path)
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            OpenError::ReadOnly(path, source)
        }
        _ if is_full(&source) => OpenError::Full(path),
        _ => OpenError::Io { action, path, source },
    }
}

pub(crate) fn read_failed(error: crate::error::ReadError) -> OpenError {
    OpenError::Io { action: "read", path: error.path, source: error.source }
}

fn write_failed(dir: &Path, error: WriteError) -> OpenError {
    failed("write to", dir, io::Error::other(error))
}
