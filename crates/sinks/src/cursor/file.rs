//! A cursor in a file.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::{Pending, Store, StoreError};

/// Most bytes that are read: a larger file is none of this program, and is then not readable. The state of
/// alerts has up to a megabyte.
const LARGEST: u64 = 2 << 20;

/// A file with the cursor of an output, or other contents of its size. It is replaced in one step, and synced.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    path: PathBuf,
}

impl FileStore {
    /// Names the file of an output's cursor in a folder, which is created if it is absent. Characters
    /// that have a meaning in paths are `_` in its name.
    #[must_use]
    pub fn new(folder: &Path, output: &str) -> Self {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let plain: String = output.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        Self { folder: folder.to_owned(), path: folder.join(format!("{plain}.json")) }
    }
}

impl Store for FileStore {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn load(&mut self) -> Pending<'_, Result<Option<Vec<u8>>, StoreError>> {
        let (folder, path) = (self.folder.clone(), self.path.clone());
        blocking(move || {
            fs::create_dir_all(folder)?;
            read(&path)
        })
    }

    fn save(&mut self, contents: Vec<u8>) -> Pending<'_, Result<(), StoreError>> {
        let (folder, path) = (self.folder.clone(), self.path.clone());
        blocking(move || replace(&folder, &path, &contents))
    }
}

/// Runs file operations in a thread that may wait.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Pending<'static, Result<T, StoreError>> {
    let failed = |error: &dyn std::error::Error| StoreError::Unavailable(error.to_string());
    Box::pin(async move {
        match spawn_blocking(work).await {
            Ok(done) => done.map_err(|error| failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    })
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        _ => {}
    }
    let mut contents = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut contents)?;
    Ok(Some(contents))
}

/// Replaces a file in one step, durably: after a crash it has the old or the new contents.
fn replace(folder: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}
