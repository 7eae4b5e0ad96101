//! The state that the handles of an open journal share.

mod progress;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use record::{StreamId, SyncMode};

use self::progress::Progress;
use crate::damage::DamageLog;
use crate::error::WriteError;
use crate::format::SegmentName;
use crate::host::Host;
use crate::journal::Head;
use crate::read::Cursor;
use crate::segment::Store;
use crate::settings::Settings;
use crate::storage::File;
use crate::write::{Ageing, Core, Names};

/// Stands for no offset in an atomic number.
const NONE: u64 = u64::MAX;

/// The state that the handles of an open journal share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) settings: Settings,
    pub(crate) stream: StreamId,
    pub(crate) owner: Owner,
    core: Mutex<Core>,
    pub(crate) progress: Progress,
    pub(crate) ageing: Ageing,
    pub(crate) names: Mutex<Names>,
    /// Readers where they stopped.
    pub(crate) parked: Mutex<Vec<Cursor>>,
    pub(crate) damage: DamageLog,
    pub(crate) counters: Counters,
    oldest: AtomicU64,
    head: RwLock<Head>,
}

/// The lock file, which names this process.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) path: PathBuf,
    pub(crate) name: Vec<u8>,
    /// Has the lock as long as it is open; none once the writer is dropped.
    pub(crate) lock: Mutex<Option<Arc<dyn File>>>,
}

/// Counts since the journal was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) deleted: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) syncs: AtomicU64,
    /// Duration of the last sync in microseconds, + 1.
    pub(crate) sync_micros: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        store: Store,
        host: Arc<dyn Host>,
        settings: Settings,
        stream: StreamId,
        owner: Owner,
        core: Core,
        damage: DamageLog,
    ) -> Self {
        let ageing = Ageing::new(host.now(), host.monotonic());
        let shared = Self {
            store,
            host,
            settings,
            stream,
            owner,
            core: Mutex::new(core),
            progress: Progress::default(),
            ageing,
            names: Mutex::default(),
            parked: Mutex::default(),
            damage,
            counters: Counters::default(),
            oldest: AtomicU64::new(NONE),
            head: RwLock::default(),
        };
        shared.publish(&shared.core.lock());
        shared
    }

    /// Changes the state of writing, and shows what that has committed.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Core) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mut core = self.core.lock();
        let result = change(&mut core);
        self.publish(&core);
        drop(core);
        self.progress.wake();
        result
    }

    fn publish(&self, core: &Core) {
        let (written, synced) = (core.written(), core.synced());
        let head = if self.settings.sync == SyncMode::Batch { synced } else { written };
        *self.head.write() = head;
        self.update_oldest();
        self.progress.update(
            core.state().number(),
            synced.number,
            head.number,
            core.fatal.as_ref(),
        );
    }

    pub(crate) fn head(&self) -> Head {
        *self.head.read()
    }

    /// Returns the newest time at which an entry was seen.
    pub(crate) fn newest(&self) -> u64 {
        self.core.lock().newest()
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        Some(self.oldest.load(Ordering::Acquire)).filter(|oldest| *oldest != NONE)
    }

    /// Computes the oldest offset anew, after segments or entries came or went.
    pub(crate) fn update_oldest(&self) {
        let Some(first) = self.store.first() else { return };
        let totals = first.header.totals;
        if self.head().entries > totals.entries {
            let oldest = self.oldest.load(Ordering::Acquire);
            let is_known = oldest != NONE && oldest > totals.next_offset;
            if !is_known {
                self.oldest.store(totals.next_offset, Ordering::Release);
            }
        }
    }

    /// Makes everything written so far durable. Returns the number of the last durable message.
    pub(crate) fn sync(&self) -> Result<u64, WriteError> {
        self.check_owner()?;
        let sync = {
            let core = self.core.lock();
            if core.is_changed() {
                drop(core);
                return self.refuse_foreign();
            }
            core.sync()
        };
        let started = self.host.monotonic();
        let result = sync.as_ref().map(|sync| sync.run());
        if sync.is_some() {
            self.note_sync(started);
        }
        let synced = self.change(|core| {
            if let (Some(sync), Some(result)) = (&sync, &result) {
                core.synced_active(self, sync, result);
            }
            core.recover(self)?;
            Ok(core.synced().number)
        });
        crate::write::enforce(self);
        synced
    }

    /// Refuses to continue if another process has taken the journal.
    pub(crate) fn check_owner(&self) -> Result<(), WriteError> {
        match self.owner.is_ours(&*self.store.storage) {
            Ok(true) => Ok(()),
            Ok(false) => self.refuse_foreign().map(drop),
            Err(error) => {
                tracing::warn!(%error, "the lock file of the journal cannot be read");
                Ok(())
            }
        }
    }

    /// Writes nothing any more.
    fn refuse_foreign(&self) -> Result<u64, WriteError> {
        self.change(|core| {
            let error = WriteError::Foreign(self.store.dir().to_owned());
            core.fatal.get_or_insert_with(|| error.clone());
            Err(error)
        })
    }

    pub(crate) fn failed(&self, action: &str, segment: SegmentName, error: &io::Error) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        let file = self.store.path(segment);
        tracing::warn!(file = %file.display(), %error, "cannot {action} a segment");
    }

    pub(crate) fn note_sync(&self, started: Duration) {
        let took = self.host.monotonic().saturating_sub(started).as_micros();
        let micros = u64::try_from(took).unwrap_or(u64::MAX).saturating_add(1);
        self.counters.sync_micros.store(micros, Ordering::Relaxed);
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_deleted(&self) {
        self.counters.deleted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wall_millis(&self) -> u64 {
        u64::try_from(self.host.now().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Owner {
    /// Lets another process write. Readers of this one may continue.
    pub(crate) fn release(&self) {
        *self.lock.lock() = None;
    }

    /// Reports whether the lock file still names this process. If it is gone, it is made again.
    fn is_ours(&self, storage: &dyn crate::storage::Storage) -> io::Result<bool> {
        let file = match storage.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match storage.lock(&self.path, &self.name) {
                    Ok(lock) => {
                        *self.lock.lock() = Some(lock);
                        Ok(true)
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                    Err(error) => Err(error),
                };
            }
            Err(error) => return Err(error),
        };
        let mut found = vec![0; self.name.len().saturating_add(1)];
        let count = file.read_at(&mut found, 0)?;
        Ok(found.get(..count) == Some(self.name.as_slice()))
    }
}
