//! Reading a log over RFC 6962 (section 4: `get-sth`, `get-entries`).

use std::ops::Range;
use std::sync::Arc;

use ct::entries::{RawEntry, parse_get_entries};
use ct::head::SignedHead;
use ct::leaf::{ExtraData, Leaf, LeafEntry};
use parking_lot::Mutex;

use crate::client::{Client, FetchError};
use crate::entry::{Entry, Issuer};
use crate::issuers::IssuerStore;
use crate::source::{PageBuilder, Source, SourceError, honest_length};
use crate::status::{LogStatus, add};

/// Bound of a `get-entries` body. A page of 256 ordinary entries is 1.5 MB.
const LARGEST_PAGE: usize = 64 * 1024 * 1024;
/// Bound of a `get-sth` body.
const LARGEST_HEAD: usize = 64 * 1024;

/// An RFC 6962 log.
#[derive(Debug)]
pub(crate) struct Rfc6962 {
    status: Arc<LogStatus>,
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
    width: Mutex<Width>,
    tbs_ids: bool,
}

/// Entries asked for at once: half as many after an answer that was too large or too slow, twice as
/// many after a run of answers that were not.
#[derive(Debug)]
struct Width {
    current: u64,
    most: u64,
    answers: u32,
}

/// Answers in a row after which more is asked for again.
const ANSWERS_TO_GROW: u32 = 64;

impl Width {
    fn learn(&mut self, error: Option<&FetchError>) {
        match error {
            Some(error) if error.is_too_much() => {
                *self = Self { current: (self.current / 2).max(1), answers: 0, ..*self };
            }
            Some(_) => {}
            None if self.answers < ANSWERS_TO_GROW => self.answers += 1,
            None => {
                *self = Self { current: (self.current * 2).min(self.most), answers: 0, ..*self };
            }
        }
    }
}

impl Rfc6962 {
    pub(crate) fn new(
        status: Arc<LogStatus>,
        client: Arc<Client>,
        issuers: Arc<IssuerStore>,
        batch_size: u64,
        tbs_ids: bool,
    ) -> Self {
        let most = batch_size.max(1);
        let width = Width { current: most, most, answers: 0 };
        Self { status, client, issuers, width: Mutex::new(width), tbs_ids }
    }

    fn chain(&self, certificates: &[&[u8]]) -> Vec<Arc<Issuer>> {
        let kept = honest_length(certificates.iter().map(|der| der.len()));
        if kept < certificates.len() {
            add(&self.status.counters.cut_chains, 1);
            tracing::warn!(log = self.status.log.name, length = certificates.len(), "chain cut");
        }
        certificates.iter().take(kept).map(|der| self.issuers.intern(der)).collect()
    }

    /// Adds one entry to the page. What cannot be decoded is passed on as it came: every index
    /// of a log reaches the stream.
    fn push<'a>(&self, page: &mut PageBuilder<'a>, index: u64, raw: &'a RawEntry) {
        match decode(raw) {
            Ok((leaf, extra)) => {
                let certificate = match leaf.entry {
                    LeafEntry::X509 { certificate } => certificate,
                    LeafEntry::Precert { tbs, .. } => extra.precertificate.unwrap_or(tbs),
                };
                let chain = self.chain(&extra.chain);
                page.push(index, &leaf, certificate, chain);
            }
            Err(error) => {
                add(&self.status.counters.undecodable, 1);
                let log = &self.status.log.name;
                tracing::warn!(log, index, %error, "entry could not be decoded, passed on as it came");
                page.push_undecoded(index, &raw.leaf_input);
            }
        }
    }
}

fn decode(raw: &RawEntry) -> Result<(Leaf<'_>, ExtraData<'_>), ct::leaf::LeafError> {
    let leaf = Leaf::parse(&raw.leaf_input)?;
    let extra = ExtraData::parse(leaf.entry_type(), &raw.extra_data)?;
    Ok((leaf, extra))
}

impl Source for Rfc6962 {
    fn page_size(&self) -> u64 {
        self.width.lock().current
    }

    async fn head(&self) -> Result<SignedHead, SourceError> {
        let url = format!("{}/ct/v1/get-sth", self.status.log.url);
        let body = self.client.get(&url, LARGEST_HEAD).await?;
        SignedHead::from_sth(&body).map_err(|source| SourceError::Head { url, source })
    }

    async fn entries(&self, range: Range<u64>, _: u64) -> Result<Vec<Entry>, SourceError> {
        let last = range.end.saturating_sub(1);
        let url =
            format!("{}/ct/v1/get-entries?start={}&end={last}", self.status.log.url, range.start);
        let answer = self.client.get(&url, LARGEST_PAGE).await;
        self.width.lock().learn(answer.as_ref().err());
        let body = answer?;
        let raw = match parse_get_entries(&body) {
            Ok(raw) => raw,
            Err(source) => return Err(SourceError::Entries { url, source }),
        };
        let (got, expected) = (raw.len() as u64, range.end - range.start);
        if got == 0 || got > expected {
            return Err(SourceError::Count { url, got, expected });
        }
        let mut page = PageBuilder::new(raw.len(), self.tbs_ids);
        for (index, raw) in (range.start..).zip(&raw) {
            self.push(&mut page, index, raw);
        }
        Ok(page.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_asked_for_after_too_much_and_more_after_a_while() {
        let mut width = Width { current: 256, most: 256, answers: 0 };
        let too_much = FetchError::Timeout { url: String::new() };
        let down = FetchError::Status { url: String::new(), status: 500 };
        width.learn(Some(&too_much));
        width.learn(Some(&too_much));
        width.learn(Some(&down));
        assert_eq!(width.current, 64);
        for _ in 0..=ANSWERS_TO_GROW {
            width.learn(None);
        }
        assert_eq!(width.current, 128);
        for _ in 0..10 {
            width.learn(Some(&too_much));
        }
        assert_eq!(width.current, 1);
        for _ in 0..1000 {
            width.learn(None);
        }
        assert_eq!(width.current, 256);
    }
}
