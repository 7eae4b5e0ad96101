//! Acknowledging alarms of a running server.
//!
//! The server has the state file locked, so an acknowledgement is a file beside it, which the server
//! removes within seconds. It appears as a whole or not at all, and there is one at a time.

use std::fs;
use std::io;
use std::path::Path;

use crate::file;

/// The most bytes of an acknowledgement that are read.
const LONGEST: u64 = 64 * 1024;

/// Leaves an acknowledgement of these logs, each given by name, URL or id, for the server that has
/// the state file.
///
/// # Errors
/// If the folder cannot be written, or an earlier one still waits there
/// ([`AlreadyExists`](io::ErrorKind::AlreadyExists)).
pub fn leave(state_file: &Path, names: &[String]) -> io::Result<()> {
    let place = file::with_suffix(state_file, ".ack");
    let temporary = file::with_suffix(state_file, &format!(".ack-{}", std::process::id()));
    let write = || {
        file::create(&temporary, serde_json::to_string(names)?.as_bytes())?;
        // Unlike renaming, this fails where there is one already.
        fs::hard_link(&temporary, &place)
    };
    let left = write();
    // A file left behind after a failure has no consequences.
    let removed = fs::remove_file(&temporary);
    left.and(removed)
}

/// Reports whether an acknowledgement has not been taken yet.
///
/// # Errors
/// If the folder cannot be read.
pub fn is_waiting(state_file: &Path) -> io::Result<bool> {
    file::with_suffix(state_file, ".ack").try_exists()
}

/// Takes the acknowledgement that waits, if there is one: the names of logs.
///
/// # Errors
/// If the file cannot be read or removed, or is no acknowledgement.
pub fn take(state_file: &Path) -> io::Result<Vec<String>> {
    let place = file::with_suffix(state_file, ".ack");
    let Some(bytes) = file::read(&place, LONGEST)? else { return Ok(Vec::new()) };
    fs::remove_file(&place)?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_waits_until_it_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let state_file = folder.path().join("state.json");
        assert!(take(&state_file).expect("reads").is_empty());
        let names = vec!["Example 2027".to_owned(), "line\nbreak".to_owned()];
        leave(&state_file, &names).expect("writes");
        assert!(is_waiting(&state_file).expect("reads"));
        let second = leave(&state_file, &names).expect_err("one is waiting");
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(take(&state_file).expect("reads"), names);
        assert!(!is_waiting(&state_file).expect("reads"));
        assert!(take(&state_file).expect("reads").is_empty());
        assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 0, "nothing is left");
    }

    #[test]
    fn an_unparsable_acknowledgement_is_removed_and_reported() {
        let folder = tempfile::tempdir().expect("a folder");
        let state_file = folder.path().join("state.json");
        fs::write(folder.path().join("state.json.ack"), "nonsense").expect("writes");
        assert!(take(&state_file).is_err());
        assert!(!is_waiting(&state_file).expect("reads"));
    }
}
