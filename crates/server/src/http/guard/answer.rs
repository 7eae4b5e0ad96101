//! The answers of the guard: refusals, and the headers with a client's standing.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::rate::{Limit, Standing};

/// The wait before another attempt where all slots are taken; nobody knows when one becomes free.
const SLOT_RETRY: Duration = Duration::from_secs(10);

/// Most requests at once.
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
/// Requests left at once.
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
/// Seconds until the bucket is full again.
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// The tier whose limits these are.
const TIER: HeaderName = HeaderName::from_static("x-ratelimit-tier");

/// The reason why a request is not served (`wire.md` section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The address is not in the allow-list.
    Forbidden,
    /// It is for the operator, and the request may be of somebody else.
    NotTheOperator { reason: &'static str },
    /// There is no token in this header, or a wrong one.
    Unauthorized { header: HeaderName },
    /// It asked too often.
    TooOften { limit: Limit, wait: Duration },
    /// There are too many connections, in all or of this client.
    TooMany,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Forbidden => (StatusCode::FORBIDDEN, "Forbidden").into_response(),
            Self::NotTheOperator { reason } => {
                let text = format!(
                    "Forbidden: {reason}. While auth.enabled is off, this is only for programs on the \
                     server's machine, at http://localhost; with it, for everyone who has a token\n"
                );
                (StatusCode::FORBIDDEN, text).into_response()
            }
            Self::Unauthorized { header } => {
                let challenge = [(WWW_AUTHENTICATE, "Bearer")];
                let how = if header == AUTHORIZATION {
                    "Authorization: Bearer TOKEN".to_owned()
                } else {
                    format!("{header}: TOKEN")
                };
                let text = format!("Unauthorized: a valid token is required; send \"{how}\"");
                (StatusCode::UNAUTHORIZED, challenge, text).into_response()
            }
            Self::TooOften { wait, .. } => {
                let ms = wait.as_nanos().div_ceil(1_000_000).max(1);
                let text = format!("Rate limit exceeded. Retry after {ms}ms");
                too_many(wait, text)
            }
            Self::TooMany => too_many(SLOT_RETRY, "Connection limit exceeded".to_owned()),
        }
    }
}

fn too_many(wait: Duration, text: String) -> Response {
    let mut response = (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    response.headers_mut().insert(RETRY_AFTER, seconds(wait).max(1).into());
    response
}

/// Adds the headers with a client's standing.
pub(super) fn insert_standing(headers: &mut HeaderMap, standing: &Standing) {
    headers.insert(LIMIT, standing.limit.into());
    headers.insert(REMAINING, standing.remaining.into());
    headers.insert(RESET, seconds(standing.reset).into());
    headers.insert(TIER, HeaderValue::from_static(standing.tier.name()));
}

/// Whole seconds, not less than the time.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_status_and_retry_after() {
        let often =
            |ms| Refusal::TooOften { limit: Limit::Bucket, wait: Duration::from_millis(ms) };
        let cases = [
            (Refusal::Forbidden, 403, None),
            (Refusal::NotTheOperator { reason: "it is not" }, 403, None),
            (Refusal::Unauthorized { header: AUTHORIZATION }, 401, None),
            (often(0), 429, Some("1")),
            (often(100), 429, Some("1")),
            (often(1001), 429, Some("2")),
            (Refusal::TooMany, 429, Some("10")),
        ];
        for (refusal, status, retry) in cases {
            let response = refusal.clone().into_response();
            assert_eq!(response.status(), status, "{refusal:?}");
            let told =
                response.headers().get(RETRY_AFTER).map(|value| value.to_str().expect("text"));
            assert_eq!(told, retry, "{refusal:?}");
            let challenge = response.headers().contains_key(WWW_AUTHENTICATE);
            assert_eq!(challenge, status == 401, "{refusal:?}");
        }
    }
}
