//! The command `compact`: makes one part of many that follow each other. The proof of the whole follows
//! from those of the parts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use columns::archive::{Archive, ArchiveError, Writer};
use columns::schema::{self, Rows};
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
/// each other. A new part appears in one step, before those that it replaces are deleted.
///
/// # Errors
///
/// If a part does not verify, or nothing can be written.
pub fn compact(
    folder: &Path,
    entries: u64,
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
            compact_log(&place, &log.path(), slug, entries, &mut compacted)?;
        }
    }
    Ok(compacted)
}

fn compact_log(
    place: &Place,
    folder: &Path,
    slug: &str,
    entries: u64,
    compacted: &mut Compacted,
) -> Result<(), CompactError> {
    let parts = whole_parts(parts(folder, slug)?, compacted)?;
    let group_of = |part: &Part| part.span.start() / entries.max(1);
    let belong = |one: &Part, two: &Part| {
        one.span.end() == two.span.start()
            && one.format == two.format
            && group_of(one) == group_of(two)
    };
    for group in parts.chunk_by(belong) {
        let [first, .., last] = group else { continue };
        let Some(span) = Span::new(first.span.start(), last.span.end()) else { continue };
        if span.count() > entries {
            continue;
        }
        let name = part::name(slug, span, first.format);
        let temporary = place.temporary(&name);
        let merged = merge(group, &temporary).and_then(|()| {
            let path = folder.join(&name);
            fs::rename(&temporary, &path).map_err(paths::at(&path))?;
            Ok(paths::sync_folder(folder)?)
        });
        if let Err(error) = merged {
            place.clean()?;
            return Err(error);
        }
        for part in group {
            fs::remove_file(&part.path).map_err(paths::at(&part.path))?;
        }
        compacted.made += 1;
        compacted.replaced += group.len() as u64;
    }
    Ok(())
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

/// Deletes parts that lie within another one, which verifies: an earlier run was killed before it did.
fn whole_parts(parts: Vec<Part>, compacted: &mut Compacted) -> Result<Vec<Part>, CompactError> {
    let mut whole: Vec<Part> = Vec::new();
    for part in parts {
        match whole.last() {
            Some(last) if part.span.end() <= last.span.end() => {
                verified(last)?;
                fs::remove_file(&part.path).map_err(paths::at(&part.path))?;
                compacted.replaced += 1;
            }
            _ => whole.push(part),
        }
    }
    Ok(whole)
}

fn verified(part: &Part) -> Result<(), CompactError> {
    let wrong = |source| CompactError::Verify { path: part.path.clone(), source: Box::new(source) };
    verify(&part.path).map(|_| ()).map_err(wrong)
}

/// Writes the rows of parts that follow each other, with the proof of the whole.
fn merge(group: &[Part], to: &Path) -> Result<(), CompactError> {
    let mut proofs: Vec<Proof> = Vec::new();
    let mut archives = Vec::new();
    for part in group {
        verified(part)?;
        let file = File::open(&part.path).map_err(paths::at(&part.path))?;
        let archive = Archive::open(file).map_err(|it| CompactError::archive(&part.path, it))?;
        let proof = Proof::read(archive.text());
        proofs.push(proof.map_err(|error| CompactError::proof(&part.path, &error))?);
        archives.push((part, archive));
    }
    let [(first, archive), ..] = &archives[..] else { return Ok(()) };
    let with_der = proofs.first().is_some_and(Proof::has_der);
    let schema = schema::schema(Rows::Archive { with_der });
    let file = paths::open(to)?;
    file.set_len(0).map_err(paths::at(to))?;
    let failed = |error| CompactError::archive(to, error);
    let (format, zstd) = (archive.format(), Compression::Zstd);
    let mut writer = Writer::create(file, format, &schema, zstd, GROUP).map_err(failed)?;
    let mut rows = digest::Rows::default();
    for (part, archive) in &archives {
        archive
            .each(|batch| {
                let batch = digest::fill(&batch, &mut rows).map_err(ArchiveError::from)?;
                writer.append(&batch)
            })
            .map_err(|error| CompactError::archive(&part.path, error))?;
    }
    let proof = Proof::join(&proofs, &rows).map_err(|it| CompactError::proof(&first.path, &it))?;
    writer.finish(&proof.seal()).map_err(failed)?;
    Ok(())
}
