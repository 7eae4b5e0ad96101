//! Dead letters that are sent again, and removed as they arrive.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, fchown};
use std::path::PathBuf;

use super::lines::{ARRIVED, Lines};
use super::{DeadLetter, DeadLetters, folder, lock, open};

/// The dead letters that are there when it begins, one after the other. No other process has one of the
/// same file. A letter that is removed is marked in its place, so that a crash at any time costs none;
/// the marked ones leave the file at the [end](Self::finish).
#[derive(Debug)]
pub struct Retry<'l> {
    letters: &'l DeadLetters,
    /// Locked while this exists.
    file: File,
    lines: Lines<BufReader<File>>,
    /// The length at the beginning.
    end: u64,
    /// The place of the letter that was returned last.
    last: Option<u64>,
    has_removed: bool,
    unreadable: usize,
}

impl DeadLetters {
    /// Begins to send the dead letters again. Returns none if there is no file.
    ///
    /// # Errors
    /// If the file cannot be written, or another process sends them again.
    pub fn retry(&self) -> io::Result<Option<Retry<'_>>> {
        let file = loop {
            let file = match open(File::options().read(true).write(true), &self.path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {
                    let problem = "another command sends these dead letters again";
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, problem));
                }
            }
            // One that has ended may have replaced the file meanwhile.
            if self.is_current(&file)? {
                break file;
            }
        };
        // Not in the middle of a line.
        let locked = lock(&self.path)?;
        let end = file.metadata()?.len();
        drop(locked);
        let lines = Lines::new(BufReader::new(file.try_clone()?));
        let (last, has_removed, unreadable) = (None, false, 0);
        Ok(Some(Retry { letters: self, file, lines, end, last, has_removed, unreadable }))
    }

    /// Reports whether a file is still the one at the path.
    fn is_current(&self, file: &File) -> io::Result<bool> {
        let opened = file.metadata()?;
        match fs::symlink_metadata(&self.path) {
            Ok(current) => Ok((current.dev(), current.ino()) == (opened.dev(), opened.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Retry<'_> {
    /// Returns the next dead letter, the oldest first. Lines that cannot be read stay in the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn next_letter(&mut self) -> io::Result<Option<DeadLetter>> {
        self.last = None;
        while let Some(line) = self.lines.next_line()? {
            if line.start >= self.end {
                break;
            }
            if let Some(letter) = line.letter() {
                self.last = Some(line.start);
                return Ok(Some(letter));
            }
            self.unreadable += 1;
        }
        Ok(None)
    }

    /// Removes the letter that [`next_letter`](Self::next_letter) returned last, because its alert has arrived. It is
    /// gone when this returns.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn remove(&mut self) -> io::Result<()> {
        let Some(place) = self.last.take() else { return Ok(()) };
        self.has_removed = true;
        self.file.write_all_at(&[ARRIVED], place)?;
        self.file.sync_data()
    }

    /// Returns the number of lines so far that cannot be read.
    #[must_use]
    pub const fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Frees the room of the letters that were removed.
    ///
    /// # Errors
    /// If the file cannot be replaced by one without them. It is then unchanged.
    pub fn finish(self) -> io::Result<()> {
        if !self.has_removed {
            return Ok(());
        }
        let path = &self.letters.path;
        // Nothing is appended meanwhile.
        let locked = lock(path)?;
        let shorter = self.without_removed()?;
        match shorter {
            Some(shorter) => fs::rename(shorter, path)?,
            None => fs::remove_file(path)?,
        }
        locked.sync_all()
    }

    /// Writes the lines that are left to another file; none if there are none.
    fn without_removed(&self) -> io::Result<Option<PathBuf>> {
        let path = folder(&self.letters.path).join("dead_letters.new");
        // The rest of a crash, or a link in its place, which is not followed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut new = BufWriter::new(File::create_new(&path)?);
        let old = open(File::options().read(true), &self.letters.path)?;
        let mut lines = Lines::new(BufReader::new(old));
        let mut is_empty = true;
        while let Some(line) = lines.next_line()? {
            is_empty = false;
            new.write_all(&line.bytes)?;
            new.write_all(b"\n")?;
        }
        if is_empty {
            fs::remove_file(path)?;
            return Ok(None);
        }
        let new = new.into_inner().map_err(io::IntoInnerError::into_error)?;
        // The server, which may run as another user than this command, appends to it.
        let old = self.file.metadata()?;
        let made = new.metadata()?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            fchown(&new, Some(old.uid()), Some(old.gid()))?;
        }
        new.set_permissions(old.permissions())?;
        new.sync_all()?;
        Ok(Some(path))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::delivery::dead_letters::tests::letter;

    fn rules(letters: &DeadLetters) -> Vec<String> {
        letters.read().unwrap().0.into_iter().map(|letter| letter.alert.rule).collect()
    }

    /// Removes the letters of these rules.
    fn remove(letters: &DeadLetters, gone: &[&str]) {
        let mut retry = letters.retry().unwrap().unwrap();
        while let Some(letter) = retry.next_letter().unwrap() {
            if gone.contains(&&*letter.alert.rule) {
                retry.remove().unwrap();
            }
        }
        retry.finish().unwrap();
    }

    fn filled(folder: &tempfile::TempDir, rules: &[&str]) -> DeadLetters {
        let letters = DeadLetters::new(folder.path().join("alerts.jsonl"));
        for rule in rules {
            letters.add(&letter(rule)).unwrap();
        }
        letters
    }

    #[test]
    fn letters_that_arrive_leave_the_file_and_others_stay_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let letters = filled(&folder, &["a", "b", "c", "d"]);
        let bytes = fs::metadata(letters.path()).unwrap().len();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        remove(&letters, &["a", "c"]);
        assert_eq!(rules(&letters), ["b", "d"]);
        assert!(fs::metadata(letters.path()).unwrap().len() < bytes);
        remove(&letters, &["b", "d"]);
        assert_eq!(names(), 0, "an empty file is removed");
        assert!(letters.retry().unwrap().is_none());
        letters.add(&letter("e")).unwrap();
        assert_eq!((rules(&letters), names()), (vec!["e".to_owned()], 1));
    }

    /// A crash after a letter was removed does not bring it back; one before sends it again.
    #[test]
    fn a_crash_at_any_time_costs_no_letter() {
        let folder = tempfile::tempdir().unwrap();
        let letters = filled(&folder, &["a", "b", "c"]);
        fs::write(folder.path().join("dead_letters.new"), "the start of a crash").unwrap();
        let mut retry = letters.retry().unwrap().unwrap();
        assert_eq!(retry.next_letter().unwrap().unwrap().alert.rule, "a");
        retry.remove().unwrap();
        assert_eq!(retry.next_letter().unwrap().unwrap().alert.rule, "b");
        // Without an end.
        drop(retry);
        assert_eq!(rules(&letters), ["b", "c"]);
        letters.add(&letter("d")).unwrap();
        let mut retry = letters.retry().unwrap().unwrap();
        assert_eq!(retry.next_letter().unwrap().unwrap().alert.rule, "b");
        retry.remove().unwrap();
        retry.finish().unwrap();
        assert_eq!(rules(&letters), ["c", "d"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// The command may run as root, in a folder of the server's user.
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "precious").unwrap();
        let letters = filled(&folder, &["a", "b"]);
        symlink(&other, folder.path().join("dead_letters.new")).unwrap();
        remove(&letters, &["a"]);
        assert_eq!(rules(&letters), ["b"]);
        assert!(fs::symlink_metadata(letters.path()).unwrap().is_file());
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");

        fs::remove_file(letters.path()).unwrap();
        symlink(&other, letters.path()).unwrap();
        letters.add(&letter("c")).unwrap_err();
        letters.retry().unwrap_err();
        letters.read().unwrap_err();
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
    }

    #[test]
    fn unreadable_lines_are_counted_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path().join("alerts.jsonl"));
        fs::write(letters.path(), "{\"time\":1}\n").unwrap();
        letters.add(&letter("a")).unwrap();
        let mut retry = letters.retry().unwrap().unwrap();
        assert_eq!(retry.next_letter().unwrap().unwrap().alert.rule, "a");
        retry.remove().unwrap();
        assert!(retry.next_letter().unwrap().is_none());
        assert_eq!(retry.unreadable(), 1);
        retry.finish().unwrap();
        assert_eq!(fs::read_to_string(letters.path()).unwrap(), "{\"time\":1}\n");
    }

    #[test]
    fn only_one_process_sends_them_again() {
        let folder = tempfile::tempdir().unwrap();
        let letters = filled(&folder, &["a"]);
        let retry = letters.retry().unwrap();
        let another = DeadLetters::new(letters.path().to_owned());
        assert_eq!(another.retry().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(retry);
        assert!(another.retry().unwrap().is_some());
    }

    /// A server appends while a command removes: the lock between them is in the file system.
    #[test]
    fn nothing_that_is_appended_meanwhile_is_lost() {
        const COUNT: usize = 200;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let is_done = AtomicBool::new(false);
        let mut found = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let server = DeadLetters::new(path.clone());
                for number in 0..COUNT {
                    server.add(&letter(&number.to_string())).unwrap();
                }
                is_done.store(true, Ordering::SeqCst);
            });
            let command = DeadLetters::new(path.clone());
            loop {
                let was_done = is_done.load(Ordering::SeqCst);
                let Some(mut retry) = command.retry().unwrap() else {
                    if was_done {
                        break;
                    }
                    thread::yield_now();
                    continue;
                };
                while let Some(letter) = retry.next_letter().unwrap() {
                    retry.remove().unwrap();
                    found.push(letter.alert.rule);
                }
                retry.finish().unwrap();
            }
        });
        let all: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
        assert_eq!(found, all);
    }
}
