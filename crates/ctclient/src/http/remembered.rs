//! Conditional requests: a response that did not change is not sent again.

use bytes::Bytes;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

/// A response for a conditional request (RFC 9110 section 13).
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(super) body: Bytes,
    pub(super) validator: (HeaderName, HeaderValue),
}

impl Remembered {
    /// Keeps a response; `None` if it has no validator.
    pub(super) fn new(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let etag = headers.get(ETAG).map(|tag| (IF_NONE_MATCH, tag.clone()));
        let validator =
            etag.or_else(|| headers.get(LAST_MODIFIED).map(|at| (IF_MODIFIED_SINCE, at.clone())))?;
        // A copy of its own, which holds nothing of the budget.
        Some(Self { body: Bytes::copy_from_slice(body), validator })
    }
}
