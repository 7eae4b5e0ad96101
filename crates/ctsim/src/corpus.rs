//! Real entries, read from a folder, to be served under the simulator's keys.
//!
//! Two kinds of folders below the given one become a log each, named after the folder:
//! * `rfc6962/<name>/*.json`: get-entries answers, or arrays of objects with `leaf_input` and
//!   `extra_data`; in the order of the file names, other files passed over;
//! * `tiles/<name>/tile/data/...`: the full data tiles of a static log from 0 on. The chains'
//!   fingerprints are left out, since the certificates they name are not there.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ct::leaf::{Leaf, LeafEntry, LeafError};
use ct::tile::{TILE_WIDTH, Tile, TileKind, TileLeaf};
use serde::Deserialize;
use thiserror::Error;

use crate::Protocol;
use crate::log::entries::put_opaque24;

/// The real entries found in a folder.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// One for each log, by protocol and name.
    pub logs: Vec<CorpusLog>,
}

/// The entries of one log.
#[derive(Clone, Debug)]
pub struct CorpusLog {
    /// The folder's name.
    pub name: String,
    /// The protocol in which they are served.
    pub protocol: Protocol,
    /// The entries by their index in the simulated log.
    pub entries: Vec<CorpusEntry>,
}

/// A real entry, exactly as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorpusEntry {
    /// The `MerkleTreeLeaf`, of a static log too.
    pub leaf_input: Bytes,
    /// `extra_data`; of a static log what follows the `TimestampedEntry` in a `TileLeaf`.
    pub extra: Bytes,
}

/// An error in a folder of real entries.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A data tile does not hold 256 entries.
    #[error("{path} is not a full data tile: {reason}", path = path.display())]
    Tile {
        /// Which.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// There is nothing to serve.
    #[error("no entries in {path}: wanted rfc6962/*/*.json or tiles/*/tile/data/000", path = .0.display())]
    Empty(PathBuf),
}

impl Corpus {
    /// Reads a folder.
    ///
    /// # Errors
    /// If something in it cannot be read, a data tile is damaged, or there is no entry at all.
    pub fn load(folder: &Path) -> Result<Self, CorpusError> {
        let mut logs = Vec::new();
        for path in list(&folder.join("rfc6962"))? {
            logs.push(CorpusLog::new(&path, Protocol::Rfc6962, read_pages(&path)?));
        }
        for path in list(&folder.join("tiles"))? {
            logs.push(CorpusLog::new(&path, Protocol::StaticCt, read_tiles(&path)?));
        }
        logs.retain(|log| !log.entries.is_empty());
        match logs.is_empty() {
            true => Err(CorpusError::Empty(folder.to_owned())),
            false => Ok(Self { logs }),
        }
    }
}

impl CorpusLog {
    fn new(path: &Path, protocol: Protocol, entries: Vec<CorpusEntry>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, protocol, entries }
    }
}

impl CorpusEntry {
    /// The DER certificate of the entry, or the precertificate as submitted; `None` where the entry is
    /// malformed.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        match Leaf::parse(&self.leaf_input).ok()?.entry {
            LeafEntry::X509 { certificate } => Some(certificate),
            // Both protocols put it first of what the tree does not cover.
            LeafEntry::Precert { .. } => {
                let [a, b, c, rest @ ..] = &self.extra[..] else { return None };
                rest.get(..u32::from_be_bytes([0, *a, *b, *c]) as usize)
            }
        }
    }
}

/// Returns the files of a folder, sorted by name; none if there is no folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let failed = |source| CorpusError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, CorpusError> {
    fs::read(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })
}

fn read_pages(folder: &Path) -> Result<Vec<CorpusEntry>, CorpusError> {
    let mut entries = Vec::new();
    for path in list(folder)? {
        if path.extension().is_some_and(|extension| extension == "json") {
            entries.extend(parse_page(&read(&path)?));
        }
    }
    Ok(entries)
}

/// The entries of a get-entries answer or of an array; none of anything else.
fn parse_page(body: &[u8]) -> Vec<CorpusEntry> {
    #[derive(Deserialize)]
    struct Entry {
        leaf_input: String,
        extra_data: String,
    }
    if let Ok(entries) = ct::entries::parse_get_entries(body) {
        return entries
            .into_iter()
            .map(|entry| CorpusEntry { leaf_input: entry.leaf_input, extra: entry.extra_data })
            .collect();
    }
    let entries: Vec<Entry> = serde_json::from_slice(body).unwrap_or_default();
    let decode = |text: &str| base64_simd::STANDARD.decode_to_vec(text).ok().map(Bytes::from);
    entries
        .iter()
        .filter_map(|entry| {
            let leaf_input = decode(&entry.leaf_input)?;
            Some(CorpusEntry { leaf_input, extra: decode(&entry.extra_data)? })
        })
        .collect()
}

fn read_tiles(folder: &Path) -> Result<Vec<CorpusEntry>, CorpusError> {
    let mut entries = Vec::new();
    for index in 0.. {
        let tile = Tile { kind: TileKind::Data, index, width: TILE_WIDTH as u16 };
        let path = folder.join(tile.to_string());
        let body = match fs::read(&path) {
            Ok(body) => body,
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(source) => return Err(CorpusError::Read { path, source }),
        };
        let before = entries.len();
        for leaf in TileLeaf::iter(&body) {
            let entry = leaf.map(|leaf| without_chain(&leaf));
            let damaged = |error: LeafError| CorpusError::Tile {
                path: path.clone(),
                reason: error.to_string(),
            };
            entries.push(entry.map_err(damaged)?);
        }
        let count = entries.len() - before;
        if count as u64 != TILE_WIDTH {
            return Err(CorpusError::Tile { path, reason: format!("it has {count} entries") });
        }
    }
    Ok(entries)
}

fn without_chain(leaf: &TileLeaf<'_>) -> CorpusEntry {
    let leaf_input = [&[0, 0], leaf.timestamped_entry].concat();
    let mut extra = Vec::new();
    if let Some(precertificate) = leaf.precertificate {
        put_opaque24(&mut extra, precertificate);
    }
    extra.extend_from_slice(&[0, 0]);
    CorpusEntry { leaf_input: leaf_input.into(), extra: extra.into() }
}
