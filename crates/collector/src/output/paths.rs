//! Paths: which are allowed, and opening and creating them without following links.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

/// A path that is refused.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// It contains `..`.
    #[error("{0}: paths with .. are refused; write the path without it")]
    Parent(PathBuf),
    /// It does not end in a name.
    #[error("{0} does not name a file or folder")]
    NoName(PathBuf),
    /// It is a symbolic link.
    #[error("{0} is a symbolic link, which is refused; give the path of its target")]
    Link(PathBuf),
    /// It is not a regular file.
    #[error("{0} is not a regular file")]
    NoFile(PathBuf),
    /// It is not a folder.
    #[error("{0} is a file, but a folder is needed; move it away, or give another --output")]
    NoFolder(PathBuf),
    /// It is a file, but the output has parts.
    #[error("{path} is a file; with {option}, --output must be a folder")]
    NoFolderForParts {
        /// The path.
        path: PathBuf,
        /// The option that requires parts.
        option: &'static str,
    },
    /// It is outside the allowed folders.
    #[error("{path} is not below {}, as --allow-dir requires", list(.allowed))]
    NotAllowed {
        /// The path.
        path: PathBuf,
        /// The allowed folders.
        allowed: Vec<PathBuf>,
    },
    /// An error of the system.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Adds a path to an error of the system.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> PathError {
    let path = path.to_owned();
    move |source| PathError::Io { path, source }
}

/// Checks that a path from the command line may be written to.
///
/// # Errors
///
/// If it may not.
pub fn check(path: &Path, allowed: &[PathBuf]) -> Result<(), PathError> {
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(PathError::Parent(path.to_owned()));
    }
    if path.file_name().is_none() {
        return Err(PathError::NoName(path.to_owned()));
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(PathError::Link(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(path)(error)),
    }
    if allowed.is_empty() {
        return Ok(());
    }
    let real = real(path)?;
    for folder in allowed {
        if real.starts_with(fs::canonicalize(folder).map_err(at(folder))?) {
            return Ok(());
        }
    }
    Err(PathError::NotAllowed { path: path.to_owned(), allowed: allowed.to_vec() })
}

/// Returns the real path of one that may not exist yet: its deepest existing part without links, and
/// the rest.
fn real(path: &Path) -> Result<PathBuf, PathError> {
    let absolute = std::path::absolute(path).map_err(at(path))?;
    for existing in absolute.ancestors() {
        match fs::canonicalize(existing) {
            Ok(real) => {
                let rest = absolute.strip_prefix(existing).unwrap_or_else(|_| Path::new(""));
                return Ok(real.join(rest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(existing)(error)),
        }
    }
    Ok(absolute)
}

/// Opens a file for reading and writing, and creates it if it is missing. Links are not followed.
///
/// # Errors
///
/// If it is anything but a regular file, or the system refuses.
pub fn open(path: &Path) -> Result<File, PathError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let opened = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => PathError::Link(path.to_owned()),
        Some(libc::EISDIR | libc::ENXIO) => PathError::NoFile(path.to_owned()),
        _ => at(path)(error),
    })?;
    if !file.metadata().map_err(at(path))?.is_file() {
        return Err(PathError::NoFile(path.to_owned()));
    }
    Ok(file)
}

/// Creates nested folders below a folder. None of them may be a link.
///
/// # Errors
///
/// If one is, or the system refuses.
pub fn make_folders(below: &Path, names: &[&str]) -> Result<PathBuf, PathError> {
    let mut folder = below.to_owned();
    for name in names {
        folder.push(name);
        make_folder(&folder)?;
    }
    Ok(folder)
}

/// Creates a folder if it is missing.
///
/// # Errors
///
/// If it is anything but a folder, or the system refuses.
pub fn make_folder(folder: &Path) -> Result<(), PathError> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(folder).map_err(at(folder))?;
            match (found.is_symlink(), found.is_dir()) {
                (true, _) => Err(PathError::Link(folder.to_owned())),
                (_, false) => Err(PathError::NoFolder(folder.to_owned())),
                _ => Ok(()),
            }
        }
        Err(error) => Err(at(folder)(error)),
    }
}

/// Reports whether a path still leads to an open file.
///
/// # Errors
///
/// If the system refuses.
pub fn leads_to(path: &Path, file: &File) -> Result<bool, PathError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found.map_err(at(path))?,
    };
    let open = file.metadata().map_err(at(path))?;
    Ok((found.dev(), found.ino()) == (open.dev(), open.ino()))
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
///
/// If the system refuses.
pub fn sync_folder(folder: &Path) -> Result<(), PathError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

/// Removes the folders of a part that was the last one in them, up to the output.
pub(super) fn remove_empty_folders(path: &Path, output: &Path) {
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != output).take(2) {
        // A folder that is not empty stays.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_parents_and_paths_outside_the_allowed_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        symlink("/", at("out")).unwrap();
        fs::create_dir(at("inside")).unwrap();
        let all = vec![];
        let inside = vec![at("inside")];
        for (path, allowed, expected) in [
            (at("new.feather"), &all, None),
            (PathBuf::from("new.feather"), &all, None),
            (at("inside/../new.feather"), &all, Some("..")),
            (PathBuf::from("/"), &all, Some("does not name a file")),
            (at("link"), &all, Some("symbolic link")),
            (at("dangling"), &all, Some("symbolic link")),
            (at("inside/new/er.feather"), &inside, None),
            (at("new.feather"), &inside, Some("--allow-dir")),
            (at("out/tmp/new.feather"), &inside, Some("--allow-dir")),
            (at("inside"), &inside, None),
        ] {
            let refusal = check(&path, allowed).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(refusal, None),
                Some(part) => assert!(refusal.clone().unwrap().contains(part), "{refusal:?}"),
            }
        }
    }

    #[test]
    fn links_and_folders_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink(at("new"), at("link")).unwrap();
        assert!(matches!(open(&at("link")), Err(PathError::Link(_))));
        assert!(matches!(open(folder.path()), Err(PathError::NoFile(_))));
        assert!(matches!(open(Path::new("/dev/null")), Err(PathError::NoFile(_))));
        assert!(open(&at("new")).is_ok());
        symlink("/tmp", at("date=2026-01-01")).unwrap();
        assert!(matches!(
            make_folders(folder.path(), &["date=2026-01-01", "hour=00"]),
            Err(PathError::Link(_))
        ));
        assert!(matches!(make_folder(&at("new")), Err(PathError::NoFolder(_))));
        let made = make_folders(folder.path(), &["date=2026-01-02", "hour=00"]).unwrap();
        assert!(made.is_dir());
        sync_folder(&made).unwrap();
    }
}
