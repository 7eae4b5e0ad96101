//! Parts below a folder: one is open for appending; when it is large or old enough it is closed, and
//! readers find it whole.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use client::Progress;
use client::dedup::Window;
use columns::Compression;
use columns::feather::scan;
use columns::schema::{self, Rows};
use jiff::Timestamp;

use super::error::OutputError;
use super::feather_file::{remember, state_of};
use super::layout::{self, ClosedPart, Found, Part};
use super::open_part::OpenPart;
use super::opened::{Opened, Size};
use super::paths::{self, PathError, remove_empty_folders};
use super::recent_entries;
use super::staging::StagingFolder;
use crate::settings::{Format, PartSettings};
use crate::state::State;

/// A closed part, which can be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The path.
    pub path: PathBuf,
    /// The path below the output.
    pub key: String,
    /// The size.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Parts {
    settings: PartSettings,
    rows: Rows,
    compression: Compression,
    open: Option<OpenPart>,
    /// The closed parts, oldest first.
    closed: VecDeque<ClosedPart>,
    /// The closed parts that were not taken yet.
    untaken: Vec<Closed>,
    next_number: u64,
    staging: StagingFolder,
}

impl Parts {
    pub(super) fn open(
        settings: &PartSettings,
        allowed: &[PathBuf],
        rows: Rows,
        compression: Compression,
    ) -> Result<(Self, Opened), OutputError> {
        let folder = &settings.folder;
        make_output(folder, settings.format)?;
        let staging = StagingFolder::open(folder, allowed, settings.store.is_some())?;
        let Found { open, closed, unfinished } = layout::find(folder)?;
        for path in unfinished {
            fs::remove_file(&path).map_err(paths::at(&path))?;
        }
        let newest = closed.last().map(|closed| closed.part.number);
        let newest = newest.max(open.last().map(|(part, _)| part.number));
        let mut parts = Self {
            settings: settings.clone(),
            rows,
            compression,
            open: None,
            closed: closed.into(),
            untaken: Vec::new(),
            next_number: newest.map_or(1, |number| number.saturating_add(1)),
            staging,
        };
        parts.untaken = parts.closed.iter().map(|closed| parts.key(closed)).collect();
        for (part, path) in open {
            parts.resume(part, path)?;
        }
        let opened = parts.opened()?;
        Ok((parts, opened))
    }

    /// Resumes a part that was open when the program ended.
    fn resume(&mut self, part: Part, path: PathBuf) -> Result<(), OutputError> {
        if self.closed.iter().any(|closed| closed.part == part) {
            // The program was killed after it renamed the closed part, before it deleted this one.
            return Ok(fs::remove_file(&path).map_err(paths::at(&path))?);
        }
        self.close()?;
        let open = self.open.insert(OpenPart::open(path, part, self.rows, self.compression)?);
        if open.file.schema().fields() != schema::schema(self.rows).fields() {
            // Another version started it, with other columns: the next part has those of this one.
            self.close()?;
        }
        Ok(())
    }

    /// Reads the state of the newest parts.
    fn opened(&self) -> Result<Opened, OutputError> {
        let mut state = State::default();
        let mut window = Window::default();
        let mut wanted = recent_entries::ROWS
            .saturating_sub(self.open.as_ref().map_or(0, |open| open.file.state().rows));
        let mut first = self.closed.len();
        let mut states = Vec::new();
        while first > 0 && (wanted > 0 || states.is_empty()) {
            first -= 1;
            let closed = &self.closed[first];
            let state = state_of_part(closed)?;
            wanted = wanted.saturating_sub(state.rows);
            states.push(state);
        }
        for (closed, next) in self.closed.iter().skip(first).zip(states.iter().rev()) {
            remember_part(closed, &mut window)?;
            state.extend(next);
        }
        let mut schema = schema::schema(self.rows);
        if let Some(open) = &self.open {
            open.file.remember(recent_entries::ROWS, &mut window)?;
            state.extend(open.file.state());
            schema = SchemaRef::clone(open.file.schema());
        }
        Ok(Opened { schema, state, window })
    }

    pub(super) fn append(
        &mut self,
        batch: &RecordBatch,
        progress: &Progress,
    ) -> Result<Size, OutputError> {
        let mut blank = None;
        if self.is_over() {
            blank = self.open.take_if(|open| !open.file.state().has_contents());
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let part = Part::new(self.next_number, Timestamp::now());
                self.next_number = self.next_number.saturating_add(1);
                let path = self.staging.path().join(part.open_name());
                self.open.insert(OpenPart::open(path, part, self.rows, self.compression)?)
            }
        };
        open.file.append(batch, progress)?;
        let size = Size::of(open.file.feather());
        let is_large = self.settings.rotation.size.is_some_and(|most| size.bytes >= most);
        if is_large && open.file.state().has_contents() {
            self.close()?;
        }
        // Its progress is in the new part now.
        blank.map_or(Ok(()), OpenPart::discard)?;
        Ok(size)
    }

    /// Reports whether the open part's time is over. The times are those of the clock: with an hour,
    /// parts end with the hour.
    fn is_over(&self) -> bool {
        let (Some(open), Some(time)) = (&self.open, self.settings.rotation.time) else {
            return false;
        };
        let period = |at: Timestamp| at.as_millisecond() / millis(time).max(1);
        period(open.part.begun) != period(Timestamp::now())
    }

    pub(super) fn maintain(&mut self) -> Result<(), OutputError> {
        let has_contents = self.open.as_ref().is_some_and(|open| open.file.state().has_contents());
        if has_contents && self.is_over() {
            self.close()?;
        } else if let Some(open) = &mut self.open {
            open.file.sync()?;
        }
        self.retain()
    }

    /// Closes the part. One that only records progress stays open for the next start.
    pub(super) fn finish(&mut self) -> Result<(), OutputError> {
        match &mut self.open {
            Some(open) if !open.file.state().has_contents() && !open.file.state().is_blank() => {
                open.file.sync()
            }
            _ => self.close(),
        }
    }

    fn close(&mut self) -> Result<(), OutputError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if !open.file.state().has_contents() {
            return open.discard();
        }
        let closed = open.close(&self.settings.folder, self.settings.format)?;
        self.untaken.push(self.key(&closed));
        self.closed.push_back(closed);
        Ok(())
    }

    pub(super) fn take_closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.untaken)
    }

    fn key(&self, closed: &ClosedPart) -> Closed {
        let below = closed.path.strip_prefix(&self.settings.folder).unwrap_or(&closed.path);
        let key = below.to_string_lossy().into_owned();
        Closed { path: closed.path.clone(), key, bytes: closed.bytes }
    }

    /// Deletes the oldest parts while there is too much, and those that are too old.
    fn retain(&mut self) -> Result<(), OutputError> {
        let retention = self.settings.retention;
        let open = self.open.as_ref().map_or(0, |open| open.file.feather().length());
        let bytes = self.closed.iter().map(|closed| closed.bytes);
        let mut total = bytes.fold(open, u64::saturating_add);
        while let Some(oldest) = self.closed.front() {
            let too_much = retention.bytes.is_some_and(|most| total > most);
            let age = Timestamp::now().as_millisecond() - oldest.part.begun.as_millisecond();
            let too_old = retention.age.is_some_and(|longest| age > millis(longest));
            // The newest contains the position to resume from, if there is no open one.
            let is_needed = self.closed.len() == 1 && self.open.is_none();
            if is_needed || !(too_much || too_old) {
                return Ok(());
            }
            match fs::remove_file(&oldest.path) {
                // Another program has deleted it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(paths::at(&oldest.path))?,
            }
            tracing::info!(bytes = oldest.bytes, too_old, "deleted {}", oldest.path.display());
            remove_empty_folders(&oldest.path, &self.settings.folder);
            total = total.saturating_sub(oldest.bytes);
            self.closed.pop_front();
        }
        Ok(())
    }
}

/// Reads the state of a closed part.
fn state_of_part(closed: &ClosedPart) -> Result<State, OutputError> {
    match closed.format {
        Format::Feather => {
            let file = File::open(&closed.path).map_err(paths::at(&closed.path))?;
            let scanned = scan(&file).map_err(|error| OutputError::feather(&closed.path, error))?;
            Ok(state_of(&scanned))
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => super::parquet::state(&closed.path),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Ok(State::default()),
    }
}

/// Records the entries of a closed part in the window.
fn remember_part(closed: &ClosedPart, window: &mut Window) -> Result<(), OutputError> {
    match closed.format {
        Format::Feather => {
            let file = File::open(&closed.path).map_err(paths::at(&closed.path))?;
            let scanned = scan(&file).map_err(|error| OutputError::feather(&closed.path, error))?;
            remember(&closed.path, &scanned.reader(&file), 0, window)
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            super::parquet::columns(&closed.path, &recent_entries::COLUMNS, |batch| {
                recent_entries::remember(&batch, window);
            })
        }
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Ok(()),
    }
}

/// Creates the folder of all parts.
fn make_output(folder: &Path, format: Format) -> Result<(), PathError> {
    paths::make_folder(folder).map_err(|error| match (error, format) {
        (PathError::NoFolder(path), Format::Parquet) => {
            PathError::NoFolderForParts { path, option: "--format parquet" }
        }
        (PathError::NoFolder(path), Format::Feather) => {
            PathError::NoFolderForParts { path, option: "--rotate" }
        }
        (error, _) => error,
    })
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
