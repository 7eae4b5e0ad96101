//! Passwords and tokens, which are never shown.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Most bytes of a secret.
const LARGEST: usize = 64 * 1024;

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

/// An environment variable with a secret that cannot be used.
#[derive(Debug, Error)]
#[error("the environment variable {name} {problem}")]
pub struct VariableError {
    name: String,
    problem: &'static str,
}

impl Secret {
    /// Makes a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads a secret, without the white space at its end. The error is what is wrong with it.
    fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > LARGEST {
            return Err("has more than 64 KiB");
        }
        match std::str::from_utf8(bytes).map(str::trim_end) {
            Ok("") => Err("is empty"),
            Ok(text) => Ok(Self::new(text)),
            Err(_) => Err("is not UTF-8"),
        }
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
/// If the file cannot be read, is no text, is empty or has more than 64 KiB.
pub fn read_secret(path: &Path) -> Result<Secret, FileError> {
    read(path).map_err(|reason| FileError { path: path.to_owned(), reason })
}

fn read(path: &Path) -> io::Result<Secret> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    let problem = |problem| io::Error::new(io::ErrorKind::InvalidData, format!("it {problem}"));
    Secret::read(&bytes).map_err(problem)
}

/// Reads a secret from the value of an environment variable, without the white space at its end.
///
/// # Errors
/// If it is not set, is no text, is empty or has more than 64 KiB. The error has the name of the variable only.
pub fn secret_in_variable(name: &str, value: Option<&OsStr>) -> Result<Secret, VariableError> {
    let secret = value.ok_or("is not set, or empty");
    let secret = secret.and_then(|value| Secret::read(value.as_encoded_bytes()));
    secret.map_err(|problem| VariableError { name: name.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

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

    #[test]
    fn files_and_variables_have_the_same_limits() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        let longest = vec![b's'; LARGEST];
        let cases: [(&[u8], Result<usize, &str>); 5] = [
            (&longest, Ok(LARGEST)),
            (&[&longest[..], b"\n"].concat(), Err("has more than 64 KiB")),
            (b"s3cret\xff", Err("is not UTF-8")),
            (b" \r\n", Err("is empty")),
            (b" s3cret \n", Ok(7)),
        ];
        for (bytes, expected) in cases {
            std::fs::write(&path, bytes).expect("writable");
            let of_file = read_secret(&path).map_err(|error| error.to_string());
            let value = OsStr::from_bytes(bytes);
            let of_variable = secret_in_variable("NAME", Some(value));
            let of_variable = of_variable.map_err(|error| error.to_string());
            let of_file = of_file.map(|secret| secret.reveal().len());
            let of_variable = of_variable.map(|secret| secret.reveal().len());
            match expected {
                Ok(length) => assert_eq!((of_file, of_variable), (Ok(length), Ok(length))),
                Err(problem) => {
                    let error = of_file.expect_err(problem);
                    assert!(error.ends_with(&format!(": it {problem}")), "{error}");
                    let expected = format!("the environment variable NAME {problem}");
                    assert_eq!(of_variable, Err(expected));
                }
            }
        }
        let missing = secret_in_variable("NAME", None).expect_err("missing").to_string();
        assert_eq!(missing, "the environment variable NAME is not set, or empty");
    }
}
