//! One log: its identity, its entries, its tree, and the heads it has published.

pub(crate) mod entries;
pub(crate) mod growth;
pub(crate) mod handle;
pub(crate) mod head;
pub(crate) mod history;
pub(crate) mod schedule;
pub(crate) mod stats;
pub(crate) mod tree;
pub(crate) mod view;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ct::head::TreeHead;
use ct::merkle::tree_hash;
use ct::tile::{Tile, TileKind};
use ct::{Hash, log_list};
use parking_lot::{Mutex, RwLock};
use quick_cache::sync::Cache;

use crate::fault::Faults;
use crate::http::limit::Limiter;
use crate::log::entries::{Entries, EntryBuffer};
use crate::log::head::{Published, publish};
use crate::log::schedule::Schedule;
use crate::log::stats::Stats;
use crate::log::tree::{Tree, WIDTH};
use crate::pki::authority::Authorities;
use crate::pki::key::{KeyError, LogKey};

/// The number of published sizes that a log remembers, for partial tiles.
const SIZES_KEPT: usize = 4_096;
/// The most entries hashed between two heads.
const MOST_AT_ONCE: u64 = 16_384;
/// The oldest head of a log that does not grow, in ms.
const OLDEST_HEAD: u64 = 1_000;
/// Level-0 tiles kept after they were computed anew: 8 kB each.
const TILES_KEPT: usize = 64;

/// The protocols in which logs are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 6962, section 4.
    Rfc6962,
    /// static-ct-api (c2sp.org/static-ct-api).
    StaticCt,
}

/// The identity and addresses of a log.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The first segment of its paths.
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) operator: &'static str,
    pub(crate) protocol: Protocol,
    /// The URL for reading, with a slash at the end.
    pub(crate) url: String,
    /// The submission URL of a static log, with a slash at the end.
    pub(crate) submission_url: Option<String>,
    /// True if the list gives the `notAfter` interval of the certificates that it accepts.
    pub(crate) sharded: bool,
}

/// A log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) identity: Identity,
    pub(crate) key: LogKey,
    pub(crate) entries: Entries,
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) faults: Faults,
    pub(crate) stats: Stats,
    pub(crate) limiter: Limiter,
    schedule: Schedule,
    /// The start of its growth, in ms since the Unix epoch.
    started: u64,
    max_size: u64,
    /// Entries grown by [`LogHandle::grow`](crate::LogHandle::grow).
    extra: AtomicU64,
    tree: RwLock<Tree>,
    leaf_tiles: Cache<u64, Arc<Vec<Hash>>>,
    head: RwLock<Arc<Published>>,
    /// Published sizes, newest last.
    sizes: Mutex<VecDeque<u64>>,
    /// Held while the log grows.
    growing: Mutex<()>,
}

/// The parts of a log.
pub(crate) struct Parts {
    pub(crate) identity: Identity,
    pub(crate) key: LogKey,
    pub(crate) entries: Entries,
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) schedule: Schedule,
    pub(crate) max_size: u64,
    pub(crate) tree: Tree,
}

impl Parts {
    /// Has growth begin at `start`, in ms since the Unix epoch: later than thought, once hashing the
    /// history has taken its time.
    pub(crate) fn begin_growth(&mut self, start: u64) {
        self.schedule.growth_start = start;
        if let Entries::Generated(generated) = &mut self.entries {
            generated.generator.schedule.growth_start = start;
        }
    }
}

impl Log {
    /// The log, with its first head signed at `now` and growing from then on, in ms since the Unix epoch.
    pub(crate) fn new(parts: Parts, now: u64) -> Result<Self, KeyError> {
        let Parts { identity, key, entries, authorities, schedule, max_size, tree } = parts;
        let head = TreeHead { size: tree.size(), timestamp: now, root: tree.root() };
        let published = publish(&identity, &key, head)?;
        Ok(Self {
            max_size: max_size.min(entries.limit()),
            identity,
            key,
            entries,
            authorities,
            faults: Faults::default(),
            stats: Stats::default(),
            limiter: Limiter::default(),
            schedule,
            started: now,
            extra: AtomicU64::new(0),
            sizes: Mutex::new([tree.size()].into()),
            tree: RwLock::new(tree),
            growing: Mutex::new(()),
            leaf_tiles: Cache::new(TILES_KEPT),
            head: RwLock::new(Arc::new(published)),
        })
    }

    /// The newest head.
    pub(crate) fn head(&self) -> Arc<Published> {
        self.head.read().clone()
    }

    /// Returns the number of entries that the newest head covers; no others are served.
    pub(crate) fn size(&self) -> u64 {
        self.head().signed.head.size
    }

    /// Size and root once `by` more entries have come.
    pub(crate) fn future(&self, by: u64) -> (u64, Hash) {
        let _still = self.growing.lock();
        let size = self.tree.read().size();
        let end = size.saturating_add(by.min(MOST_AT_ONCE)).min(self.entries.limit());
        let mut buffer = EntryBuffer::default();
        let hashes: Vec<_> =
            (size..end).map(|index| self.entries.leaf_hash(index, &mut buffer)).collect();
        (end, self.tree.read().root_with(hashes))
    }

    /// Takes in what has come by `now`, in ms since the Unix epoch, and signs a head over it; or, when
    /// nothing came, signs anew if the last head is older than a second and than `interval` ms.
    pub(crate) fn grow(&self, now: u64, interval: u64) -> Result<(), KeyError> {
        let _alone = self.growing.lock();
        let target = self.target(now);
        let size = self.tree.read().size();
        let newest = self.head().signed.head;
        if target <= size && now.saturating_sub(newest.timestamp) < interval.max(OLDEST_HEAD) {
            return Ok(());
        }
        let mut buffer = EntryBuffer::default();
        let hashes: Vec<_> = (size..target.min(size + MOST_AT_ONCE))
            .map(|index| self.entries.leaf_hash(index, &mut buffer))
            .collect();
        let mut tree = self.tree.write();
        hashes.into_iter().for_each(|hash| tree.push(hash));
        let (size, root) = (tree.size(), tree.root());
        drop(tree);
        let head = TreeHead { size, root, timestamp: now.max(newest.timestamp) };
        let published = publish(&self.identity, &self.key, head)?;
        self.remember_size(size);
        *self.head.write() = Arc::new(published);
        Ok(())
    }

    fn remember_size(&self, size: u64) {
        let mut sizes = self.sizes.lock();
        if sizes.back() != Some(&size) {
            sizes.push_back(size);
        }
        if sizes.len() > SIZES_KEPT {
            sizes.pop_front();
        }
    }

    /// Has the log grow by so many more entries than its rate says.
    pub(crate) fn add(&self, count: u64) {
        self.extra.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the size due at `now`, in ms since the Unix epoch.
    pub(crate) fn target(&self, now: u64) -> u64 {
        let scheduled = self.schedule.size_after(now.saturating_sub(self.started));
        scheduled.saturating_add(self.extra.load(Ordering::Relaxed)).min(self.max_size)
    }

    /// Reports whether the tile is, or recently was, part of a published tree in this width.
    pub(crate) fn has_tile(&self, tile: &Tile) -> bool {
        let shift = match tile.kind {
            TileKind::Data => 0,
            TileKind::Level(level) => 8 * u32::from(level),
        };
        let width = u64::from(tile.width);
        let Some(end) = tile.index.checked_mul(WIDTH as u64).and_then(|n| n.checked_add(width))
        else {
            return false;
        };
        if tile.is_full() {
            return self.size() >> shift >= end;
        }
        let sizes = self.sizes.lock();
        let position = sizes.partition_point(|size| size >> shift < end);
        sizes.get(position).is_some_and(|size| size >> shift == end)
    }

    /// Node (`level`, `index`) of the tree, complete and published.
    pub(crate) fn node(&self, level: u8, index: u64) -> Hash {
        match level {
            0..8 => tree_hash(&self.leaf_hashes(index << level, 1 << level)),
            _ => self.tree.read().inner_node(level.into(), index),
        }
    }

    /// `count` hashes from `first` on of a hash tile's level, all in one tile.
    pub(crate) fn hashes(&self, level: u8, first: u64, count: usize) -> Vec<Hash> {
        match level {
            0 => self.leaf_hashes(first, count),
            _ => self.tree.read().row(level, first, count),
        }
    }

    /// The index of a leaf among those whose hashes are kept, in the tree of `size` leaves.
    pub(crate) fn find(&self, leaf_hash: &Hash, size: u64) -> Option<u64> {
        self.tree.read().find(leaf_hash, size)
    }

    /// `count` leaf hashes from `first` on, all in one tile. Those of old tiles are computed anew.
    fn leaf_hashes(&self, first: u64, count: usize) -> Vec<Hash> {
        if let Some(hashes) = self.tree.read().leaves(first, count) {
            return hashes;
        }
        let width = WIDTH as u64;
        let tile = first / width;
        let hashes = self.leaf_tiles.get(&tile).unwrap_or_else(|| {
            let mut buffer = EntryBuffer::default();
            let indexes = tile * width..(tile + 1) * width;
            let hashes = indexes.map(|index| self.entries.leaf_hash(index, &mut buffer)).collect();
            let hashes = Arc::new(hashes);
            self.leaf_tiles.insert(tile, Arc::clone(&hashes));
            hashes
        });
        hashes.iter().skip((first % width) as usize).take(count).copied().collect()
    }
}

impl Identity {
    /// Returns the origin of checkpoints: the submission prefix without scheme and slash at the
    /// end.
    pub(crate) fn origin(&self) -> &str {
        log_list::origin(self.submission_url.as_ref().unwrap_or(&self.url))
    }
}
