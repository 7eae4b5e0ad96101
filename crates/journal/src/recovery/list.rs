//! The files of a stream's directory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use record::{StreamId, SyncMode};

use crate::damage::{Damage, DamageKind};
use crate::error::OpenError;
use crate::format::{
    FrameHeader, FrameKind, HeaderError, SEGMENT_HEADER, SegmentHeader, SegmentName, VERSION,
};
use crate::read::scan::{Found, Window};
use crate::segment::{AsideFile, FIRST_FRAME, Segment};
use crate::storage::{Entry, File, Storage};

/// The files of a stream's directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The segments, oldest first.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Files of segments that were never completed.
    pub(crate) incomplete: Vec<String>,
    /// Segments that cannot be read.
    pub(crate) unreadable: Vec<SegmentName>,
    /// Segments that were set aside.
    pub(crate) aside: Vec<AsideFile>,
    /// Sidecar files without a segment.
    pub(crate) orphans: Vec<String>,
    pub(crate) damage: Vec<Damage>,
}

impl Listing {
    /// Reads the directory of a stream.
    ///
    /// # Errors
    /// If it cannot be read, or a newer program wrote a segment.
    pub(crate) fn read(
        storage: &dyn Storage,
        dir: &Path,
        stream: StreamId,
    ) -> Result<Self, OpenError> {
        let io = |action, path: PathBuf| move |source| OpenError::Io { action, path, source };
        let entries = storage.list(dir).map_err(io("read", dir.to_owned()))?;
        let mut sidecars: HashMap<String, Vec<Entry>> = HashMap::new();
        let mut files = Vec::new();
        let mut listing = Self::default();
        for entry in entries {
            if let Some(name) = SegmentName::parse(&entry.name) {
                files.push((name, entry));
            } else if entry.name.ends_with(".new") {
                listing.incomplete.push(entry.name);
            } else if SegmentName::is_aside(&entry.name) {
                listing.aside.push(AsideFile { name: entry.name, bytes: entry.bytes });
            } else if let Some((stem, _)) = entry.name.split_once('.')
                && SegmentName::is_stem(stem)
            {
                sidecars.entry(stem.to_owned()).or_default().push(entry);
            }
        }
        files.sort_unstable_by_key(|(name, _)| *name);
        for (name, entry) in files {
            let path = dir.join(&entry.name);
            let header = read_header(storage, &path, name, stream, &mut listing.damage)?;
            match header {
                Some(header) => {
                    let segment = Segment::new(header, entry.bytes, true);
                    let own = sidecars.remove(&name.stem()).unwrap_or_default();
                    segment.set_sidecars(own.iter().map(|entry| entry.bytes).sum());
                    listing.segments.push(Arc::new(segment));
                }
                None => listing.unreadable.push(name),
            }
        }
        listing.orphans = sidecars.into_values().flatten().map(|entry| entry.name).collect();
        listing.find_missing();
        Ok(listing)
    }

    /// Reports segments that are missing between others.
    fn find_missing(&mut self) {
        for (one, two) in self.segments.iter().zip(self.segments.iter().skip(1)) {
            let previous = two.header.previous;
            if previous > one.name() {
                let file = two.name().to_string();
                self.damage.push(Damage { file, at: 0, end: 0, kind: DamageKind::Missing });
            }
        }
    }
}

/// Reads the header of a segment; if that is damaged, makes one of its first frame.
fn read_header(
    storage: &dyn Storage,
    path: &Path,
    name: SegmentName,
    stream: StreamId,
    damage: &mut Vec<Damage>,
) -> Result<Option<SegmentHeader>, OpenError> {
    let io = |source| OpenError::Io { action: "read", path: path.to_owned(), source };
    let file = storage.open(path).map_err(io)?;
    let mut bytes = [0; SEGMENT_HEADER];
    let count = file.read_at(&mut bytes, 0).map_err(io)?;
    match SegmentHeader::read(bytes.get(..count).unwrap_or_default()) {
        Ok(header) if header.name == name => return Ok(Some(header)),
        Err(HeaderError::Version(version)) => {
            return Err(OpenError::Version { path: path.to_owned(), version, known: VERSION });
        }
        Ok(_) | Err(HeaderError::Damaged) => {}
    }
    let made = made_header(&*file, name, stream).map_err(io)?;
    let (end, kind) = match made {
        Some(_) => (SEGMENT_HEADER as u64, DamageKind::Header),
        None => (file.bytes().map_err(io)?, DamageKind::Foreign),
    };
    damage.push(Damage { file: name.to_string(), at: 0, end, kind });
    Ok(made)
}

/// Makes the header of a segment of its first frame, as far as that says. What it does not say proves
/// nothing: another boot.
fn made_header(
    file: &dyn File,
    name: SegmentName,
    stream: StreamId,
) -> io::Result<Option<SegmentHeader>> {
    let mut marker = [0; 8];
    if file.read_at(&mut marker, FIRST_FRAME)? < marker.len() {
        return Ok(None);
    }
    let found = Window::default().frame(file, &marker, FIRST_FRAME)?;
    let (Found::Frame(frame) | Found::Damaged { header: Some(frame), .. }) = found else {
        return Ok(None);
    };
    let FrameHeader { kind, number, from, before, newest, .. } = frame;
    let (first, next_offset) = match kind {
        FrameKind::Begin => (number, frame.first_offset),
        FrameKind::Checkpoint => (number.saturating_add(1), frame.first_offset),
        FrameKind::Batch | FrameKind::End => return Ok(None),
    };
    if first != name.first {
        return Ok(None);
    }
    let totals = crate::format::Totals { next_offset, entries_end: from, entries: before, newest };
    Ok(Some(SegmentHeader {
        name,
        stream,
        marker,
        totals,
        created: newest,
        boot: [0; 16],
        synced: name.first.saturating_sub(1),
        sync: SyncMode::Interval,
        previous: SegmentName::default(),
    }))
}
