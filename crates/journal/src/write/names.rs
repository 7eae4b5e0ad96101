//! The names in the directory of a stream. Each change of them is durable before the next one begins, so
//! that no crash leaves a later one without those before it.

use std::io;
use std::path::Path;

use crate::format::SegmentName;
use crate::segment::Store;

/// The state of the names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Nothing was changed since the last sync. Not known at first: another process may have failed.
    is_durable: bool,
    /// Segments whose creation failed, and which could not be deleted. They go before those after them.
    leftovers: Vec<SegmentName>,
}

impl Names {
    /// Makes the names durable.
    pub(super) fn settle(&mut self, store: &Store) -> io::Result<()> {
        if !self.is_durable {
            store.storage.sync_dir(store.dir())?;
            self.is_durable = true;
        }
        Ok(())
    }

    /// Renames a file, durably. It may have been renamed already.
    pub(super) fn rename(&mut self, store: &Store, from: &Path, to: &Path) -> io::Result<()> {
        self.settle(store)?;
        self.change();
        match store.storage.rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.settle(store)
    }

    /// Deletes a segment, after the leftovers before it. It may be gone already.
    pub(super) fn delete(&mut self, store: &Store, name: SegmentName) -> io::Result<()> {
        self.settle(store)?;
        while let Some(leftover) = self.leftovers.pop_if(|leftover| *leftover < name) {
            self.remove(store, leftover).inspect_err(|_| self.leftovers.push(leftover))?;
            self.settle(store)?;
        }
        self.remove(store, name)
    }

    /// Deletes the file of a segment that was set aside.
    pub(super) fn delete_aside(&mut self, store: &Store, name: &str) -> io::Result<()> {
        self.settle(store)?;
        self.remove_file(store, &store.dir().join(name))
    }

    fn remove(&mut self, store: &Store, name: SegmentName) -> io::Result<()> {
        self.remove_file(store, &store.path(name))
    }

    fn remove_file(&mut self, store: &Store, path: &Path) -> io::Result<()> {
        self.is_durable = false;
        match store.storage.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes a segment whose creation failed.
    pub(super) fn discard(&mut self, store: &Store, name: SegmentName) {
        if let Err(error) = self.remove(store, name) {
            let file = store.path(name);
            tracing::warn!(file = %file.display(), %error, "an unfinished segment stays");
            // The lowest one last, so that it is deleted first.
            self.leftovers.push(name);
            self.leftovers.sort_unstable_by(|one, two| two.cmp(one));
        }
    }

    /// Notes a change.
    pub(super) const fn change(&mut self) {
        self.is_durable = false;
    }
}
