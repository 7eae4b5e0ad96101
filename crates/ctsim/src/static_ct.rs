//! The answers of c2sp.org/static-ct-api.

use ct::Hash;
use ct::tile::{Tile, TileKind};

use crate::answer::Answer;
use crate::entries::EntryBuffer;
use crate::log::Log;
use crate::tree::WIDTH;

/// A tile, full or partial, that the log has published.
pub(crate) fn tile(log: &Log, tile: &Tile) -> Answer {
    if !log.has_tile(tile) {
        return Answer::not_found(format!("{tile} is of no tree published lately"));
    }
    match tile.kind {
        TileKind::Data => data_tile(log, tile),
        TileKind::Level(level) => {
            let hashes = log.hashes(level, tile.index * WIDTH as u64, tile.width.into());
            Answer::octets(hashes.into_flattened())
        }
    }
}

fn data_tile(log: &Log, tile: &Tile) -> Answer {
    log.stats.count_entries(tile.width.into());
    let mut buffer = EntryBuffer::default();
    let mut out: Vec<u8> = Vec::new();
    for index in tile.leaves() {
        log.entries.read(index, &mut buffer);
        if out.is_empty() {
            let guess = (buffer.leaf_input.len() + buffer.extra.len()) * 3 / 2;
            out.reserve(guess * usize::from(tile.width));
        }
        // A TileLeaf begins with the TimestampedEntry: the leaf without its version and type.
        out.extend_from_slice(&buffer.leaf_input[2..]);
        out.extend_from_slice(&buffer.extra);
    }
    Answer::octets(out)
}

/// A certificate of the chains.
pub(crate) fn issuer(log: &Log, fingerprint: &Hash) -> Answer {
    match log.authorities.certificates.get(fingerprint) {
        Some(der) => Answer::ok("application/pkix-cert", der.clone()),
        None => Answer::not_found("no issuer has this fingerprint"),
    }
}
