//! The staging folder, which contains the open part.
//!
//! Readers of folders differ in the files that they ignore: Polars ignores none, not even names that
//! begin with a dot, or files in folders with such names. So the staging folder is beside the output,
//! `.NAME.open`, if a file can be moved to the output in one step from there. Otherwise, for example
//! if the output is a mounted volume, it is a folder below the output.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::OutputError;
use super::paths::{self, PathError};

/// The folder below an output, if there can be none beside it.
const INSIDE: &str = ".certstream-arrow";
/// The file that is locked against a second collector.
const LOCK: &str = "lock";
/// The file that earlier versions locked, in the output itself.
const OLD_LOCK: &str = ".certstream-arrow.lock";

/// The folder, locked against others for as long as it is open.
#[derive(Debug)]
pub(crate) struct StagingFolder {
    path: PathBuf,
    _lock: File,
}

impl StagingFolder {
    /// Opens the folder, and creates it if it is missing. It is inside an output that only this program
    /// reads.
    pub(crate) fn open(
        output: &Path,
        allowed: &[PathBuf],
        is_private: bool,
    ) -> Result<Self, OutputError> {
        let old = output.join(OLD_LOCK);
        if old.try_exists().map_err(paths::at(&old))? {
            drop(lock(&old, output)?);
            fs::remove_file(&old).map_err(paths::at(&old))?;
        }
        let path = create(output, allowed, is_private)?;
        let lock = lock(&path.join(LOCK), output)?;
        Ok(Self { path, _lock: lock })
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns the folders that may contain an open part: beside an output and below it.
pub(super) fn places(output: &Path) -> [PathBuf; 2] {
    [beside(output), output.join(INSIDE)]
}

fn beside(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".{name}.open"))
}

fn create(output: &Path, allowed: &[PathBuf], is_private: bool) -> Result<PathBuf, PathError> {
    let [beside, inside] = places(output);
    if !is_private && is_usable(&beside, output, allowed)? {
        match paths::make_folder(&beside) {
            Ok(()) => return Ok(beside),
            // Perhaps only the output itself is writable.
            Err(PathError::Io { .. }) => {}
            Err(refused) => return Err(refused),
        }
    }
    paths::make_folder(&inside)?;
    Ok(inside)
}

/// Reports whether a file may be created there, and can be moved to the output in one step.
fn is_usable(beside: &Path, output: &Path, allowed: &[PathBuf]) -> Result<bool, PathError> {
    let device =
        |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).map_err(paths::at(path));
    let parent = match beside.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if device(parent)? != device(output)? {
        return Ok(false);
    }
    match paths::check(beside, allowed) {
        Ok(()) => Ok(true),
        Err(PathError::NotAllowed { .. }) => Ok(false),
        Err(refused) => Err(refused),
    }
}

fn lock(path: &Path, output: &Path) -> Result<File, OutputError> {
    let file = paths::open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OutputError::Locked(output.to_owned())),
        Err(TryLockError::Error(error)) => Err(paths::at(path)(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_staging_folder_is_beside_the_output_if_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("data");
        fs::create_dir(&output).unwrap();
        let staging = StagingFolder::open(&output, &[], false).unwrap();
        assert_eq!(staging.path(), folder.path().join(".data.open"));
        assert!(matches!(StagingFolder::open(&output, &[], false), Err(OutputError::Locked(_))));
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
        let staging = StagingFolder::open(&output, std::slice::from_ref(&output), false).unwrap();
        assert_eq!(staging.path(), output.join(".certstream-arrow"));
    }

    #[test]
    fn the_lock_of_an_earlier_version_is_respected_and_removed() {
        let output = tempfile::tempdir().unwrap();
        let old = output.path().join(OLD_LOCK);
        let locked = File::create(&old).unwrap();
        locked.lock().unwrap();
        let allowed = [output.path().to_owned()];
        assert!(matches!(
            StagingFolder::open(output.path(), &allowed, false),
            Err(OutputError::Locked(_))
        ));
        drop(locked);
        StagingFolder::open(output.path(), &allowed, false).unwrap();
        assert!(!old.try_exists().unwrap());
    }
}
