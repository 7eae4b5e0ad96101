//! The command `verify`: proves files of archives again, without the network.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use cert::Certificate;
use cert::precertificate::goes_with;
use columns::archive::{Archive, ArchiveError};
use columns::column::ROW_DIGEST;
use columns::schema::{self, Rows};
use columns::{RecordRow, Table, digest};
use ct::Hash;
use ct::leaf::{EntryType, Leaf, LeafEntry};
use ct::merkle::{CompactRange, leaf_hash};
use record::Record;
use serde_json::json;

use super::proof::{Checked, Proof, ProofError};

/// The most wrong rows that are named.
const MOST_NAMED: usize = 20;

/// A file that is not what `backfill` wrote, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// An error of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It cannot be decoded.
    #[error("the file is damaged: {0}")]
    Damaged(ArchiveError),
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The columns are others than those that are written.
    #[error("the columns are not those of an archive of this version: {0}")]
    Columns(String),
    /// Rows that are not what was written.
    #[error("{}", wrong_rows(.0, *.1))]
    Rows(Vec<WrongRow>, u64),
    /// Every row has its digest, but the rows are others.
    #[error("rows were added, removed or moved, or changed together with their digests")]
    Sequence,
    /// An index is missing or there twice.
    #[error("entry {0} is missing, or there twice")]
    Index(u64),
    /// The leaf hashes are not those of the log.
    #[error("the leaf hashes do not lead to the tree under the signed head")]
    Tree,
    /// Rows cannot be made again.
    #[error("rows cannot be made: {0}")]
    Arrow(#[from] ArrowError),
}

impl From<ArchiveError> for VerifyError {
    fn from(error: ArchiveError) -> Self {
        let is_of_system = error.system_error().is_some_and(|error| error.raw_os_error().is_some());
        if is_of_system {
            Self::Io(io::Error::other(error.to_string()))
        } else {
            Self::Damaged(error)
        }
    }
}

impl VerifyError {
    /// Reports whether the file could not be read at all, which says nothing about its contents.
    #[must_use]
    pub const fn is_io(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

/// A row that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRow {
    /// Its number in the file, from 0.
    pub row: u64,
    /// The entry that it says it is.
    pub index: Option<u64>,
    /// The columns concerned, or the digest.
    pub what: String,
}

impl fmt::Display for WrongRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, index, what } = self;
        match index {
            Some(index) => write!(f, "row {row} (entry {index}): {what}"),
            None => write!(f, "row {row}: {what}"),
        }
    }
}

fn wrong_rows(rows: &[WrongRow], count: u64) -> String {
    let named: Vec<_> = rows.iter().map(ToString::to_string).collect();
    let more = count.saturating_sub(rows.len() as u64);
    let more = if more > 0 { format!("; and {more} more rows") } else { String::new() };
    format!("{}{more}", named.join("; "))
}

/// The extent of what was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every column was computed again from the leaves and certificates.
    Recomputed,
    /// The leaf hashes are the log's; the other values are those that were written.
    Digests,
}

/// A file that is what it says.
#[derive(Debug)]
pub struct Verified {
    checked: Checked,
    /// The number of rows.
    pub rows: u64,
    /// The extent of the proof.
    pub level: Level,
    /// Precertificates that do not belong to their leaf. No tree covers them: the log may have served
    /// them so, or they were changed later.
    pub mismatched: u64,
    /// The index of the first of them.
    first_mismatched: Option<u64>,
}

/// Returns the files to verify: those given, and those of archives below folders.
///
/// # Errors
///
/// If a folder cannot be read.
pub fn files(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for path in paths {
        if fs::metadata(path).is_ok_and(|it| it.is_dir()) {
            folders.push(path.clone());
        } else {
            files.push(path.clone());
        }
    }
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            let is_part = path.extension().is_some_and(|it| it == "parquet" || it == "feather");
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if is_part {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Verifies a file.
///
/// # Errors
///
/// Says what is wrong, and in which row.
pub fn verify(path: &Path) -> Result<Verified, VerifyError> {
    let archive = Archive::open(File::open(path)?)?;
    let checked = Proof::read(archive.text())?.check()?;
    let expected = schema::schema(Rows::Archive { with_der: checked.with_der });
    check_columns(archive.schema(), &expected)?;
    let mut rows = RowChecks::new(&checked, expected);
    archive.each(|batch| rows.batch(&batch))?;
    let RowChecks { digest, wrong, wrong_count, tree, mismatched, first_mismatched, .. } = rows;
    if wrong_count > 0 {
        return Err(VerifyError::Rows(wrong, wrong_count));
    }
    if digest.digest() != checked.rows {
        return Err(VerifyError::Sequence);
    }
    tree.check(&checked.after)?;
    let level = if checked.with_der { Level::Recomputed } else { Level::Digests };
    Ok(Verified { checked, rows: digest.count(), level, mismatched, first_mismatched })
}

fn check_columns(found: &SchemaRef, expected: &SchemaRef) -> Result<(), VerifyError> {
    let names = |schema: &SchemaRef| -> Vec<String> {
        schema.fields().iter().map(|it| it.name().clone()).collect()
    };
    let (found, expected) = (names(found), names(expected));
    if found == expected { Ok(()) } else { Err(VerifyError::Columns(found.join(", "))) }
}

/// The tree of the rows so far. Rows in another order than that of their indexes take memory.
struct RowTree {
    tree: CompactRange,
    /// Leaf hashes that did not come in their turn, with their indexes: at most one for each entry.
    others: Vec<(u64, Hash)>,
    /// The size of the tree after the part.
    end: u64,
    /// The first index that cannot be one of the part's.
    strange: Option<u64>,
}

impl RowTree {
    fn push(&mut self, index: u64, hash: Hash) {
        let left = self.end.saturating_sub(self.tree.size());
        if index == self.tree.size() && left > 0 {
            self.tree.push(hash);
        } else if index > self.tree.size() && index < self.end && (self.others.len() as u64) < left
        {
            self.others.push((index, hash));
        } else {
            self.strange.get_or_insert(index);
        }
    }

    /// Checks that it is the tree after the part.
    fn check(self, after: &CompactRange) -> Result<(), VerifyError> {
        let Self { mut tree, mut others, strange, .. } = self;
        if let Some(index) = strange {
            return Err(VerifyError::Index(index));
        }
        others.sort_unstable();
        for (index, hash) in others {
            if index != tree.size() {
                return Err(VerifyError::Index(index.min(tree.size())));
            }
            tree.push(hash);
        }
        if tree.size() != after.size() {
            return Err(VerifyError::Index(tree.size()));
        }
        if tree == *after { Ok(()) } else { Err(VerifyError::Tree) }
    }
}

/// The checks of the rows, batch by batch.
struct RowChecks<'a> {
    checked: &'a Checked,
    schema: SchemaRef,
    digest: digest::Rows,
    wrong: Vec<WrongRow>,
    wrong_count: u64,
    tree: RowTree,
    mismatched: u64,
    first_mismatched: Option<u64>,
}

/// The columns of a batch that rows are made again from.
struct Sources<'a> {
    index: &'a ArrayRef,
    leaf_hash: &'a ArrayRef,
    digest: &'a ArrayRef,
    der: Option<&'a ArrayRef>,
    leaf: Option<&'a ArrayRef>,
}

impl<'a> Sources<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, VerifyError> {
        let column = |name: &str| {
            let missing = || VerifyError::Columns(format!("{name} is missing"));
            batch.column_by_name(name).ok_or_else(missing)
        };
        let number = |name| {
            let column = column(name)?;
            let is_number = column.as_primitive_opt::<UInt64Type>().is_some();
            if is_number {
                Ok(column)
            } else {
                Err(VerifyError::Columns(format!("{name} is no number")))
            }
        };
        let binary = |name| {
            let column = column(name)?;
            let is_binary = column.as_binary_opt::<i32>().is_some();
            if is_binary {
                Ok(column)
            } else {
                Err(VerifyError::Columns(format!("{name} is not binary")))
            }
        };
        Ok(Self {
            index: number("cert_index")?,
            digest: number(ROW_DIGEST)?,
            leaf_hash: binary("leaf_hash")?,
            der: binary("as_der").ok(),
            leaf: binary("leaf").ok(),
        })
    }

    fn index(&self, row: usize) -> Option<u64> {
        self.index.is_valid(row).then(|| self.index.as_primitive::<UInt64Type>().value(row))
    }

    fn digest(&self, row: usize) -> Option<u64> {
        self.digest.is_valid(row).then(|| self.digest.as_primitive::<UInt64Type>().value(row))
    }

    fn leaf_hash(&self, row: usize) -> Option<Hash> {
        let hash = bytes(self.leaf_hash, row)?;
        hash.try_into().ok()
    }
}

fn bytes(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    column.is_valid(row).then(|| column.as_binary::<i32>().value(row))
}

/// The values of an entry that its leaf gives.
struct OfLeaf {
    submitted: u64,
    kind: EntryType,
    /// True if the certificate is not the one of the leaf.
    is_other: bool,
    /// True if it is not known that the leaf was made of the precertificate, which no tree hash covers.
    is_mismatched: bool,
}

/// Reads a leaf and compares it with the certificate beside it.
fn of_leaf(leaf: Option<&[u8]>, der: &[u8]) -> OfLeaf {
    let undecoded =
        OfLeaf { submitted: 0, kind: EntryType::X509, is_other: false, is_mismatched: false };
    let Some(bytes) = leaf else { return undecoded };
    let Ok((leaf, _)) = Leaf::parse_front(bytes) else {
        // The certificate is the bytes of the entry, which begin with or are the leaf.
        let timestamped_entry = bytes.get(2..).unwrap_or_default();
        let is_other = der != bytes && !der.starts_with(timestamped_entry);
        return OfLeaf { is_other, ..undecoded };
    };
    let (submitted, kind) = (leaf.timestamp, leaf.entry_type());
    let (is_other, is_mismatched) = match leaf.entry {
        LeafEntry::X509 { certificate } => (certificate != der, false),
        LeafEntry::Precert { tbs, .. } => {
            (false, tbs != der && goes_with(der, tbs, None) != Some(true))
        }
    };
    OfLeaf { submitted, kind, is_other, is_mismatched }
}

impl<'a> RowChecks<'a> {
    fn new(checked: &'a Checked, schema: SchemaRef) -> Self {
        let digest = digest::Rows::default();
        let (tree, end) = (checked.before.clone(), checked.after.size());
        let tree = RowTree { tree, others: Vec::new(), end, strange: None };
        let (wrong, wrong_count, mismatched, first_mismatched) = (Vec::new(), 0, 0, None);
        Self { checked, schema, digest, wrong, wrong_count, tree, mismatched, first_mismatched }
    }

    fn wrong(&mut self, row: u64, index: Option<u64>, what: String) {
        self.wrong_count += 1;
        if self.wrong.len() < MOST_NAMED {
            self.wrong.push(WrongRow { row, index, what });
        }
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<(), VerifyError> {
        let sources = Sources::of(batch)?;
        let mut differences = vec![Vec::new(); batch.num_rows()];
        if self.checked.with_der {
            self.recompute(batch, &sources, &mut differences)?;
        }
        let first = self.digest.count();
        for (row, digest) in digest::of_rows(batch).iter().enumerate() {
            let (number, index) = (first + row as u64, sources.index(row));
            let mut columns = std::mem::take(&mut differences[row]);
            let has_digest = sources.digest(row) == Some(digest::value(digest));
            if !columns.is_empty() {
                columns.dedup();
                let what = format!("{} differ from what the entry says", columns.join(", "));
                self.wrong(number, index, what);
            } else if !has_digest {
                self.wrong(number, index, "the values do not have the row's digest".to_owned());
            }
            self.digest.push(digest);
            match index.zip(sources.leaf_hash(row)) {
                Some((index, hash)) => self.tree.push(index, hash),
                None if has_digest => {
                    self.wrong(number, index, "it has no index or no leaf hash".to_owned());
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Makes every row again from its leaf and certificate, and notes the columns that differ.
    fn recompute(
        &mut self,
        batch: &RecordBatch,
        sources: &Sources<'_>,
        differences: &mut [Vec<String>],
    ) -> Result<(), VerifyError> {
        let (Some(ders), Some(leaves)) = (sources.der, sources.leaf) else {
            return Err(VerifyError::Columns("as_der or leaf is missing".to_owned()));
        };
        let mut table = Table::new(&self.schema);
        for (row, differences) in differences.iter_mut().enumerate() {
            let der = bytes(ders, row).unwrap_or_default();
            let leaf = bytes(leaves, row);
            let hash = sources.leaf_hash(row).unwrap_or_default();
            // Only an empty leaf is null.
            if leaf_hash(leaf.unwrap_or_default()) != hash {
                differences.push("leaf or leaf_hash".to_owned());
            }
            let OfLeaf { submitted, kind, is_other, is_mismatched } = of_leaf(leaf, der);
            if is_other {
                differences.push("as_der".to_owned());
            }
            if is_mismatched {
                self.mismatched += 1;
                self.first_mismatched = self.first_mismatched.or_else(|| sources.index(row));
            }
            let index = sources.index(row).unwrap_or_default();
            let der = bytes::Bytes::copy_from_slice(der);
            let record = Record::as_read(index, submitted, kind, der, Vec::new());
            let certificate = Certificate::read(&record.certificate);
            let row = RecordRow::new(0, &record, &certificate, &self.checked.log)
                .with_leaf(&hash, leaf.unwrap_or_default());
            table.push(&row, 0);
        }
        compare(&table.take()?, batch, differences);
        Ok(())
    }
}

/// Notes the columns in which the rows of two batches differ.
fn compare(expected: &RecordBatch, found: &RecordBatch, differences: &mut [Vec<String>]) {
    let schema = expected.schema();
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let columns = schema.fields().iter().zip(expected.columns()).zip(found.columns());
    for ((field, expected), found) in columns {
        if field.name() == ROW_DIGEST {
            continue;
        }
        for (row, differences) in differences.iter_mut().enumerate() {
            one.clear();
            two.clear();
            digest::cell(expected, row, &mut one);
            digest::cell(found, row, &mut two);
            if one != two {
                differences.push(field.name().clone());
            }
        }
    }
}

impl Verified {
    /// Returns the result as JSON, for programs.
    #[must_use]
    pub fn json(&self, path: &Path) -> serde_json::Value {
        let Checked { log, head, before, after, .. } = &self.checked;
        json!({
            "path": path.to_string_lossy(),
            "verified": true,
            "level": match self.level { Level::Recomputed => "recomputed", Level::Digests => "digests" },
            "rows": self.rows,
            "log": log.name,
            "log_id": log.id.map(|id| id.to_string()),
            "start": before.size(),
            "end": after.size(),
            "head_size": head.size,
            "head_timestamp": head.timestamp,
            "mismatched_precertificates": self.mismatched,
            "first_mismatched": self.first_mismatched,
        })
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { log, head, before, after, .. } = &self.checked;
        let (start, last) = (before.size(), after.size().saturating_sub(1));
        let (id, name) = (log.id.map(|id| id.to_string()), client::text::shown(&log.name));
        write!(f, "entries {start} to {last} of {name} (LogID {}): ", id.unwrap_or_default())?;
        match self.level {
            Level::Recomputed => {
                write!(f, "every column follows from the leaves and certificates, ")?;
            }
            Level::Digests => write!(f, "the values are those that were written, ")?,
        }
        write!(f, "and the leaf hashes are those under the signed head of {} entries", head.size)?;
        if let Some(first) = self.first_mismatched {
            write!(
                f,
                "; but {} precertificates, the first at entry {first}, do not belong to their leaves, \
                 so nothing proves them",
                self.mismatched
            )?;
        }
        Ok(())
    }
}
