//! Pages of entries, and what faults make of them.

use std::ops::Range;

use ct::leaf::EntryType;

use crate::Protocol;
use crate::fault::{Fault, PageFault};
use crate::log::Log;
use crate::log::entries::{EntryBuffer, put_opaque24};
use crate::log::view::View;
use crate::pki::oid;

/// The most certificates of an overlong chain: as many fingerprints as a `TileLeaf` has room for.
const LONGEST_CHAIN: u16 = 2_000;

/// The entries of one answer.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    view: View<'a>,
    pub(crate) indexes: Range<u64>,
    fault: Option<PageFault>,
    /// True once the fault has happened to an entry.
    happened: bool,
}

impl<'a> Page<'a> {
    /// The entries `wanted`, which the log has, or what the fault makes of them.
    pub(crate) fn new(log: &'a Log, wanted: Range<u64>, fault: Option<&Fault>) -> Self {
        let view = View::new(log, fault);
        let fault = match fault {
            Some(Fault::Page(fault)) => Some(*fault),
            _ => None,
        };
        let Range { start, end } = wanted;
        let end = match fault {
            Some(PageFault::Empty) => start,
            Some(PageFault::Short { most }) => end.min(start.saturating_add(most)),
            Some(PageFault::Aligned { to }) => end.min((start / to.max(1) + 1) * to.max(1)),
            Some(PageFault::Long { by }) => end.saturating_add(by).min(log.entries.limit()),
            _ => end,
        };
        log.stats.count_entries(end - start);
        Self { view, indexes: start..end, fault, happened: false }
    }

    /// Reads the entry that is answered at `index` into `buffer`.
    pub(crate) fn read(&mut self, index: u64, buffer: &mut EntryBuffer) {
        let Some(fault) = self.fault else { return self.view.read(index, buffer) };
        let swapped = fault == PageFault::Swapped && self.indexes.end - self.indexes.start > 1;
        let index = match index - self.indexes.start {
            offset @ (0 | 1) if swapped => self.indexes.start + (1 - offset),
            _ => index,
        };
        self.view.read(index, buffer);
        let meant = fault.index().map_or(!self.happened, |meant| meant == index);
        if meant && fault.fits(buffer.entry_type()) {
            self.happened = true;
            corrupt(fault, self.view.log.identity.protocol, buffer);
        }
    }
}

/// Changes an entry as the fault says, if that is about single entries.
fn corrupt(fault: PageFault, protocol: Protocol, entry: &mut EntryBuffer) {
    // Where the chain begins: after the precertificate, if there is one.
    let chain = match entry.entry_type() {
        EntryType::X509 => 0,
        EntryType::Precert => 3 + length24(&entry.extra),
    };
    match fault {
        PageFault::FlipLeaf { .. } => {
            let middle = entry.leaf_input.len() / 2;
            flip(&mut entry.leaf_input, middle);
        }
        PageFault::FlipPrecertificate { .. } => flip(&mut entry.extra, chain / 2),
        PageFault::FlipChain { .. } => {
            // After the lengths of the chain and of the issuer.
            let position = match protocol {
                Protocol::Rfc6962 => {
                    6 + key_position(entry.extra.get(chain + 6..).unwrap_or_default())
                }
                Protocol::StaticCt => 2,
            };
            flip(&mut entry.extra, chain + position);
        }
        PageFault::WrongIndex { .. } => {
            // With the index a static log's leaf ends.
            let last = entry.leaf_input.len().saturating_sub(1);
            flip(&mut entry.leaf_input, last);
        }
        PageFault::UnknownType { .. } => {
            // After version, leaf type and time.
            if let Some(low) = entry.leaf_input.get_mut(11) {
                *low = 2;
            }
        }
        PageFault::NoChain { .. } => match protocol {
            Protocol::Rfc6962 => entry.extra.clear(),
            Protocol::StaticCt => {
                entry.extra.truncate(chain);
                entry.extra.extend_from_slice(&[0, 1, 0xff]);
            }
        },
        PageFault::LongChain { certificates, .. } => {
            let count = usize::from(certificates.min(LONGEST_CHAIN));
            let issuers = entry.extra.get(chain..).unwrap_or_default();
            let issuers = repeat_issuer(protocol, issuers, count);
            entry.extra.truncate(chain);
            match protocol {
                Protocol::Rfc6962 => put_opaque24(&mut entry.extra, &issuers),
                Protocol::StaticCt => {
                    entry.extra.extend_from_slice(&(issuers.len() as u16).to_be_bytes());
                    entry.extra.extend_from_slice(&issuers);
                }
            }
        }
        PageFault::Empty
        | PageFault::Short { .. }
        | PageFault::Aligned { .. }
        | PageFault::Long { .. }
        | PageFault::Swapped => {}
    }
}

/// Returns the position of the public key's bits in a certificate: they follow the algorithm's OID.
fn key_position(certificate: &[u8]) -> usize {
    /// Parameters and lengths come between.
    const BEYOND: usize = 40;
    let find = |oid: &[u8]| certificate.windows(oid.len()).position(|window| window == oid);
    let found = find(oid::EC_PUBLIC_KEY).into_iter().chain(find(oid::RSA_ENCRYPTION)).min();
    found.map_or(0, |oid| oid + BEYOND)
}

/// The first certificate of a chain, or its fingerprint, over and over.
fn repeat_issuer(protocol: Protocol, chain: &[u8], count: usize) -> Vec<u8> {
    let first = match protocol {
        Protocol::Rfc6962 => {
            let length = length24(chain.get(3..).unwrap_or_default());
            chain.get(3..6 + length)
        }
        Protocol::StaticCt => chain.get(2..34),
    };
    first.unwrap_or_default().repeat(count)
}

fn length24(bytes: &[u8]) -> usize {
    match bytes {
        [a, b, c, ..] => u32::from_be_bytes([0, *a, *b, *c]) as usize,
        _ => 0,
    }
}

fn flip(bytes: &mut [u8], position: usize) {
    if let Some(byte) = bytes.get_mut(position) {
        *byte ^= 1;
    }
}
