//! Tiled logs in zip files, as photocamera-archiver (geomys.org/ct-archive) writes those of retired
//! logs: file `NNN.zip` has the tiles below tile NNN of level 2, which are 256³ entries. Each of them
//! also has the checkpoint, the issuers, and the tiles that lead to the tree head.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zip::ZipArchive;
use zip::result::ZipError;

/// Zips that are open at the same time. The list of files of one takes about 50 MB.
const MOST_OPEN: usize = 3;
/// The most bytes that are read for the list of files. That of 256³ entries has about 15 MB.
const LONGEST_LIST: u64 = 32 << 20;
/// The levels of tiles of which each zip has only its own, with the bits of a tile's index that are
/// its place in the zip.
const OWN: [(&str, u32); 4] = [("data", 16), ("0", 16), ("1", 8), ("2", 0)];

type Zip = ZipArchive<Part>;

/// The zips that are open, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct Zips(Mutex<Vec<(PathBuf, Zip)>>);

impl Zips {
    /// Reads a file in a zip, or in the zip of a folder that has it; none if it is larger than `limit`.
    pub(super) fn read(
        &self,
        source: &Path,
        name: &str,
        limit: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        let path = if source.is_dir() { self.find(source, name)? } else { source.to_owned() };
        let in_zip =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let zip = self.open(&path).map_err(in_zip)?;
        read_file(zip, name, limit).map_err(in_zip)
    }

    /// Returns the zip of a folder that has a file, if any zip has it.
    fn find(&self, folder: &Path, name: &str) -> io::Result<PathBuf> {
        if let Some(number) = owner(name) {
            let own = folder.join(format!("{number:03}.zip"));
            if own.is_file() {
                return Ok(own);
            }
            // Tiles on the right edge of the tree are in all zips.
            if !name.contains(".p/") {
                let reason = format!("it is in {number:03}.zip, which is not there");
                return Err(io::Error::other(reason));
            }
        }
        let open = self.0.lock();
        let is_here = |(path, _): &&(PathBuf, Zip)| path.parent() == Some(folder);
        if let Some((path, _)) = open.iter().rfind(is_here) {
            return Ok(path.clone());
        }
        drop(open);
        first(folder)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open(&self, path: &Path) -> io::Result<Zip> {
        let mut open = self.0.lock();
        let known = open.iter().position(|(known, _)| known == path);
        let entry = match known {
            Some(place) => open.remove(place),
            None => (path.to_owned(), open_zip(path)?),
        };
        let zip = entry.1.clone();
        if open.len() >= MOST_OPEN {
            open.remove(0);
        }
        open.push(entry);
        Ok(zip)
    }
}

/// Returns the zip with the smallest number in a folder.
pub(super) fn first(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut first: Option<PathBuf> = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_number = stem.len() >= 3 && stem.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && is_zip(&path) && first.as_ref().is_none_or(|first| path < *first) {
            first = Some(path);
        }
    }
    Ok(first)
}

pub(super) fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// Returns the number of the zip that has a tile; none of files that are in all zips.
fn owner(name: &str) -> Option<u64> {
    let (level, index) = name.strip_prefix("tile/")?.split_once('/')?;
    let (_, bits) = OWN.iter().find(|(own, _)| *own == level)?;
    let mut number: u64 = 0;
    for digits in index.split('/') {
        let (digits, is_last) = match digits.strip_suffix(".p") {
            Some(digits) => (digits, true),
            None => (digits.strip_prefix('x').unwrap_or(digits), false),
        };
        number = number.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        if is_last {
            break;
        }
    }
    Some(number >> bits)
}

fn open_zip(path: &Path) -> io::Result<Zip> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let left = Arc::new(AtomicU64::new(LONGEST_LIST));
    let part = Part { file: Arc::new(file), length, position: 0, left: Arc::clone(&left) };
    let zip = ZipArchive::new(part).map_err(reason)?;
    left.store(u64::MAX, Ordering::Relaxed);
    Ok(zip)
}

/// Reads a file of a zip. `zip` is a copy of the reader's own; the list of files is shared.
fn read_file(mut zip: Zip, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let place = zip.index_for_name_raw(name.as_bytes()).ok_or(io::ErrorKind::NotFound)?;
    let file = zip.by_index(place).map_err(reason)?;
    let most = limit as u64;
    // Compression of what cannot be compressed adds less than this. Empty blocks have no end.
    let most_packed = most + most / 64 + 1024;
    if file.size() > most || file.compressed_size() > most_packed {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

fn reason(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    }
}

/// A file from a position on, of which at most `left` bytes are read.
#[derive(Clone, Debug)]
struct Part {
    file: Arc<File>,
    length: u64,
    position: u64,
    left: Arc<AtomicU64>,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its list of files has more than 32 MB, or its end is missing",
            ));
        }
        let read = match buffer.get_mut(..most) {
            Some(buffer) => self.file.read_at(buffer, self.position)?,
            None => 0,
        };
        self.position = self.position.saturating_add(read as u64);
        if left != u64::MAX {
            self.left.fetch_sub(read as u64, Ordering::Relaxed);
        }
        Ok(read)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests;
