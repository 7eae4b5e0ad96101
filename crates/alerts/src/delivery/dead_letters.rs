//! The alerts that were given up, in a file.

mod lines;
mod retry;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use self::lines::Lines;
pub use self::retry::Retry;
use crate::alert::{Alert, time};

/// Bytes of the file at most: about fifty thousand alerts.
const MAX_BYTES: u64 = 64 << 20;

/// An alert that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The time at which it was given up.
    #[serde(with = "time")]
    pub time: Timestamp,
    /// The name of the receiver in the settings.
    pub receiver: String,
    /// The last failure.
    pub reason: String,
    /// The alert.
    pub alert: Alert,
}

/// The file of dead letters: a line of JSON for each. A line is on the disk before the alert counts as
/// kept. A file that is full takes no more, so that none is lost.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    max_bytes: u64,
    /// One line at a time.
    writing: Mutex<()>,
}

impl DeadLetters {
    /// Names the file, which need not exist.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: MAX_BYTES, writing: Mutex::new(()) }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a dead letter.
    ///
    /// # Errors
    /// If it cannot be written, or the file is full.
    pub fn add(&self, letter: &DeadLetter) -> io::Result<()> {
        let text = serde_json::to_vec(letter)?;
        let writing = self.writing.lock();
        // A command may remove letters.
        let locked = lock(&self.path)?;
        let mut file = open(File::options().create(true).append(true).read(true), &self.path)?;
        let bytes = file.metadata()?.len();
        // A crash may have left the start of a line.
        let separator = if ends_inside_a_line(&mut file, bytes)? { &b"\n"[..] } else { b"" };
        let line = [separator, &text, b"\n"].concat();
        if bytes.saturating_add(line.len() as u64) > self.max_bytes {
            let advice = "the file is full; send its alerts again with certstream-server alerts retry, \
                          or remove it";
            return Err(io::Error::new(io::ErrorKind::StorageFull, advice));
        }
        let written = file.write_all(&line).and_then(|()| file.sync_data());
        if written.is_err()
            && let Err(error) = file.set_len(bytes)
        {
            tracing::warn!("{} may end with a part of a dead letter: {error}", self.path.display());
        }
        drop((locked, writing));
        written
    }

    /// Returns the dead letters, the oldest first, and the number of lines that cannot be read.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn read(&self) -> io::Result<(Vec<DeadLetter>, usize)> {
        let file = match open(File::options().read(true), &self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(error),
        };
        let (mut letters, mut unreadable) = (Vec::new(), 0);
        let mut lines = Lines::new(BufReader::new(file));
        while let Some(line) = lines.next_line()? {
            match line.letter() {
                Some(letter) => letters.push(letter),
                None => unreadable += 1,
            }
        }
        Ok((letters, unreadable))
    }
}

/// Waits until nobody else changes a file, and returns its folder, locked until that is dropped. The file
/// itself would not do: it is replaced when letters leave it.
fn lock(path: &Path) -> io::Result<File> {
    let folder = File::open(folder(path))?;
    folder.lock()?;
    Ok(folder)
}

/// Opens the file of dead letters. It is our own, so no link is followed: a command may run as root in a
/// folder that the server's user can write.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Returns the folder of a file.
fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

/// Reports whether a file of so many bytes does not end with a whole line.
fn ends_inside_a_line(file: &mut File, bytes: u64) -> io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte != *b"\n")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::alert::tests::alert;

    pub(crate) fn letter(rule: &str) -> DeadLetter {
        DeadLetter {
            time: Timestamp::from_second(1_795_000_000).unwrap(),
            receiver: "https://hooks.example".to_owned(),
            reason: "it answers 400 Bad Request".to_owned(),
            alert: alert(rule),
        }
    }

    #[test]
    fn a_line_that_a_crash_cut_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path().join("alerts.jsonl"));
        letters.add(&letter("a")).unwrap();
        let whole = std::fs::read(letters.path()).unwrap();
        for cut in [1, whole.len() / 2] {
            letters.add(&letter("lost")).unwrap();
            let bytes = std::fs::metadata(letters.path()).unwrap().len() - cut as u64;
            File::options().write(true).open(letters.path()).unwrap().set_len(bytes).unwrap();
        }
        letters.add(&letter("b")).unwrap();
        let (kept, unreadable) = letters.read().unwrap();
        let rules: Vec<_> = kept.iter().map(|kept| kept.alert.rule.as_str()).collect();
        // Of the first, only the end of the line was cut.
        assert_eq!((rules, unreadable), (vec!["a", "lost", "b"], 1));
    }

    #[test]
    fn dead_letters_are_kept_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path().join("alerts.jsonl"));
        assert_eq!(letters.read().unwrap(), (Vec::new(), 0));
        for rule in ["a", "b", "c"] {
            letters.add(&letter(rule)).unwrap();
        }
        let expected: Vec<_> = ["a", "b", "c"].into_iter().map(letter).collect();
        assert_eq!(letters.read().unwrap(), (expected, 0));
    }

    #[test]
    fn broken_lines_are_counted_and_a_full_file_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut letters = DeadLetters::new(folder.path().join("alerts.jsonl"));
        std::fs::write(letters.path(), "{\"time\":1}\n").unwrap();
        letters.add(&letter("a")).unwrap();
        assert_eq!(letters.read().unwrap(), (vec![letter("a")], 1));
        letters.max_bytes = std::fs::metadata(letters.path()).unwrap().len() + 10;
        let error = letters.add(&letter("b")).unwrap_err();
        assert!(error.to_string().contains("the file is full"), "{error}");
        assert_eq!(letters.read().unwrap().0.len(), 1);
        assert!(DeadLetters::new(folder.path().to_owned()).add(&letter("a")).is_err());
    }
}
