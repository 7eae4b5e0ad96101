//! The command `compact`: makes one part of many that follow each other. The proof of the whole follows
//! from those of the parts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use columns::archive::{Archive, ArchiveError, Writer};
use columns::schema::{self, Rows};
use columns::sorted::{self, Sorter};
use columns::{Compression, digest};

use super::part::{self, Span};
use super::place::{Place, PlaceError};
use super::proof::{Proof, ProofError};
use super::verify::{VerifyError, verify};
use crate::output::OutputError;
use crate::output::paths;
use crate::settings::Format;

/// Rows of a row group.
const GROUP: usize = 1 << 16;

/// An archive that cannot be compacted.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The folder or a file cannot be read or written.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A part is not what was written. It stays as it is.
    #[error("{path}: {source}; nothing is made of a part that does not verify")]
    Verify {
        /// The part.
        path: PathBuf,
        /// The reason.
        source: Box<VerifyError>,
    },
    /// The proofs of two parts do not belong together.
    #[error("{path}: {reason}")]
    Proof {
        /// The part.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl CompactError {
    fn archive(path: &Path, error: ArchiveError) -> Self {
        Self::Place(OutputError::archive(path, error).into())
    }

    fn proof(path: &Path, error: &ProofError) -> Self {
        Self::Proof { path: path.to_owned(), reason: error.to_string() }
    }
}

impl From<paths::PathError> for CompactError {
    fn from(error: paths::PathError) -> Self {
        Self::Place(error.into())
    }
}

/// The result of compacting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Parts that were replaced.
    pub replaced: u64,
    /// Parts that were made of them.
    pub made: u64,
}

/// A part of an archive.
#[derive(Clone, Debug)]
struct Part {
    span: Span,
    format: Format,
    path: PathBuf,
}

/// Makes parts of at most `entries` entries, which begin at multiples of it, of smaller parts that follow
/// each other. With `by_name`, the rows of all parts are sorted by name; parts that are, stay so. A new part
/// is verified and appears in one step, before those that it replaces are deleted.
///
/// # Errors
///
/// If a part does not verify, or nothing can be written.
pub fn compact(
    folder: &Path,
    entries: u64,
    by_name: bool,
    allowed: &[PathBuf],
) -> Result<Compacted, CompactError> {
    fs::metadata(folder).map_err(paths::at(folder))?;
    let place = Place::open(&folder.to_string_lossy(), folder, allowed)?;
    let mut compacted = Compacted::default();
    let mut logs: Vec<_> = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(paths::at(folder))?;
    logs.sort_by_key(fs::DirEntry::path);
    for log in logs {
        let name = log.file_name();
        if let Some(slug) = name.to_str().and_then(|name| name.strip_prefix("log=")) {
            let log = LogParts { place: &place, folder: log.path(), slug, by_name };
            log.compact(entries, &mut compacted)?;
        }
    }
    Ok(compacted)
}

/// The parts of a log.
struct LogParts<'a> {
    place: &'a Place,
    folder: PathBuf,
    slug: &'a str,
    by_name: bool,
}

impl LogParts<'_> {
    fn compact(&self, entries: u64, compacted: &mut Compacted) -> Result<(), CompactError> {
        let parts = whole_parts(parts(&self.folder, self.slug)?, self.slug, compacted)?;
        let group_of = |part: &Part| part.span.start() / entries.max(1);
        let belong = |one: &Part, two: &Part| {
            one.span.end() == two.span.start()
                && one.format == two.format
                && group_of(one) == group_of(two)
        };
        for group in parts.chunk_by(belong) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let Some(span) = Span::new(first.span.start(), last.span.end()) else { continue };
            if group.len() > 1 && span.count() > entries {
                continue;
            }
            let sorted = sorted_parts(group)?;
            let by_name = self.by_name || sorted > 0;
            if group.len() == 1 && (sorted == 1 || !by_name) {
                continue;
            }
            self.replace(group, span, by_name)?;
            compacted.made += 1;
            compacted.replaced += group.len() as u64;
        }
        Ok(())
    }

    /// Makes one part of several.
    fn replace(&self, group: &[Part], span: Span, by_name: bool) -> Result<(), CompactError> {
        let Some(first) = group.first() else { return Ok(()) };
        let name = part::name(self.slug, span, first.format);
        let path = self.folder.join(&name);
        let temporary = self.place.temporary(&name);
        let order = by_name.then(|| self.place.staging());
        let made = merge(group, self.slug, &temporary, order).and_then(|()| {
            verified(&temporary)?;
            fs::rename(&temporary, &path).map_err(paths::at(&path))?;
            Ok(paths::sync_folder(&self.folder)?)
        });
        if let Err(error) = made {
            self.place.clean()?;
            return Err(error);
        }
        // A part that only was sorted has the same name.
        for part in group.iter().filter(|part| part.path != path) {
            fs::remove_file(&part.path).map_err(paths::at(&part.path))?;
        }
        Ok(())
    }
}

fn open(part: &Part) -> Result<Archive, CompactError> {
    let file = File::open(&part.path).map_err(paths::at(&part.path))?;
    Archive::open(file).map_err(|error| CompactError::archive(&part.path, error))
}

/// Returns the number of parts whose rows are sorted by name.
fn sorted_parts(group: &[Part]) -> Result<usize, CompactError> {
    let mut count = 0;
    for part in group {
        count += usize::from(sorted::is_sorted(open(part)?.schema()));
    }
    Ok(count)
}

/// Returns the parts of a log in the order of their indexes, of those with one beginning the largest first.
fn parts(folder: &Path, slug: &str) -> Result<Vec<Part>, CompactError> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder).map_err(paths::at(folder))? {
        let entry = entry.map_err(paths::at(folder))?;
        let name = entry.file_name();
        if let Some((span, format)) = name.to_str().and_then(|name| part::parse(slug, name)) {
            parts.push(Part { span, format, path: entry.path() });
        }
    }
    parts.sort_by_key(|part| (part.span.start(), u64::MAX - part.span.end()));
    Ok(parts)
}

/// Deletes parts that lie within another one, which is proved to have their entries and at least their
/// columns: an earlier run was killed before it did.
fn whole_parts(
    parts: Vec<Part>,
    slug: &str,
    compacted: &mut Compacted,
) -> Result<Vec<Part>, CompactError> {
    let mut whole: Vec<Part> = Vec::new();
    for part in parts {
        match whole.last() {
            Some(last) if part.span.end() <= last.span.end() => {
                let (_, proof) = proved(last, slug)?;
                if !proof.has_der() && proof_of(&part)?.has_der() {
                    let reason =
                        format!("it lies within {} and has more columns", last.path.display());
                    return Err(CompactError::proof(&part.path, &ProofError::Wrong(reason)));
                }
                fs::remove_file(&part.path).map_err(paths::at(&part.path))?;
                compacted.replaced += 1;
            }
            _ => whole.push(part),
        }
    }
    Ok(whole)
}

fn verified(path: &Path) -> Result<(), CompactError> {
    verify(path).map(|_| ()).map_err(|error| match error {
        VerifyError::Io(error) => paths::at(path)(error).into(),
        error => CompactError::Verify { path: path.to_owned(), source: Box::new(error) },
    })
}

/// Opens a part that verifies, and is the one that its name says.
fn proved(part: &Part, slug: &str) -> Result<(Archive, Proof), CompactError> {
    verified(&part.path)?;
    let archive = open(part)?;
    let wrong = |error: &ProofError| CompactError::proof(&part.path, error);
    let proof = proof_of(part)?;
    let (id, span) = proof.span().map_err(|error| wrong(&error))?;
    // The name of a log ends with the beginning of its id.
    if span != part.span || !slug.ends_with(&part::slug("", &id)) {
        let reason = "its proof is of another log or range than its name".to_owned();
        return Err(wrong(&ProofError::Wrong(reason)));
    }
    Ok((archive, proof))
}

/// Returns the proof of a part, unverified.
fn proof_of(part: &Part) -> Result<Proof, CompactError> {
    let proof = Proof::read(open(part)?.text());
    proof.map_err(|error| CompactError::proof(&part.path, &error))
}

/// The side at which copying rows failed.
enum CopyError {
    Read(ArchiveError),
    Write(ArchiveError),
}

impl From<ArchiveError> for CopyError {
    fn from(error: ArchiveError) -> Self {
        Self::Read(error)
    }
}

/// Writes the rows of parts that follow each other, with the proof of the whole. They are sorted by name
/// if there is a folder for temporary files.
fn merge(group: &[Part], slug: &str, to: &Path, order: Option<&Path>) -> Result<(), CompactError> {
    let mut proofs: Vec<Proof> = Vec::new();
    let mut archives = Vec::new();
    for part in group {
        let (archive, proof) = proved(part, slug)?;
        proofs.push(proof);
        archives.push((part, archive));
    }
    let [(first, archive), ..] = &archives[..] else { return Ok(()) };
    let with_der = proofs.first().is_some_and(Proof::has_der);
    let schema = schema::schema(Rows::Archive { with_der });
    let schema = if order.is_some() { sorted::schema(&schema) } else { schema };
    let file = paths::open(to)?;
    file.set_len(0).map_err(paths::at(to))?;
    let failed = |error| CompactError::archive(to, error);
    let (format, zstd) = (archive.format(), Compression::Zstd);
    let mut writer = Writer::create(file, format, &schema, zstd, GROUP).map_err(failed)?;
    let mut rows = digest::Rows::default();
    let mut append = |batch: RecordBatch| {
        let batch = digest::fill(&batch, &mut rows).map_err(ArchiveError::from)?;
        writer.append(&batch)
    };
    let mut sorter = order.map(Sorter::new);
    for (part, archive) in &archives {
        let copied = archive.each(|batch| {
            let written = match &mut sorter {
                Some(sorter) => sorter.push(batch),
                None => append(batch),
            };
            written.map_err(CopyError::Write)
        });
        copied.map_err(|error| match error {
            CopyError::Read(error) => CompactError::archive(&part.path, error),
            CopyError::Write(error) => failed(error),
        })?;
    }
    if let Some(sorter) = sorter {
        sorter.each(append).map_err(failed)?;
    }
    let proof = Proof::join(&proofs, &rows).map_err(|it| CompactError::proof(&first.path, &it))?;
    writer.finish(&proof.seal()).map_err(failed)?;
    Ok(())
}
