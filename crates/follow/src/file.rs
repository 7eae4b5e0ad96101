//! Small files: read within a bound, replaced as a whole, never through a link or a special file in
//! their place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Opens a file, which has to be a regular one: opening a FIFO or a device could block for ever.
/// Links are followed.
///
/// # Errors
/// If it cannot be opened, or is something else ([`InvalidInput`](io::ErrorKind::InvalidInput)).
pub fn open(path: &Path) -> io::Result<File> {
    open_with(File::options().read(true), path, 0)
}

/// Reads a regular file, at most `limit` bytes of it; `None` where there is none.
///
/// # Errors
/// If it cannot be read, or is not a regular file.
pub fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens the file to lock, which is created if necessary. It is our own, so no link is followed.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    open_with(File::options().create(true).append(true), path, libc::O_NOFOLLOW)
}

/// Opens a regular file. The type is checked after opening, when the file cannot be exchanged any more.
fn open_with(options: &mut OpenOptions, path: &Path, flags: i32) -> io::Result<File> {
    let file = options.custom_flags(libc::O_NONBLOCK | flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// Replaces a file's content in one step: after a crash it is the old or the new one.
///
/// # Errors
/// If the folder cannot be written; the old content stays.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = with_suffix(path, ".tmp");
    create(&temporary, content)?;
    fs::rename(&temporary, path)
}

/// Writes a new file to disk. A file that a crash left in its place is removed and not opened, so a
/// link is not followed.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Returns a path beside another: the same name with a suffix.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    fn fifo(path: &Path) {
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("a FIFO");
    }

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "content").expect("writable");
        symlink(at("file"), at("link")).expect("linked");
        fifo(&at("fifo"));
        symlink(at("fifo"), at("link to fifo")).expect("linked");
        assert_eq!(read(&at("none"), 9).expect("no error"), None);
        assert_eq!(read(&at("file"), 4).expect("readable"), Some(b"cont".to_vec()));
        assert_eq!(read(&at("link"), 9).expect("readable"), Some(b"content".to_vec()));
        for other in [at("fifo"), at("link to fifo"), PathBuf::from("/dev/zero")] {
            let error = read(&other, 9).expect_err("no regular file");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{other:?}: {error}");
        }
        let error = read(folder.path(), 9).expect_err("a folder");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_lock_is_a_regular_file_of_our_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        open_lock(&at("lock")).expect("made");
        open_lock(&at("lock")).expect("opened again");
        fifo(&at("fifo"));
        assert!(open_lock(&at("fifo")).is_err());
        symlink(at("target"), at("link")).expect("linked");
        assert!(open_lock(&at("link")).is_err());
        assert!(!at("target").try_exists().expect("readable"), "the link was not followed");
    }

    #[test]
    fn replacing_follows_no_link_and_removes_what_a_crash_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("precious"), "precious").expect("writable");
        symlink(at("precious"), at("state.tmp")).expect("linked");
        replace(&at("state"), b"new").expect("replaced");
        assert_eq!(fs::read(at("precious")).expect("there"), b"precious");
        assert_eq!(fs::read(at("state")).expect("there"), b"new");
        fs::write(at("state.tmp"), "half a sta").expect("writable");
        replace(&at("state"), b"newer").expect("replaced");
        assert_eq!(fs::read(at("state")).expect("there"), b"newer");
        fifo(&at("state.tmp"));
        replace(&at("state"), b"newest").expect("replaced");
        assert_eq!(fs::read(at("state")).expect("there"), b"newest");
        assert!(!at("state.tmp").try_exists().expect("readable"));
    }
}
