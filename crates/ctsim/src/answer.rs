//! What is answered, before it becomes an HTTP response.

use bytes::Bytes;
use hyper::StatusCode;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// The value of a `Retry-After` field.
    pub(crate) retry_after: Option<String>,
}

impl Answer {
    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self::ok("application/json", body)
    }

    pub(crate) fn octets(body: impl Into<Bytes>) -> Self {
        Self::ok("application/octet-stream", body)
    }

    pub(crate) fn text(body: impl Into<Bytes>) -> Self {
        Self::ok("text/plain; charset=utf-8", body)
    }

    pub(crate) fn html(body: impl Into<Bytes>) -> Self {
        Self::ok("text/html; charset=utf-8", body)
    }

    pub(crate) fn bad_request(reason: impl Into<Bytes>) -> Self {
        Self::text(reason).with_status(StatusCode::BAD_REQUEST)
    }

    pub(crate) fn not_found(reason: impl Into<Bytes>) -> Self {
        Self::text(reason).with_status(StatusCode::NOT_FOUND)
    }

    pub(crate) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: body.into(), retry_after: None }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}
