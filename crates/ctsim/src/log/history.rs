//! Hashing what a log holds at its start, on all cores.

use std::ops::Range;
use std::panic;
use std::thread;

use aws_lc_rs::digest::{Context, SHA256};
use ct::Hash;
use ct::leaf::leaf_index_extension;
use ct::merkle::{RangeError, tree_hash};

use crate::Protocol;
use crate::log::entries::{BLOCK, EXTENSION_LENGTH, Entries, EntryBuffer};
use crate::log::tree::{Tree, WIDTH};

/// The tree over the first `size` entries; it keeps the hashes of the `keep` newest leaves.
pub(crate) fn build(
    entries: &Entries,
    protocol: Protocol,
    size: u64,
    keep: usize,
) -> Result<Tree, RangeError> {
    let repeats = match entries {
        Entries::Generated(generated) => generated.repeats(),
        Entries::Corpus(_) => 0,
    };
    let mut tree = match (repeats, protocol) {
        (0, _) => Tree::new(keep),
        (_, Protocol::Rfc6962) => {
            Tree::of_repeated_block(&leaf_hashes(entries, 0..BLOCK), repeats, keep)?
        }
        (_, Protocol::StaticCt) => Tree::of_level_1(&level_1_hashes(entries, repeats), keep)?,
    };
    let rest = leaf_hashes(entries, repeats * BLOCK..size);
    rest.into_iter().for_each(|hash| tree.push(hash));
    Ok(tree)
}

fn leaf_hashes(entries: &Entries, indexes: Range<u64>) -> Vec<Hash> {
    in_parallel(indexes, |indexes| {
        let mut buffer = EntryBuffer::default();
        indexes.map(|index| entries.leaf_hash(index, &mut buffer)).collect()
    })
}

/// The level-1 hashes of a static log whose first block is repeated. The leaves of its repetitions
/// differ in their last bytes alone, the index, so all before these is hashed once.
fn level_1_hashes(entries: &Entries, repeats: u64) -> Vec<Hash> {
    let width = WIDTH as u64;
    let columns = in_parallel(0..BLOCK / width, |tiles| {
        tiles.map(|tile| level_1_column(entries, tile * width, repeats)).collect()
    });
    let rows = 0..repeats as usize;
    rows.flat_map(|row| columns.iter().map(move |column| column[row])).collect()
}

/// Of each repetition the hash over the 256 leaves that begin at `first` in the first block.
fn level_1_column(entries: &Entries, first: u64, repeats: u64) -> Vec<Hash> {
    let mut buffer = EntryBuffer::default();
    let indexes = first..first + WIDTH as u64;
    let beginnings: Vec<(u64, Context)> = indexes
        .map(|index| {
            entries.read(index, &mut buffer);
            let leaf = &buffer.leaf_input;
            let mut context = Context::new(&SHA256);
            context.update(&[0]);
            context.update(&leaf[..leaf.len() - EXTENSION_LENGTH]);
            (index, context)
        })
        .collect();
    let mut leaves = Vec::with_capacity(WIDTH);
    (0..repeats)
        .map(|block| {
            leaves.clear();
            leaves.extend(beginnings.iter().map(|(index, beginning)| {
                let mut context = beginning.clone();
                context.update(&leaf_index_extension(block * BLOCK + index));
                let mut hash = Hash::default();
                hash.copy_from_slice(context.finish().as_ref());
                hash
            }));
            tree_hash(&leaves)
        })
        .collect()
}

/// Returns the results of `work` for the parts of `range`, in order; one part for each core.
fn in_parallel<T: Send>(range: Range<u64>, work: impl Fn(Range<u64>) -> Vec<T> + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = (range.end - range.start).div_ceil(cores).max(1);
    let starts = range.clone().step_by(share as usize);
    let parts = starts.map(|start| start..range.end.min(start + share));
    thread::scope(|scope| {
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| work(part))).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .flat_map(|result| result.unwrap_or_else(|panic| panic::resume_unwind(panic)))
            .collect()
    })
}
