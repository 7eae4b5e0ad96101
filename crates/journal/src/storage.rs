//! Access to files: everything that a journal asks of a file system.

mod disk;
pub mod simulated;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use self::disk::Disk;

/// A file system. Every call is one step, after which a process may die and a machine lose power.
pub trait Storage: Debug + Send + Sync + 'static {
    /// Creates a directory and those above it, unless it is there.
    ///
    /// # Errors
    /// If it cannot be created.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Returns the names in a directory.
    ///
    /// # Errors
    /// If it cannot be read.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Creates a file that must not be there yet.
    ///
    /// # Errors
    /// If it is there, or cannot be created.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// If it is not there, or cannot be opened.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// If it is not there, or cannot be opened.
    fn reopen(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, in place of a file that has that name.
    ///
    /// # Errors
    /// If it cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file.
    ///
    /// # Errors
    /// If it cannot be deleted.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// If that fails.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Locks a file for this process, creates it if needed, and writes `owner` into it. The lock ends
    /// with the value returned, or with the process; the file stays.
    ///
    /// # Errors
    /// If another process has it ([`io::ErrorKind::WouldBlock`]), or if the file cannot be written.
    fn lock(&self, path: &Path, owner: &[u8]) -> io::Result<Arc<dyn File>>;

    /// Reports whether a process has the lock of a file.
    ///
    /// # Errors
    /// If the file cannot be opened.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// It is a directory.
    pub is_dir: bool,
}

/// An open file.
pub trait File: Debug + Send + Sync {
    /// Reads bytes from a place on; fewer than asked for only at the end.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all bytes to a place.
    ///
    /// # Errors
    /// If that fails; a part may be written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes the contents durable.
    ///
    /// # Errors
    /// If that fails. What was written since the last success may then be lost, whatever a later call
    /// returns.
    fn sync(&self) -> io::Result<()>;

    /// Returns the number of bytes.
    ///
    /// # Errors
    /// If it cannot be found out.
    fn bytes(&self) -> io::Result<u64>;
}
