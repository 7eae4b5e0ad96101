//! Responses before their conversion to HTTP.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, RETRY_AFTER};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// One header field more.
    pub(crate) field: Option<(HeaderName, String)>,
    pub(crate) delivery: Delivery,
}

/// The way in which the body is sent to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// The connection breaks in the middle.
    Cut,
    /// In parts, each after this time.
    Dribble(Duration),
    /// There is no answer; the connection is closed.
    Never,
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

    /// No answer at all.
    pub(crate) fn none() -> Self {
        Self::text("").delivered(Delivery::Never)
    }

    pub(crate) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let (status, body, delivery) = (StatusCode::OK, body.into(), Delivery::Whole);
        Self { status, content_type, body, field: None, delivery }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_field(self, name: HeaderName, value: impl Into<String>) -> Self {
        Self { field: Some((name, value.into())), ..self }
    }

    /// With this value of a `Retry-After` field.
    pub(crate) fn retry_after(self, value: impl Into<String>) -> Self {
        self.with_field(RETRY_AFTER, value)
    }

    pub(crate) fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn delivered(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }
}
