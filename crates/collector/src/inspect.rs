//! The commands `inspect` and `repair`: the contents of a file or a folder of parts, for people and
//! programs, and the repair of a file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::SchemaRef;
use client::text::shown;
use columns::feather::{Feather, FeatherError, scan};
use columns::{Compression, schema};
use jiff::Timestamp;
use serde_json::json;

use crate::output::paths::{self, PathError};
use crate::output::{Found, OutputError, find, footer_pairs, state_of};
use crate::state::State;

/// Most sources that are listed; others are counted together.
const MAX_SOURCES: usize = 1_000;
/// Most gaps that are listed in the text.
const MAX_SHOWN: usize = 20;

/// A file that cannot be inspected or repaired.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It cannot be read, or is not ours.
    #[error("{path}: {source}")]
    Feather {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: FeatherError,
    },
    /// A path that is refused, or an error of the system.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It cannot be read as Parquet.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A folder without parts.
    #[error("{0}: this folder contains no parts written by certstream-arrow")]
    NoParts(PathBuf),
    /// A collector writes to it.
    #[error("{0}: a running certstream-arrow writes to this file, and repairs it when it starts")]
    Locked(PathBuf),
    /// This program cannot read Parquet.
    #[cfg(not(feature = "parquet"))]
    #[error("{0}: this program was built without parquet (cargo feature parquet)")]
    NoParquet(PathBuf),
    /// A Parquet file, which cannot be incomplete.
    #[error("{0}: only Feather files need repairs; a Parquet file is complete or absent")]
    NotFeather(PathBuf),
}

/// The contents of a file or a folder.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    format: &'static str,
    /// The number of parts, of a folder.
    parts: Option<Parts>,
    bytes: u64,
    /// The bytes after the last whole batch that are not a valid footer.
    torn: u64,
    batches: Option<usize>,
    schema: SchemaRef,
    state: State,
    contents: Contents,
}

/// The numbers of parts of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    closed: usize,
    open: usize,
}

/// The summary of the rows.
#[derive(Debug, Default)]
struct Contents {
    seen: Option<(i64, i64)>,
    sources: BTreeMap<String, u64>,
}

/// Inspects a file, or all parts of a folder, also while a collector writes to it.
///
/// # Errors
///
/// If it cannot be read, or is not ours.
pub fn inspect(path: &Path) -> Result<Report, InspectError> {
    let file =
        File::open(path).map_err(|source| PathError::Io { path: path.to_owned(), source })?;
    let is_folder = file.metadata().is_ok_and(|metadata| metadata.is_dir());
    if is_folder { inspect_folder(path) } else { inspect_file(path, &file) }
}

fn inspect_folder(path: &Path) -> Result<Report, InspectError> {
    // `.` has no name, so there is no staging folder beside it.
    let folder = std::path::absolute(path)
        .map_err(|source| PathError::Io { path: path.to_owned(), source })?;
    let Found { open, closed, .. } = find(&folder)?;
    let parts = Parts { closed: closed.len(), open: open.len() };
    let all = closed.into_iter().map(|closed| closed.path).chain(open.into_iter().map(|it| it.1));
    let mut whole: Option<Report> = None;
    for part in all {
        let file = match File::open(&part) {
            // It was closed, or deleted for its age, meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(|source| PathError::Io { path: part.clone(), source })?,
        };
        let report = inspect_file(&part, &file)?;
        match &mut whole {
            Some(whole) => whole.extend(report),
            None => whole = Some(report),
        }
    }
    let whole = whole.ok_or_else(|| InspectError::NoParts(path.to_owned()))?;
    Ok(Report {
        path: path.to_owned(),
        format: "folder",
        parts: Some(parts),
        batches: None,
        ..whole
    })
}

fn inspect_file(path: &Path, file: &File) -> Result<Report, InspectError> {
    if is_parquet(file) {
        return inspect_parquet(path, file);
    }
    let failed = |source| InspectError::Feather { path: path.to_owned(), source };
    let scanned = scan(file).map_err(failed)?;
    let mut contents = Contents::default();
    for batch in scanned.reader(file).columns(&Contents::COLUMNS, 0) {
        contents.add(&batch.map_err(failed)?);
    }
    Ok(Report {
        path: path.to_owned(),
        format: "feather",
        parts: None,
        bytes: scanned.length,
        torn: if scanned.is_whole { 0 } else { scanned.length - scanned.end },
        batches: Some(scanned.blocks.len()),
        state: state_of(&scanned),
        schema: scanned.schema,
        contents,
    })
}

fn is_parquet(file: &File) -> bool {
    use std::os::unix::fs::FileExt as _;
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"PAR1"
}

#[cfg(feature = "parquet")]
fn inspect_parquet(path: &Path, file: &File) -> Result<Report, InspectError> {
    use crate::output::parquet;
    let mut contents = Contents::default();
    parquet::columns(path, &Contents::COLUMNS, |batch| contents.add(&batch))?;
    let bytes = file.metadata().map(|metadata| metadata.len());
    Ok(Report {
        path: path.to_owned(),
        format: "parquet",
        parts: None,
        bytes: bytes.map_err(|source| PathError::Io { path: path.to_owned(), source })?,
        torn: 0,
        batches: None,
        schema: parquet::open(path)?.schema(),
        state: parquet::state(path)?,
        contents,
    })
}

#[cfg(not(feature = "parquet"))]
fn inspect_parquet(path: &Path, _: &File) -> Result<Report, InspectError> {
    Err(InspectError::NoParquet(path.to_owned()))
}

/// Repairs a file, and returns a description of the repair.
///
/// # Errors
///
/// If a collector writes to it, it cannot be read, or is not ours.
pub fn repair(path: &Path) -> Result<String, InspectError> {
    let failed = |source| InspectError::Feather { path: path.to_owned(), source };
    // A missing file is not created.
    drop(File::open(path).map_err(|source| PathError::Io { path: path.to_owned(), source })?);
    let file = paths::open(path)?;
    if is_parquet(&file) {
        return Err(InspectError::NotFeather(path.to_owned()));
    }
    if file.try_lock().is_err() {
        return Err(InspectError::Locked(path.to_owned()));
    }
    let scanned = scan(&file).map_err(failed)?;
    let pairs = footer_pairs(path, &state_of(&scanned))?;
    let (feather, repair) =
        Feather::open(file, scanned, Compression::default(), &pairs).map_err(failed)?;
    let (rows, batches) = (feather.rows(), feather.batches());
    let what = match (repair.was_torn, repair.dropped) {
        (false, _) => "is complete; nothing was changed".to_owned(),
        (true, dropped) => format!("repaired; dropped {dropped} bytes of an incomplete batch"),
    };
    Ok(format!("{}: {what}; {rows} rows in {batches} batches", path.display()))
}

impl Contents {
    const COLUMNS: [&'static str; 3] = ["seen", "source_name", "source_url"];

    fn add(&mut self, batch: &RecordBatch) {
        let seen = batch.column_by_name("seen");
        if let Some(seen) = seen.and_then(|it| it.as_primitive_opt::<TimestampMillisecondType>()) {
            for at in seen.iter().flatten() {
                self.add_time(at);
            }
        }
        let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
        let Some(names) = text("source_name").or_else(|| text("source_url")) else { return };
        let urls = text("source_url").unwrap_or(names);
        for row in 0..batch.num_rows() {
            let column = if names.is_valid(row) { names } else { urls };
            let name = if column.is_valid(row) { column.value(row) } else { "(not said)" };
            self.add_source(name, 1);
        }
    }

    fn add_time(&mut self, at: i64) {
        let (first, last) = self.seen.unwrap_or((at, at));
        self.seen = Some((first.min(at), last.max(at)));
    }

    fn add_source(&mut self, name: &str, rows: u64) {
        let has_room = self.sources.len() < MAX_SOURCES;
        if let Some(count) = self.sources.get_mut(name) {
            *count += rows;
        } else {
            let name = if has_room { name } else { "(others)" };
            *self.sources.entry(name.to_owned()).or_default() += rows;
        }
    }

    fn extend(&mut self, other: &Self) {
        for at in other.seen.into_iter().flat_map(|(first, last)| [first, last]) {
            self.add_time(at);
        }
        for (name, rows) in &other.sources {
            self.add_source(name, *rows);
        }
    }
}

impl Report {
    /// Adds the next part of a folder.
    fn extend(&mut self, next: Self) {
        self.bytes += next.bytes;
        self.torn += next.torn;
        self.schema = next.schema;
        self.state.extend(&next.state);
        self.contents.extend(&next.contents);
    }

    fn times(&self) -> Option<(String, String)> {
        let text = |at: i64| Timestamp::from_millisecond(at).ok().map(|at| at.to_string());
        self.contents.seen.and_then(|(first, last)| Some((text(first)?, text(last)?)))
    }

    /// Returns the report as JSON, for programs.
    #[must_use]
    pub fn json(&self) -> String {
        let columns = self.schema.fields().iter();
        let columns: Vec<_> = columns
            .map(|it| json!({ "name": it.name(), "type": it.data_type().to_string() }))
            .collect();
        let gaps: Vec<_> = self.state.gaps.listed().collect();
        let (first, last) = self.times().unzip();
        let text = json!({
            "path": self.path.to_string_lossy(),
            "format": self.format,
            "parts": self.parts.map(|parts| parts.closed),
            "open_parts": self.parts.map(|parts| parts.open),
            "bytes": self.bytes,
            "torn_bytes": self.torn,
            "batches": self.batches,
            "rows": self.state.rows,
            "rows_of": schema::rows_of(&self.schema),
            "schema": schema::version(&self.schema).ok(),
            "columns": columns,
            "offset": self.state.offset,
            "server": self.state.server,
            "first_seen": first,
            "last_seen": last,
            "sources": self.contents.sources,
            "gap_count": self.state.gaps.count(),
            "open_gap_count": self.state.gaps.open(),
            "gaps": gaps,
        })
        .to_string();
        // JSON escapes only the control characters of ASCII; others control terminals too.
        let escape = |c: char| {
            let code = u32::from(c);
            if c.is_control() { format!("\\u{code:04x}") } else { c.to_string() }
        };
        text.chars().map(escape).collect()
    }

    fn write_gaps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gaps = &self.state.gaps;
        writeln!(f, "gaps:     {} ({} with something missing)", gaps.count(), gaps.open())?;
        let hidden = gaps.listed().len().saturating_sub(MAX_SHOWN);
        if hidden > 0 {
            writeln!(f, "  … {hidden} older ones (--json lists them)")?;
        }
        for gap in gaps.listed().skip(hidden) {
            let at = i64::try_from(gap.at).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
            let at = at.map_or_else(|| gap.at.to_string(), |at| at.to_string());
            let missing = gap.missing.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
            let after = gap.after.map_or_else(String::new, |offset| format!(" after {offset}"));
            writeln!(f, "  {at} {}{after}: {missing} missing", shown(&gap.reason))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, format, parts, bytes, torn, batches, schema, state, contents } = self;
        let version = schema::version(schema).unwrap_or_default();
        writeln!(f, "{}: {format}, {bytes} bytes", shown(&path.to_string_lossy()))?;
        if let Some(Parts { closed, open }) = parts {
            writeln!(f, "parts:    {closed} closed, {open} open")?;
        }
        if *torn > 0 {
            let advice = "the collector repairs it when it starts, `repair` without it";
            writeln!(f, "torn:     the last {torn} bytes are an incomplete batch; {advice}")?;
        }
        write!(f, "rows:     {} of {}", state.rows, shown(schema::rows_of(schema)))?;
        match batches {
            Some(batches) => writeln!(f, " in {batches} batches")?,
            None => writeln!(f)?,
        }
        match self.times() {
            Some((first, last)) => writeln!(f, "seen:     {first} to {last}")?,
            None => writeln!(f, "seen:     nothing")?,
        }
        let offset = state.offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
        let server = state.server.as_deref().unwrap_or("no server");
        writeln!(f, "offset:   {offset} of {}", shown(server))?;
        self.write_gaps(f)?;
        writeln!(f, "sources:  {}", contents.sources.len())?;
        for (name, count) in &contents.sources {
            writeln!(f, "  {count:>10} {}", shown(name))?;
        }
        writeln!(f, "columns:  {} (schema {version})", schema.fields().len())?;
        for field in schema.fields() {
            let data_type = field.data_type().to_string();
            writeln!(f, "  {:<20} {}", shown(field.name()), shown(&data_type))?;
        }
        Ok(())
    }
}
