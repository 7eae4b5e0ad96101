//! Building the entries of a page.

use std::sync::Arc;

use bytes::Bytes;
use cert::tbs::subject_public_key_info;
use ct::Hash;
use ct::leaf::{EntryType, Leaf, LeafEntry};
use record::{Issuer, LogNumber, Record};

use crate::source::link::tbs_id;

/// The most certificates of a chain that are kept.
const LONGEST_CHAIN: usize = 32;
/// The most bytes of them: real chains take about 5 kB.
const CHAIN_BYTES: usize = 256 * 1024;

/// Returns the number of certificates of a chain that are kept. No tree hash covers chains, so a log
/// could attach anything.
pub(crate) fn bounded_chain_len(lengths: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0_usize;
    let fits = |length: &usize| {
        bytes = bytes.saturating_add(*length);
        bytes <= CHAIN_BYTES
    };
    lengths.take(LONGEST_CHAIN).take_while(fits).count()
}

/// Returns the certificate of an entry as submitted. If there is no readable precertificate, it is the
/// leaf's TBS, which names the same domains.
pub(crate) fn submitted<'a>(entry: &LeafEntry<'a>, precertificate: Option<&'a [u8]>) -> &'a [u8] {
    let (tbs, submitted) = match (*entry, precertificate) {
        (LeafEntry::X509 { certificate }, _) => return certificate,
        (LeafEntry::Precert { tbs, .. }, None) => return tbs,
        (LeafEntry::Precert { tbs, .. }, Some(submitted)) => (tbs, submitted),
    };
    let is_readable = subject_public_key_info(submitted).is_some();
    if is_readable { submitted } else { tbs }
}

/// Builds a page's entries with all their certificates in one buffer of exactly the size needed,
/// so that an entry that stays in memory does not keep the response.
#[derive(Debug)]
pub(crate) struct PageBuilder<'a> {
    parts: Vec<Part<'a>>,
    tbs_ids: bool,
}

#[derive(Debug)]
struct Part<'a> {
    index: u64,
    submitted: u64,
    kind: EntryType,
    certificate: &'a [u8],
    chain: Vec<Arc<Issuer>>,
    link: Option<Hash>,
}

impl<'a> PageBuilder<'a> {
    pub(crate) fn new(entries: usize, tbs_ids: bool) -> Self {
        Self { parts: Vec::with_capacity(entries), tbs_ids }
    }

    /// Adds an entry whose certificate as submitted is `certificate`.
    pub(crate) fn push(
        &mut self,
        index: u64,
        leaf: &Leaf<'_>,
        certificate: &'a [u8],
        chain: Vec<Arc<Issuer>>,
    ) {
        let issuer = chain.first().map(|issuer| &**issuer);
        let link = if self.tbs_ids { tbs_id(&leaf.entry, issuer) } else { None };
        let (submitted, kind) = (leaf.timestamp, leaf.entry_type());
        self.parts.push(Part { index, submitted, kind, certificate, chain, link });
    }

    /// Adds an entry that could not be decoded: its bytes take the certificate's place.
    pub(crate) fn push_undecoded(&mut self, index: u64, bytes: &'a [u8]) {
        let (kind, chain, link) = (EntryType::X509, Vec::new(), None);
        let part = Part { index, submitted: 0, kind, certificate: bytes, chain, link };
        self.parts.push(part);
    }

    /// Returns the entries as records without a log number and a time of sight.
    pub(crate) fn finish(self) -> Vec<Record> {
        let total = self.parts.iter().map(|part| part.certificate.len()).sum();
        let mut buffer = Vec::with_capacity(total);
        for part in &self.parts {
            buffer.extend_from_slice(part.certificate);
        }
        let mut rest = Bytes::from(buffer);
        let record = |part: Part<'_>| Record {
            log: LogNumber::default(),
            index: part.index,
            submitted: part.submitted,
            seen: 0,
            kind: part.kind,
            fingerprint: ct::sha256(part.certificate),
            certificate: rest.split_to(part.certificate.len()),
            chain: part.chain,
            link: part.link.map(Box::new),
            is_new: false,
            is_backfilled: false,
        };
        self.parts.into_iter().map(record).collect()
    }
}
