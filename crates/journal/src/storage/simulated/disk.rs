//! The state of a simulated file system: what a process sees, and what a loss of power leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Lie, Random};
use crate::storage::Entry;

/// Bytes that are written as a whole or not at all.
const SECTOR: usize = 64;

/// The state of a simulated file system.
#[derive(Debug)]
pub(super) struct State {
    random: Random,
    inodes: Vec<Inode>,
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not durable, in their order.
    changes: Vec<Change>,
    locks: BTreeMap<PathBuf, u64>,
    /// Counts processes; the files of one that has ended fail.
    process: u64,
    is_dead: bool,
    calls_left: Option<u64>,
    pub(super) fail_one_of: u64,
    pub(super) capacity: Option<u64>,
    pub(super) lies: Vec<Lie>,
    /// Bytes of inodes that cannot be read.
    unreadable: Vec<(usize, Range<u64>)>,
}

#[derive(Debug, Default)]
struct Inode {
    /// The bytes that a process sees.
    visible: Vec<u8>,
    /// The bytes that are on the disk for certain.
    durable: Vec<u8>,
    /// Sectors written since: places of bytes in `visible`.
    dirty: BTreeSet<usize>,
}

/// A change of names: each takes effect as a whole.
#[derive(Clone, Debug)]
enum Change {
    Set(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

/// The course of a call.
enum Course {
    /// It succeeds.
    Succeeds,
    /// It does a part and fails, or the process dies in it.
    Fails(io::Error),
}

impl Inode {
    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at.saturating_add(bytes.len());
        if self.visible.len() < end {
            self.visible.resize(end, 0);
        }
        if let Some(place) = self.visible.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
        let first = at.saturating_sub(at.checked_rem(SECTOR).unwrap_or_default());
        self.dirty.extend((first..end).step_by(SECTOR));
    }

    /// Makes some sectors durable.
    fn store(&mut self, sectors: impl Iterator<Item = usize>) {
        for sector in sectors {
            let end = sector.saturating_add(SECTOR).min(self.visible.len());
            if self.durable.len() < end {
                self.durable.resize(end, 0);
            }
            if let (Some(to), Some(from)) =
                (self.durable.get_mut(sector..end), self.visible.get(sector..end))
            {
                to.copy_from_slice(from);
            }
        }
    }

    /// Stores each dirty sector or not, and forgets which.
    fn store_some(&mut self, random: &mut Random) {
        let dirty = std::mem::take(&mut self.dirty);
        let mode = random.below(4);
        let cut = random.place(dirty.len().saturating_add(1));
        let stored = dirty.into_iter().enumerate().filter(|(place, _)| match mode {
            0 => false,
            1 => *place < cut,
            2 => !random.one_of(4),
            _ => random.one_of(2),
        });
        let stored: Vec<usize> = stored.map(|(_, sector)| sector).collect();
        self.store(stored.into_iter());
    }
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            inodes: Vec::new(),
            dirs: BTreeSet::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            locks: BTreeMap::new(),
            process: 1,
            is_dead: false,
            calls_left: None,
            fail_one_of: 0,
            capacity: None,
            lies: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    pub(super) const fn die_after(&mut self, calls: u64) {
        self.calls_left = Some(calls);
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.is_dead
    }

    pub(super) fn kill(&mut self) {
        self.process = self.process.saturating_add(1);
        (self.is_dead, self.calls_left) = (false, None);
        self.locks.clear();
    }

    pub(super) fn lose_power(&mut self) {
        self.kill();
        let names = std::mem::take(&mut self.changes);
        let mode = self.random.below(3);
        let cut = self.random.place(names.len().saturating_add(1));
        for (place, change) in names.into_iter().enumerate() {
            let is_kept = match mode {
                0 => place < cut,
                1 => self.random.one_of(2),
                _ => false,
            };
            if is_kept {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        for inode in &mut self.inodes {
            inode.store_some(&mut self.random);
            inode.visible = inode.durable.clone();
        }
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let bytes = |inode: &usize| self.inodes.get(*inode).map(|inode| inode.visible.clone());
        self.names
            .iter()
            .map(|(path, inode)| (path.clone(), bytes(inode).unwrap_or_default()))
            .collect()
    }

    pub(super) fn put(&mut self, path: &Path, bytes: &[u8]) {
        if let Some(parent) = path.parent() {
            self.dirs.extend(parent.ancestors().map(Path::to_owned));
        }
        let inode = self.inodes.len();
        let (visible, durable) = (bytes.to_vec(), bytes.to_vec());
        self.inodes.push(Inode { visible, durable, dirty: BTreeSet::new() });
        self.names.insert(path.to_owned(), inode);
        self.durable_names.insert(path.to_owned(), inode);
    }

    pub(super) fn make_unreadable(&mut self, path: &Path, bytes: Range<u64>) {
        let inode = self.names.get(path).copied();
        self.unreadable.extend(inode.map(|inode| (inode, bytes)));
    }

    /// Counts a call. It fails if the process is dead, or by chance if it changes something.
    fn call(&mut self, process: u64, is_change: bool) -> Course {
        let dead = || io::Error::other("the process is dead");
        if self.is_dead || process != self.process {
            return Course::Fails(dead());
        }
        match &mut self.calls_left {
            Some(0) => {
                self.is_dead = true;
                return Course::Fails(dead());
            }
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        if is_change && self.fail_one_of > 0 && self.random.one_of(self.fail_one_of) {
            return Course::Fails(io::Error::other("a simulated failure"));
        }
        Course::Succeeds
    }

    fn check(&mut self, is_change: bool) -> io::Result<()> {
        match self.call(self.process, is_change) {
            Course::Succeeds => Ok(()),
            Course::Fails(error) => Err(error),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        self.check(true)?;
        if path.ancestors().any(|path| self.names.contains_key(path)) {
            return Err(ErrorKind::NotADirectory.into());
        }
        self.dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    pub(super) fn list(&mut self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.check(false)?;
        if !self.dirs.contains(dir) {
            return Err(ErrorKind::NotFound.into());
        }
        let name = |path: &Path| {
            let is_inside = path.parent() == Some(dir);
            path.file_name().filter(|_| is_inside)?.to_str().map(str::to_owned)
        };
        let dirs = self
            .dirs
            .iter()
            .filter_map(|path| Some(Entry { name: name(path)?, bytes: 0, is_dir: true }));
        let files = self.names.iter().filter_map(|(path, inode)| {
            let bytes = self.inodes.get(*inode)?.visible.len() as u64;
            Some(Entry { name: name(path)?, bytes, is_dir: false })
        });
        let mut entries: Vec<Entry> = dirs.chain(files).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<(usize, u64)> {
        self.check(true)?;
        if self.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.inodes.push(Inode::default());
        let inode = self.inodes.len().saturating_sub(1);
        self.change(Change::Set(path.to_owned(), inode));
        Ok((inode, self.process))
    }

    pub(super) fn open(&mut self, path: &Path) -> io::Result<(usize, u64)> {
        self.check(false)?;
        let inode = self.names.get(path).copied().ok_or(ErrorKind::NotFound)?;
        Ok((inode, self.process))
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(true)?;
        if self.dirs.contains(from) {
            self.rename_dir(from, to);
            return Ok(());
        }
        let inode = self.names.get(from).copied().ok_or(ErrorKind::NotFound)?;
        self.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    /// Renames a directory. Its name and those in it are durable at once.
    fn rename_dir(&mut self, from: &Path, to: &Path) {
        let moved = |path: &Path| match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
            Ok(rest) => to.join(rest),
            Err(_) => path.to_owned(),
        };
        self.dirs = self.dirs.iter().map(|path| moved(path)).collect();
        self.names = self.names.iter().map(|(path, inode)| (moved(path), *inode)).collect();
        self.durable_names = self.names.clone();
        self.changes.clear();
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.check(true)?;
        if !self.names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        self.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check(true)?;
        if self.lies.contains(&Lie::DirectorySync) {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.changes);
        for change in changes {
            if change.is_in(dir) {
                change.apply(&mut self.durable_names);
            } else {
                self.changes.push(change);
            }
        }
        Ok(())
    }

    pub(super) fn lock(&mut self, path: &Path, owner: &[u8]) -> io::Result<(usize, u64)> {
        self.check(true)?;
        let is_lying = self.lies.contains(&Lie::Lock);
        if self.locks.contains_key(path) && !is_lying {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.dirs.contains(path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.put(path, owner);
        self.locks.insert(path.to_owned(), self.process);
        let inode = self.names.get(path).copied().ok_or(ErrorKind::NotFound)?;
        Ok((inode, self.process))
    }

    pub(super) fn is_locked(&self, path: &Path) -> bool {
        self.locks.contains_key(path)
    }

    pub(super) fn unlock(&mut self, path: &Path, process: u64) {
        if self.locks.get(path) == Some(&process) {
            self.locks.remove(path);
        }
    }

    pub(super) fn read(
        &mut self,
        process: u64,
        inode: usize,
        buffer: &mut [u8],
        at: u64,
    ) -> io::Result<usize> {
        if let Course::Fails(error) = self.call(process, false) {
            return Err(error);
        }
        let end = at.saturating_add(buffer.len() as u64);
        let is_hit = |bytes: &Range<u64>| bytes.start < end && at < bytes.end;
        if self.unreadable.iter().any(|(bad, bytes)| *bad == inode && is_hit(bytes)) {
            return Err(io::Error::other("a simulated bad sector"));
        }
        let file = self.inodes.get(inode).map(|file| file.visible.as_slice()).unwrap_or_default();
        let rest = usize::try_from(at).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    pub(super) fn write(
        &mut self,
        process: u64,
        inode: usize,
        bytes: &[u8],
        at: u64,
    ) -> io::Result<()> {
        let was_dead = self.is_dead || process != self.process;
        let course = match (self.call(process, true), self.room()) {
            (Course::Succeeds, Some(room)) if room < bytes.len() as u64 => {
                Course::Fails(ErrorKind::StorageFull.into())
            }
            (course, _) => course,
        };
        let part = match &course {
            Course::Succeeds => bytes.len(),
            Course::Fails(_) if was_dead => return Err(io::Error::other("the process is dead")),
            Course::Fails(_) => self.random.place(bytes.len()),
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let (Some(file), Some(part)) = (self.inodes.get_mut(inode), bytes.get(..part)) {
            file.write(part, at);
        }
        match course {
            Course::Succeeds => Ok(()),
            Course::Fails(error) => Err(error),
        }
    }

    /// Returns the bytes that are left.
    fn room(&self) -> Option<u64> {
        let used = self.names.values().filter_map(|inode| self.inodes.get(*inode));
        let used: usize = used.map(|inode| inode.visible.len()).sum();
        self.capacity.map(|capacity| capacity.saturating_sub(used as u64))
    }

    pub(super) fn sync(&mut self, process: u64, inode: usize) -> io::Result<()> {
        let was_dead = self.is_dead || process != self.process;
        let course = self.call(process, true);
        let Some(file) = self.inodes.get_mut(inode) else { return Ok(()) };
        match course {
            Course::Succeeds if self.lies.contains(&Lie::FileSync) => Ok(()),
            Course::Succeeds => {
                let dirty = std::mem::take(&mut file.dirty);
                file.store(dirty.into_iter());
                Ok(())
            }
            Course::Fails(error) if was_dead || self.is_dead => Err(error),
            Course::Fails(error) => {
                // Sectors that were not stored count as clean: no later sync stores them.
                file.store_some(&mut self.random);
                if self.lies.contains(&Lie::FailedSync) { Ok(()) } else { Err(error) }
            }
        }
    }

    pub(super) fn bytes(&mut self, process: u64, inode: usize) -> io::Result<u64> {
        if let Course::Fails(error) = self.call(process, false) {
            return Err(error);
        }
        Ok(self.inodes.get(inode).map_or(0, |inode| inode.visible.len() as u64))
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (Self::Set(path, _) | Self::Remove(path) | Self::Rename(path, ..)) = self;
        path.parent() == Some(dir)
    }
}
