//! The file of `tail --resume`: the position after the last line that was written.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use client::{Address, Progress, Resume};
use follow::file;

/// The largest file, in bytes. An open gap with a mark for each log is a few kilobytes.
const LARGEST: u64 = 1 << 20;
/// The shortest time between two writes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Returns the state to resume from; `resume` is the one of a client without a position.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub(super) fn read(path: &Path, address: &Address, resume: Resume) -> anyhow::Result<Resume> {
    let bytes =
        file::read(path, LARGEST).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(bytes) = bytes else { return Ok(resume) };
    let saved: Progress = serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "{} holds no position of tail; name another file, or delete it to begin with the next \
             certificate",
            path.display()
        )
    })?;
    let is_other_address = saved.server.is_some_and(|server| server != address.name());
    Ok(Resume {
        // A stream id is the identity of a server; an address only where there is none.
        is_other_server: saved.stream.is_none() && is_other_address,
        offset: saved.offset,
        stream: saved.stream,
        open: saved.open,
        has_entries: true,
        ..resume
    })
}

/// The file, and what it does not hold yet.
#[derive(Debug)]
pub(super) struct PositionFile {
    path: PathBuf,
    unsaved: Option<Progress>,
    saved: Option<Instant>,
}

impl PositionFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, unsaved: None, saved: None }
    }

    /// Notes the position after a line. The gaps before it were reported, so they are not kept.
    pub(super) fn advance(&mut self, progress: Progress) {
        let Progress { offset, server, stream, open, .. } = progress;
        self.unsaved = Some(Progress { offset, server, stream, open, ..Progress::default() });
    }

    /// Reports whether there is something to save, and the last time was long enough ago.
    pub(super) fn is_due(&self) -> bool {
        self.unsaved.is_some() && self.saved.is_none_or(|time| time.elapsed() >= INTERVAL)
    }

    /// Saves the position, if it has changed.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(super) fn save(&mut self) -> io::Result<()> {
        let Some(progress) = &self.unsaved else { return Ok(()) };
        file::replace(&self.path, &serde_json::to_vec(progress)?)?;
        self.unsaved = None;
        self.saved = Some(Instant::now());
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use client::Subscription;
    use wire::StreamKind;

    use super::*;

    fn address(url: &str) -> Address {
        let subscription = Subscription {
            stream: StreamKind::Lite,
            filters: Vec::new(),
            token: None,
            user_agent: "test",
        };
        Address::new(url, &subscription).expect("valid")
    }

    #[test]
    fn a_saved_position_is_resumed_and_gaps_are_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("position.json");
        let here = address("ws://a.example/");
        let first = read(&path, &here, Resume::default()).expect("none yet");
        assert_eq!((first.offset, first.has_entries), (None, false));
        let mut file = PositionFile::new(path.clone());
        assert!(!file.is_due());
        let gap = client::gaps::Gap {
            at: 1,
            after: None,
            reason: "evicted".to_owned(),
            missing: None,
            proof: None,
        };
        file.advance(Progress {
            offset: Some(7),
            server: Some(here.name()),
            gaps: vec![gap],
            ..Progress::default()
        });
        assert!(file.is_due());
        file.save().expect("writable");
        assert!(!file.is_due());
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text, r#"{"offset":7,"server":"ws://a.example:80"}"#);
        let resumed = read(&path, &here, Resume::default()).expect("valid");
        assert_eq!((resumed.offset, resumed.is_other_server), (Some(7), false));
        let elsewhere = read(&path, &address("ws://b.example/"), Resume::default()).expect("valid");
        assert!(elsewhere.is_other_server);
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "my notes").expect("writable");
        let error = read(&path, &address("ws://a.example/"), Resume::default());
        let error = error.expect_err("no position").to_string();
        assert!(error.contains("holds no position of tail"), "{error}");
    }
}
