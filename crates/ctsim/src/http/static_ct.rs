//! The answers of c2sp.org/static-ct-api.

use ct::Hash;
use ct::tile::{Tile, TileKind};

use crate::fault::Fault;
use crate::http::answer::Answer;
use crate::http::page::Page;
use crate::log::Log;
use crate::log::entries::EntryBuffer;
use crate::log::tree::WIDTH;
use crate::log::view::View;

/// A tile, full or partial, that the log has published.
pub(crate) fn tile(log: &Log, tile: &Tile, fault: Option<&Fault>) -> Answer {
    if !log.has_tile(tile) || fault == Some(&Fault::PartialGone) {
        return Answer::not_found(format!("{tile} is of no tree published lately"));
    }
    match tile.kind {
        TileKind::Data => data_tile(log, tile, fault),
        TileKind::Level(level) => {
            let first = tile.index * WIDTH as u64;
            let hashes = View::new(log, fault).hashes(level, first, tile.width.into());
            Answer::octets(hashes.into_flattened())
        }
    }
}

fn data_tile(log: &Log, tile: &Tile, fault: Option<&Fault>) -> Answer {
    let mut page = Page::new(log, tile.leaves(), fault);
    let mut buffer = EntryBuffer::default();
    let mut out: Vec<u8> = Vec::new();
    for index in page.indexes.clone() {
        page.read(index, &mut buffer);
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
pub(crate) fn issuer(log: &Log, fingerprint: &Hash, fault: Option<&Fault>) -> Answer {
    let certificates = &log.authorities.certificates;
    let found = match fault {
        Some(Fault::WrongIssuer) => {
            let others = certificates.iter().filter(|(other, _)| *other != fingerprint);
            others.map(|(_, der)| der).next()
        }
        _ => certificates.get(fingerprint),
    };
    match found {
        Some(der) => Answer::ok("application/pkix-cert", der.clone()),
        None => Answer::not_found("no issuer has this fingerprint"),
    }
}
