//! Names and folders of parts:
//! `date=2026-11-26/hour=18/certs-20261126T185301Z-00000042.feather` below the output. The open part
//! is in a [folder of its own](super::staging), and its name matches no pattern for data files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::paths::{self, PathError};
use super::staging;
use crate::settings::Format;

/// The format of times in names.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// The suffix of a file that is being written.
const TEMPORARY: &str = ".tmp";
/// The suffix of an open part.
const OPEN: &str = ".open";

/// The identity of a part: its number, which only grows, and the time at which it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(super) number: u64,
    /// The time in whole seconds.
    pub(super) begun: Timestamp,
}

impl Part {
    pub(super) fn new(number: u64, begun: Timestamp) -> Self {
        let begun = Timestamp::from_second(begun.as_second()).unwrap_or(begun);
        Self { number, begun }
    }

    fn stem(self) -> String {
        format!("certs-{}-{:08}", self.begun.strftime(TIME), self.number)
    }

    /// Returns the name of the closed part.
    pub(super) fn name(self, format: Format) -> String {
        format!("{}.{}", self.stem(), format.extension())
    }

    /// Returns the name of the open part, which is Feather whatever the format of the closed one.
    pub(super) fn open_name(self) -> String {
        format!("{}{OPEN}", self.stem())
    }

    /// Returns the name under which a closed part is written.
    pub(super) fn temporary_name(self, format: Format) -> String {
        format!("{}{TEMPORARY}", self.name(format))
    }

    /// Returns the folders of the closed part.
    pub(super) fn folders(self) -> [String; 2] {
        let begun = self.begun.to_zoned(TimeZone::UTC);
        [begun.strftime("date=%Y-%m-%d").to_string(), begun.strftime("hour=%H").to_string()]
    }

    fn parse(stem: &str) -> Option<Self> {
        let (begun, number) = stem.strip_prefix("certs-")?.split_once('-')?;
        let begun = jiff::civil::DateTime::strptime(TIME, begun).ok()?;
        let begun = begun.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let part = Self { number: number.parse().ok()?, begun };
        (part.stem() == stem).then_some(part)
    }
}

/// A closed part on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedPart {
    pub(super) part: Part,
    pub(super) format: Format,
    pub(crate) path: PathBuf,
    pub(super) bytes: u64,
}

/// The files found below an output.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Open parts, oldest first; more than one only after a failure.
    pub(crate) open: Vec<(Part, PathBuf)>,
    /// Closed parts, oldest first.
    pub(crate) closed: Vec<ClosedPart>,
    /// Files that were not finished.
    pub(super) unfinished: Vec<PathBuf>,
}

impl Found {
    /// Adds a file from a folder of open parts. Earlier versions had them in the output itself, with
    /// names that begin with a dot.
    fn add(&mut self, name: &str, path: PathBuf) {
        let old = name.strip_prefix('.');
        if old.unwrap_or(name).starts_with("certs-") && name.ends_with(TEMPORARY) {
            self.unfinished.push(path);
            return;
        }
        let stem = name.strip_suffix(OPEN).or_else(|| old?.strip_suffix(".feather"));
        self.open.extend(stem.and_then(Part::parse).map(|part| (part, path)));
    }
}

/// Finds the parts of an output.
pub(crate) fn find(output: &Path) -> Result<Found, PathError> {
    let mut found = Found::default();
    for place in staging::places(output) {
        for (name, path, _) in entries(&place)? {
            found.add(&name, path);
        }
    }
    for (name, path, _) in entries(output)? {
        if !name.starts_with("date=") {
            found.add(&name, path);
        } else {
            for (name, path, _) in entries(&path)? {
                if name.starts_with("hour=") {
                    found.closed.extend(closed_parts(&path)?);
                }
            }
        }
    }
    found.open.sort();
    found.closed.sort_by_key(|closed| closed.part);
    Ok(found)
}

fn closed_parts(folder: &Path) -> Result<Vec<ClosedPart>, PathError> {
    let parts = entries(folder)?.into_iter().filter_map(|(name, path, bytes)| {
        let (stem, extension) = name.rsplit_once('.')?;
        let formats = [Format::Feather, Format::Parquet];
        let format = formats.into_iter().find(|format| format.extension() == extension)?;
        Some(ClosedPart { part: Part::parse(stem)?, format, path, bytes })
    });
    Ok(parts.collect())
}

/// Returns the entries of a folder with their sizes, without links and names that are not text;
/// nothing if it is not a folder, or missing.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf, u64)>, PathError> {
    let mut entries = Vec::new();
    let listed = match fs::read_dir(folder) {
        Err(error)
            if [io::ErrorKind::NotADirectory, io::ErrorKind::NotFound].contains(&error.kind()) =>
        {
            return Ok(entries);
        }
        listed => listed.map_err(paths::at(folder))?,
    };
    for entry in listed {
        let entry = entry.map_err(paths::at(folder))?;
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(paths::at(&entry.path()))?,
        };
        if let Ok(name) = entry.file_name().into_string()
            && !metadata.is_symlink()
        {
            entries.push((name, entry.path(), metadata.len()));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        Part::new(42, "2026-11-26T18:53:01.789Z".parse().unwrap())
    }

    #[test]
    fn names_contain_time_and_number_and_are_parsed_back() {
        let part = part();
        assert_eq!(part.name(Format::Parquet), "certs-20261126T185301Z-00000042.parquet");
        assert_eq!(part.open_name(), "certs-20261126T185301Z-00000042.open");
        assert_eq!(part.folders(), ["date=2026-11-26", "hour=18"]);
        assert_eq!(Part::parse("certs-20261126T185301Z-00000042"), Some(part));
        for other in ["certs-20261126T185301Z-42", "certs-x-00000042", "certs-", "", "é"] {
            assert_eq!(Part::parse(other), None, "{other}");
        }
    }

    #[test]
    fn files_that_are_not_parts_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let hour = paths::make_folders(folder.path(), &["date=2026-11-26", "hour=18"]).unwrap();
        let name = part().name(Format::Feather);
        fs::write(hour.join(&name), "12345").unwrap();
        fs::write(hour.join("other.feather"), "").unwrap();
        fs::write(folder.path().join("date=x"), "").unwrap();
        std::os::unix::fs::symlink(&hour, folder.path().join("date=2026-11-27")).unwrap();
        let old = folder.path().join(".certs-20261126T185301Z-00000042.feather");
        fs::write(&old, "").unwrap();
        let inside = folder.path().join(".certstream-arrow");
        fs::create_dir(&inside).unwrap();
        let open = inside.join(Part::new(43, part().begun).open_name());
        fs::write(&open, "").unwrap();
        let temporary = inside.join(part().temporary_name(Format::Parquet));
        fs::write(&temporary, "").unwrap();
        let found = find(folder.path()).unwrap();
        assert_eq!(found.open, [(part(), old), (Part::new(43, part().begun), open)]);
        let closed =
            ClosedPart { part: part(), format: Format::Feather, path: hour.join(name), bytes: 5 };
        assert_eq!(found.closed, [closed]);
        assert_eq!(found.unfinished, [temporary]);
        assert_eq!(find(&folder.path().join("missing")).unwrap().closed, []);
    }
}
