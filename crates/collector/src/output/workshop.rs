//! The folder of the open part.
//!
//! Readers of folders differ in what they pass over: Polars passes over nothing, neither names that
//! begin with a dot nor what lies in folders with such names. So the open part is beside the output,
//! in `.NAME.open`, wherever it can become a closed part in one step from there; in a folder of its
//! own below the output otherwise, as where the output is a mounted volume.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::OutputError;
use super::paths::{self, PathError};

/// The folder below an output, where there can be none beside it.
const INSIDE: &str = ".certstream-arrow";
/// What keeps a second collector out.
const LOCK: &str = "lock";
/// What earlier versions locked, in the output itself.
const OLD_LOCK: &str = ".certstream-arrow.lock";

/// The folder, locked against others for as long as it is open.
#[derive(Debug)]
pub(super) struct Workshop {
    path: PathBuf,
    _lock: File,
}

impl Workshop {
    /// Makes it, if it is not there. An output that only this program reads has it inside.
    pub(super) fn open(
        output: &Path,
        allowed: &[PathBuf],
        is_private: bool,
    ) -> Result<Self, OutputError> {
        let old = output.join(OLD_LOCK);
        if old.try_exists().map_err(paths::at(&old))? {
            drop(lock(&old, output)?);
            fs::remove_file(&old).map_err(paths::at(&old))?;
        }
        let path = make(output, allowed, is_private)?;
        let lock = lock(&path.join(LOCK), output)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The folders in which there may be an open part: beside an output and below it.
pub(super) fn places(output: &Path) -> [PathBuf; 2] {
    [beside(output), output.join(INSIDE)]
}

fn beside(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".{name}.open"))
}

fn make(output: &Path, allowed: &[PathBuf], is_private: bool) -> Result<PathBuf, PathError> {
    let [beside, inside] = places(output);
    if !is_private && is_usable(&beside, output, allowed)? {
        match paths::make_folder(&beside) {
            Ok(()) => return Ok(beside),
            // Only the output itself may be ours to write to.
            Err(PathError::Io { .. }) => {}
            Err(refused) => return Err(refused),
        }
    }
    paths::make_folder(&inside)?;
    Ok(inside)
}

/// Whether a file can be moved from there to the output in one step, and may be made there.
fn is_usable(beside: &Path, output: &Path, allowed: &[PathBuf]) -> Result<bool, PathError> {
    let device = |path: &Path| fs::metadata(path).map(|there| there.dev()).map_err(paths::at(path));
    let parent = beside.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
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
    fn beside_the_output_where_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("data");
        fs::create_dir(&output).unwrap();
        let workshop = Workshop::open(&output, &[], false).unwrap();
        assert_eq!(workshop.path(), folder.path().join(".data.open"));
        assert!(matches!(Workshop::open(&output, &[], false), Err(OutputError::Locked(_))));
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
        let workshop = Workshop::open(&output, std::slice::from_ref(&output), false).unwrap();
        assert_eq!(workshop.path(), output.join(".certstream-arrow"));
    }

    #[test]
    fn the_lock_of_an_earlier_version_is_heeded_and_removed() {
        let output = tempfile::tempdir().unwrap();
        let old = output.path().join(OLD_LOCK);
        let held = File::create(&old).unwrap();
        held.lock().unwrap();
        let allowed = [output.path().to_owned()];
        assert!(matches!(
            Workshop::open(output.path(), &allowed, false),
            Err(OutputError::Locked(_))
        ));
        drop(held);
        Workshop::open(output.path(), &allowed, false).unwrap();
        assert!(!old.try_exists().unwrap());
    }
}
