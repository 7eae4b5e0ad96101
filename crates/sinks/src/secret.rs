//! Passwords and tokens, which are never shown.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Most bytes of a file with a secret that are read.
const LARGEST: u64 = 64 * 1024;

/// A password or token. Its debug output does not contain it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A file with a secret that cannot be used.
#[derive(Debug, Error)]
#[error("cannot read {}: {reason}", path.display())]
pub struct FileError {
    path: PathBuf,
    #[source]
    reason: io::Error,
}

impl Secret {
    /// Makes a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Reads a secret from a regular file, without the white space at its end.
///
/// # Errors
/// If the file cannot be read, is no text, or is empty.
pub fn read_secret(path: &Path) -> Result<Secret, FileError> {
    let text = read(path).map_err(|reason| FileError { path: path.to_owned(), reason })?;
    Ok(Secret(text))
}

fn read(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    text.truncate(text.trim_end().len());
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_without_the_line_end_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "s3cret word\n").expect("writable");
        let secret = read_secret(&path).expect("readable");
        assert_eq!(secret.reveal(), "s3cret word");
        assert!(!format!("{secret:?}").contains("s3cret"));
        std::fs::write(&path, "\n").expect("writable");
        assert!(read_secret(&path).expect_err("empty").to_string().ends_with("it is empty"));
        assert!(read_secret(folder.path()).is_err());
        assert!(read_secret(&folder.path().join("none")).is_err());
    }
}
