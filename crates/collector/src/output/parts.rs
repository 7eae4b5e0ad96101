//! Parts below a folder: one is open and grows; when it is large or old enough it is closed, and
//! readers find it whole.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use jiff::Timestamp;

use super::layout::{self, ClosedPart, Found, Part};
use super::part::OpenPart;
use super::paths::PathError;
use super::workshop::Workshop;
use super::{Opened, OutputError, Size, file, known, paths};
use crate::dedup::Window;
use crate::feather::{Compression, walk};
use crate::note::{Note, State};
use crate::settings::{Format, PartSettings};
use crate::table::schema::{self, Rows};

/// A part that can be copied elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Where it is.
    pub path: PathBuf,
    /// Where it is below the output.
    pub key: String,
    /// How large it is.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Parts {
    settings: PartSettings,
    rows: Rows,
    compression: Compression,
    open: Option<OpenPart>,
    /// Oldest first.
    closed: VecDeque<ClosedPart>,
    news: Vec<Closed>,
    next_number: u64,
    workshop: Workshop,
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
        let workshop = Workshop::open(folder, allowed, settings.store.is_some())?;
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
            news: Vec::new(),
            next_number: newest.map_or(1, |number| number.saturating_add(1)),
            workshop,
        };
        parts.news = parts.closed.iter().map(|closed| parts.key(closed)).collect();
        for (part, path) in open {
            parts.go_on_with(part, path)?;
        }
        let opened = parts.opened()?;
        Ok((parts, opened))
    }

    /// Goes on with a part that was open when the program ended.
    fn go_on_with(&mut self, part: Part, path: PathBuf) -> Result<(), OutputError> {
        if self.closed.iter().any(|closed| closed.part == part) {
            // It was killed between giving the closed part its name and deleting this.
            return Ok(fs::remove_file(&path).map_err(paths::at(&path))?);
        }
        self.close()?;
        let open = self.open.insert(OpenPart::open(path, part, self.rows, self.compression)?);
        if open.schema().fields() != schema::schema(self.rows).fields() {
            // Another version began it, with other columns: the next part has those of this one.
            self.close()?;
        }
        Ok(())
    }

    /// Where what is there ends.
    fn opened(&self) -> Result<Opened, OutputError> {
        let mut state = State::default();
        let mut window = Window::default();
        let mut wanted =
            known::ROWS.saturating_sub(self.open.as_ref().map_or(0, |open| open.state().rows));
        let mut first = self.closed.len();
        let mut states = Vec::new();
        while first > 0 && (wanted > 0 || states.is_empty()) {
            first -= 1;
            let closed = &self.closed[first];
            let known = self.state_of(closed)?;
            wanted = wanted.saturating_sub(known.rows);
            states.push(known);
        }
        for (closed, known) in self.closed.iter().skip(first).zip(states.iter().rev()) {
            self.remember(closed, &mut window)?;
            state.extend(known);
        }
        let mut schema = schema::schema(self.rows);
        if let Some(open) = &self.open {
            file::remember(open.path(), open.feather(), known::ROWS, &mut window)?;
            state.extend(open.state());
            schema = SchemaRef::clone(open.schema());
        }
        Ok(Opened { schema, state, window })
    }

    fn state_of(&self, closed: &ClosedPart) -> Result<State, OutputError> {
        match closed.format {
            Format::Feather => {
                let file = File::open(&closed.path).map_err(paths::at(&closed.path))?;
                let walked = walk(&file).map_err(|error| OutputError::file(&closed.path, error))?;
                Ok(walked.state)
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => super::parquet::state(&closed.path),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => Ok(State::default()),
        }
    }

    fn remember(&self, closed: &ClosedPart, window: &mut Window) -> Result<(), OutputError> {
        match closed.format {
            Format::Feather => {
                let failed = |error| OutputError::file(&closed.path, error);
                let file = File::open(&closed.path).map_err(paths::at(&closed.path))?;
                let walked = walk(&file).map_err(failed)?;
                for batch in walked.reader(&file).columns(&known::COLUMNS, 0) {
                    known::remember(&batch.map_err(failed)?, window);
                }
                Ok(())
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => super::parquet::columns(&closed.path, &known::COLUMNS, |batch| {
                known::remember(&batch, window);
            }),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => Ok(()),
        }
    }

    pub(super) fn append(&mut self, batch: &RecordBatch, note: &Note) -> Result<Size, OutputError> {
        let mut blank = None;
        if self.is_over() {
            blank = self.open.take_if(|open| !open.state().has_contents());
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let part = Part::new(self.next_number, Timestamp::now());
                self.next_number = self.next_number.saturating_add(1);
                let path = self.workshop.path().join(part.open_name());
                self.open.insert(OpenPart::open(path, part, self.rows, self.compression)?)
            }
        };
        open.append(batch, note)?;
        let size = Size { bytes: open.feather().length(), batches: open.feather().batches() };
        let is_large = self.settings.rotation.size.is_some_and(|most| size.bytes >= most);
        if is_large && open.state().has_contents() {
            self.close()?;
        }
        // What it says of the stream is in the new part now.
        blank.map_or(Ok(()), OpenPart::discard)?;
        Ok(size)
    }

    /// Whether the open part's time is over. The times are those of the clock: with an hour, parts
    /// end with the hour.
    fn is_over(&self) -> bool {
        let (Some(open), Some(time)) = (&self.open, self.settings.rotation.time) else {
            return false;
        };
        let period = |at: Timestamp| at.as_millisecond() / millis(time).max(1);
        period(open.part.begun) != period(Timestamp::now())
    }

    pub(super) fn tend(&mut self) -> Result<(), OutputError> {
        let has_contents = self.open.as_ref().is_some_and(|open| open.state().has_contents());
        if has_contents && self.is_over() {
            self.close()?;
        } else if let Some(open) = &mut self.open {
            open.sync()?;
        }
        self.retain()
    }

    /// Closes the part. One that only says how far the stream was read stays open for the next
    /// start.
    pub(super) fn finish(&mut self) -> Result<(), OutputError> {
        match &mut self.open {
            Some(open) if !open.state().has_contents() && !open.state().is_blank() => open.sync(),
            _ => self.close(),
        }
    }

    fn close(&mut self) -> Result<(), OutputError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if !open.state().has_contents() {
            return open.discard();
        }
        let closed = open.close(&self.settings.folder, self.settings.format)?;
        self.news.push(self.key(&closed));
        self.closed.push_back(closed);
        Ok(())
    }

    pub(super) fn take_closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.news)
    }

    fn key(&self, closed: &ClosedPart) -> Closed {
        let below = closed.path.strip_prefix(&self.settings.folder).unwrap_or(&closed.path);
        let key = below.to_string_lossy().into_owned();
        Closed { path: closed.path.clone(), key, bytes: closed.bytes }
    }

    /// Deletes the oldest parts while there is too much, and those that are too old.
    fn retain(&mut self) -> Result<(), OutputError> {
        let retention = self.settings.retention;
        let open = self.open.as_ref().map_or(0, |open| open.feather().length());
        let bytes = self.closed.iter().map(|closed| closed.bytes);
        let mut total = bytes.fold(open, u64::saturating_add);
        while let Some(oldest) = self.closed.front() {
            let too_much = retention.bytes.is_some_and(|most| total > most);
            let age = Timestamp::now().as_millisecond() - oldest.part.begun.as_millisecond();
            let too_old = retention.age.is_some_and(|longest| age > millis(longest));
            // The newest says where to go on, if there is no open one.
            let is_needed = self.closed.len() == 1 && self.open.is_none();
            if is_needed || !(too_much || too_old) {
                return Ok(());
            }
            match fs::remove_file(&oldest.path) {
                // Somebody else has deleted it.
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

/// Makes the folder of all parts.
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

/// Removes the folders of a part that was the last in them.
pub(super) fn remove_empty_folders(path: &Path, output: &Path) {
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != output).take(2) {
        // One that has something in it stays.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}
