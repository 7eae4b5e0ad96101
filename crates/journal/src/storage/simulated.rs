//! A file system in memory that crashes, for tests: a process dies at any call, a machine loses what
//! was not synced, in part and in any order; calls fail, the disk fills up, bytes flip.

mod disk;
mod host;
mod random;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::disk::State;
pub use self::host::SimulatedHost;
pub use self::random::Random;
use super::{Entry, File, Storage};

/// A simulated file system. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

/// A lie that a file system may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Syncs of files do nothing.
    FileSync,
    /// Syncs of directories do nothing.
    DirectorySync,
    /// Failed syncs of files are reported as done.
    FailedSync,
    /// A second process gets the lock too.
    Lock,
}

impl Simulated {
    /// Creates an empty file system, whose accidents depend on `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// Lets the process die in the call after so many.
    pub fn die_after(&self, calls: u64) {
        self.state.lock().die_after(calls);
    }

    /// Reports whether the process has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state.lock().is_dead()
    }

    /// Ends the process. What it wrote stays, also unsynced.
    pub fn kill(&self) {
        self.state.lock().kill();
    }

    /// Ends the process and the machine. Of what was not synced, anything may be lost.
    pub fn lose_power(&self) {
        self.state.lock().lose_power();
    }

    /// Lets one of so many calls fail that change something; 0 lets none fail.
    pub fn fail_one_of(&self, calls: u64) {
        self.state.lock().fail_one_of = calls;
    }

    /// Limits the bytes of all files.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// Changes what calls report.
    pub fn lie(&self, lie: Lie) {
        self.state.lock().lies.push(lie);
    }

    /// Returns the files with their bytes.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.state.lock().files()
    }

    /// Lets reads fail of these bytes of the file that has this name now.
    pub fn make_unreadable(&self, path: &Path, bytes: Range<u64>) {
        self.state.lock().make_unreadable(path, bytes);
    }

    /// Puts a file in place, durably.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        self.state.lock().put(path, bytes);
    }

    fn file(&self, inode: usize, process: u64) -> Arc<dyn File> {
        Arc::new(SimulatedFile { state: Arc::clone(&self.state), inode, process, locked: None })
    }
}

impl Storage for Simulated {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state.lock().create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.state.lock().list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let (inode, process) = self.state.lock().create(path)?;
        Ok(self.file(inode, process))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let (inode, process) = self.state.lock().open(path)?;
        Ok(self.file(inode, process))
    }

    fn reopen(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state.lock().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state.lock().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state.lock().sync_dir(dir)
    }

    fn lock(&self, path: &Path, owner: &[u8]) -> io::Result<Arc<dyn File>> {
        let (inode, process) = self.state.lock().lock(path, owner)?;
        let (state, locked) = (Arc::clone(&self.state), Some(path.to_owned()));
        Ok(Arc::new(SimulatedFile { state, inode, process, locked }))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(self.state.lock().is_locked(path))
    }
}

/// An open file of a simulated process.
#[derive(Debug)]
struct SimulatedFile {
    state: Arc<Mutex<State>>,
    inode: usize,
    process: u64,
    /// The file's name, if it is open for its lock.
    locked: Option<PathBuf>,
}

impl File for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.state.lock().read(self.process, self.inode, buffer, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.state.lock().write(self.process, self.inode, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.state.lock().sync(self.process, self.inode)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.state.lock().bytes(self.process, self.inode)
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        if let Some(path) = &self.locked {
            self.state.lock().unlock(path, self.process);
        }
    }
}
