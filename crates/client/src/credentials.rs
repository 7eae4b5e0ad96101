//! The token that a server requires, and the header that carries it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use http::HeaderName;

/// The variable that contains a token.
pub const VARIABLE: &str = "CERTSTREAM_TOKEN";

/// A token that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Not the name of a header.
    #[error("--token-header: {0:?} is not the name of a header")]
    Header(String),
    /// The file cannot be read.
    #[error("--token-file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The variable contains bytes that are not text.
    #[error("{VARIABLE} is not text")]
    Variable,
}

/// Reads the token from the file, or else from the value of [`VARIABLE`]. Returns none if there is
/// no token, or only white space.
///
/// # Errors
///
/// If the header's name is invalid, or the token cannot be read.
pub fn read(
    header: &str,
    file: Option<&Path>,
    variable: Option<&OsStr>,
) -> Result<Option<(HeaderName, String)>, CredentialsError> {
    let name = HeaderName::try_from(header);
    let name = name.map_err(|_| CredentialsError::Header(header.to_owned()))?;
    let token = match (file, variable) {
        (Some(path), _) => std::fs::read_to_string(path)
            .map_err(|source| CredentialsError::File { path: path.to_owned(), source })?,
        (None, Some(value)) => value.to_str().ok_or(CredentialsError::Variable)?.to_owned(),
        (None, None) => return Ok(None),
    };
    let token = token.trim();
    Ok((!token.is_empty()).then(|| (name, token.to_owned())))
}
