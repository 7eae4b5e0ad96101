//! Reading a log over RFC 6962 (section 4): `get-sth`, `get-entries`, and the proofs.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::entries::{RawEntry, parse_get_entries};
use ct::head::{SignedHead, TreeHead};
use ct::leaf::{ExtraData, Leaf, LeafError};
use ct::merkle::{CompactRange, leaf_hash, verify_consistency};
use ct::proofs::{InclusionProof, parse_consistency, parse_entry_and_proof, parse_proof_by_hash};
use ct::{BodyError, Hash};
use parking_lot::Mutex;
use record::Issuer;

use crate::batch::{Batch, Served, own_leaves};
use crate::findings::Findings;
use crate::http::budget::Lease;
use crate::http::client::Client;
use crate::http::error::FetchError;
use crate::http::remembered::Remembered;
use crate::log::Log;
use crate::options::ReadOptions;
use crate::source::error::{Rejected, SourceError};
use crate::source::integrity::LeafMismatch;
use crate::source::issuers::IssuerStore;
use crate::source::page::{PageBuilder, bounded_chain_len, submitted};
use crate::source::paging::Paging;
use crate::source::proofs;
use crate::source::reader::Source;
use crate::tree::contradiction::ServedHead;

/// Bound of a `get-entries` body. A page of 256 ordinary entries is 1.5 MB.
const LARGEST_PAGE: usize = 64 * 1024 * 1024;
/// Bound of a body with one entry, unless that turns out larger. It counts as small, so there is room
/// for it while pages fill the log's share of the budget.
const LARGEST_ENTRY: usize = 1 << 20;
/// Bound of a `get-sth` body, and of bodies with hashes only.
const LARGEST_HEAD: usize = 64 * 1024;

/// An RFC 6962 log.
#[derive(Debug)]
pub(super) struct Rfc6962 {
    log: Arc<Log>,
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
    paging: Mutex<Paging>,
    options: ReadOptions,
    /// The newest head, for conditional requests.
    head: tokio::sync::Mutex<Option<Remembered>>,
    /// The number of the log's responses when the page size was last halved for lateness.
    late_at: Mutex<Option<u64>>,
}

impl Rfc6962 {
    pub(super) fn new(
        log: Arc<Log>,
        client: Arc<Client>,
        issuers: Arc<IssuerStore>,
        options: ReadOptions,
    ) -> Self {
        let paging = Mutex::new(Paging::new(options.batch_size));
        let head = tokio::sync::Mutex::const_new(None);
        Self { log, client, issuers, paging, options, head, late_at: Mutex::default() }
    }

    fn url(&self, call: &str) -> String {
        let base = self.log.api_url.as_ref().unwrap_or(&self.log.url);
        format!("{base}/ct/v1/{call}")
    }

    /// Interns a chain, which is cut if it is longer than any honest one.
    fn chain(
        &self,
        index: u64,
        certificates: &[&[u8]],
        findings: &mut Findings,
    ) -> Vec<Arc<Issuer>> {
        let kept = bounded_chain_len(certificates.iter().map(|der| der.len()));
        if kept < certificates.len() {
            findings.cut_chains.add(index, certificates.len());
        }
        certificates.iter().take(kept).map(|der| self.issuers.intern(der)).collect()
    }

    /// Adds one entry to the page. A whole certificate is delivered whatever the rest of the entry
    /// contains; if nothing can be decoded, the bytes are: every index of a log reaches the stream.
    fn push<'a>(
        &self,
        page: &mut PageBuilder<'a>,
        index: u64,
        raw: &'a RawEntry,
        findings: &mut Findings,
    ) {
        match decode(raw) {
            Ok(Decoded { leaf, extra, error }) => {
                if let Some(error) = error {
                    findings.malformed.add(index, error);
                }
                let certificate = submitted(&leaf.entry, extra.precertificate);
                let chain = self.chain(index, &extra.chain, findings);
                if self.options.verification {
                    let mismatch = LeafMismatch::check(&leaf.entry, extra.precertificate, &chain);
                    findings.add_mismatch(index, mismatch);
                }
                page.push(index, &leaf, certificate, chain);
            }
            Err(error) => {
                findings.undecodable.add(index, error);
                page.push_undecoded(index, &raw.leaf_input);
            }
        }
    }

    async fn get_entries(&self, range: &Range<u64>) -> Result<(String, Bytes, Lease), SourceError> {
        let (start, last) = (range.start, range.end.saturating_sub(1));
        let url = self.url(&format!("get-entries?start={start}&end={last}"));
        let answer = self.client.get_page(&url, LARGEST_PAGE).await;
        let too_much =
            |error: &FetchError| error.is_too_much() || (error.is_late() && self.may_be_size());
        if answer.as_ref().is_err_and(too_much) {
            self.paging.lock().too_much();
        }
        let (body, lease) = answer?;
        Ok((url, body, lease))
    }

    /// Reports whether a response may be late because of its size. While a log does not respond at all,
    /// it is not, and smaller pages would only slow it down afterwards.
    fn may_be_size(&self) -> bool {
        let answers = self.client.answers();
        self.late_at.lock().replace(answers) != Some(answers)
    }

    /// Fetches a response with one entry.
    async fn get_one(&self, url: &str) -> Result<Bytes, FetchError> {
        match self.client.get(url, LARGEST_ENTRY).await {
            Err(FetchError::TooLarge { .. }) => self.client.get(url, LARGEST_PAGE).await,
            answer => answer,
        }
    }

    /// Fetches the leaf hash of entry `index`, and its proof in the tree of `size` entries.
    async fn proof(&self, index: u64, size: u64) -> Result<(String, Hash, Vec<Hash>), SourceError> {
        let url = self.url(&format!("get-entry-and-proof?leaf_index={index}&tree_size={size}"));
        match self.get_one(&url).await {
            Ok(body) => {
                let answer = parse_entry_and_proof(&body);
                let answer = answer.map_err(|source| body_error(&url, source))?;
                Ok((url, leaf_hash(&answer.entry.leaf_input), answer.audit_path))
            }
            // Few clients ask for this, and some logs do not answer it.
            Err(FetchError::Status { .. }) => self.proof_by_hash(index, size).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn proof_by_hash(
        &self,
        index: u64,
        size: u64,
    ) -> Result<(String, Hash, Vec<Hash>), SourceError> {
        let url = self.url(&format!("get-entries?start={index}&end={index}"));
        let body = self.get_one(&url).await?;
        let page = parse_get_entries(&body).map_err(|source| body_error(&url, source))?;
        drop(body);
        let [entry] = &page[..] else {
            return Err(SourceError::Count { url, got: page.len() as u64, expected: 1 });
        };
        let hash = leaf_hash(&entry.leaf_input);
        let escaped = base64_simd::STANDARD.encode_to_string(hash);
        let escaped = escaped.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let url = self.url(&format!("get-proof-by-hash?hash={escaped}&tree_size={size}"));
        let body = self.client.get(&url, LARGEST_HEAD).await?;
        let InclusionProof { leaf_index, audit_path } =
            parse_proof_by_hash(&body).map_err(|source| body_error(&url, source))?;
        if leaf_index != index {
            return Err(SourceError::OtherLeaf { url, found: leaf_index, index });
        }
        Ok((url, hash, audit_path))
    }

    /// Reports whether the log's consistency proof shows the range to be the beginning of the head's.
    async fn is_consistent(
        &self,
        range: &CompactRange,
        head: &TreeHead,
    ) -> Result<bool, SourceError> {
        let (first, second) = (range.size(), head.size);
        let url = self.url(&format!("get-sth-consistency?first={first}&second={second}"));
        let body = match self.client.get(&url, LARGEST_HEAD).await {
            // A log may refuse sizes it has signed no head of.
            Err(FetchError::Status { .. }) => return Ok(false),
            answer => answer?,
        };
        let proof = parse_consistency(&body).map_err(|source| body_error(&url, source))?;
        Ok(verify_consistency(first, &range.root(), second, &head.root, &proof).is_ok())
    }
}

impl Rfc6962 {
    /// Fetches the consistency proof of `range` with the tree under `head`.
    pub(super) async fn consistency(
        &self,
        range: &CompactRange,
        head: &TreeHead,
    ) -> Result<Vec<Hash>, SourceError> {
        let (first, second) = (range.size(), head.size);
        let url = self.url(&format!("get-sth-consistency?first={first}&second={second}"));
        let verified =
            |proof: &[Hash]| verify_consistency(first, &range.root(), second, &head.root, proof);
        match self.client.get(&url, LARGEST_HEAD).await {
            Ok(body) => {
                let proof = parse_consistency(&body).map_err(|source| body_error(&url, source))?;
                if verified(&proof).is_ok() {
                    return Ok(proof);
                }
            }
            // A log may refuse sizes it has signed no head of.
            Err(FetchError::Status { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let (url, _, path) = self.proof(first.saturating_sub(1), second).await?;
        let proof = proofs::consistency_of_inclusion(range, &path);
        match verified(&proof) {
            Ok(()) => Ok(proof),
            Err(error) => Err(SourceError::Proof { url, reason: error.to_string() }),
        }
    }
}

fn body_error(url: &str, source: BodyError) -> SourceError {
    SourceError::Body { url: url.to_owned(), source }
}

/// An entry with a readable leaf.
struct Decoded<'a> {
    leaf: Leaf<'a>,
    extra: ExtraData<'a>,
    /// The error in the rest of the entry.
    error: Option<LeafError>,
}

fn decode(raw: &RawEntry) -> Result<Decoded<'_>, LeafError> {
    let (leaf, rest) = Leaf::parse_front(&raw.leaf_input)?;
    let (mut extra, mut error) = ExtraData::parse_lossy(leaf.entry_type(), &raw.extra_data);
    if !rest.is_empty() {
        let count = rest.len();
        error = Some(LeafError::TrailingBytes { what: "MerkleTreeLeaf", count });
        extra.chain.clear();
    }
    Ok(Decoded { leaf, extra, error })
}

impl Source for Rfc6962 {
    fn page_size(&self) -> u64 {
        self.paging.lock().size()
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        let url = self.url("get-sth");
        let mut known = self.head.lock().await;
        let body = self.client.get_again(&url, LARGEST_HEAD, &mut known).await?;
        let signed = SignedHead::from_sth(&body).map_err(|source| body_error(&url, source))?;
        Ok(ServedHead { signed, body: Bytes::copy_from_slice(&body) })
    }

    async fn entries(&self, range: Range<u64>, _: u64) -> Result<Batch, SourceError> {
        let (url, body, lease) = self.get_entries(&range).await?;
        let raw = match parse_get_entries(&body) {
            Ok(raw) => raw,
            Err(error @ BodyError::Base64 { .. }) => {
                // Fewer entries may be available: in the end all but one.
                self.paging.lock().too_much();
                let (index, reason) = (range.start, error.to_string());
                let answer = Rejected::new(body, None, lease);
                return Err(SourceError::Unreadable { url, index, reason, answer });
            }
            Err(source) => return Err(SourceError::Body { url, source }),
        };
        let (got, expected) = (raw.len() as u64, range.end - range.start);
        if got == 0 || got > expected {
            return Err(SourceError::Count { url, got, expected });
        }
        self.paging.lock().answered(&range, range.start + got);
        // Over the bytes as served, whether or not they can be parsed.
        let leaf_hashes = match self.options.verification {
            true => raw.iter().map(|raw| leaf_hash(&raw.leaf_input)).collect(),
            false => Vec::new(),
        };
        let leaves = match self.options.leaves {
            true => own_leaves(raw.iter().map(|raw| [&raw.leaf_input[..], &[]])),
            false => Vec::new(),
        };
        let mut findings = Findings::default();
        let mut page = PageBuilder::new(raw.len(), self.options.tbs_ids);
        for (index, raw) in (range.start..).zip(&raw) {
            self.push(&mut page, index, raw, &mut findings);
        }
        let served = Some(Served { url, body });
        Ok(Batch { entries: page.finish(), leaf_hashes, leaves, findings, served, lease })
    }

    /// Requests the inclusion proof of the last of these entries, which is enough: the hashes to the
    /// left of its path are the tree of the entries before.
    async fn frontier(&self, size: u64, head: &TreeHead) -> Result<CompactRange, SourceError> {
        let Some(last) = size.checked_sub(1) else { return Ok(CompactRange::new()) };
        let (url, leaf, path) = self.proof(last, head.size).await?;
        CompactRange::from_inclusion_proof(&leaf, last, head.size, &path, &head.root)
            .map_err(|error| SourceError::Proof { url, reason: error.to_string() })
    }

    async fn extends(&self, range: &CompactRange, head: &TreeHead) -> Result<bool, SourceError> {
        if range.size() == 0 || range.size() == head.size {
            return Ok(range.size() == 0 || range.root() == head.root);
        }
        if self.is_consistent(range, head).await? {
            return Ok(true);
        }
        match self.frontier(range.size(), head).await {
            Ok(frontier) => Ok(frontier == *range),
            Err(SourceError::Proof { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn unreadable(&self, index: u64, _: u64) -> Option<Range<u64>> {
        let alone = self.page_size() == 1;
        alone.then(|| index..index.saturating_add(1))
    }
}
